// Units of work: the schedule, as kernels and plans see it.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/schedule/balanced.hpp>
#include <santa/schedule/even.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

// A schedule cuts a step into units of work and numbers them, by `a`, the Arguments of the kernels, alone. There are
// two: where all requests are full, all have equally many splits (even.hpp); where they have lengths, each has as many
// as its own length says (balanced.hpp). These functions serve both, and nothing outside this folder knows which:
//   plans        most_units(a): teams that the league of a kernel over units may have; all_heads(a): of one over heads;
//                are_taken(a): whether teams take units one after the other; require_countable_units(a)
//   kernels      unit_of(a, rank): the unit of a rank, every one below all_units(a) another; take_unit (take_unit.hpp);
//                whole_unit_of(a, row): one for each slice row, of which batch, heads, length and start are looked at;
//                for_head(a, rank, f), for_each_slice(a, unit, f): the like for heads and for slices;
//                for_each_head_apart(a, team, teams, f)
//   hosts        unit_after(a, unit): the one that likely follows, as a hint
//   those who merge  units_of_kv_head(a, unit): arrivals to wait for; state_of_unit(a, unit), states_of_slice(a, unit):
//                where units' states lie, those of a slice side by side in the order in which they merge;
//                are_merged_apart(a, unit): whether by a kernel of their own; most_states(a): of a slice
// The units of a (request, kv head, slice) have each of its visible keys once. They begin at whole tiles, so that no
// draw depends on how keys are cut, and may be empty.
namespace santa::detail::inline SANTA_BUILD {

KOKKOS_INLINE_FUNCTION bool are_taken(const Arguments& a) { return is_balanced(a); }

/// On devices, as a balanced schedule has it in their memory.
KOKKOS_INLINE_FUNCTION std::int64_t all_units(const Arguments& a) {
  const std::int64_t splits = is_balanced(a) ? all_splits(a.balance, a.batch) : std::int64_t{a.batch} * a.splits;
  return splits * a.kv_heads * a.slices;
}
KOKKOS_INLINE_FUNCTION std::int64_t most_units(const Arguments& a) {
  return a.slice_rows() * (is_balanced(a) ? a.most_splits : std::int32_t{a.splits});
}
/// Errors: std::invalid_argument for more units than kernels count.
inline void require_countable_units(const Arguments& a) {
  product("batch * kv_heads * slices * splits",
          {std::int64_t{a.batch}, std::int32_t{a.kv_heads}, std::int32_t{a.slices}, a.most_splits}, most_counted,
          "less than 2^31: give a larger keys_per_split");
}
/// The same where there is one head.
inline void require_countable_splits(const Arguments& a) {
  product("batch * splits", {std::int64_t{a.batch}, a.most_splits}, most_counted, "less than 2^31");
}
/// Heads of all slices, each counted as full.
KOKKOS_INLINE_FUNCTION std::int64_t all_heads(const Arguments& a) { return a.slice_rows() * a.slice_heads; }

/// Splits of a unit's request, and of those before it.
struct SplitsOfRequest {
  std::int64_t before;
  std::int32_t count;
};
KOKKOS_INLINE_FUNCTION SplitsOfRequest splits_of(const Arguments& a, const Unit& unit) {
  if (!is_balanced(a)) return {std::int64_t{unit.batch} * a.splits, a.splits};
  const RequestSplits& own = a.balance.requests[unit.batch];
  return {own.before, own.count};
}

/// The states of a slice row's units, one after the other.
struct StatesOfSlice {
  std::int64_t first;
  std::int32_t count;
};
KOKKOS_INLINE_FUNCTION StatesOfSlice states_of_slice(const Arguments& a, const Unit& unit) {
  const auto [before, count] = splits_of(a, unit);
  const std::int64_t slice = std::int64_t{unit.kv_head} * a.slices + unit.slice;
  return {before * a.kv_heads * a.slices + slice * count, count};
}
/// Where a unit's own is.
KOKKOS_INLINE_FUNCTION std::int64_t state_of_unit(const Arguments& a, const Unit& unit) {
  return states_of_slice(a, unit).first + unit.split;
}
/// Of a slice, at most.
inline std::int32_t most_states(const Arguments& a) { return is_balanced(a) ? a.most_splits : std::int32_t{a.splits}; }
KOKKOS_INLINE_FUNCTION bool are_merged_apart(const Arguments& a, const Unit& unit) {
  return splits_of(a, unit).count > a.most_merged;
}
/// Units of a unit's kv head.
KOKKOS_INLINE_FUNCTION std::int32_t units_of_kv_head(const Arguments& a, const Unit& unit) {
  return splits_of(a, unit).count * a.slices;
}

/// Notes the visible keys of the whole that a shard is of; `before`: heads of the kv head before the unit's.
KOKKOS_INLINE_FUNCTION void take_whole_keys(const Arguments& a, std::int32_t before, Unit& unit) {
  unit.length = a.shard.lengths.clamped(unit.batch, a.shard.storage);
  unit.start = a.token_rows.first_visible(unit.batch, before, unit.length, a.window);
}

/// Visible keys of a request as they are cut: all of a cache's own; of a shard's, those of the run, from 0 on.
struct CutKeys {
  std::int64_t length, start;
};
KOKKOS_INLINE_FUNCTION CutKeys keys_of_run(const Arguments& a, const Unit& whole, std::int64_t here) {
  const ShardKeys& shard = a.shard;
  const std::int64_t known = shard.first_row + here < whole.length ? shard.first_row + here : whole.length;
  const std::int64_t end = known < shard.end ? known : shard.end;
  const std::int64_t length = end > shard.begin ? end - shard.begin : 0;
  const std::int64_t start = whole.start > shard.begin ? whole.start - shard.begin : 0;
  return {length, start < length ? start : length};
}

/// Whether a request's length is none that there can be, where `length` is the one in use of the whole: negative or
/// beyond the storage there, or not that of the keys that are here.
KOKKOS_INLINE_FUNCTION bool contradicts_whole(const Arguments& a, std::int32_t batch, std::int64_t length) {
  const std::int64_t beyond = length - a.shard.first_row;
  const std::int64_t here = beyond < 0 ? 0 : (beyond < a.storage ? beyond : a.storage);
  return a.lengths.get(batch, a.storage) != here || a.shard.lengths.get(batch, a.shard.storage) != length;
}

/// The unit of a place, its keys left out.
KOKKOS_INLINE_FUNCTION Unit heads_at(const Arguments& a, const UnitPlace& place) {
  Unit unit{};
  unit.batch = place.batch;
  unit.split = place.split;
  unit.kv_head = place.kv_head;
  unit.slice = place.slice;
  const auto group = static_cast<std::int32_t>(a.kv_heads.quotient(static_cast<std::uint32_t>(a.heads)));
  const std::int32_t before = unit.slice * a.slice_heads;
  unit.first_head = unit.kv_head * group + before;
  unit.heads = group - before < a.slice_heads ? group - before : std::int32_t{a.slice_heads};
  return unit;
}
/// Notes a unit's keys, which follow from its request's own length. `of_shard`: or of what a shard has of it; not where
/// outputs are written, which are a whole's.
template <bool of_shard = true>
KOKKOS_INLINE_FUNCTION void take_keys(const Arguments& a, Unit& unit) {
  const std::int32_t before = unit.slice * a.slice_heads;
  unit.length = a.lengths.clamped(unit.batch, a.storage);
  const std::int64_t here = unit.length;
  if (of_shard && a.sharded) unit.length = a.shard.lengths.clamped(unit.batch, a.shard.storage);
  unit.start = a.token_rows.first_visible(unit.batch, before, unit.length, a.window);
  CutKeys whole{};
  if (of_shard && a.sharded) {  // cut as keys of a cache of their own; all numbers are the whole's
    whole = {unit.length, unit.start};
    const CutKeys cut = keys_of_run(a, unit, here);
    unit.length = cut.length;
    unit.start = cut.start;
  }
  if (is_balanced(a))
    take_balanced_keys(a.balance.requests[unit.batch], unit);
  else
    take_even_keys(a, unit);
  if (of_shard && a.sharded) {
    unit.begin += a.shard.begin;
    unit.end += a.shard.begin;
    unit.length = whole.length;
    unit.start = whole.start;
  }
}
/// The unit of a place, and its keys.
template <bool of_shard = true>
KOKKOS_INLINE_FUNCTION Unit unit_at(const Arguments& a, const UnitPlace& place) {
  Unit unit = heads_at(a, place);
  take_keys<of_shard>(a, unit);
  return unit;
}

/// Units in the order (batch, split, kv head, slice), the last fastest: neighbours in time read neighbouring memory
/// when heads lie next to each other (a token-major cache), and it makes no difference when they don't. Those of a
/// balanced schedule have the longest splits first.
KOKKOS_INLINE_FUNCTION Unit unit_of(const Arguments& a, std::int64_t rank) {
  auto rest = static_cast<std::uint32_t>(rank);
  UnitPlace place = take_slice(a, rest);
  if (is_balanced(a)) {
    const SplitOfRequest of = a.balance.order[rest];
    place.batch = of.request;
    place.split = of.split;
  } else {
    place.split = take_digit(rest, a.splits);
    place.batch = static_cast<std::int32_t>(rest);
  }
  return unit_at(a, place);
}
/// The unit that likely follows one: of the last, the first; of a balanced schedule, one of the same request.
KOKKOS_INLINE_FUNCTION Unit unit_after(const Arguments& a, const Unit& unit) {
  UnitPlace place = place_of(unit);
  const std::int64_t next = unit_rank(a, place) + 1;
  if (!is_balanced(a)) return unit_of(a, next < all_units(a) ? next : 0);
  auto rest = static_cast<std::uint32_t>(next - unit_rank(a, {unit.batch, 0, 0, 0}));
  place = take_slice(a, rest);
  place.batch = unit.batch;
  place.split = static_cast<std::int32_t>(rest) < splits_of(a, unit).count ? static_cast<std::int32_t>(rest) : 0;
  return unit_at(a, place);
}

/// The first unit of a slice row, for kernels that have one unit each.
template <bool of_shard = true>
KOKKOS_INLINE_FUNCTION Unit whole_unit_of(const Arguments& a, std::int64_t row) {
  auto rest = static_cast<std::uint32_t>(row);
  UnitPlace place = take_slice(a, rest);
  place.batch = static_cast<std::int32_t>(rest);
  return unit_at<of_shard>(a, place);
}
/// Calls f(first unit of its slice row, head) for the `rank`-th of all heads, for kernels that have a team for each,
/// unless its slice has fewer.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_head(const Arguments& a, std::int64_t rank, const F& f) {
  auto row = static_cast<std::uint32_t>(rank);
  const std::int32_t head = take_digit(row, a.slice_heads);
  const Unit unit = whole_unit_of(a, row);
  if (head < unit.heads) f(unit, head);
}

/// The same for heads whose states are merged apart, those that are the `team`-th's of so many teams; units without
/// their keys (see take_keys).
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_head_apart(const Arguments& a, std::int64_t team, std::int64_t teams,
                                                     const F& f) {
  const bool named = is_balanced(a);
  const std::int64_t requests = named ? requests_apart(a.balance, a.batch) : a.batch;
  const std::int64_t heads = requests * a.kv_heads * a.slices * a.slice_heads;
  for (std::int64_t rank = team; rank < heads; rank += teams) {
    auto rest = static_cast<std::uint32_t>(rank);
    const std::int32_t head = take_digit(rest, a.slice_heads);
    UnitPlace place = take_slice(a, rest);
    place.batch = named ? a.balance.apart[rest] : static_cast<std::int32_t>(rest);
    const Unit unit = heads_at(a, place);
    if (head < unit.heads) f(unit, head);
  }
}

/// Calls f(unit) for the first unit of every slice of a unit's kv head.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_slice(const Arguments& a, const Unit& unit, const F& f) {
  const std::int64_t row = (std::int64_t{unit.batch} * a.kv_heads + unit.kv_head) * a.slices;
  for (std::int32_t slice = 0; slice < a.slices; ++slice)  // by row: fewer registers are kept for it
    f(whole_unit_of<false>(a, row + slice));
}

}  // namespace santa::detail::inline SANTA_BUILD
