// The scratch of a warp that draws clusters by tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// A cluster of a tile that was drawn.
struct alignas(16) DrawnCluster {
  std::int32_t slot;  // of its first key, less the keys of the clusters that were drawn before it
  float inverse;      // 1 / pi
  float log_pi;       // log2
  std::int32_t none;
};

/// Where a warp's arrays lie, in floats.
template <int Heads, int Dim>
struct MmaScratch {
  static constexpr int width = Dim;
  static constexpr int sum_floats = Dim * 8;
  static constexpr int folded_pieces = Dim / 32 * MmaWeights<Heads>::parts;
  static constexpr int folded_floats = folded_pieces * 32 * 4;
  static constexpr int group_floats = folded_floats + sum_floats + 4 * 32 + 2 * Heads * 32 +
                                      Heads * MmaWeights<Heads>::stride + 4 * 32 + Heads * (cluster_head_floats + 2) +
                                      cluster_count_floats;
  static_assert(group_floats % 8 == 0);
  static constexpr std::size_t floats(int groups) {
    return static_cast<std::size_t>(groups) * std::size_t{group_floats};
  }

  float* all;
  float* own;

  KOKKOS_FUNCTION MmaScratch(float* of_team, int group)
      : all(of_team), own(of_team + group * group_floats + folded_floats) {}
  [[nodiscard]] KOKKOS_FUNCTION MmaScratch of(int group) const { return {all, group}; }

  /// Queries in the coordinates of a chunk's codes, as operands: [folded_pieces][lane].
  [[nodiscard]] KOKKOS_FUNCTION uint4* folded() const { return reinterpret_cast<uint4*>(own - folded_floats); }
  /// Sums of a warp as products leave them, [Dim / 16][lane]; in their place at last N of a head, [Dim].
  [[nodiscard]] KOKKOS_FUNCTION float4* sums() const { return reinterpret_cast<float4*>(own); }
  [[nodiscard]] KOKKOS_FUNCTION float* kept(int /*which*/, int head) const { return own + head * Dim; }
  /// [32]: the clusters that are drawn, in their order. Of them, [32][Heads]: log2 scores, and the weights that their
  /// means have beside their own.
  [[nodiscard]] KOKKOS_FUNCTION DrawnCluster* drawn() const {
    return reinterpret_cast<DrawnCluster*>(own + sum_floats);
  }
  [[nodiscard]] KOKKOS_FUNCTION float* scores(int drawn) const { return own + sum_floats + 4 * 32 + Heads * drawn; }
  [[nodiscard]] KOKKOS_FUNCTION float* mean_weights(int drawn) const { return scores(32 + drawn); }
  /// Weights of rows, as MmaWeights reads them, [Heads][stride].
  [[nodiscard]] KOKKOS_FUNCTION float* weights() const { return scores(64); }
  /// [32]: see TileDraws.
  [[nodiscard]] KOKKOS_FUNCTION float* inverse() const { return weights() + Heads * MmaWeights<Heads>::stride; }
  [[nodiscard]] KOKKOS_FUNCTION float* doubt() const { return inverse() + 32; }
  [[nodiscard]] KOKKOS_FUNCTION float* log_pi() const { return inverse() + 64; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t* prefix() const {
    return reinterpret_cast<std::uint32_t*>(inverse() + 96);
  }
  /// A group's results.
  [[nodiscard]] KOKKOS_FUNCTION ClusterHead& result(int head) const {
    return reinterpret_cast<ClusterHead*>(inverse() + 128)[head];
  }
  [[nodiscard]] KOKKOS_FUNCTION ClusterCounts& counts() const {
    return *reinterpret_cast<ClusterCounts*>(&result(Heads));
  }
  /// Thresholds of a head: see ClusterThresholds.
  [[nodiscard]] KOKKOS_FUNCTION float& log_tau(int head) const { return reinterpret_cast<float*>(&counts() + 1)[head]; }
  [[nodiscard]] KOKKOS_FUNCTION float& log_delta(int head) const { return (&log_tau(0))[Heads + head]; }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
