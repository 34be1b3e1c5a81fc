// The one-call form.
#pragma once

#include <santa/core/check.hpp>
#include <santa/decode/plan.hpp>
#include <santa/decode/validate.hpp>
#include <santa/decode/validate_pages.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// Decodes one step: makes a plan, validates, runs. Allocates and fences; for more than one step, keep a DecodePlan.
/// Shapes and errors: as DecodePlan::run and `validate`.
template <class Space, Method M, class QueryView, class Cache, class OutView, class Build = lanes::Build>
void decode(const Space& space, const M& method, const QueryView& query, const Cache& cache, const OutView& out,
            const RunOptions<typename Space::memory_space>& options = {}, const PlanOptions& plan_options = {}) {
  const DecodePlan plan(space, method, query, cache, plan_options);
  validate(space, cache);
  plan.run(space, query, cache, out, options);
  space.fence("santa::decode");  // the plan's memory goes with it
}

}  // namespace santa
