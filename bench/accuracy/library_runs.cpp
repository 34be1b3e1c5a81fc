#include "accuracy/library_runs.hpp"

#include "accuracy/match_rows.hpp"
#include <santa/decode/plan.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <variant>

namespace santa::accuracy {
namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;
using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;
using Rows = Kokkos::View<const bfloat16****, Kokkos::LayoutStride, Memory, Unmanaged>;
using Vectors = Kokkos::View<const float***, Kokkos::LayoutStride, Memory, Unmanaged>;

constexpr int settling_runs = 3;
constexpr int calibration_seeds = 16;

/// The same rows for all requests: a batch stride of 0.
Rows shared_rows(const bfloat16* data, const GroupProblem& group, int seeds) {
  const std::size_t dim = size(group.dim);
  return Rows(data, Kokkos::LayoutStride(size(seeds), 0, size(group.length), dim, 1, dim, dim, 1));
}

Vectors shared_vectors(const float* data, std::int64_t count, std::int64_t dim, int seeds) {
  return Vectors(data, Kokkos::LayoutStride(size(seeds), 0, size(count), size(dim), size(dim), 1));
}

template <Method M>
GroupOutcome run(const GroupProblem& group, const M& method, bool with_center, int seeds) {
  const Space space;
  const Shape shape{seeds, group.heads, 1, group.length, group.dim};
  const DecodePlan<Space, M> plan(space, method, shape, {.scale = group.scale});
  const ContiguousCache cache{shared_rows(group.keys.data(), group, seeds),
                              shared_rows(group.values.data(), group, seeds)};
  const Vectors query = shared_vectors(group.query.data(), group.heads, group.dim, seeds);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("santa::accuracy::out", size(seeds), size(group.heads),
                                                                size(group.dim));
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("santa::accuracy::statistics", size(seeds),
                                                                           1);
  RunOptions<Memory> options;
  options.stream = static_cast<std::uint16_t>(group.layer);
  options.seed = static_cast<std::uint64_t>(group.kv_head);
  options.statistics = statistics;
  if (with_center) options.center = shared_vectors(group.mean.data(), 1, group.dim, seeds);
  if constexpr (std::is_same_v<M, MassUnit>) {
    options.state = DecodeState<Memory>(space, shape);
    for (std::uint32_t step = 1; step <= settling_runs; ++step) {
      options.step = step;
      plan.run(space, query, cache, out, options);
    }
  }
  options.step = 0;
  plan.run(space, query, cache, out, options);
  space.fence("santa::accuracy::run");
  GroupOutcome result;
  for (int s = 0; s < seeds; ++s) result.rows += static_cast<double>(statistics(size(s), 0).rows_read) / seeds;
  result.heads = outcomes_of(std::span(out.data(), out.size()), group.exact, group.heads);
  return result;
}

}  // namespace

GroupOutcome run_library(const GroupProblem& group, const example::MethodEntry& method, double parameter, int seeds) {
  example::Budget budget;
  budget.rows = std::max(1., parameter);  // below 1 it would be a share
  budget.samples = std::llround(parameter);
  GroupOutcome outcome =
      std::visit([&](const auto& chosen) { return run(group, chosen, method.has_center, seeds); }, method.make(budget));
  outcome.parameter = parameter;
  return outcome;
}

std::optional<GroupOutcome> run_library_at(const GroupProblem& group, const example::MethodEntry& method, double rows,
                                           int seeds) {
  const example::AnyMethod any = method.make(example::Budget{});
  const bool samples = example::samples_of(any).has_value();
  const auto all = static_cast<double>(group.length);
  // Samples that cover the length read every row: that is no draw. No head of a group needs more rows than the union.
  const double low = samples ? static_cast<double>(example::fewest_samples(any, group.length)) : 1.;
  const double high = samples ? all - 1. : std::min(all - 1., 2. * rows);
  const auto rows_of = [&](double parameter) {
    return run_library(group, method, parameter, std::min(seeds, calibration_seeds)).rows;
  };
  const auto parameter = match_rows(rows, low, high, samples, rows_of);
  if (!parameter) return std::nullopt;
  return run_library(group, method, *parameter, seeds);
}

}  // namespace santa::accuracy
