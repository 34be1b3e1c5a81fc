// The scratch of a lane group that draws clusters.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where a group's arrays lie, in floats: the team's query, then of each group the others. Sized for the heads and
/// features that a kernel is compiled for, so that places are constants and take no registers.
template <int Heads, int Width>
struct DrawScratch {
  float* team;
  float* own;

  static constexpr int width = Width;
  static constexpr int team_floats = Heads * Width;
  static constexpr int group_floats =
      4 * Heads * Width + 2 * Heads * 32 + 8 * 32 + Heads * (cluster_head_floats + 2) + cluster_count_floats;
  static constexpr std::size_t floats(int groups) {
    return static_cast<std::size_t>(team_floats) + static_cast<std::size_t>(groups) * std::size_t{group_floats};
  }

  KOKKOS_FUNCTION DrawScratch(float* all, int group) : team(all), own(all + team_floats + group * group_floats) {}
  /// That of another group of the team.
  [[nodiscard]] KOKKOS_FUNCTION DrawScratch of(int group) const { return {team, group}; }

  /// The query of a head, [width], times the scale in log2 units; and in the coordinates of a chunk's codes.
  [[nodiscard]] KOKKOS_FUNCTION float* query(int head) const { return team + head * Width; }
  [[nodiscard]] KOKKOS_FUNCTION float* folded(int head) const { return own + head * Width; }
  /// [3][Heads][width]: see ClusterSums.
  [[nodiscard]] KOKKOS_FUNCTION float* kept(int which, int head) const {
    return own + ((1 + which) * Heads + head) * Width;
  }
  /// [32] of a head: log2 scores of a tile's means; weights of a block's keys by codes, over pi of their clusters.
  [[nodiscard]] KOKKOS_FUNCTION float* score(int head) const { return own + 4 * Heads * Width + 32 * head; }
  [[nodiscard]] KOKKOS_FUNCTION float* weight(int head) const { return score(Heads + head); }
  /// [32]: 1 / pi, 1 - pi, log2(pi) of a tile's clusters; 1 / rho and 1 - rho of a block's rows.
  [[nodiscard]] KOKKOS_FUNCTION float* inverse() const { return score(2 * Heads); }
  [[nodiscard]] KOKKOS_FUNCTION float* doubt() const { return score(2 * Heads + 1); }
  [[nodiscard]] KOKKOS_FUNCTION float* log_pi() const { return score(2 * Heads + 2); }
  [[nodiscard]] KOKKOS_FUNCTION float* row_inverse() const { return score(2 * Heads + 3); }
  [[nodiscard]] KOKKOS_FUNCTION float* row_doubt() const { return score(2 * Heads + 4); }
  /// [32]: keys of the drawn clusters up to each; of a block's keys, the cluster and the slot.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t* prefix() const {
    return reinterpret_cast<std::uint32_t*>(score(2 * Heads + 5));
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t* cluster_of() const {
    return reinterpret_cast<std::int32_t*>(score(2 * Heads + 6));
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t* slot() const {
    return reinterpret_cast<std::int32_t*>(score(2 * Heads + 7));
  }
  /// Thresholds of a head: see ClusterThresholds.
  [[nodiscard]] KOKKOS_FUNCTION float& log_tau(int head) const { return score(2 * Heads + 8)[head]; }
  [[nodiscard]] KOKKOS_FUNCTION float& log_delta(int head) const { return score(2 * Heads + 8)[Heads + head]; }
  /// A group's results.
  [[nodiscard]] KOKKOS_FUNCTION ClusterHead& result(int head) const {
    return reinterpret_cast<ClusterHead*>(score(2 * Heads + 8) + 2 * Heads)[head];
  }
  [[nodiscard]] KOKKOS_FUNCTION ClusterCounts& counts() const {
    return *reinterpret_cast<ClusterCounts*>(&result(Heads));
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
