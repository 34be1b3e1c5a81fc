// Problems with feature-major keys, and what policies make of their queries.
#pragma once

#include "narrow/narrow_problem.hpp"
#include "support/data.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <vector>

namespace santa::test {

template <class Space, class T>
using FeatureKeysOf = FeatureKeys<T, typename Space::memory_space>;

template <class Space, class T, class Q>
FeatureKeysOf<Space, T> feature_keys(const Problem<Space, T, Q>& problem) {
  const FeatureKeysOf<Space, T> keys(Space{}, problem.shape);
  transpose_keys(Space{}, problem.cache(), keys);
  return keys;
}

template <class Space, class T, class Q, class Keys>
auto feature_cache(const Problem<Space, T, Q>& problem, const Keys& keys, const AnyFeatures& choice) {
  return FeatureCache{problem.cache(), keys, choice};
}

/// Coefficients [batch][heads][dim] and variances [batch][heads] as the library chooses.
struct Chosen {
  std::vector<float> coefficients, variance;
};

template <class Space, class T, class Q, class Cache>
Chosen chosen(const Problem<Space, T, Q>& problem, const Cache& cache, std::uint64_t seed = 1, std::uint32_t step = 0,
              std::uint16_t stream = 0) {
  using Memory = typename Space::memory_space;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Shape& shape = problem.shape;
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> coefficients("test::coefficients", n(shape.batch),
                                                                         n(shape.heads), n(shape.dim));
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> variance("test::variance", n(shape.batch), n(shape.heads));
  choose_features(Space{}, problem.queries(), cache, coefficients,
                  {.seed = seed, .step = step, .stream = stream, .variance = variance});
  const auto flat = [](const auto& view) {
    return to_host<float>(Kokkos::View<float*, Memory>(view.data(), view.size()));
  };
  return {flat(coefficients), flat(variance)};
}

/// Mean and root mean square deviation of the valid keys of a (batch, kv head), feature by feature.
struct Moments {
  std::vector<double> mean, deviation;
};

template <class Space, class T, class Q>
Moments moments(const Problem<Space, T, Q>& problem, std::int64_t b, std::int64_t kv) {
  Moments result;
  const std::int64_t length = problem.lengths[static_cast<std::size_t>(b)];
  for (std::int64_t d = 0; d < problem.shape.dim; ++d) {
    double sum = 0., square = 0.;
    for (std::int64_t i = 0; i < length; ++i) sum += static_cast<double>(problem.key(b, i, kv, d));
    const double mean = length > 0 ? sum / static_cast<double>(length) : 0.;
    for (std::int64_t i = 0; i < length; ++i)
      square += (static_cast<double>(problem.key(b, i, kv, d)) - mean) *
                (static_cast<double>(problem.key(b, i, kv, d)) - mean);
    result.mean.push_back(mean);
    result.deviation.push_back(length > 0 ? std::sqrt(square / static_cast<double>(length)) : 0.);
  }
  return result;
}

}  // namespace santa::test
