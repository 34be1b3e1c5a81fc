// Units of work that all requests have equally many of: the schedule.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

// A schedule cuts a step into units of work and numbers them, by `a`, the Arguments of the kernels, alone. Free
// functions, as one schedule serves a program; another one would be a header in this place that says, to
//   plans        all_units(a): the league of a kernel over units; all_heads(a): of one over heads;
//                require_countable_units(a)
//   kernels      unit_of(a, rank): the unit that a team works on, every rank below all_units(a) another;
//                whole_unit_of(a, row): one for each slice row, of which batch, heads, length and start are looked at;
//                for_head(a, rank, f), for_each_slice(a, unit, f): the like for heads and for slices
//   hosts        unit_after(a, unit): the one that likely follows, as a hint
//   those who merge  units_of_kv_head(a): arrivals to wait for; state_of_unit(a, unit), states_of_slice(a, unit): where
//                units' states lie, those of a slice side by side in the order in which they merge
// The units of a (request, kv head, slice) have each of its visible keys once. They begin at whole tiles, so that no
// draw depends on how keys are cut, and may be empty.
namespace santa::detail::inline SANTA_BUILD {

/// Which unit of a step.
struct UnitPlace {
  std::int32_t batch, split, kv_head, slice;
};

/// The place of a unit in the order of all units, which are fewer than 2^31.
KOKKOS_INLINE_FUNCTION std::int64_t unit_rank(const Arguments& a, const UnitPlace& place) {
  return ((std::int64_t{place.batch} * a.splits + place.split) * a.kv_heads + place.kv_head) * a.slices + place.slice;
}

KOKKOS_INLINE_FUNCTION std::int64_t all_units(const Arguments& a) { return unit_rank(a, {a.batch, 0, 0, 0}); }
/// Errors: std::invalid_argument for more units than kernels count.
inline void require_countable_units(const Arguments& a) {
  product("batch * kv_heads * slices * splits",
          {std::int64_t{a.batch}, std::int32_t{a.kv_heads}, std::int32_t{a.slices}, std::int32_t{a.splits}},
          most_counted, "less than 2^31: give a larger keys_per_split");
}
/// The same where there is one head.
inline void require_countable_splits(const Arguments& a) {
  product("batch * splits", {std::int64_t{a.batch}, std::int32_t{a.splits}}, most_counted, "less than 2^31");
}
/// Heads of all slices, each counted as full.
KOKKOS_INLINE_FUNCTION std::int64_t all_heads(const Arguments& a) { return a.slice_rows() * a.slice_heads; }

/// The states of a slice row's units, one after the other.
struct StatesOfSlice {
  std::int64_t first;
  std::int32_t count;
};
KOKKOS_INLINE_FUNCTION StatesOfSlice states_of_slice(const Arguments& a, const Unit& unit) {
  return {unit.slice_row(a) * a.splits, a.splits};
}
/// Where a unit's own is.
KOKKOS_INLINE_FUNCTION std::int64_t state_of_unit(const Arguments& a, const Unit& unit) {
  return unit.slice_row(a) * a.splits + unit.split;
}
/// Units of a kv head of a request.
KOKKOS_INLINE_FUNCTION std::int32_t units_of_kv_head(const Arguments& a) { return a.splits * a.slices; }

/// Keys of each of `splits` even shares, in multiples of `step`, a power of two.
KOKKOS_INLINE_FUNCTION std::int64_t keys_of_share(std::int64_t keys, const Divisor& splits, std::int32_t step) {
  const auto pieces = static_cast<std::uint32_t>((keys + step - 1) >> Kokkos::countr_zero(static_cast<unsigned>(step)));
  return std::int64_t{splits.quotient(pieces + static_cast<std::uint32_t>(splits) - 1U)} * step;
}

/// The unit of a place. Its keys follow from its request's own length.
KOKKOS_INLINE_FUNCTION Unit unit_at(const Arguments& a, const UnitPlace& place) {
  Unit unit{};
  unit.batch = place.batch;
  unit.split = place.split;
  unit.kv_head = place.kv_head;
  unit.slice = place.slice;
  const auto group = static_cast<std::int32_t>(a.kv_heads.quotient(static_cast<std::uint32_t>(a.heads)));
  const std::int32_t before = unit.slice * a.slice_heads;
  unit.first_head = unit.kv_head * group + before;
  unit.heads = group - before < a.slice_heads ? group - before : std::int32_t{a.slice_heads};
  unit.length = a.lengths.clamped(unit.batch, a.storage);
  unit.start = unit.length > a.window ? unit.length - a.window : 0;
  const std::int64_t origin = a.keys_per_split > 0 ? 0 : unit.start & -std::int64_t{a.split_step};
  const std::int64_t keys =
      a.keys_per_split > 0 ? a.keys_per_split : keys_of_share(unit.length - origin, a.splits, a.split_step);
  const std::int64_t begin = origin + unit.split * keys;
  const std::int64_t first_tile = unit.start / tile_keys * tile_keys;
  unit.begin = begin > first_tile ? begin : first_tile;
  unit.end = begin + keys < unit.length ? begin + keys : unit.length;
  if (unit.start >= unit.length) unit.end = unit.begin;
  return unit;
}

/// What is left of a rank when its last digit, of base `base`, is taken off and returned.
KOKKOS_INLINE_FUNCTION std::int32_t take_digit(std::uint32_t& rest, const Divisor& base) {
  const std::uint32_t quotient = base.quotient(rest);
  const std::uint32_t digit = rest - quotient * static_cast<std::uint32_t>(base);
  rest = quotient;
  return static_cast<std::int32_t>(digit);
}

/// The kv head and slice that the last digits of a rank name, which are taken off.
KOKKOS_INLINE_FUNCTION UnitPlace take_slice(const Arguments& a, std::uint32_t& rest) {
  UnitPlace place{};
  place.slice = take_digit(rest, a.slices);
  place.kv_head = take_digit(rest, a.kv_heads);
  return place;
}

/// Units in the order (batch, split, kv head, slice), the last fastest: neighbours in time read neighbouring memory
/// when heads lie next to each other (a token-major cache), and it makes no difference when they don't.
KOKKOS_INLINE_FUNCTION Unit unit_of(const Arguments& a, std::int64_t rank) {
  auto rest = static_cast<std::uint32_t>(rank);
  UnitPlace place = take_slice(a, rest);
  place.split = take_digit(rest, a.splits);
  place.batch = static_cast<std::int32_t>(rest);
  return unit_at(a, place);
}
/// The unit that likely follows one: of the last, the first.
KOKKOS_INLINE_FUNCTION Unit unit_after(const Arguments& a, const Unit& unit) {
  const std::int64_t next = unit_rank(a, {unit.batch, unit.split, unit.kv_head, unit.slice}) + 1;
  return unit_of(a, next < all_units(a) ? next : 0);
}

/// The first unit of a slice row, for kernels that have one unit each.
KOKKOS_INLINE_FUNCTION Unit whole_unit_of(const Arguments& a, std::int64_t row) {
  auto rest = static_cast<std::uint32_t>(row);
  UnitPlace place = take_slice(a, rest);
  place.batch = static_cast<std::int32_t>(rest);
  return unit_at(a, place);
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

/// Calls f(unit) for the first unit of every slice of a unit's kv head.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_slice(const Arguments& a, const Unit& unit, const F& f) {
  for (std::int32_t slice = 0; slice < a.slices; ++slice)  // by rank: fewer registers are kept for it
    f(unit_of(a, unit_rank(a, {unit.batch, 0, unit.kv_head, slice})));
}

}  // namespace santa::detail::inline SANTA_BUILD
