// One step of any method on any cache, and its outputs on the host.
#pragma once

#include "support/data.hpp"
#include "support/runner.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa::test {

/// Outputs of one step by a plan of its own.
template <class M, class Space, class T, class Q, class Cache, class Modifier = Identity>
Result run_once(const M& method, const Problem<Space, T, Q>& problem, const Cache& cache,
                const Settings<Space>& settings = {}, const PlanOptions& options = {}, const Modifier& modifier = {}) {
  using Memory = typename Space::memory_space;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Shape& shape = problem.shape;
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("test::out", n(shape.batch), n(shape.heads),
                                                                n(shape.dim));
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse("test::lse", n(shape.batch), n(shape.heads));
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> error("test::error", n(shape.batch), n(shape.heads));
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("test::statistics", n(shape.batch),
                                                                           n(shape.kv_heads));
  Kokkos::View<float*, Memory> sinks;
  if (!settings.sinks.empty()) sinks = to_space<Space>(settings.sinks, "test::sinks");
  const DecodePlan plan(Space{}, method, shape, cache_of<Cache>, options, modifier);
  plan.run(Space{}, problem.queries(), cache, out,
           {.seed = settings.seed,
            .step = settings.step,
            .sinks = sinks,
            .lse = lse,
            .error = error,
            .statistics = statistics,
            .state = settings.state});
  const auto flat = [](const auto& view) {
    using V = typename std::decay_t<decltype(view)>::value_type;
    return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
  };
  return {flat(out), flat(lse), flat(error), flat(statistics)};
}

}  // namespace santa::test
