// The kernel that draws clusters and rows, and adds up what they come to, in plain loops.
#pragma once

#include <santa/clusters/certain_rows.hpp>
#include <santa/clusters/draw_tile.hpp>
#include <santa/clusters/read_queries.hpp>
#include <santa/clusters/write_states.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/group.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// Extents of the kernel: as many warps a team as scratch allows.
template <int Heads, int Dim>
struct ClusterExtents : lanes::Extents<Heads, Dim, false> {
  static constexpr int groups = Heads * Dim > 1024 ? 1 : (Heads* Dim > 512 ? 2 : 4);
  static constexpr int teams = Heads * Dim > 1024 ? 6 : (Heads* Dim > 512 ? 4 : 3);
};

/// One pass over a step's clusters, several teams a slice: `chunk_units` that share out the tiles of all its chunks,
/// and `row_units` that share out the rows that are in no cluster. Groups go on by themselves; at the end those of a
/// team add up their sums. What is drawn depends on nothing of how the work is cut. Reads: means; codes of the clusters
/// that are drawn; rows that are.
template <class ExecutionSpace, class Addresses, class ClusterExtents>
struct DrawKernel {
  using Space = ExecutionSpace;
  using Extents = ClusterExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  using Keys = decltype(std::declval<const Addresses&>().keys(0, 0));
  using Values = decltype(std::declval<const Addresses&>().values(0, 0));
  using Tile = DrawTile<Group, Extents::dim / 32, Keys, Values>;
  using Scratch = typename Tile::Scratch;

  ClusterArguments arguments;
  Addresses addresses;

  [[nodiscard]] KOKKOS_FUNCTION static std::size_t scratch_floats() { return Scratch::floats(Group::groups_per_team); }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const ClusterArguments& a = arguments;
    const std::int32_t units = a.units();
    const ClusterSlice slice(a, member.league_rank() / units);
    const std::int32_t unit = member.league_rank() % units;
    const Group group(member);
    const Scratch scratch(group.template scratch<float>(member, scratch_floats()), group.rank());
    read_queries(group, a, slice, [&](int head) { return scratch.query(head); });
    group.for_each(slice.heads, [&](int head) {
      const ClusterThresholds given(a, slice, head);
      scratch.log_tau(head) = given.of_clusters;
      scratch.log_delta(head) = given.of_rows;
    });
    group.sync();
    ClusterCounts counts;
    const Keys keys = addresses.keys(slice.batch, slice.kv_head);
    const Values values = addresses.values(slice.batch, slice.kv_head);
    Tile tile(group, a, slice, scratch, keys, values, counts);
    constexpr int groups = Group::groups_per_team;
    const bool certain = unit >= a.chunk_units;
    const std::int32_t tiles = a.tiles();
    const auto all = static_cast<std::int32_t>(certain ? certain_blocks(a, slice) : slice.chunks * tiles);
    const std::int32_t step = (certain ? a.row_units : a.chunk_units) * groups;
    for (std::int32_t i = (certain ? unit - a.chunk_units : unit) * groups + group.rank(); i < all; i += step)
      tile.work(certain ? certain_block(a, slice, i) : ClusterItem{i / tiles, i % tiles, tiles});
    tile.finish();
    group.single([&] { scratch.counts() = counts; });
    group.team_barrier();
    write_states(group, scratch, a, slice, unit, a.is_sighting() ? 0 : a.with_error ? 3 : 2);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
