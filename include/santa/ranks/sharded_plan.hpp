// ShardedPlan: decode attention over a cache whose keys are shared out over ranks.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/cache/contiguous.hpp>
#include <santa/core/check.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shard.hpp>
#include <santa/core/ticket.hpp>
#include <santa/decode/merge_attention.hpp>
#include <santa/decode/method_traits.hpp>
#include <santa/decode/plan.hpp>
#include <santa/decode/plan_shape.hpp>
#include <santa/decode/shard_recipe.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/merge/attention_states.hpp>
#include <santa/ranks/communicator.hpp>
#include <santa/ranks/shared_words.hpp>
#include <santa/ranks/tickets.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace santa {

/// Decode attention over keys that lie on several ranks, each in a cache of its own: the draws, random numbers,
/// budgets, carried state, error bars and statistics of one cache that has them all. Made of a DecodePlan with
/// PlanOptions::shard, on all ranks, in the same order; `run` gives each rank the outputs of the whole.
///
/// Shards:    rank r's keys follow those of rank r - 1; shard.first_row says where they begin, a multiple of 32 keys,
///            of the page size and of the `tile` that a method draws in. Shards cut anywhere draw the same rows.
/// Parts:     each rank merges its keys in `parts` parts, of equally many keys each, before they are exchanged: 1,
///            unless `out` is to have the same bits on any number of ranks. Parts merge in order, so it does where they
///            are the same parts: 12 on one rank, 6 each on two, 4 on three; on devices with a keys_per_split. A part
///            that is one split (keys_per_split) is what a plan of the whole merges: `out` has its bits.
/// Exchanges: one, of 12 + dim to 16 + dim floats and 32 bytes a head and part. Before it one more of a first step of
///            MassUnit, 2.3 thousand floats a head, and of a steered one, 256; of rules that draw by points, 8 bytes
///            for each 32 keys of the whole and head.
/// Memory:    allocated here, once; what a rank needs for rules that draw by points is for all keys of the whole.
/// Errors:    those of DecodePlan; RankError where ranks disagree, as the communicator says.
template <class Plan>
class ShardedPlan;

template <class Space, Method M, class Cache, ScoreModifier Modifier, class Kernels>
class ShardedPlan<DecodePlan<Space, M, Cache, Modifier, Kernels>> {
 public:
  using Plan = DecodePlan<Space, M, Cache, Modifier, Kernels>;
  using MemorySpace = typename Space::memory_space;
  using Run = RunOptions<MemorySpace>;

  /// Called by all ranks, whose shards have to follow each other without gaps, by plans that are alike. Fences.
  template <Communicator<Space> Ranks, class Build = lanes::Build>
  ShardedPlan(const Space& space, const Ranks& ranks, const Plan& plan, std::int64_t parts = 1)
      : _plan(plan), _size(ranks.size()), _rank(ranks.rank()), _parts(parts) {
    const auto& a = _plan._arguments;
    if (!a.sharded) detail::reject("the plan", "one of a whole", "one with PlanOptions::shard");
    detail::require(parts >= 1 && parts <= 65536, "parts", parts, "1 to 65536");
    if (detail::Recipe<M>::looks_ahead) detail::require_at_tile(a.shard.first_row, detail::draw_tile_of(a));
    _ticket = detail::ticket_of_plan(a, _plan._method, parts, _size);
    require_that_shards_follow(space, ranks);
    _states = States(space, _plan._shape, _size * parts, true);
    _keys_per_part = (_plan._shape.length + parts - 1) / parts;
    constexpr std::int64_t whole = detail::split_keys;
    _keys_per_part = std::max((_keys_per_part + whole - 1) / whole * whole, whole);
    const std::int64_t words = detail::most_shared_words<M>(a);
    _words = detail::allocate<Words, detail::Fresh::unset>(space, "santa::shared_words", std::int64_t{_size}, words);
  }

  [[nodiscard]] const Plan& plan() const { return _plan; }
  [[nodiscard]] const Shape& shape() const { return _plan._shape; }
  /// What a rank sends in a step, for so many requests: of states, and before them, of a first step or a later one.
  [[nodiscard]] std::size_t bytes_of_states(std::int64_t batch) const {
    const Shape& shape = _plan._shape;
    return static_cast<std::size_t>(_parts * batch * shape.query_rows() * States::floats_of_head(shape)) *
           sizeof(float);
  }

  /// Decodes one step, on all ranks. Outputs are those of the whole, on each rank, wherever there is a view for them.
  /// `cache` has the keys of the shard, and its own lengths, those of the keys that are here. `whole_lengths` [batch],
  /// int32 or int64 in memory of the rows, are those of the whole, the same on all ranks; none: the whole is full.
  /// Neither allocates nor fences, but for what the communicator does, and can be captured where that can.
  /// Errors: std::invalid_argument before anything is launched; RankError. Ranks that were told other seeds, steps or
  /// lengths in device memory, or whose keys are not as many as the lengths of the whole say, give NaN and
  /// Statistics::shards_disagree.
  template <Communicator<Space> Ranks, class QueryView, class AnyCache, class OutView, class WholeLengths = NoLengths,
            class Build = lanes::Build>
  void run(const Space& space, const Ranks& ranks, const QueryView& query, const AnyCache& cache, const OutView& out,
           const Run& options = {}, const WholeLengths& whole_lengths = {}) const {
    detail::check_types<Space, typename Plan::Addresses, QueryView, AnyCache, OutView>();
    lanes::require_launchable(space);
    _kept.require("ShardedPlan");
    require_same_ranks(ranks);
    Arguments outputs = _plan.template bind<Build>(query, cache, options);
    detail::bind_out(outputs, _plan._shape, detail::array_of("out", out), out.data(),
                     element_type_of<typename OutView::value_type>);
    note_whole(outputs, whole_lengths);
    const bool first_step = options.state.is_fresh();
    outputs.shard.ticket = detail::ticket_of_run(_ticket, outputs, options, first_step);
    Arguments own = outputs;  // outputs are the whole's alone
    own.lse = own.error = {};
    own.statistics = {};
    own.sinks = nullptr;
    const Kokkos::Profiling::ScopedRegion region("santa::sharded_decode");
    _plan.template launch<Build>(space, own, cache, options, [&](const auto& context) {
      step(space, ranks, context, first_step);
      merge<std::remove_cvref_t<decltype(context)>::State::rescored>(space, outputs, first_step);
    });
  }

 private:
  using Arguments = typename Plan::Arguments;
  using States = AttentionStates<MemorySpace>;
  using Words = Kokkos::View<std::uint32_t**, Kokkos::LayoutRight, MemorySpace>;  // [ranks][words]

  /// What is here of a step, to the states of all ranks.
  template <class Ranks, class Context>
  void step(const Space& space, const Ranks& ranks, Context context, bool first_step) const {
    Arguments& a = context.arguments;
    const std::int64_t begin = a.shard.first_row, end = begin + _plan._shape.length;
    a.shard.begin = begin;
    a.shard.end = end;
    if (_parts > 1) {  // each is cut by its own keys: by how many a rank has, it would be another elsewhere
      a.balance = {};
      detail::note_balance(a, _plan._cut, _plan._shape.batch);
    }
    const detail::SharedWords words = detail::ShardRecipe<M>::shared(a, first_step);
    if (words.all() > 0) {
      detail::clear_words(space, words);
      detail::ShardRecipe<M>::score(space, context, first_step);
      exchange(space, ranks, words, a.shard.ticket);
      detail::ShardRecipe<M>::settle(space, context, first_step);
    }
    float* const states = _states.data().data();
    const std::int64_t floats = part_floats(a.batch);
    for (std::int64_t part = 0; part < _parts; ++part) {
      a.shard.begin = std::min(begin + part * _keys_per_part, end);
      a.shard.end = part + 1 < _parts ? std::min(a.shard.begin + _keys_per_part, end) : end;
      detail::draw_part_of_shard<M>(space, context, first_step, states + (_rank * _parts + part) * floats);
    }
    ranks.all_gather(space, states, static_cast<std::size_t>(_parts * floats) * sizeof(float), a.shard.ticket);
  }

  template <class Ranks>
  void exchange(const Space& space, const Ranks& ranks, const detail::SharedWords& words, std::uint64_t ticket) const {
    std::uint32_t* const all = _words.data();
    detail::pack_words(space, words, all + _rank * words.all());
    ranks.all_gather(space, all, static_cast<std::size_t>(words.all()) * sizeof(std::uint32_t), ticket);
    detail::unpack_words(space, words, all, _size);
  }

  template <bool rescored>
  void merge(const Space& space, Arguments outputs, bool first_step) const {
    if constexpr (requires { detail::Recipe<M>::prepare(outputs, first_step); })
      detail::Recipe<M>::prepare(outputs, first_step);
    detail::MergePartsKernel<Space, Arguments, rescored> kernel{{outputs}};
    kernel.arguments.parts = _states.data().data();
    kernel.arguments.part_stride = part_floats(outputs.batch);
    kernel.arguments.part_count = static_cast<std::int32_t>(_size * _parts);
    detail::launch_merge(space, kernel);
  }

  /// Of a part, for so many requests.
  [[nodiscard]] std::int64_t part_floats(std::int64_t batch) const {
    return batch * _plan._shape.query_rows() * States::floats_of_head(_plan._shape);
  }

  template <class WholeLengths>
  void note_whole(Arguments& a, const WholeLengths& lengths) const {
    using Length = typename WholeLengths::non_const_value_type;
    static_assert(Kokkos::is_view_v<WholeLengths> && WholeLengths::rank() == 1 &&
                      (std::is_same_v<Length, std::int32_t> || std::is_same_v<Length, std::int64_t>),
                  "santa::ShardedPlan::run: whole_lengths must be a view of rank 1 and hold int32 or int64");
    static_assert(std::is_same_v<WholeLengths, NoLengths> ||
                      Kokkos::SpaceAccessibility<Space, typename WholeLengths::memory_space>::accessible,
                  "santa::ShardedPlan::run: whole_lengths must be accessible from the execution space");
    if (lengths.data() == nullptr) return;
    const auto given = static_cast<std::int64_t>(lengths.extent(0));
    detail::require(given >= a.batch, "whole_lengths.extent(0)", given,
                    "the batch (" + std::to_string(a.batch) + ") or more");
    if (given > 1)
      detail::require(lengths.stride(0) == 1, "whole_lengths.stride(0)", static_cast<std::int64_t>(lengths.stride(0)),
                      "1");
    a.shard.lengths = {lengths.data(), sizeof(Length) == 8};
  }

  template <class Ranks>
  void require_same_ranks(const Ranks& ranks) const {
    detail::require(ranks.size() == _size && ranks.rank() == _rank, "ranks.rank()", ranks.rank(),
                    "the plan's " + std::to_string(_rank) + " of " + std::to_string(_size));
  }

  /// Errors: RankError on all ranks where one's keys do not begin where those of the rank before end.
  template <class Ranks>
  void require_that_shards_follow(const Space& space, const Ranks& ranks) const {
    const auto& a = _plan._arguments;
    detail::require_shards_follow(space, ranks, {a.shard.first_row, _plan._shape.length, a.shard.storage, _ticket});
  }

  Plan _plan;
  int _size, _rank;
  std::int64_t _parts;
  std::int64_t _keys_per_part = 0;
  std::uint64_t _ticket = 0;
  States _states;
  Words _words;
  detail::Kept _kept;
};

template <class Space, class Ranks, class Plan>
ShardedPlan(const Space&, const Ranks&, const Plan&) -> ShardedPlan<Plan>;
template <class Space, class Ranks, class Plan>
ShardedPlan(const Space&, const Ranks&, const Plan&, std::int64_t) -> ShardedPlan<Plan>;

}  // namespace santa
