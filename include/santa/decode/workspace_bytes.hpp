// How many bytes a plan takes, before there is one.
#pragma once

#include <santa/core/shape.hpp>
#include <santa/decode/options.hpp>
#include <santa/decode/plan.hpp>
#include <santa/decode/workspace_memory.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/score/modifiers.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>

namespace santa {

/// The bytes that the plan with these arguments works in: what it would allocate, or is to be given as
/// PlanOptions::workspace. Allocates nothing. Errors: those of the plan.
template <class Space, Method M, class Cache, ScoreModifier Modifier = Identity, class Kernels = KernelSet<>,
          class Build = lanes::Build>
[[nodiscard]] std::size_t workspace_bytes(const Space& space, const M& method, const Shape& shape, CacheOf<Cache> cache,
                                          PlanOptions options = {}, const Modifier& modifier = {},
                                          Kernels kernels = {}) {
  options.workspace = WorkspaceMemory::counted();
  return DecodePlan(space, method, shape, cache, options, modifier, kernels).workspace_bytes();
}

}  // namespace santa
