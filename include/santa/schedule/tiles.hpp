// The tiles of a unit, as the groups of a team share them out.
#pragma once

#include <santa/core/build.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

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
template <class Group, class Stage>
KOKKOS_FORCEINLINE_FUNCTION void ask_first_tile(const Group& group, Stage& stage, const Unit& unit) {
  const std::int64_t first = unit.begin + group.rank() * Group::size;
  stage.ask(first, 1, keys_of_tile<Group>(unit, first));
}

}  // namespace santa::detail::inline SANTA_BUILD
