// The kernel that reads rows, those that were drawn and those of no cluster, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/certain_rows.hpp>
#include <santa/clusters/mma_rows.hpp>
#include <santa/clusters/mma_warp_sums.hpp>
#include <santa/clusters/read_queries.hpp>
#include <santa/clusters/write_states.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

template <int Heads, int Dim>
struct GatherExtents : lanes::Extents<Heads, Dim, true> {
  static constexpr int groups = Heads * Dim > 1024 ? 2 : 4;
  static constexpr int teams = Heads * Dim > 1024 ? 3 : (Heads* Dim > 512 ? 3 : 4);
};

/// The scratch of a team: its queries, as they are and as operands, then what each warp needs.
template <int Heads, int Dim>
struct GatherScratch {
  using Rows = MmaRows<Heads, Dim>;
  static constexpr int team_floats = Heads * Dim + Rows::query_floats;
  static constexpr int group_floats =
      Heads * (Dim + MmaWeights<Heads>::stride) + Heads * cluster_head_floats + cluster_count_floats;
  static constexpr std::size_t floats(int groups) {
    return static_cast<std::size_t>(team_floats) + static_cast<std::size_t>(groups) * std::size_t{group_floats};
  }

  float* team;
  float* own;

  KOKKOS_FUNCTION GatherScratch(float* all, int group) : team(all), own(all + team_floats + group * group_floats) {}
  [[nodiscard]] KOKKOS_FUNCTION GatherScratch of(int group) const { return {team, group}; }
  [[nodiscard]] KOKKOS_FUNCTION float* query(int head) const { return team + head * Dim; }
  [[nodiscard]] KOKKOS_FUNCTION float* operands() const { return team + Heads * Dim; }
  [[nodiscard]] KOKKOS_FUNCTION float* kept(int /*which*/, int head) const { return own + head * Dim; }
  [[nodiscard]] KOKKOS_FUNCTION float* weights() const { return own + Heads * Dim; }
  [[nodiscard]] KOKKOS_FUNCTION ClusterHead& result(int head) const {
    return reinterpret_cast<ClusterHead*>(weights() + Heads * MmaWeights<Heads>::stride)[head];
  }
  [[nodiscard]] KOKKOS_FUNCTION ClusterCounts& counts() const {
    return *reinterpret_cast<ClusterCounts*>(&result(Heads));
  }
};

/// Rows by batches of 16: `gather_units` teams a slice that share out the drawn ones, tile by tile, and `row_units`
/// that share out those of no cluster. N is sum W v, Z sum W; S and what belongs to it are the same. Reads: rows.
template <class ExecutionSpace, class Addresses, class GatherExtents>
struct MmaGatherKernel {
  using Space = ExecutionSpace;
  using Extents = GatherExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  static constexpr int heads_max = Group::max_heads;
  static constexpr int dim = Extents::dim;
  static constexpr int groups = Group::groups_per_team;
  using Scratch = GatherScratch<heads_max, dim>;
  using Rows = MmaRows<heads_max, dim>;
  using Weights = MmaWeights<heads_max>;
  using Keys = decltype(std::declval<const Addresses&>().keys(0, 0));
  using Values = decltype(std::declval<const Addresses&>().values(0, 0));
  /// Tiles whose rows a warp reads as one list.
  static constexpr int tiles_at_once = 4;

  ClusterArguments arguments;
  Addresses addresses;

  [[nodiscard]] KOKKOS_FUNCTION static std::size_t scratch_floats() { return Scratch::floats(groups); }

  template <class Member>
  __device__ void operator()(const Member& member) const {
    const ClusterArguments& a = arguments;
    const std::int32_t units = a.gather_units + a.row_units;
    const ClusterSlice slice(a, member.league_rank() / units);
    const std::int32_t unit = member.league_rank() % units;
    const Group group(member);
    const Scratch scratch(group.template scratch<float>(member, scratch_floats()), Group::rank());
    const auto query = [&](int head) { return scratch.query(head); };
    read_queries(group, a, slice, query);
    Rows::arrange(query, Group::rank(), groups, scratch.operands());
    Group::team_barrier();
    Warp warp{a, slice, scratch, addresses.keys(slice.batch, slice.kv_head),
              addresses.values(slice.batch, slice.kv_head)};
    ClusterCounts counts;
    if (unit < a.gather_units) {
      if (a.rehearsal == 0) gather(warp, slice, unit);
    } else {
      for (std::int32_t i = (unit - a.gather_units) * groups + Group::rank(); i < certain_blocks(a, slice);
           i += a.row_units * groups) {
        const ClusterItem item = certain_block(a, slice, i);
        const auto count = static_cast<int>(item.end - item.begin);
        counts.certain += static_cast<float>(count);
        warp.add(count, true, [&](int n) { return DrawnClusterRow{static_cast<std::uint32_t>(item.begin + n), 1.F}; });
      }
    }
    warp.finish();
    Group::single([&] { scratch.counts() = counts; });
    Group::team_barrier();
    write_states(group, scratch, a, slice, a.chunk_units + unit, a.rehearsal == 0 ? 1 : 0);
  }

 private:
  /// What a warp adds up.
  struct Warp {
    const ClusterArguments& a;
    const ClusterSlice& slice;
    const Scratch& scratch;
    Keys keys;
    Values values;
    MmaReferences<Group> references = {};
    float mass[heads_max] = {};     // a lane's part of Z
    float certain[heads_max] = {};  // of it, that of no cluster
    float sums[Rows::steps][4] = {};

    /// `count` rows, entry(n) of them each. Of no cluster if `of_none`.
    template <class Entry>
    __device__ __forceinline__ void add(int count, bool of_none, const Entry& entry) {
      const int own = Group::lane() % 16;
      const auto entry_of = [&](int n) { return entry(n < count ? n : count - 1); };
      DrawnClusterRow next = count > 0 ? entry_of(own) : DrawnClusterRow{0, 0.F};
#pragma unroll 1
      for (int first = 0; first < count; first += 16) {
        const DrawnClusterRow row = next;
        const auto row_of = [&](int i) { return std::int64_t{Group::value_of(row.row, i)}; };
        Rows rows;
        rows.load_keys([&](int i) { return keys[row_of(i)]; });
        if (a.rehearsal == 0) rows.load_values([&](int i) { return values[row_of(i)]; });
        if (first + 16 < count) next = entry_of(first + 16 + own);
        add(rows, count - first < 16 ? count - first : 16, row.inverse, of_none);
      }
    }

    __device__ __forceinline__ void add(const Rows& rows, int count, float by, bool of_none) {
      const bool there = Group::lane() < count;
      float score[heads_max];
      rows.scores(scratch.operands(), score);
#pragma unroll
      for (int head = 0; head < heads_max; ++head)
        if (!(there && head < slice.heads)) score[head] = -lanes::infinity;
      references.raise(score, [&](int head, float factor) { rescale(head, factor); });
#pragma unroll
      for (int head = 0; head < heads_max; ++head) {
        const float weight = there ? references.weight_of(score[head], head) * by : 0.F;
        mass[head] += weight;
        certain[head] += of_none ? weight : 0.F;
        scratch.weights()[head * Weights::stride + Group::lane()] = weight;
      }
      Group::sync();
      if (a.rehearsal == 0) rows.add(scratch.weights(), sums);
      Group::sync();
    }

    __device__ void rescale(int head, float factor) {
      mass[head] *= factor;
      certain[head] *= factor;
#pragma unroll
      for (int n = 0; n < Rows::steps; ++n)
#pragma unroll
        for (int k = 0; k < 4; ++k) sums[n][k] *= Weights::head_of_sum(k) == head ? factor : 1.F;
    }

    /// Writes the warp's sums to scratch.
    __device__ void finish() const {
#pragma unroll
      for (int head = 0; head < heads_max; ++head) {
        const float all = Group::sum(mass[head]);
        const float of_none = Group::sum(certain[head]);
        Group::single([&] {
          scratch.result(head) = ClusterHead{references.of(head), all, all, 0.F, 0.F, of_none, of_none, 0.F};
        });
      }
#pragma unroll
      for (int n = 0; n < Rows::steps; ++n) {
        const float4 sum = whole_sum<Weights>(make_float4(sums[n][0], sums[n][1], sums[n][2], sums[n][3]));
        if (Weights::rounded()) store_sum<Weights, dim>(scratch.kept(0, 0), Rows::feature_of(n), 1, sum);
      }
      Group::sync();
    }
  };

  /// The drawn rows of some tiles at a time.
  __device__ __forceinline__ void gather(Warp& warp, const ClusterSlice& slice, std::int32_t unit) const {
    const ClusterArguments& a = arguments;
    const std::int64_t tiles = slice.chunks * a.tiles();
    const DrawnOfTile* const of_tiles = a.parts.of_tiles + slice.row * a.all_tiles();
    const DrawnClusterRow* const rows = a.parts.rows + slice.row * a.clusters.chunks * a.clusters.chunk;
    const std::int64_t step = std::int64_t{a.gather_units} * groups * tiles_at_once;
#pragma unroll 1
    for (std::int64_t first = (std::int64_t{unit} * groups + Group::rank()) * tiles_at_once; first < tiles;
         first += step) {
      std::uint32_t begin[tiles_at_once], end[tiles_at_once];
      std::uint32_t all = 0;
#pragma unroll
      for (int n = 0; n < tiles_at_once; ++n) {
        const DrawnOfTile of = first + n < tiles ? of_tiles[first + n] : DrawnOfTile{0, 0};
        begin[n] = of.begin - all;
        all += of.count;
        end[n] = all;
      }
      warp.add(static_cast<int>(all), false, [&](int n) {
        const auto number = static_cast<std::uint32_t>(n);
        std::uint32_t from = begin[0];
#pragma unroll
        for (int i = 1; i < tiles_at_once; ++i) from = number >= end[i - 1] ? begin[i] : from;
        return rows[from + number];
      });
    }
  }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
