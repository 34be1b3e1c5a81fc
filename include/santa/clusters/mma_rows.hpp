// Scores and weighted sums of 16 scattered rows of a cache, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/mma_codes.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/product_lanes.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// Rows of `Dim` bfloat16 that lie anywhere, 16 bytes aligned: a lane loads pieces of 16 bytes of them, all of them on
/// their way together, and they are operands as they come. With g = lane / 4, t = lane % 4.
template <int Heads, int Dim>
struct MmaRows {
  using Weights = MmaWeights<Heads>;
  static constexpr int shares = Dim / 32;  // of a row
  static constexpr int steps = Dim / 16;
  static constexpr int query_floats = Weights::parts * shares * 32 * 4;

  /// Lays out queries, query(head): [Dim], as operands for all warps of a team; warp `rank` of `warps`.
  template <class Query>
  __device__ static void arrange(const Query& query, int rank, int warps, float* operands) {
    for (int share = rank; share < shares; share += warps) {
      const float* from = query(Weights::head()) + 32 * share + lanes::warp_lane() % 4 * 8;
      std::uint32_t b[4][Weights::parts];
#pragma unroll
      for (int k = 0; k < 4; ++k) Weights::part(from[2 * k], from[2 * k + 1], b[k]);
#pragma unroll
      for (int part = 0; part < Weights::parts; ++part)
        reinterpret_cast<uint4*>(operands)[(part * shares + share) * 32 + lanes::warp_lane()] = {
            b[0][part], b[1][part], b[2][part], b[3][part]};
    }
  }

  uint4 key[shares][2];        // features 32 s + 8 t on of rows g and g + 8
  uint4 value[shares / 2][4];  // features 64 s + 8 g on of rows 2t, 2t + 1, 2t + 8 and 2t + 9

  /// from(i): where row i of 16 lies.
  template <class From>
  __device__ __forceinline__ void load_keys(const From& from) {
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      const uint4* const row =
          reinterpret_cast<const uint4*>(from(lanes::warp_lane() / 4 + 8 * i)) + lanes::warp_lane() % 4;
#pragma unroll
      for (int s = 0; s < shares; ++s) key[s][i] = __ldcs(row + 4 * s);
    }
  }
  template <class From>
  __device__ __forceinline__ void load_values(const From& from) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const uint4* const row =
          reinterpret_cast<const uint4*>(from(lanes::warp_lane() % 4 * 2 + i % 2 + i / 2 * 8)) + lanes::warp_lane() / 4;
#pragma unroll
      for (int s = 0; s < shares / 2; ++s) value[s][i] = __ldcs(row + 8 * s);
    }
  }

  /// Scores of the rows, a row a lane in ProductOrder: lanes 0 to 15.
  __device__ __forceinline__ void scores(const float* operands, float (&score)[Heads]) const {
    float c[2][1][4] = {};
#pragma unroll
    for (int s = 0; s < shares; ++s)
#pragma unroll
      for (int part = 0; part < Weights::parts; ++part) {
        const uint4 q = reinterpret_cast<const uint4*>(operands)[(part * shares + s) * 32 + lanes::warp_lane()];
        lanes::mma<bfloat16>(c[0][0], {key[s][0].x, key[s][1].x, key[s][0].y, key[s][1].y}, q.x, q.y);
        lanes::mma<bfloat16>(c[0][0], {key[s][0].z, key[s][1].z, key[s][0].w, key[s][1].w}, q.z, q.w);
      }
    lanes::take_own_row(c[0], c[1], score);
  }

  /// sums += weights[head][i] * value row i.
  __device__ __forceinline__ void add(const float* weights, float (&sums)[steps][4]) const {
    std::uint32_t b[2][Weights::parts];
    Weights::load(weights, 0, b);
#pragma unroll
    for (int s = 0; s < shares / 2; ++s) {
      const auto pairs = [&](int w) {
        const auto word = [&](int i) {
          return w == 0 ? value[s][i].x : w == 1 ? value[s][i].y : w == 2 ? value[s][i].z : value[s][i].w;
        };
        const std::uint32_t a[4] = {__byte_perm(word(0), word(1), 0x5410), __byte_perm(word(0), word(1), 0x7632),
                                    __byte_perm(word(2), word(3), 0x5410), __byte_perm(word(2), word(3), 0x7632)};
#pragma unroll
        for (int part = 0; part < Weights::parts; ++part)
          lanes::mma<bfloat16>(sums[4 * s + w], a, b[0][part], b[1][part]);
      };
#pragma unroll
      for (int w = 0; w < 4; ++w) pairs(w);
    }
  }
  /// The feature of a lane's first two sums of step n; that of the others is the next.
  __device__ static int feature_of(int n) { return n / 4 * 64 + lanes::warp_lane() / 4 * 8 + n % 4 * 2; }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
