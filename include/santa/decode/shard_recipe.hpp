// How a method runs on a shard of a whole: what it needs of the other shards, and when.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/methods.hpp>
#include <santa/sample/mass_unit/shard_kernels.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What shards exchange before they draw: words of one or two arrays that all of them have, each word made by one
/// shard.
struct SharedWords {
  std::uint32_t* array[2] = {nullptr, nullptr};
  std::int64_t count[2] = {0, 0};

  [[nodiscard]] std::int64_t all() const { return count[0] + count[1]; }
};
/// What a word is that another shard makes: no mass, and as a float -infinity, no score.
inline constexpr std::uint32_t others_word = 0xFF800000U;

/// A method's recipe in three steps, for a shard. By default nothing is exchanged: tiles are drawn from by themselves.
///   shared(a, first_step)            what is exchanged, after `score` and before `settle`; called on the host
///   score(space, context, first)     makes this shard's words
///   settle(space, context, first)    what the words of all say, the same on all ranks
///   draw(space, context, first)      draws from the shard's keys, or a part of them
template <class M>
struct ShardRecipe {
  template <class Arguments>
  static SharedWords shared(const Arguments& /*a*/, bool /*first_step*/) {
    return {};
  }
  template <class Space, class Context>
  static void score(const Space& /*space*/, const Context& /*context*/, bool /*first_step*/) {}
  template <class Space, class Context>
  static void settle(const Space& /*space*/, const Context& /*context*/, bool /*first_step*/) {}
  template <class Space, class Context>
  static void draw(const Space& space, const Context& context, bool first_step) {
    Recipe<M>::run(space, context, first_step);
  }
};

/// MassUnit: a first step's subset, and a steered one's panel.
template <Draws draws>
struct ShardRecipe<MassUnitOf<draws>> {
  using Whole = Recipe<MassUnitOf<draws>>;

  static SharedWords shared(MassUnitArguments a, bool first_step) {
    Whole::prepare(a, first_step);
    const std::int64_t rows = a.slice_rows() * a.slice_heads;
    return {{reinterpret_cast<std::uint32_t*>(a.subset), reinterpret_cast<std::uint32_t*>(a.panel)},
            {first_step ? rows * Subset::capacity(a.tiles) : 0, a.steered ? rows * Panel::keys : 0}};
  }
  template <class Space, class Context>
  static void score(const Space& space, Context context, bool first_step) {
    Whole::prepare(context.arguments, first_step);
    const ShardSubsetKernel<Context> subset(context);
    launch("santa::subset", space, subset.units(), subset);
  }
  template <class Space, class Context>
  static void settle(const Space& space, Context context, bool first_step) {
    using Keyless = KeylessOf<Context>;
    constexpr int heads = Context::Group::max_heads;
    Whole::prepare(context.arguments, first_step);
    const std::int64_t rows = context.arguments.slice_rows();
    if (context.arguments.steered)
      launch("santa::panel", space, rows, PanelKernel<Keyless, draws, heads>(keyless(context)));
    if (first_step) launch("santa::delta", space, rows, DeltaKernel<Keyless, draws, heads>(keyless(context)));
  }
  template <class Space, class Context>
  static void draw(const Space& space, Context context, bool first_step) {
    Whole::prepare(context.arguments, first_step);
    sweep<Whole::template Rule>("santa::mass_unit", space, context);
  }
};

/// Rules that draw by points: the masses of tiles, by which each finds where it lies in the whole.
template <class M, template <class> class Rule>
struct PointShardRecipe {
  static SharedWords shared(const PointArguments& a, bool /*first_step*/) {
    const std::int64_t tiles = a.head_rows() * a.tile_stride();
    return {{reinterpret_cast<std::uint32_t*>(a.tile_reference), a.tile_mass}, {tiles, tiles}};
  }
  template <class Space, class Context>
  static void score(const Space& space, const Context& context, bool /*first_step*/) {
    launch_takers("santa::score", space, most_units(context.arguments), ScoreKernel<Context>(context));
  }
  template <class Space, class Context>
  static void settle(const Space& space, const Context& context, bool /*first_step*/) {
    launch("santa::prefix", space, all_heads(context.arguments), PrefixKernel<KeylessOf<Context>>(keyless(context)));
  }
  template <class Space, class Context>
  static void draw(const Space& space, const Context& context, bool /*first_step*/) {
    sweep<Rule, true>("santa::draw_points", space, context);
  }

 protected:
  template <class Work, class Space, class Context>
  static void for_each_head(const char* label, const Space& space, const Context& context) {
    launch(label, space, context.arguments.slice_rows(), HeadKernel<KeylessOf<Context>, Work>(keyless(context)));
  }
};

template <>
struct ShardRecipe<Systematic> : PointShardRecipe<Systematic, SystematicRule> {};
template <>
struct ShardRecipe<Stratified> : PointShardRecipe<Stratified, StratifiedRule> {};
template <>
struct ShardRecipe<Multinomial> : PointShardRecipe<Multinomial, MultinomialRule> {
  template <class Space, class Context>
  static void settle(const Space& space, const Context& context, bool first_step) {
    for_each_head<DrawCells>("santa::cells", space, context);
    PointShardRecipe::settle(space, context, first_step);
  }
};
template <>
struct ShardRecipe<ProportionalTileBudget> : PointShardRecipe<ProportionalTileBudget, ProportionalRule> {
  template <class Space, class Context>
  static void settle(const Space& space, const Context& context, bool first_step) {
    PointShardRecipe::settle(space, context, first_step);
    for_each_head<ShareSamples>("santa::tile_budgets", space, context);
  }
};

/// Keeps the states of a shard's heads in `part`, to be merged with those of the others.
template <class Method, class Space, class Context>
void draw_part_of_shard(const Space& space, Context context, bool first_step, float* part) {
  context.arguments.keeps_states = true;
  ShardRecipe<Method>::draw(space, context, first_step);
  if constexpr (requires { Recipe<Method>::prepare(context.arguments, first_step); })
    Recipe<Method>::prepare(context.arguments, first_step);
  launch("santa::part", space, all_heads(context.arguments),
         PartKernel<KeylessOf<Context>, Context::State::rescored>(keyless(context), part));
}

}  // namespace santa::detail::inline SANTA_BUILD
