// Products of a tile's rows, from where the tensor cores leave them to a row a lane.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// What another lane of a quarter has: that with which this one changes places by `width`.
__device__ __forceinline__ float of_neighbour(float value, int width) {
  return __shfl_xor_sync(0xffffffffU, value, width);
}

// Of 32 rows, in halves of 16, lane (g, t) holds rows g and g + 8 of each half, for two columns; in the order of
// ProductOrder it owns row 8 t + g: rows g, g + 8 of the first half for t = 0, 1, of the second for t = 2, 3.

/// Up to 4 heads, of which columns 0 to 3 have the rounded part, 4 to 7 the rest: scores[head] of the own row.
__device__ __forceinline__ void take_own_row(const float (&first)[1][4], const float (&second)[1][4],
                                             float (&scores)[4]) {
  const bool upper = (warp_lane() & 2) != 0;
  const bool odd = (warp_lane() & 1) != 0;
  float half[4];  // of the own half: two heads of two rows
#pragma unroll
  for (int k = 0; k < 4; ++k)
    half[k] = (upper ? second[0][k] : first[0][k]) + of_neighbour(upper ? first[0][k] : second[0][k], 2);
#pragma unroll
  for (int k = 0; k < 2; ++k) {
    const float own = odd ? half[2 + k] : half[k];
    const float other = of_neighbour(odd ? half[k] : half[2 + k], 1);
    scores[k] = odd ? other : own;
    scores[2 + k] = odd ? own : other;
  }
}

/// Whole blocks of 8 heads: column n has head n.
template <int blocks>
__device__ __forceinline__ void take_own_row(const float (&first)[blocks][4], const float (&second)[blocks][4],
                                             float (&scores)[8 * blocks]) {
  const bool upper = (warp_lane() & 2) != 0;
  const bool odd = (warp_lane() & 1) != 0;
#pragma unroll
  for (int b = 0; b < blocks; ++b)
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      float pair[4];  // heads 2 (t ^ i) + k of the own row
#pragma unroll
      for (int far = 0; far < 4; far += 2) {
        float row[2];  // g and g + 8 of the own half, heads of t, then of t ^ 2
#pragma unroll
        for (int r = 0; r < 2; ++r) {
          const float one = first[b][2 * r + k];
          const float two = second[b][2 * r + k];
          row[r] = far == 0 ? (upper ? two : one) : of_neighbour(upper ? one : two, 2);
        }
        pair[far] = odd ? row[1] : row[0];
        pair[far + 1] = of_neighbour(odd ? row[0] : row[1], 1);
      }
#pragma unroll
      for (int p = 0; p < 4; ++p) {  // pair[p ^ t], without an index
        const float near = odd ? pair[p ^ 1] : pair[p];
        const float far = odd ? pair[p ^ 3] : pair[p ^ 2];
        scores[8 * b + 2 * p + k] = upper ? far : near;
      }
    }
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
