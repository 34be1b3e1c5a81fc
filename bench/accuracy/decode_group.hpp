// A group decoded by the library with many seeds. For the files that instantiate it.
#pragma once

#include "accuracy/group_problem.hpp"
#include "accuracy/outcome.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/decode/plan.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <span>
#include <utility>

namespace santa::accuracy {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;
using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;
using Rows = Kokkos::View<const bfloat16****, Kokkos::LayoutStride, Memory, Unmanaged>;
using Vectors = Kokkos::View<const float***, Kokkos::LayoutStride, Memory, Unmanaged>;

inline constexpr int settling_runs = 3;

/// The same vectors for all requests: a batch stride of 0.
inline Vectors shared_vectors(const float* data, std::int64_t count, std::int64_t dim, std::int64_t batch) {
  return Vectors(data, Kokkos::LayoutStride(size(batch), 0, size(count), size(dim), size(dim), 1));
}

/// The group's keys and values as the cache of `batch` requests, which share them.
inline ContiguousCache<Rows> shared_cache(const GroupProblem& group, std::int64_t batch) {
  const auto rows = [&](const bfloat16* data) {
    const std::size_t dim = size(group.dim);
    return Rows(data, Kokkos::LayoutStride(size(batch), 0, size(group.length), dim, 1, dim, dim, 1));
  };
  return {rows(group.keys.data()), rows(group.values.data())};
}

/// Decodes the group with `seeds` seeds, a multiple of the cache's batch: its requests differ in their draws alone. A
/// method with a state decodes the same query three times before, so that its delta has settled.
template <Method M, class Cache>
GroupOutcome decode_group(const GroupProblem& group, const M& method, const Cache& cache, bool with_center, int seeds) {
  const Space space;
  const std::int64_t batch = cache.shape().batch;
  const Vectors query = shared_vectors(group.query.data(), group.heads, group.dim, batch);
  const DecodePlan plan(space, method, query, cache, {.scale = group.scale});
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("santa::accuracy::out", size(seeds), size(group.heads),
                                                                size(group.dim));
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("santa::accuracy::statistics", size(seeds),
                                                                           1);
  RunOptions<Memory> options;
  options.stream = static_cast<std::uint16_t>(group.layer);
  if (with_center) options.center = shared_vectors(group.mean.data(), 1, group.dim, batch);
  const auto run = [&](std::int64_t first, std::uint32_t step) {
    const std::pair<std::int64_t, std::int64_t> requests(first, first + batch);
    options.seed = static_cast<std::uint64_t>(group.kv_head) | static_cast<std::uint64_t>(first) << 32;
    options.step = step;
    options.statistics = Kokkos::subview(statistics, requests, Kokkos::ALL);
    plan.run(space, query, cache, Kokkos::subview(out, requests, Kokkos::ALL, Kokkos::ALL), options);
  };
  if constexpr (requires { M::draws; }) {  // MassUnit's state, in any form
    options.state = DecodeState<Memory>(space, plan.shape());
    for (std::uint32_t step = 1; step <= settling_runs; ++step) run(0, step);
  }
  for (std::int64_t first = 0; first < seeds; first += batch) run(first, 0);
  space.fence("santa::accuracy::run");
  GroupOutcome result;
  for (int s = 0; s < seeds; ++s) result.rows += static_cast<double>(statistics(size(s), 0).rows_read) / seeds;
  result.heads = outcomes_of(std::span(out.data(), out.size()), group.exact, group.heads);
  return result;
}

}  // namespace santa::accuracy
