// How each method is put together from kernels.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/decode/delta_kernel.hpp>
#include <santa/decode/score_kernel.hpp>
#include <santa/decode/sweep_kernel.hpp>
#include <santa/decode/workspace.hpp>
#include <santa/lanes/group.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/systematic.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <string>

namespace santa::detail {

template <class Group>
using JointRule = MassUnitRule<Group, Draws::joint>;
template <class Group>
using SeparateRule = MassUnitRule<Group, Draws::separate>;

/// Launches a kernel over `units` units. Kernels are small enough to be passed by value at launch: a larger one would
/// go through a staging buffer, which synchronises and which a captured graph would replay with stale arguments.
template <class Space, class Kernel>
void launch(const char* label, const Space& space, std::int64_t units, const Kernel& kernel) {
  static_assert(sizeof(Kernel) <= 512, "santa::launch: kernels must stay under 512 bytes");
  if (units == 0) return;
  const Arguments& a = kernel.arguments;
  const auto policy = lanes::Seam<Space>::template policy<typename Kernel::Extents>(
      space, units, Kernel::scratch_floats(a.slice_heads, a.dim));
  Kokkos::parallel_for(
      label, Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight), kernel);
}

/// A method's recipe: what it needs and how it runs. Specialised for each method; that makes a type a method.
template <class Method>
struct Recipe;

template <>
struct Recipe<Exact> {
  static constexpr const char* name = "Exact";
  static WorkspaceNeeds needs() { return {}; }
  static Budget budget(const Exact& /*method*/) { return {}; }

  template <class Space, class Context>
  static void run(const Space& space, const Exact& /*method*/, const Context& context) {
    launch("santa::exact", space, all_units(context.arguments), SweepKernel<Context, ExactRule, false>(context));
  }
};

template <>
struct Recipe<MassUnit> {
  static constexpr const char* name = "MassUnit";
  static WorkspaceNeeds needs() { return {.deltas = true}; }
  static Budget budget(const MassUnit& method) { return {method.rows.rows, method.rows.share, 0}; }

  template <class Space, class Context>
  static void run(const Space& space, const MassUnit& method, const Context& context) {
    if (method.draws == Draws::joint)
      run<Draws::joint, JointRule>(space, context);
    else
      run<Draws::separate, SeparateRule>(space, context);
  }

 private:
  template <Draws draws, template <class> class Rule, class Space, class Context>
  static void run(const Space& space, const Context& context) {
    launch("santa::delta", space, slice_rows(context.arguments), DeltaKernel<Context, draws>(context));
    launch("santa::mass_unit", space, all_units(context.arguments), SweepKernel<Context, Rule, false>(context));
  }
};

template <>
struct Recipe<Systematic> {
  static constexpr const char* name = "Systematic";
  static WorkspaceNeeds needs() { return {.scores = true}; }
  static Budget budget(const Systematic& method) { return {0., 0., method.samples}; }

  template <class Space, class Context>
  static void run(const Space& space, const Systematic& /*method*/, const Context& context) {
    const std::int64_t units = all_units(context.arguments);
    launch("santa::score", space, units, ScoreKernel<Context>(context));
    launch("santa::systematic", space, units, SweepKernel<Context, SystematicRule, true, true>(context));
  }
};

}  // namespace santa::detail

namespace santa {

/// A way to decode: Exact, MassUnit, Systematic.
template <class T>
concept Method = requires(const T method) {
  method.check();
  detail::Recipe<T>::needs();
};

}  // namespace santa
