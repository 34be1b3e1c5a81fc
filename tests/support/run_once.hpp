// One step of any method on any cache, and its outputs on the host.
#pragma once

#include "support/data.hpp"
#include "support/outputs.hpp"
#include "support/runner.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

namespace santa::test {

/// Outputs of one step by a plan of its own.
template <class M, class Space, class T, class Q, class Cache, class Modifier = Identity>
Result run_once(const M& method, const Problem<Space, T, Q>& problem, const Cache& cache,
                const Settings<Space>& settings = {}, const PlanOptions& options = {}, const Modifier& modifier = {}) {
  const Outputs<Space> to(problem.shape);
  const DecodePlan plan(Space{}, method, problem.shape, cache_of<Cache>, options, modifier);
  plan.run(Space{}, problem.queries(), cache, to.out, options_of(to, settings));
  return to.result();
}

}  // namespace santa::test
