// Kernels that are compiled several times, for different processors: tables by which those of one build find the same
// of another.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/decode/methods.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/score/any_stage.hpp>
#include <santa/score/cache_stages.hpp>
#include <santa/score/modifiers.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <span>

namespace santa::detail {

/// Runs a method, given a space, a context whose layout is that of this build's own, and how the context's stages are
/// made by this build; or by the context's own functions where that is null.
using RunCompiled = void(const void* space, const void* context, const StageFunctions* stage, bool first_step);

struct MethodEntry {
  RunCompiled* run;
  std::size_t context_bytes;
};

/// What a build has compiled, in the order of kernel_list.hpp.
struct KernelTable {
  std::span<const MethodEntry> methods;
  std::span<const StageFunctions> stages;
};

}  // namespace santa::detail

namespace santa::detail::inline SANTA_BUILD {

template <bool rescored, class Method>
using CompiledContext = HostContext<typename Recipe<Method>::Arguments, rescored>;

/// Addresses, modifiers and arguments are plain data, the same in all builds: a context is taken over as it lies.
template <bool rescored, class Method>
void run_compiled(const void* space, const void* context, const StageFunctions* stage, bool first_step) {
  auto own = *static_cast<const CompiledContext<rescored, Method>*>(context);
  if (stage != nullptr) own.stages.use(*stage);
  Recipe<Method>::run(*static_cast<const Kokkos::DefaultHostExecutionSpace*>(space), own, first_step);
}

template <bool rescored, class Method>
constexpr MethodEntry method_entry() {
  return {run_compiled<rescored, Method>, sizeof(CompiledContext<rescored, Method>)};
}
template <bool rescored, class Addresses>
StageFunctions stage_entry() {
  using Stages = CacheStages<Kokkos::DefaultHostExecutionSpace, Addresses, Identity>;
  return AnyStages<rescored>::template functions_of<HostExtents, Stages>();
}

}  // namespace santa::detail::inline SANTA_BUILD
