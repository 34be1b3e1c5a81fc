// What is drawn of a tile of 32 clusters of one chunk, and of their keys.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/draw_numbers.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where a key of a block of 32 lies.
struct BlockKey {
  std::int32_t cluster = 0, slot = 0;  // of the tile, of the chunk
  std::int32_t before = 0;             // keys of its cluster that come before it
};

/// The draws of a lane group. Lane i owns cluster i of a tile; of a block of 32 keys of clusters that were drawn, key
/// i. Scratch has, [32] each: prefix, inverse, doubt, log_pi of a tile's clusters; log_tau and log_delta of heads.
template <class Group, class Scratch>
struct TileDraws {
  using Float = typename Group::template Vector<float>;

  const Group& group;
  const ClusterArguments& a;
  const ClusterSlice& slice;
  const Scratch& scratch;
  ClusterCounts& counts;
  ClusterChunk at;
  DrawNumbers numbers;
  std::int64_t first_key = 0;  // of the chunk
  int first = 0, count = 0;    // clusters of the tile
  std::uint32_t tile = 0;      // of the request
  Float size;                  // keys of each cluster

  KOKKOS_FORCEINLINE_FUNCTION TileDraws(const Group& lanes, const ClusterArguments& arguments, const ClusterSlice& of,
                                        const Scratch& memory, ClusterCounts& sums)
      : group(lanes),
        a(arguments),
        slice(of),
        scratch(memory),
        counts(sums),
        at(arguments.clusters, 0, 0, 0),
        numbers{arguments.chance.key(of.batch), static_cast<std::uint16_t>(of.first_head), arguments.rehearsal} {}

  KOKKOS_FORCEINLINE_FUNCTION void open(const ClusterItem& item) {
    at.data = ClusterChunk(a.clusters, slice.batch, slice.kv_head, item.chunk).data;
    first_key = item.chunk * a.clusters.chunk;
    first = 32 * item.tile;
    count = a.clusters.clusters - first < 32 ? a.clusters.clusters - first : 32;
    tile = static_cast<std::uint32_t>(item.chunk * item.tiles + item.tile);
  }
  /// Finds out how many keys each cluster has.
  KOKKOS_FORCEINLINE_FUNCTION void find_sizes() {
    group.template for_each_lane<1>(count, &size, [&](int lane, float* out) { out[0] = size_of(lane); });
    size = lanes::select(group.lanes_between(0, count), size, Float(0.F));
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float size_of(int cluster) const {
    return static_cast<float>(at.size(first + cluster));
  }

  /// Notes which clusters are drawn by their log2 scores, with what probability, and how many keys these have, which it
  /// returns.
  KOKKOS_FORCEINLINE_FUNCTION int draw_clusters(const Float* score) const {
    const auto there = size > Float(0.F);
    const Float ratio = lanes::select(there, largest_ratio(score, [&](int head) { return scratch.log_tau(head); }),
                                      Float(-lanes::infinity));
    const Inclusion<Group> inclusion(ratio);
    const Sweep<Group> sweep(group, inclusion, numbers.of_clusters(tile));
    group.store(sweep.inverse, scratch.inverse());
    group.store(sweep.doubt, scratch.doubt());
    group.store(lanes::select(ratio > Float(0.F), Float(0.F), ratio), scratch.log_pi());
    const Float taken = lanes::select(group.lanes_of(sweep.rows), size, Float(0.F));
    const auto taken_keys = lanes::convert<std::int32_t>(taken);
    const auto prefix = group.inclusive_scan(lanes::bit_cast<std::uint32_t>(taken_keys));
    group.store(prefix, scratch.prefix());
    const auto keys = static_cast<int>(group.last(prefix));
    const Float certain = lanes::select(group.lanes_of(sweep.certain), size, Float(0.F));
    const Float expected = lanes::select(there, (Float(1.F) - sweep.doubt) * size, Float(0.F));
    const float certain_keys = group.sum(certain);
    counts.certain_keys += certain_keys;
    counts.uncertain_keys += group.sum(expected) - certain_keys;
    counts.clusters += static_cast<float>(Kokkos::popcount(group.ballot(taken > Float(0.F))));
    counts.keys += static_cast<float>(keys);
    group.sync();
    return keys;
  }

  /// The key of the drawn clusters that has a number, of `keys`; one of the first cluster beyond them.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION BlockKey key_at(int number, int keys) const {
    if (number >= keys) return {0, at.first_slot()[first], 0};
    const std::uint32_t* prefix = scratch.prefix();
    const auto key = static_cast<std::uint32_t>(number);
    int cluster = 0;
    for (int step = 16; step > 0; step /= 2)
      if (prefix[cluster + step - 1] <= key) cluster += step;
    const auto before = static_cast<std::int32_t>(key - (cluster > 0 ? prefix[cluster - 1] : 0));
    return {cluster, at.first_slot()[first + cluster] + before, before};
  }

  /// Which rows of a block are drawn, by their log2 scores and their clusters' log2(pi).
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Sweep<Group> draw_rows(int block, int here, const Float* score,
                                                                   const Float& log_pi) const {
    return draw_rows_by(numbers.of_rows(tile, first_key + at.first_slot()[first], block), here, score, log_pi);
  }
  /// The same by a phase that is known.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Sweep<Group> draw_rows_by(std::uint32_t phase, int here, const Float* score,
                                                                      const Float& log_pi) const {
    const Float ratio = largest_ratio(score, [&](int head) { return scratch.log_delta(head); }) - log_pi;
    const Inclusion<Group> inclusion(lanes::select(group.lanes_between(0, here), ratio, Float(-lanes::infinity)));
    const Sweep<Group> sweep(group, inclusion, phase);
    counts.certain_rows += static_cast<float>(Kokkos::popcount(sweep.certain));
    counts.uncertain_rows += static_cast<float>(sweep.uncertain) * (1.F / probability_unit);
    if (a.rehearsal == 0) counts.rows += static_cast<float>(Kokkos::popcount(sweep.rows));
    return sweep;
  }

 private:
  /// The largest log2(w / threshold) over heads; 0, so that it is drawn for certain, where a score is NaN.
  template <class Threshold>
  KOKKOS_FORCEINLINE_FUNCTION Float largest_ratio(const Float* score, const Threshold& threshold) const {
    Float largest = -lanes::infinity;
    Float unknown = 0.F;
    group.for_heads(slice.heads, [&](int head) {
      largest = lanes::max(largest, score[head] - Float(threshold(head)));
      unknown = lanes::select(score[head] != score[head], Float(1.F), unknown);
    });
    return lanes::select(unknown > Float(0.F), Float(0.F), largest);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
