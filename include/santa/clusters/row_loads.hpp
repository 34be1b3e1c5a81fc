// Rows as lane groups have them, a feature a lane: of a cache, of means, of codes.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/nibbles.hpp>
#include <santa/clusters/sums.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Loads rows; features from `dim` on are 0, whatever lies there.
template <class Group, int pieces_at_most>
struct RowLoads {
  using Float = typename Group::template Vector<float>;
  using Row = Features<Group, pieces_at_most>;
  static constexpr int most_heads = Group::max_heads;

  const Group& group;
  int dim, width;

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION int pieces() const { return width / 32; }

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Row none() const {
    Row row;
    for_pieces<pieces_at_most>(pieces_at_most, [&](int k) { row.of[k] = 0.F; });
    return row;
  }

  /// A row of a cache.
  template <class T>
  KOKKOS_FORCEINLINE_FUNCTION void load(const T* from, Row& row) const {
    for_pieces<pieces_at_most>(pieces(), [&](int k) {
      const int count = dim - 32 * k < 32 ? dim - 32 * k : 32;
      row.of[k] = 0.F;
      if (count <= 0) return;
      group.template for_each_lane<1>(count, &row.of[k],
                                      [&](int lane, float* out) { out[0] = static_cast<float>(from[32 * k + lane]); });
      if (count < 32) row.of[k] = lanes::select(group.lanes_between(0, count), row.of[k], Float(0.F));
    });
  }

  /// spread * scale * code of a row of codes.
  KOKKOS_FORCEINLINE_FUNCTION void load_codes(const std::uint8_t* codes, float scale, const float* spread,
                                              Row& row) const {
    for_pieces<pieces_at_most / 2>(pieces() / 2, [&](int k) {
      Float both[2];
      group.template for_each_lane<2>(32, both, [&](int lane, float* out) {
        const std::uint32_t byte = codes[32 * k + lane];
        out[0] = code_of(byte & 15U);
        out[1] = code_of(byte >> 4);
      });
      row.of[2 * k] = both[0] * Float(scale) * group.load(spread + 64 * k);
      row.of[2 * k + 1] = both[1] * Float(scale) * group.load(spread + 64 * k + 32);
    });
  }
  /// Residual of a value.
  KOKKOS_FORCEINLINE_FUNCTION void load_residual(const ClusterChunk& at, int slot, Row& row) const {
    load_codes(at.codes(1, slot), static_cast<float>(at.code_scales(1)[slot]), at.spread(1), row);
  }
  /// Mean of a cluster's values.
  KOKKOS_FORCEINLINE_FUNCTION void load_mean(const ClusterChunk& at, int cluster, Row& row) const {
    load_codes(at.mean(1, cluster), static_cast<float>(at.mean_scales(1)[cluster]), at.spread(1), row);
    for_pieces<pieces_at_most>(pieces(), [&](int k) { row.of[k] = row.of[k] + group.load(at.center(1) + 32 * k); });
  }

  /// A query in the coordinates of a chunk's codes of keys; returns what the chunk's center adds to all scores.
  KOKKOS_FORCEINLINE_FUNCTION float fold(const ClusterChunk& at, const float* query, float* folded) const {
    Float sum = 0.F;
    for_pieces<pieces_at_most>(pieces(), [&](int k) {
      const Float q = group.load(query + 32 * k);
      sum = lanes::fma(q, group.load(at.center(0) + 32 * k), sum);
      group.store(q * group.load(at.spread(0) + 32 * k), folded + 32 * k);
    });
    return group.sum(sum);
  }

  /// Scores of a key for each head, by query(head).
  template <class T, class Query>
  KOKKOS_FORCEINLINE_FUNCTION void scores(const T* key, const Query& query, int heads, float* score) const {
    Row row;
    load(key, row);
    group.for_heads(heads, [&](int head) {
      Float sum = 0.F;
      for_pieces<pieces_at_most>(pieces(),
                                 [&](int k) { sum = lanes::fma(row.of[k], group.load(query(head) + 32 * k), sum); });
      score[head] = group.sum(sum);
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
