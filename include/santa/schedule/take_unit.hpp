// How the teams of a kernel take units of a balanced schedule, one after the other.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Has a team take the unit after the one that it begins with: a call follows each unit's beginning. What it takes is
/// on its way while the team works, and told by `taken_unit` alone.
template <class Group>
KOKKOS_FUNCTION std::int32_t take_unit(const Group& group, const Arguments& a) {
  std::int32_t before = 0;
  if (group.rank() == 0) group.single([&] { before = Kokkos::atomic_fetch_add(a.taken, 1); });
  return before;
}

/// The rank of the unit that a team has taken, of `all`: `all` or more where there is none. The first is the team's own
/// rank among `teams`. Called by all groups of the team, which wait for each other: what they had in scratch is done
/// with. `exchange` is room for a number of each of them.
template <class Group>
KOKKOS_FUNCTION std::int64_t taken_unit(const Group& group, const Arguments& a, std::int32_t before, std::int64_t teams,
                                        std::int64_t all, std::int32_t* exchange) {
  std::int32_t taken[1] = {0};
  group.team_barrier();
  if (group.rank() == 0) {
    group.single([&] {
      if (before + 1 == all) *a.taken = 0;  // as many are taken as there are: this was the kernel's last
    });
    taken[0] = group.value_of(typename Group::template Vector<std::int32_t>(before), 0);
  }
  group.team_sum(taken, 1, exchange);  // the other groups' are 0
  return teams + taken[0];
}

}  // namespace santa::detail::inline SANTA_BUILD
