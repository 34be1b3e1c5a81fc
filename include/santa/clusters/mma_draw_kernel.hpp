// The kernel that draws clusters and which rows are read, and adds up means and codes, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_draw_tile.hpp>
#include <santa/clusters/write_states.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/group.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// As many warps a team as scratch allows.
template <int Heads, int Dim>
struct MmaDrawExtents : lanes::Extents<Heads, Dim, true> {
  static constexpr int groups = Heads * Dim > 512 ? 2 : 4;
  static constexpr int teams = Heads * Dim > 1024 ? 4 : (Heads* Dim > 512 ? 6 : 4);
};
/// All that Kokkos gives a team of scratch.
template <int heads, int dim>
inline constexpr bool fits_scratch =
    MmaScratch<heads, dim>::floats(MmaDrawExtents<heads, dim>::groups) * sizeof(float) + 256 <= std::size_t{48} * 1024;
static_assert(fits_scratch<4, 64> && fits_scratch<4, 128> && fits_scratch<4, 256> && fits_scratch<8, 64> &&
              fits_scratch<8, 128> && fits_scratch<8, 256>);

/// `chunk_units` teams a slice that share out the tiles of all its chunks. Groups go on by themselves; at the end those
/// of a team add up their sums. What is drawn depends on nothing of how the work is cut. Reads: scores of means; means
/// of values; codes of the clusters that are drawn.
template <class ExecutionSpace, class MmaDrawExtents>
struct MmaDrawKernel {
  using Space = ExecutionSpace;
  using Extents = MmaDrawExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  using Tile = MmaDrawTile<Group, Extents::dim>;
  using Scratch = typename Tile::Scratch;

  ClusterArguments arguments;

  [[nodiscard]] KOKKOS_FUNCTION static std::size_t scratch_floats() { return Scratch::floats(Group::groups_per_team); }

  template <class Member>
  __device__ void operator()(const Member& member) const {
    const ClusterArguments& a = arguments;
    const ClusterSlice slice(a, member.league_rank() / a.chunk_units);
    const std::int32_t unit = member.league_rank() % a.chunk_units;
    const Group group(member);
    const Scratch scratch(group.template scratch<float>(member, scratch_floats()), Group::rank());
    group.for_each(slice.heads, [&](int head) {
      const ClusterThresholds given(a, slice, head);
      scratch.log_tau(head) = given.of_clusters;
      scratch.log_delta(head) = given.of_rows;
    });
    Group::sync();
    ClusterCounts counts;
    Tile tile(group, a, slice, scratch, counts);
    constexpr int groups = Group::groups_per_team;
    const std::int32_t tiles = a.tiles();
    const auto all = static_cast<std::int32_t>(slice.chunks * tiles);
    for (std::int32_t i = unit * groups + Group::rank(); i < all; i += a.chunk_units * groups)
      tile.work({i / tiles, i % tiles, tiles});
    tile.finish();
    Group::single([&] { scratch.counts() = counts; });
    Group::team_barrier();
    write_states(group, scratch, a, slice, unit, a.rehearsal == 0 ? 1 : 0);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
