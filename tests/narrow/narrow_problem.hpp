// Problems with narrow keys, and what these stand for.
#pragma once

#include "support/data.hpp"
#include "support/run_once.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <vector>

namespace santa::test {

template <class Space, class Code>
using NarrowKeysOf = NarrowKeys<Code, typename Space::memory_space>;

/// Narrow keys of a problem, calibrated and encoded.
template <class Code, class Space, class T, class Q>
NarrowKeysOf<Space, Code> narrow_keys(const Problem<Space, T, Q>& problem,
                                      CacheLayout layout = CacheLayout::token_major) {
  const NarrowKeysOf<Space, Code> narrow(Space{}, problem.shape, layout);
  calibrate(Space{}, problem.cache(), narrow);
  encode_keys(Space{}, problem.cache(), narrow);
  return narrow;
}

/// Keys as models have them: channels of very different means and widths.
template <class Space, class T, class Q>
void spread_channels(Problem<Space, T, Q>& problem) {
  const Shape& shape = problem.shape;
  for (std::int64_t d = 0; d < shape.dim; ++d) {
    const float width = d % 7 == 3 ? 6.F : 0.5F;
    const float mean = d % 5 == 0 ? 4.F : -0.25F;
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      for (std::int64_t h = 0; h < shape.heads; ++h) problem.query(b, h, d) /= width;
      for (std::int64_t i = 0; i < shape.length; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          problem.key(b, i, kv, d) = problem.key(b, i, kv, d) * width + mean;
    }
  }
}

/// What narrow keys stand for: the problem with the keys center + spread * scale * code.
template <class Space, class T, class Q, class Code>
Problem<Space, T, Q> decoded(const Problem<Space, T, Q>& problem, const NarrowKeysOf<Space, Code>& narrow) {
  const auto host = [](const auto& view) { return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view); };
  const auto codes = host(narrow.codes);
  const auto scales = host(narrow.scales);
  const auto center = host(narrow.center), spread = host(narrow.spread);
  Problem<Space, T, Q> result = problem;
  const Shape& shape = problem.shape;
  std::vector<float> row(static_cast<std::size_t>(shape.dim));
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
      for (std::int64_t i = 0; i < problem.lengths[static_cast<std::size_t>(b)]; ++i) {
        const Code* code = narrow.layout == CacheLayout::token_major ? &codes(b, i, kv, 0) : &codes(b, kv, i, 0);
        santa::detail::read_features(code, 0, static_cast<int>(shape.dim), row.data());
        for (std::int64_t d = 0; d < shape.dim; ++d)
          result.key(b, i, kv, d) = center(b, kv, d) + spread(b, kv, d) * static_cast<float>(scales(b, kv, i)) *
                                                           row[static_cast<std::size_t>(d)];
      }
  return result;
}

}  // namespace santa::test
