// ShardedDraw: rows drawn by log-weights that are shared out over ranks.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/ticket.hpp>
#include <santa/decode/method_traits.hpp>
#include <santa/decode/shard_recipe.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/ranks/shard_list.hpp>
#include <santa/ranks/shared_words.hpp>
#include <santa/ranks/tickets.hpp>
#include <santa/rows/draw_rows.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/row_teams.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace santa {

/// Draws rows as DrawPlan does, from log-weights of which each rank has some: the rows, and their weights, that one
/// plan with all of them draws. Made of a DrawPlan with a Shard, on all ranks, whose rows follow each other; a shard
/// begins at a multiple of 32 rows, or of the `tile` that a method draws in. Each rank lists its own rows, numbered
/// from its first. Sums over all ranks: RankSums. Exchanges: one, of 48 bytes a vector and rank. Before it, of
/// MassUnit 2.3 thousand floats a vector, of rules that draw
///            by points 8 bytes for each 32 rows of the whole; of doubles 8 bytes a vector first, for the largest.
/// Errors:    those of DrawPlan; RankError where ranks disagree, as the communicator says. Vectors whose ranks were
///            told other seeds or steps in device memory get weights and a log-sum that are NaN.
template <class Plan>
class ShardedDraw;

template <class Space, Method M>
class ShardedDraw<DrawPlan<Space, M>> {
 public:
  using Plan = DrawPlan<Space, M>;
  using MemorySpace = typename Space::memory_space;
  using Options = DrawOptions<MemorySpace>;

  /// Called by all ranks. Fences.
  template <Communicator<Space> Ranks, class Build = lanes::Build>
  ShardedDraw(const Space& space, const Ranks& ranks, const Plan& plan)
      : _plan(plan), _size(ranks.size()), _rank(ranks.rank()) {
    const auto& a = _plan._arguments;
    if (!a.sharded) detail::reject("the plan", "one of a whole", "one with a Shard");
    if (detail::Recipe<M>::looks_ahead) detail::require_at_tile(a.shard.first_row, detail::draw_tile_of(a));
    const std::uint64_t ticket = detail::ticket_of_plan(a, _plan._method, 1, _size);
    _ticket = detail::mixed(ticket, static_cast<std::uint64_t>(a.batch));
    detail::require_shards_follow(space, ranks, {a.shard.first_row, a.storage, a.shard.storage, _ticket});
    const std::int64_t words = detail::most_shared_words<M>(a);
    _words = detail::allocate<Words, detail::Fresh::unset>(space, "santa::shared_words", std::int64_t{_size}, words);
    _totals = detail::allocate<Totals, detail::Fresh::unset>(space, "santa::shard_totals", std::int64_t{_size},
                                                             std::int64_t{a.batch});
    _largest = detail::allocate<Largest, detail::Fresh::unset>(space, "santa::largest", std::int64_t{_size},
                                                               std::int64_t{a.batch});
  }

  /// Draws, on all ranks. Shapes: those of DrawPlan::run, of the plan's own extents. Neither allocates nor fences, but
  /// for what the communicator does.
  template <Communicator<Space> Ranks, class LogWeights, class Build = lanes::Build>
  void run(const Space& space, const Ranks& ranks, const LogWeights& log_weights, const DrawnRows<MemorySpace>& drawn,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("ShardedDraw");
    detail::require(ranks.size() == _size && ranks.rank() == _rank, "ranks.rank()", ranks.rank(),
                    "the plan's " + std::to_string(_rank) + " of " + std::to_string(_size));
    auto context = _plan.template bind<Build>(log_weights, drawn, options, _plan._arguments);
    auto& a = context.arguments;
    detail::require(a.batch == _plan._arguments.batch && a.storage == _plan._arguments.storage, "rows", a.storage,
                    "the plan's " + std::to_string(_plan._arguments.storage) + ", and its batch");
    if (a.batch == 0) return;
    std::uint64_t ticket = detail::mixed(_ticket, a.chance.stream);
    if (options.seed.where() == nullptr) ticket = detail::mixed(ticket, options.seed.value("seed"));
    if (options.step.where() == nullptr) ticket = detail::mixed(ticket, options.step.value("step"));
    a.shard.ticket = ticket;
    a.keeps_states = true;
    const Kokkos::Profiling::ScopedRegion region("santa::sharded_rows");
    draw(space, ranks, context, Plan::pointers(drawn, options));
  }

 private:
  using Words = Kokkos::View<std::uint32_t**, Kokkos::LayoutRight, MemorySpace>;        // [ranks][words]
  using Totals = Kokkos::View<detail::ShardTotal**, Kokkos::LayoutRight, MemorySpace>;  // [ranks][batch]
  using Largest = Kokkos::View<double**, Kokkos::LayoutRight, MemorySpace>;             // [ranks][batch]

  template <class Ranks, class Context>
  void draw(const Space& space, const Ranks& ranks, const Context& context, const detail::ListPointers& list) const {
    const auto& a = context.arguments;
    const detail::RowTeams<Space> teams{space};
    if constexpr (decltype(context.stages)::of_doubles) exchange_largest(space, ranks, context);
    const detail::SharedWords words = detail::ShardRecipe<M>::shared(a, true);
    if (words.all() > 0) {
      detail::clear_words(space, words);
      detail::ShardRecipe<M>::score(teams, context, true);
      detail::pack_words(space, words, _words.data() + _rank * words.all());
      ranks.all_gather(space, _words.data(), static_cast<std::size_t>(words.all()) * sizeof(std::uint32_t),
                       a.shard.ticket);
      detail::unpack_words(space, words, _words.data(), _size);
      detail::ShardRecipe<M>::settle(teams, context, true);
    }
    detail::ShardRecipe<M>::draw(teams, context, true);
    detail::ShardTotal* const totals = _totals.data();
    detail::launch("santa::totals", teams, std::int64_t{a.batch},
                   detail::TotalKernel<Context>(context, totals + std::int64_t{_rank} * a.batch));
    ranks.all_gather(space, totals, static_cast<std::size_t>(a.batch) * sizeof(detail::ShardTotal), a.shard.ticket);
    detail::launch("santa::list", teams, detail::all_units(a),
                   detail::ShardListKernel<Context>(context, list, totals, _size));
  }

  template <class Ranks, class Context>
  void exchange_largest(const Space& space, const Ranks& ranks, const Context& context) const {
    const auto& a = context.arguments;
    const detail::RowTeams<Space> teams{space};
    double* const all = _largest.data();
    double* const own = context.stages.from.largest;
    detail::launch("santa::largest", teams, detail::all_units(a), detail::LargestKernel<Context>(context));
    detail::pack_largest(space, own, a.splits, a.batch, all + std::int64_t{_rank} * a.batch);
    ranks.all_gather(space, all, static_cast<std::size_t>(a.batch) * sizeof(double), a.shard.ticket);
    detail::unpack_largest(space, all, _size, a.splits, a.batch, own);
  }

  Plan _plan;
  int _size, _rank;
  std::uint64_t _ticket = 0;
  Words _words;
  Totals _totals;
  Largest _largest;
  detail::Kept _kept;
};

template <class Space, class Ranks, class Plan>
ShardedDraw(const Space&, const Ranks&, const Plan&) -> ShardedDraw<Plan>;

}  // namespace santa
