// The kernel that draws clusters and rows, and adds up what they come to.
#pragma once

#include <santa/clusters/draw_tile.hpp>
#include <santa/clusters/mma_draw_tile.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// Extents of the kernel: as many warps a team as scratch allows.
template <int Heads, int Dim, bool TensorCores = false>
struct ClusterExtents : lanes::Extents<Heads, Dim, TensorCores> {
  static constexpr int groups = Heads * Dim > 1024 ? 1 : (Heads* Dim > 512 ? 2 : 4);
  static constexpr int teams = Heads * Dim > 1024 ? 6 : (Heads* Dim > 512 ? 4 : (TensorCores ? 4 : 3));
};
#if defined(KOKKOS_ENABLE_CUDA)
/// All that Kokkos gives a team of scratch.
template <int heads, int dim>
inline constexpr bool fits_scratch =
    MmaScratch<heads, dim>::floats(ClusterExtents<heads, dim>::groups) * sizeof(float) + 256 <= std::size_t{48} * 1024;
static_assert(fits_scratch<4, 64> && fits_scratch<4, 128> && fits_scratch<4, 256> && fits_scratch<8, 64> &&
              fits_scratch<8, 128> && fits_scratch<8, 256>);
#endif

/// What works on a tile of clusters: plain loops with error bars, or tensor cores.
template <class Group, class Extents, class Keys, class Values>
struct ClusterTile {
  using Type = DrawTile<Group, Extents::dim / 32, Keys, Values>;
};
#if defined(KOKKOS_ENABLE_CUDA)
template <class Group, class Extents, class Keys, class Values>
  requires(Extents::tensor_cores)
struct ClusterTile<Group, Extents, Keys, Values> {
  using Type = MmaDrawTile<Group, Extents::dim, Keys, Values>;
};
#endif

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
  using Tile = typename ClusterTile<Group, Extents, Keys, Values>::Type;
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
    read_query(group, slice, scratch);
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
    const int tiles = (a.clusters.clusters + 31) / 32;
    const auto all = static_cast<std::int32_t>(certain ? blocks_of_rows(slice) : slice.chunks * tiles);
    const std::int32_t step = (certain ? a.row_units : a.chunk_units) * groups;
    for (std::int32_t i = (certain ? unit - a.chunk_units : unit) * groups + group.rank(); i < all; i += step)
      tile.work(certain ? block_of_rows(slice, i) : ClusterItem{i / tiles, i % tiles, tiles}, i + step >= all);
    tile.finish();
    group.single([&] { scratch.counts() = counts; });
    group.team_barrier();
    write(group, scratch, slice, unit);
  }

 private:
  /// All groups of a team, each some of the heads.
  KOKKOS_FUNCTION void read_query(const Group& group, const ClusterSlice& slice, const Scratch& scratch) const {
    const ClusterArguments& a = arguments;
    const int width = a.clusters.width;
    for (int head = group.rank(); head < slice.heads; head += Group::groups_per_team) {
      const std::int64_t from =
          slice.batch * a.query_stride[0] + std::int64_t{slice.first_head + head} * a.query_stride[1];
      group.for_each(width, [&](int j) {
        scratch.query(head)[j] = j < a.dim ? a.query.value(a.query.load(from + j)) * a.score_factor : 0.F;
      });
    }
    group.sync();
    group.team_barrier();
  }

  /// The rows of no cluster are read in blocks: the first ones, where there are any, and 32 at a time those behind the
  /// chunks.
  KOKKOS_FUNCTION std::int64_t blocks_of_rows(const ClusterSlice& slice) const {
    const std::int64_t behind = slice.length - slice.chunks * arguments.clusters.chunk;
    return (slice.leading() > 0 ? 1 : 0) + (behind + 31) / 32;
  }
  KOKKOS_FUNCTION ClusterItem block_of_rows(const ClusterSlice& slice, std::int32_t i) const {
    ClusterItem item;
    item.certain = true;
    if (slice.leading() > 0 && i == 0) {
      item.end = slice.leading();
      return item;
    }
    item.begin = slice.chunks * arguments.clusters.chunk + std::int64_t{32} * (i - (slice.leading() > 0 ? 1 : 0));
    item.end = item.begin + 32 < slice.length ? item.begin + 32 : slice.length;
    return item;
  }

  /// Adds up the sums of the team's groups, each group some of the heads, and writes them.
  KOKKOS_FUNCTION void write(const Group& group, const Scratch& own, const ClusterSlice& slice,
                             std::int32_t unit) const {
    constexpr int groups = Group::groups_per_team;
    const ClusterArguments& a = arguments;
    const int width = a.clusters.width;
    const std::int64_t at = slice.row * a.units() + unit;
    for (int head = group.rank(); head < slice.heads; head += groups) {
      float* const to = a.states + (at * a.slice_heads + head) * a.state_floats();
      ClusterHead sum;
      for (int n = 0; n < groups; ++n) sum.reference = lanes::max(sum.reference, own.of(n).result(head).reference);
      for (int n = 0; n < groups; ++n) add(sum, own.of(n).result(head));
      group.single([&] { *reinterpret_cast<ClusterHead*>(to) = sum; });
      if (a.is_sighting()) continue;
      group.for_each((a.with_error ? 3 : 2) * width, [&](int j) {
        const int which = j / width;
        float total = 0.F;
        for (int n = 0; n < groups; ++n) {
          const float factor = brought_to(sum.reference, own.of(n).result(head).reference);
          const float squared = which == 2 ? factor * factor : factor;
          total = lanes::fma(squared, own.of(n).kept(which, head)[j % width], total);
        }
        to[cluster_head_floats + j] = total;
      });
    }
    if (group.rank() == 0)
      group.single([&] {
        ClusterCounts sum;
        for (int n = 0; n < groups; ++n) add(sum, own.of(n).counts());
        a.counts[at] = sum;
      });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
