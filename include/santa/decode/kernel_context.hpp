// What the kernels of a decode step have in common.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/gather/group_state.hpp>
#include <santa/lanes/group.hpp>
#include <santa/score/sources.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// What the kernels of one method share: where data lies, how it is scored, and the group that works on it.
template <class ExecutionSpace, class Addresses, class Modifier, class KernelExtents>
struct KernelContext {
  using Space = ExecutionSpace;
  using Extents = KernelExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  using Tile = lanes::TileOf<Space, typename Addresses::Element, Extents, typename Addresses::ScoredElement,
                             Addresses::rescored>;
  using Rows = decltype(std::declval<const Addresses&>().values(0, 0));
  using ScoredRows = decltype(std::declval<const Addresses&>().scored(0, 0));
  using Keys = KeyScores<Group, Tile, ScoredRows, Modifier>;
  using State = GroupState<Group, Tile, Rows, DrawnKeys<Rows, Modifier, Addresses::rescored>>;

  Arguments arguments;
  Addresses addresses;
  Modifier modifier;

  /// The same for a kernel whose groups need more scratch.
  [[nodiscard]] auto roomy() const {
    return KernelContext<Space, Addresses, Modifier, lanes::Roomy<Extents>>{arguments, addresses, modifier};
  }

  [[nodiscard]] KOKKOS_FUNCTION Unit unit(std::int64_t rank) const { return unit_of(arguments, modifier, rank); }
  /// The first unit of a slice row, for kernels that have one unit each.
  [[nodiscard]] KOKKOS_FUNCTION Unit whole_unit(std::int64_t row) const {
    return whole_unit_of(arguments, modifier, row);
  }
  /// Calls f(first unit of its slice row, head) for the `rank`-th of all heads, for kernels that have a team for each,
  /// unless its slice has fewer.
  template <class F>
  KOKKOS_FUNCTION void for_head(std::int64_t rank, F&& f) const {
    auto row = static_cast<std::uint32_t>(rank);
    const std::int32_t head = take_digit(row, arguments.slice_heads);
    const Unit unit = whole_unit(row);
    if (head < unit.heads) f(unit, head);
  }

  template <class Member>
  [[nodiscard]] KOKKOS_FUNCTION float* scratch(const Group& group, const Member& member) const {
    return group.template scratch<float>(member, scratch_floats(arguments.slice_heads, arguments.dim));
  }

  /// Where the scratch of a group begins: after what the team shares.
  [[nodiscard]] KOKKOS_FUNCTION float* group_scratch(const Group& group, float* scratch) const {
    const Arguments& a = arguments;
    return scratch + Tile::shared_floats(a.slice_heads, a.dim) + group.rank() * group_floats(a.slice_heads, a.dim);
  }
  [[nodiscard]] KOKKOS_FUNCTION float* queue_scratch(const Group& group, float* scratch) const {
    return group_scratch(group, scratch) + Tile::scratch_floats(arguments.slice_heads, arguments.dim);
  }

  /// Room in which the groups of a team exchange a few numbers for each head while nothing is drawn: the queues'.
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t* exchange(float* scratch) const {
    const Arguments& a = arguments;
    return reinterpret_cast<std::uint64_t*>(scratch + Tile::shared_floats(a.slice_heads, a.dim) +
                                            Tile::scratch_floats(a.slice_heads, a.dim));
  }

  /// The tile products of a unit; uses the team's scratch and the front of the group's.
  [[nodiscard]] KOKKOS_FUNCTION Tile tile(const Group& group, float* scratch, const Unit& unit) const {
    return Tile(group, scratch, group_scratch(group, scratch), unit.heads, arguments.dim);
  }
  /// Has it take the unit's queries, by all groups of the team; `meanwhile` may be called while they are on their way.
  template <class Meanwhile>
  KOKKOS_FORCEINLINE_FUNCTION void take_queries(Tile& tile, const Unit& unit, const Meanwhile& meanwhile) const {
    const Arguments& a = arguments;
    const QueryRows query{a.query, unit.batch * a.query_stride[0] + unit.first_head * a.query_stride[1],
                          a.query_stride[1]};
    const ScoredRows rows = addresses.scored(unit.batch, unit.kv_head);
    if constexpr (PieceRows<ScoredRows>) {
      tile.begin(rows, query, a.score_factor, meanwhile);
    } else if constexpr (requires { rows.spread; }) {
      tile.begin(FoldedQueryRows{query, rows.center, rows.spread}, a.score_factor, meanwhile);
    } else if constexpr (requires { addresses.choice; }) {
      const ChosenQueryRows<decltype(addresses.choice)> chosen{query,          addresses.choice,    rows.mean,
                                                               rows.deviation, stream_key(a, unit), unit.kv_head};
      tile.begin(chosen, a.score_factor, meanwhile);
    } else {
      tile.begin(query, a.score_factor, meanwhile);
    }
  }

  [[nodiscard]] KOKKOS_FUNCTION Keys keys(const Group& group, Tile& tile, const Unit& unit) const {
    const ScoredRows rows = addresses.scored(unit.batch, unit.kv_head);
    if constexpr (!requires { Tile::reads_ahead; }) {
      return {group, tile, rows, rows, 0, modifier, unit};
    } else {
      const std::int64_t next = unit_rank(arguments, unit.batch, unit.split, unit.kv_head, unit.slice) + 1;
      const Unit after = this->unit(next < all_units(arguments) ? next : 0);
      return {group, tile, rows, addresses.scored(after.batch, after.kv_head), after.begin, modifier, unit};
    }
  }

  /// The running state of a group that draws rows of a unit.
  [[nodiscard]] KOKKOS_FUNCTION State state(const Group& group, Tile& tile, float* scratch, const Unit& unit) const {
    const auto keys = addresses.keys(unit.batch, unit.kv_head);
    return State(group, tile, addresses.values(unit.batch, unit.kv_head), {keys, modifier},
                 queue_scratch(group, scratch), arguments, unit);
  }

  /// Scratch of one lane group, in floats: whole vectors.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t group_floats(int heads, int dim) const {
    const bool with_spread = arguments.with_spread;
    return (Tile::scratch_floats(heads, dim) + static_cast<std::size_t>(State::scratch_words(heads, with_spread)) +
            31) /
           32 * 32;
  }
  /// The state of a group.
  KOKKOS_FUNCTION static std::size_t group_state_floats(int heads, int dim) {
    return static_cast<std::size_t>(heads) * static_cast<std::size_t>(state_floats(dim));
  }
  /// Scratch of a team: what its groups work with, and afterwards a state of each of them.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    constexpr std::size_t groups = Group::groups_per_team;
    const std::size_t working = Tile::shared_floats(heads, dim) + groups * group_floats(heads, dim);
    const std::size_t merging = groups * (group_state_floats(heads, dim) + sizeof(UnitCounts) / sizeof(float));
    return groups > 1 && merging > working ? merging : working;
  }

  /// Calls f(unit) for every slice of a kv head, once all units of the kv head have arrived: by the group of the last
  /// one, which sees what the others wrote.
  template <class F>
  KOKKOS_FUNCTION void when_all_arrived(const Group& group, const Unit& unit, F&& f) const {
    const Arguments& a = arguments;
    std::int32_t& arrived = a.work.arrived[static_cast<std::int64_t>(unit.batch) * a.kv_heads + unit.kv_head];
    if (!group.last_of(arrived, a.splits * a.slices)) return;
    for (std::int32_t slice = 0; slice < a.slices; ++slice)  // by rank: fewer registers are kept for it
      f(this->unit(unit_rank(a, unit.batch, 0, unit.kv_head, slice)));
  }
};

/// Calls f(first key) for the tiles of the unit that are this group's: every one of a host, each n-th of a team's.
template <class Group, class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_tile(const Group& group, const Unit& unit, F&& f) {
  constexpr int turn = Group::groups_per_team * Group::size;
  for (std::int64_t first = unit.begin + group.rank() * Group::size; first < unit.end; first += turn) f(first);
}

template <class Group>
KOKKOS_FORCEINLINE_FUNCTION int keys_of_tile(const Unit& unit, std::int64_t first) {
  const std::int64_t left = unit.end - first;
  return static_cast<int>(left < Group::size ? left : Group::size);
}

/// Has the group's first tile asked for, so that other preparations are made while it is on its way.
template <class Group, class Source>
KOKKOS_FORCEINLINE_FUNCTION void ask_first_tile(const Group& group, const Source& source, const Unit& unit) {
  const std::int64_t first = unit.begin + group.rank() * Group::size;
  source.ask(first, 1, keys_of_tile<Group>(unit, first));
}

}  // namespace santa::detail::inline SANTA_BUILD
