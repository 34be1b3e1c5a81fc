// Units of which all requests have equally many.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Which unit of a step.
struct UnitPlace {
  std::int32_t batch, split, kv_head, slice;
};
KOKKOS_INLINE_FUNCTION UnitPlace place_of(const Unit& unit) {
  return {unit.batch, unit.split, unit.kv_head, unit.slice};
}

/// The place of a unit in the order of all units, which are fewer than 2^31.
KOKKOS_INLINE_FUNCTION std::int64_t unit_rank(const Arguments& a, const UnitPlace& place) {
  return ((std::int64_t{place.batch} * a.splits + place.split) * a.kv_heads + place.kv_head) * a.slices + place.slice;
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

/// Keys of each of `splits` even shares, in multiples of `step`, a power of two.
KOKKOS_INLINE_FUNCTION std::int64_t keys_of_share(std::int64_t keys, const Divisor& splits, std::int32_t step) {
  const auto pieces = static_cast<std::uint32_t>((keys + step - 1) >> Kokkos::countr_zero(static_cast<unsigned>(step)));
  return std::int64_t{splits.quotient(pieces + static_cast<std::uint32_t>(splits) - 1U)} * step;
}

/// Notes the keys of a unit whose length and start are known.
KOKKOS_INLINE_FUNCTION void take_even_keys(const Arguments& a, Unit& unit) {
  const std::int64_t origin = a.keys_per_split > 0 ? 0 : unit.start & -std::int64_t{a.split_step};
  const std::int64_t share = keys_of_share(unit.length - origin, a.splits, a.split_step);
  const std::int64_t least = a.least_share.of(unit.length - origin);
  const std::int64_t keys = a.keys_per_split > 0 ? a.keys_per_split : share > least ? share : least;
  const std::int64_t begin = origin + unit.split * keys;
  const std::int64_t first_tile = unit.start / tile_keys * tile_keys;
  unit.begin = begin > first_tile ? begin : first_tile;
  unit.end = begin + keys < unit.length ? begin + keys : unit.length;
  if (unit.start >= unit.length) unit.end = unit.begin;
}

}  // namespace santa::detail::inline SANTA_BUILD
