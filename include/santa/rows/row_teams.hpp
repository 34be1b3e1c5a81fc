// Teams of one lane group each, for draws whose rows are listed in order.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/group.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// An execution space whose units of work are one lane group's each: its rows come in order, as a list needs them.
/// Takes the place of the space where a method's recipe launches; the groups of a decode step share units instead.
template <class Space>
struct RowTeams {
  Space space;
};

/// A lane group that has its team to itself: of several groups a team, or of one anyway.
template <class Group>
struct Alone {
  static_assert(Group::groups_per_team == 1);
  using type = Group;
};

/// One group of a device by itself: what waits for its team waits for its own lanes, whoever else is in the team.
template <class Group>
struct LoneGroup : Group {
  using Group::Group;

  KOKKOS_FUNCTION static int rank() { return 0; }
  KOKKOS_FUNCTION void team_barrier() const { this->sync(); }
  template <class T, int N>
  KOKKOS_FUNCTION static void team_sum(T (&/*values*/)[N], int /*count*/, T* /*exchange*/) {}
  template <int N>
  KOKKOS_FUNCTION static void team_max(float (&/*values*/)[N], int /*count*/, float* /*exchange*/) {}

  KOKKOS_FUNCTION bool last_of(std::int32_t& arrived, std::int32_t expected) const {
    Kokkos::memory_fence();
    this->sync();
    std::int32_t before = 0;
    this->single([&] { before = Kokkos::atomic_fetch_add(&arrived, 1); });
    const bool last = this->value_of(before, 0) == expected - 1;
    if (last) this->single([&] { arrived = 0; });
    Kokkos::memory_fence();
    return last;
  }
};

/// A host's group, for one head.
struct OneHeadGroup : lanes::HostGroup {
  using HostGroup::HostGroup;
  static constexpr int max_heads = 1;
};
template <>
struct Alone<lanes::HostGroup> {
  using type = OneHeadGroup;
};

template <template <int, int, class> class Lanes, int heads, int groups, class Order>
struct Alone<Lanes<heads, groups, Order>> {
  using type = LoneGroup<Lanes<1, 1, Order>>;
};
template <class Space, int heads>
struct Alone<lanes::TeamGroup<Space, heads>> {
  using type = lanes::TeamGroup<Space, 1>;
};

}  // namespace santa::detail::inline SANTA_BUILD

namespace santa::lanes::inline SANTA_BUILD {

template <class Space>
struct Seam<santa::detail::RowTeams<Space>> {
  using Teams = santa::detail::RowTeams<Space>;
  static constexpr bool many_groups = false;

  template <class Extents>
  using Group = typename santa::detail::Alone<GroupOf<Space, Extents>>::type;

  template <class Extents>
  static auto policy(const Teams& teams, std::int64_t units, std::size_t scratch_floats) {
    if constexpr (!Seam<Space>::many_groups) {
      return Seam<Space>::template policy<Extents>(teams.space, units, scratch_floats);
    } else {
      // Registers for 12 groups a multiprocessor: none are spilled. Said by threads: see Seam<Kokkos::Cuda>.
      using Policy = Kokkos::TeamPolicy<Space, Kokkos::LaunchBounds<Group<Extents>::size * 12, 1>>;
      return Policy(teams.space, static_cast<int>(units), 1, Group<Extents>::size)
          .set_scratch_size(Group<Extents>::scratch_level,
                            Kokkos::PerTeam(scratch_floats * sizeof(float) + Group<Extents>::scratch_alignment));
    }
  }

  /// On a device a quarter of the groups that it holds, but no more splits than one group merges at a glance, and no
  /// fewer than 32-bit counts take.
  static Division divide(const Teams& teams, const Work& work) {
    if constexpr (is_host_space<Space>) {
      return Seam<Space>::divide(teams.space, work);
    } else {
      const auto [vectors, rows] = std::pair{work.rows, work.length};
      constexpr std::int64_t most = 512;
      const std::int64_t units = teams.space.concurrency() / (4 * Group<Extents<1, 32, false>>::size);
      const std::int64_t shares = units / vectors < most ? units / vectors : most;
      const std::int64_t panels = (rows + santa::detail::split_keys - 1) / santa::detail::split_keys;
      const std::int64_t splits = shares < panels ? shares : panels;
      const std::int64_t least = (rows >> 26) + 1;
      return {0, splits > least ? splits : least};
    }
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD
