// Whether a unit of work reads pages that are not in their pool.
#pragma once

#include <santa/cache/page_slots.hpp>
#include <santa/core/build.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Of the pages of a unit's visible keys, which the groups of its team share out.
template <class Group>
[[nodiscard]] KOKKOS_FUNCTION bool has_bad_page(const Group& group, const Unit& unit, const PageSlots& slots) {
  const std::int64_t from = unit.start > unit.begin ? unit.start : unit.begin;
  const std::int64_t to = unit.end <= slots.last ? unit.end : slots.last + std::int64_t{1};
  if (from >= to) return false;
  const auto first = static_cast<std::int32_t>(slots.page_size.quotient(static_cast<std::uint32_t>(from)));
  const auto last = static_cast<std::int32_t>(slots.page_size.quotient(static_cast<std::uint32_t>(to - 1)));
  typename Group::template Vector<std::uint32_t> bad = 0U;
  for (std::int32_t n = first + Group::size * group.rank(); n <= last; n += Group::size * Group::groups_per_team)
    group.for_each(last - n < Group::size ? last - n + 1 : Group::size, [&](int i) {
      if (!slots.is_page(n + i)) bad = 1U;
    });
  return group.sum(bad) != 0;
}

}  // namespace santa::detail::inline SANTA_BUILD
