// How each method is put together from kernels.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/decode/delta_kernel.hpp>
#include <santa/decode/head_kernel.hpp>
#include <santa/decode/merge_kernel.hpp>
#include <santa/decode/score_kernel.hpp>
#include <santa/decode/sweep_kernel.hpp>
#include <santa/decode/workspace.hpp>
#include <santa/lanes/group.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/fixed_tile_budget.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/multinomial.hpp>
#include <santa/sample/proportional_tile_budget.hpp>
#include <santa/sample/stratified.hpp>
#include <santa/sample/systematic.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

/// Launches a kernel over `units` units. Kernels are small enough to be passed by value at launch: a larger one would
/// go through a staging buffer, which synchronises and which a captured graph would replay with stale arguments. Kokkos
/// does so from 512 bytes on, but for launches that ask to be light-weight, from 4 KiB on; those of narrow keys need
/// that.
template <class Space, class Kernel>
void launch(const char* label, const Space& space, std::int64_t units, const Kernel& kernel) {
  static_assert(sizeof(Kernel) <= 704, "santa::launch: kernels must stay small enough to be passed by value");
  if (units == 0) return;
  const Arguments& a = kernel.arguments;
  const auto policy = lanes::Seam<Space>::template policy<typename Kernel::Extents>(
      space, units, kernel.scratch_floats(a.slice_heads, a.dim));
  Kokkos::parallel_for(
      label, Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight), kernel);
}

/// Launches the main kernel of a method, and the one that merges where the plan has one.
template <template <class> class Rule, bool stored_scores = false, bool multinomial_error = false, class Space,
          class Context>
void sweep(const char* label, const Space& space, const Context& context) {
  launch(label, space, all_units(context.arguments),
         SweepKernel<Context, Rule, stored_scores, multinomial_error>(context));
  if constexpr (lanes::Seam<typename Context::Space>::many_groups)
    if (context.arguments.merges_apart)
      launch("santa::merge", space, all_heads(context.arguments), MergeKernel<Context, multinomial_error>(context));
}

/// A method's recipe: what it needs and how it runs; `first_step` where nothing can have been carried from a step
/// before. Specialised for each method; that makes a type a method.
template <class Method>
struct Recipe;

template <>
struct Recipe<Exact> {
  static constexpr const char* name = "Exact";
  static WorkspaceNeeds needs() { return {}; }
  static Budget budget(const Exact& /*method*/, std::int64_t /*length*/) { return {}; }

  template <class Space, class Context>
  static void run(const Space& space, const Exact& /*method*/, const Context& context, bool /*first_step*/) {
    sweep<ExactRule>("santa::exact", space, context);
  }
};

template <Draws draws>
struct Recipe<MassUnitOf<draws>> {
  template <class Group>
  using Rule = MassUnitRule<Group, draws>;

  static constexpr const char* name = "MassUnit";
  static WorkspaceNeeds needs() { return {.deltas = true}; }
  static Budget budget(const MassUnitOf<draws>& method, std::int64_t /*length*/) {
    const RowBudget& rows = method.rows;
    return {.rows = rows.is_share ? 0. : rows.number,
            .share = rows.is_share ? rows.number : 0.,
            .target_error = static_cast<float>(method.target_error)};
  }

  template <class Space, class Context>
  static void run(const Space& space, const MassUnitOf<draws>& method, Context context, bool first_step) {
    Arguments& a = context.arguments;
    a.steered = a.state != nullptr && (method.steered || method.target_error > 0.);
    a.carried = !first_step;
    a.separate = draws == Draws::separate;
    if (first_step || a.steered) {
      const SubsetKernel<Context, draws> subset(context);
      launch("santa::subset", space, subset.units(), subset);
    } else {
      a.work.log_delta = nullptr;  // carried
    }
    if (first_step) launch("santa::delta", space, slice_rows(a), DeltaKernel<Context, draws>(context));
    sweep<Rule>("santa::mass_unit", space, context);
  }
};

/// What the rules have in common that score in a first pass and draw `samples` points a head in a second.
struct PointRecipe {
  template <class M>
  static Budget budget(const M& method, std::int64_t /*length*/) {
    return {.samples = method.samples};
  }

  template <class Space, class Context>
  static void score(const Space& space, const Context& context) {
    launch("santa::score", space, all_units(context.arguments), ScoreKernel<Context>(context));
    if constexpr (lanes::Seam<typename Context::Space>::many_groups)
      launch("santa::prefix", space, all_heads(context.arguments), PrefixKernel<Context>(context));
  }
  template <class Work, class Space, class Context>
  static void for_each_head(const char* label, const Space& space, const Context& context) {
    launch(label, space, slice_rows(context.arguments), HeadKernel<Context, Work>(context));
  }
};

template <>
struct Recipe<Systematic> : PointRecipe {
  static constexpr const char* name = "Systematic";
  static WorkspaceNeeds needs() { return {.scores = true}; }

  template <class Space, class Context>
  static void run(const Space& space, const Systematic& /*method*/, const Context& context, bool /*first_step*/) {
    score(space, context);
    sweep<SystematicRule, true, true>("santa::systematic", space, context);
  }
};

template <>
struct Recipe<Stratified> : PointRecipe {
  static constexpr const char* name = "Stratified";
  static WorkspaceNeeds needs() { return {.scores = true}; }

  template <class Space, class Context>
  static void run(const Space& space, const Stratified& /*method*/, const Context& context, bool /*first_step*/) {
    score(space, context);
    sweep<StratifiedRule, true, true>("santa::stratified", space, context);
  }
};

template <>
struct Recipe<Multinomial> : PointRecipe {
  static constexpr const char* name = "Multinomial";
  static WorkspaceNeeds needs() { return {.scores = true, .cells = true}; }

  template <class Space, class Context>
  static void run(const Space& space, const Multinomial& /*method*/, const Context& context, bool /*first_step*/) {
    for_each_head<DrawCells>("santa::cells", space, context);
    score(space, context);
    sweep<MultinomialRule, true, true>("santa::multinomial", space, context);
  }
};

template <>
struct Recipe<ProportionalTileBudget> : PointRecipe {
  static constexpr const char* name = "ProportionalTileBudget";
  static WorkspaceNeeds needs() { return {.scores = true, .budgets = true}; }
  static Budget budget(const ProportionalTileBudget& method, std::int64_t /*length*/) {
    return {.samples = method.samples, .tile = method.tile};
  }

  template <class Space, class Context>
  static void run(const Space& space, const ProportionalTileBudget& /*method*/, const Context& context,
                  bool /*first_step*/) {
    score(space, context);
    for_each_head<ShareSamples>("santa::tile_budgets", space, context);
    sweep<ProportionalRule, true, true>("santa::proportional", space, context);
  }
};

template <>
struct Recipe<FixedTileBudget> {
  static constexpr const char* name = "FixedTileBudget";
  static WorkspaceNeeds needs() { return {.room = true}; }
  /// Samples that cover the plan's length give every tile as many as it has keys.
  static Budget budget(const FixedTileBudget& method, std::int64_t length) {
    method.check(length);
    const std::int64_t tiles = method.tiles(length);
    const std::int64_t samples = method.samples >= length ? tiles * method.tile : method.samples;
    return {.samples = samples, .tile = method.tile};
  }

  template <class Space, class Context>
  static void run(const Space& space, const FixedTileBudget& /*method*/, const Context& context, bool /*first_step*/) {
    sweep<FixedTileRule>("santa::fixed_tile_budget", space, context.roomy());
  }
};

}  // namespace santa::detail::inline SANTA_BUILD

namespace santa {
/// A way to decode: Exact, MassUnit, Systematic, Stratified, Multinomial, FixedTileBudget, ProportionalTileBudget.
template <class T>
concept Method = requires(const T method) {
  method.check();
  detail::Recipe<T>::needs();
};

}  // namespace santa
