// How each method is put together from kernels.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/decode/launch.hpp>
#include <santa/decode/merge_kernel.hpp>
#include <santa/decode/part_kernel.hpp>
#include <santa/decode/sweep_kernel.hpp>
#include <santa/lanes/group.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/fixed_tile_budget.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/mass_unit/carry.hpp>
#include <santa/sample/mass_unit/delta_kernel.hpp>
#include <santa/sample/mass_unit/subset_kernel.hpp>
#include <santa/sample/points/head_kernel.hpp>
#include <santa/sample/points/multinomial.hpp>
#include <santa/sample/points/proportional_tile_budget.hpp>
#include <santa/sample/points/score_kernel.hpp>
#include <santa/sample/points/stratified.hpp>
#include <santa/sample/points/systematic.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

/// Launches the main kernel of a method, and the one that merges where many groups share that.
template <template <class> class Rule, bool stored_scores = false, class Space, class Context>
void sweep(const char* label, const Space& space, const Context& context) {
  launch_takers(label, space, most_units(context.arguments), SweepKernel<Context, Rule, stored_scores>(context));
  if constexpr (lanes::Seam<typename Context::Space>::many_groups)
    if (most_states(context.arguments) > context.arguments.most_merged && !context.arguments.keeps_states) {
      launch_takers("santa::merge", space, all_heads(context.arguments),
                    MergeKernel<KeylessOf<Context>, Context::State::rescored>(keyless(context)));
    }
}

/// A method's recipe: what its kernels are given besides the common, and how it runs; `first_step` where nothing can
/// have been carried from a step before. Specialised for each method; that makes a type a method.
///   name                           for people
///   Arguments                      of kernels, with the memory that they need
///   looks_ahead                    whether groups need room for a tile of the rule's own
///   takes_all (if true)            whether every row is taken, so that nothing is queued
///   draws_jointly (if true)        whether kernels without error bars draw for all heads at once
///   set(arguments, method, length) notes what the method says, for a plan of so many keys
///   prepare(arguments, first_step) if what kernels are given depends on that, as `run` has it
///   run(space, context, first_step)
///   rows_read(method, length)      how many value rows, in words
template <class Method>
struct Recipe;

template <>
struct Recipe<Exact> {
  static constexpr const char* name = "Exact";
  using Arguments = detail::Arguments;
  static constexpr bool takes_all = true;
  static constexpr bool looks_ahead = false;

  static void set(Arguments& /*a*/, const Exact& /*method*/, std::int64_t /*length*/) {}
  static std::string rows_read(const Exact& /*method*/, std::int64_t /*length*/) { return "all"; }

  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    if constexpr (requires { requires Context::Stage::attends; })
      sweep<ExactRule>("santa::exact", space, context.lean());
    else
      sweep<ExactRule>("santa::exact", space, context);
  }
};

template <Draws draws>
struct Recipe<MassUnitOf<draws>> {
  static constexpr const char* name = "MassUnit";
  using Arguments = MassUnitArguments;
  template <class Group>
  using Rule = MassUnitRule<Group, draws>;
  static constexpr bool draws_jointly = draws == Draws::joint;
  static constexpr bool looks_ahead = false;

  static void set(Arguments& a, const MassUnitOf<draws>& method, std::int64_t length) {
    const RowBudget& rows = method.rows;
    a.rows = rows.is_share ? 0. : rows.number;
    a.share = rows.is_share ? rows.number : 0.;
    a.target_error = static_cast<float>(method.target_error);
    a.separate = draws == Draws::separate;
    a.steered = method.steered || method.target_error > 0.;
    a.tiles = (length + tile_keys - 1) / tile_keys;
  }
  static std::string rows_read(const MassUnitOf<draws>& method, std::int64_t length) {
    if (method.target_error > 0.)
      return "as many as an error of " + std::to_string(method.target_error) + " takes of the";
    const double rows = method.rows.of(length);
    if (rows >= static_cast<double>(length)) return "all";
    return "about " + std::to_string(static_cast<std::int64_t>(rows)) + " a kv head of the";
  }

  /// What kernels are told of the steps before.
  static void prepare(Arguments& a, bool first_step) {
    a.carried = !first_step;
    a.steered = a.steered && a.state != nullptr;
    if (!first_step && !a.steered) a.log_delta = nullptr;  // carried
  }
  template <class Space, class Context>
  static void run(const Space& space, Context context, bool first_step) {
    Arguments& a = context.arguments;
    prepare(a, first_step);
    if (first_step || a.steered) score_subset(space, context, first_step);
    if (first_step) {
      launch("santa::delta", space, a.slice_rows(),
             DeltaKernel<KeylessOf<Context>, draws, Context::Group::max_heads>(keyless(context)));
    }
    if constexpr (draws_jointly && in_products<Context>)
      if (!a.with_spread) return sweep<Rule>("santa::mass_unit", space, context.joint());
    sweep<Rule>("santa::mass_unit", space, context);
  }

 private:
  template <class Space, class Context>
  static void score_subset(const Space& space, const Context& context, bool first_step) {
    if constexpr (draws_jointly && scores_jointly<Context>()) {
      if (first_step) return score_subset(space, context.joint(), first_step);  // more groups a team
      score_subset(space, context.wide(), first_step);                          // a panel alone: one such team each
    } else {
      const SubsetKernel<Context, draws> subset(context);
      launch("santa::subset", space, subset.units(), subset);
    }
  }
};

/// What the rules have in common that score in a first pass and draw `samples` points a head in a second.
template <class M>
struct PointRecipe {
  using Arguments = PointArguments;
  static constexpr bool looks_ahead = false;

  static void set(Arguments& a, const M& method, std::int64_t length) {
    a.samples = a.equal_draws = method.samples;
    a.tiles = (length + tile_keys - 1) / tile_keys;
  }
  static std::string rows_read(const M& method, std::int64_t /*length*/) {
    return "at most " + std::to_string(method.samples) + " a query head of the";
  }

 protected:
  template <class Space, class Context>
  static void score(const Space& space, const Context& context) {
    launch_takers("santa::score", space, most_units(context.arguments), ScoreKernel<Context>(context));
    if constexpr (lanes::Seam<typename Context::Space>::many_groups) {
      launch("santa::prefix", space, all_heads(context.arguments), PrefixKernel<KeylessOf<Context>>(keyless(context)));
    }
  }
  template <class Work, class Space, class Context>
  static void for_each_head(const char* label, const Space& space, const Context& context) {
    launch(label, space, context.arguments.slice_rows(), HeadKernel<KeylessOf<Context>, Work>(keyless(context)));
  }
};

template <>
struct Recipe<Systematic> : PointRecipe<Systematic> {
  static constexpr const char* name = "Systematic";
  static constexpr bool draws_jointly = true;

  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    with_runs(space, context, [&](const auto& scoring, const auto& drawing) {
      score(space, scoring);
      sweep<SystematicRule, true>("santa::systematic", space, drawing);
    });
  }
};

template <>
struct Recipe<Stratified> : PointRecipe<Stratified> {
  static constexpr const char* name = "Stratified";

  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    score(space, context);
    sweep<StratifiedRule, true>("santa::stratified", space, context);
  }
};

template <>
struct Recipe<Multinomial> : PointRecipe<Multinomial> {
  static constexpr const char* name = "Multinomial";

  static void set(Arguments& a, const Multinomial& method, std::int64_t length) {
    PointRecipe::set(a, method, length);
    if (method.samples < length) a.points_of_head = cell_entries(method.samples);  // else they are not drawn
  }
  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    for_each_head<DrawCells>("santa::cells", space, context);
    score(space, context);
    sweep<MultinomialRule, true>("santa::multinomial", space, context);
  }
};

template <>
struct Recipe<ProportionalTileBudget> : PointRecipe<ProportionalTileBudget> {
  static constexpr const char* name = "ProportionalTileBudget";
  static constexpr bool draws_jointly = true;

  static void set(Arguments& a, const ProportionalTileBudget& method, std::int64_t length) {
    PointRecipe::set(a, method, length);
    a.draw_tile = method.tile;
    a.points_of_head = a.tiles;
  }
  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    with_runs(space, context, [&](const auto& scoring, const auto& drawing) {
      score(space, scoring);
      for_each_head<ShareSamples>("santa::tile_budgets", space, drawing);
      sweep<ProportionalRule, true>("santa::proportional", space, drawing);
    });
  }
};

template <>
struct Recipe<FixedTileBudget> {
  static constexpr const char* name = "FixedTileBudget";
  using Arguments = FixedTileArguments;
  static constexpr bool looks_ahead = true;

  /// Samples that cover the plan's length give every tile as many as it has keys.
  static void set(Arguments& a, const FixedTileBudget& method, std::int64_t length) {
    method.check(length);
    a.draw_tile = method.tile;
    a.draw_tiles = method.tiles(length);
    a.samples = method.samples >= length ? a.draw_tiles * method.tile : method.samples;
  }
  static std::string rows_read(const FixedTileBudget& method, std::int64_t /*length*/) {
    return "at most " + std::to_string(method.samples) + " a query head of the";
  }

  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    sweep<FixedTileRule>("santa::fixed_tile_budget", space, context.roomy());
  }
};

/// Runs a method: a function of its own, so that a program may have it compiled elsewhere (see kernels/).
template <class Method, class Space, class Context>
void run_method(const Space& space, const Context& context, bool first_step) {
  Recipe<Method>::run(space, context, first_step);
}

/// Runs a method and keeps the states of its heads in `part`, in the place of outputs.
template <class Method, class Space, class Context>
void run_part(const Space& space, Context context, bool first_step, float* part) {
  context.arguments.keeps_states = true;
  run_method<Method>(space, context, first_step);
  if constexpr (requires { Recipe<Method>::prepare(context.arguments, first_step); })
    Recipe<Method>::prepare(context.arguments, first_step);
  launch("santa::part", space, all_heads(context.arguments),
         PartKernel<KeylessOf<Context>, Context::State::rescored>(keyless(context), part));
}

}  // namespace santa::detail::inline SANTA_BUILD

namespace santa {
/// A way to decode: Exact, MassUnit, Systematic, Stratified, Multinomial, FixedTileBudget, ProportionalTileBudget.
template <class T>
concept Method = requires(const T method, typename detail::Recipe<T>::Arguments& arguments) {
  method.check();
  detail::Recipe<T>::set(arguments, method, std::int64_t{});
};

}  // namespace santa
