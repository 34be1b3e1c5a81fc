// The scratch of a warp that draws clusters by tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_rows.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// Where a warp's arrays lie, in floats: the team's queries, as they are and as operands, then of each warp the others.
template <int Heads, int Dim>
struct MmaScratch {
  using Rows = MmaRows<Heads, Dim>;
  static constexpr int width = Dim;
  static constexpr int queue_capacity = 64;  // drawn rows that wait
  static constexpr int sum_floats = Dim * 8;
  static constexpr int team_floats = Heads * Dim + Rows::query_floats;
  static constexpr int group_floats = 2 * sum_floats + Heads * (64 + MmaWeights<Heads>::stride) + 4 * 32 +
                                      2 * queue_capacity + Heads * (cluster_head_floats + 2) + cluster_count_floats;
  static_assert(team_floats % 32 == 0 && group_floats % 8 == 0);
  static constexpr std::size_t floats(int groups) {
    return static_cast<std::size_t>(team_floats) + static_cast<std::size_t>(groups) * std::size_t{group_floats};
  }

  float* team;
  float* own;

  KOKKOS_FUNCTION MmaScratch(float* all, int group) : team(all), own(all + team_floats + group * group_floats) {}
  [[nodiscard]] KOKKOS_FUNCTION MmaScratch of(int group) const { return {team, group}; }

  /// The query of a head, [Dim], times the scale in log2 units; all of them as operands.
  [[nodiscard]] KOKKOS_FUNCTION float* query(int head) const { return team + head * Dim; }
  [[nodiscard]] KOKKOS_FUNCTION float* operands() const { return team + Heads * Dim; }
  /// Sums of a warp as products leave them, [Dim / 16][lane]: 0, what means and codes add; 1, drawn rows.
  [[nodiscard]] KOKKOS_FUNCTION float4* sums(int which) const {
    return reinterpret_cast<float4*>(own + which * sum_floats);
  }
  /// In their place at last, [Dim] of a head: 0, N; 1, the rows' part of it.
  [[nodiscard]] KOKKOS_FUNCTION float* kept(int which, int head) const { return own + which * sum_floats + head * Dim; }
  /// [32] of a head: log2 scores of a tile's means; the weight that each mean has beside its own; and weights of rows,
  /// as MmaWeights reads them, [Heads][stride].
  [[nodiscard]] KOKKOS_FUNCTION float* score(int head) const { return own + 2 * sum_floats + 32 * head; }
  [[nodiscard]] KOKKOS_FUNCTION float* mean_weight(int head) const { return score(Heads + head); }
  [[nodiscard]] KOKKOS_FUNCTION float* weights() const { return score(2 * Heads); }
  /// [32]: see TileDraws.
  [[nodiscard]] KOKKOS_FUNCTION float* inverse() const { return weights() + Heads * MmaWeights<Heads>::stride; }
  [[nodiscard]] KOKKOS_FUNCTION float* doubt() const { return inverse() + 32; }
  [[nodiscard]] KOKKOS_FUNCTION float* log_pi() const { return inverse() + 64; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t* prefix() const {
    return reinterpret_cast<std::uint32_t*>(inverse() + 96);
  }
  /// [queue_capacity]: drawn rows that wait, and 1 / (pi rho) of them.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t* queue() const {
    return reinterpret_cast<std::uint32_t*>(inverse() + 128);
  }
  [[nodiscard]] KOKKOS_FUNCTION float* queue_inverse() const { return inverse() + 128 + queue_capacity; }
  /// Thresholds of a head: see ClusterThresholds.
  [[nodiscard]] KOKKOS_FUNCTION float& log_tau(int head) const { return (queue_inverse() + queue_capacity)[head]; }
  [[nodiscard]] KOKKOS_FUNCTION float& log_delta(int head) const { return (&log_tau(0))[Heads + head]; }
  /// A group's results.
  [[nodiscard]] KOKKOS_FUNCTION ClusterHead& result(int head) const {
    return reinterpret_cast<ClusterHead*>(&log_tau(0) + 2 * Heads)[head];
  }
  [[nodiscard]] KOKKOS_FUNCTION ClusterCounts& counts() const {
    return *reinterpret_cast<ClusterCounts*>(&result(Heads));
  }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
