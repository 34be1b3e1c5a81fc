// Which lane group and tile products an execution space has: the seam between backends.
#pragma once

#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_tile.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::lanes {

/// True for spaces whose threads are those of the host.
template <class Space>
inline constexpr bool is_host_space = std::is_same_v<typename Space::memory_space, Kokkos::HostSpace>&&
    Kokkos::SpaceAccessibility<Kokkos::DefaultHostExecutionSpace, typename Space::memory_space>::accessible;

namespace detail {

template <class Space>
struct Seam {
  static_assert(is_host_space<Space>, "santa::lanes: no lane group for this execution space");
  using Group = HostGroup;
  template <class T>
  using Tile = HostTile<T>;
};

}  // namespace detail

/// The lane group of an execution space: the threads that work on one tile together.
template <class Space>
using GroupOf = typename detail::Seam<Space>::Group;

/// The tile products of an execution space for rows of T.
template <class Space, class T>
using TileOf = typename detail::Seam<Space>::template Tile<T>;

/// Keys that a unit of work takes: on a host few enough that the rows of all kv heads of a token-major cache, read one
/// head after the other, stay within the reach of the address translation, and independent of the number of threads.
inline std::int64_t keys_per_split(std::int64_t length) {
  std::int64_t keys = 256;
  while (length / keys > 1024) keys *= 2;
  return keys;
}

/// A league of `units` teams, each with `scratch_floats` of scratch per lane group.
template <class Space>
auto team_policy(const Space& space, std::int64_t units, std::size_t scratch_floats) {
  using Group = GroupOf<Space>;
  using Policy = Kokkos::TeamPolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>;
  const auto bytes = static_cast<int>((scratch_floats * sizeof(float) + native_bytes) * Group::groups_per_team);
  return Policy(space, static_cast<int>(units), Group::groups_per_team, 1)
      .set_scratch_size(Group::scratch_level, Kokkos::PerTeam(bytes));
}

}  // namespace santa::lanes
