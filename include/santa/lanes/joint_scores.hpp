// A tile's scores where all heads of a warp draw together: a row for each lane to decide on.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/product_heads.hpp>
#include <santa/lanes/product_lanes.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Numbers of a tile of 32 rows and up to `heads` heads. The four lanes of a column (g, 0) to (g, 3) have all heads of
/// rows g, 8 + g, 16 + g and 24 + g between them, of which lane (g, t) owns row 8 t + g: ProductOrder. A lane has, of
/// each of its heads, all four rows; of up to 4 heads the two rows of half t / 2.
template <int heads>
struct JointScores : ProductHeads<heads> {
  using Base = ProductHeads<heads>;
  using Base::packed, Base::blocks, Base::operands, Base::column, Base::quarter;
  static constexpr int halves = packed ? 1 : 2;

  float of[halves][blocks][2][2];

  /// Which lane of the column owns a row, and the row's number in the tile.
  __device__ static int owner(int half, int r) { return 2 * (packed ? quarter() / 2 : half) + r; }
  __device__ static int row(int half, int r) { return 8 * owner(half, r) + column(); }
  __device__ static int owning_lane(int half, int r) { return 4 * column() + owner(half, r); }

  /// Calls f(number, half, block, r, k) for all of a lane's numbers.
  template <class F>
  __device__ __forceinline__ void for_each(F&& f) {
    for_each_row([&](int half, int r) {
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int k = 0; k < 2; ++k) f(of[half][b][r][k], half, b, r, k);
    });
  }
  /// Calls f(half, r) for all rows of which a lane has numbers.
  template <class F>
  __device__ __forceinline__ static void for_each_row(F&& f) {
#pragma unroll
    for (int half = 0; half < halves; ++half)
#pragma unroll
      for (int r = 0; r < 2; ++r) f(half, r);
  }

  /// Takes the products of both halves of the rows.
  __device__ __forceinline__ void take(const float (&first)[blocks][4], const float (&second)[blocks][4]) {
    const bool upper = quarter() >= 2;
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int k = 0; k < 4; ++k)
        if constexpr (packed) {
          of[0][0][k / 2][k % 2] =
              (upper ? second[0][k] : first[0][k]) + of_neighbour(upper ? first[0][k] : second[0][k], 2);
        } else {
          of[0][b][k / 2][k % 2] = first[b][k];
          of[1][b][k / 2][k % 2] = second[b][k];
        }
  }

  /// The largest over all heads, of the row that a lane owns, of what the lanes have of their rows: [half][r].
  __device__ __forceinline__ static float largest_of_own(const float (&largest)[halves][2]) {
    const bool upper = quarter() >= 2, odd = quarter() % 2 == 1;
    float of_half[2];
#pragma unroll
    for (int r = 0; r < 2; ++r)
      if constexpr (packed)
        of_half[r] = largest[0][r];
      else
        of_half[r] =
            lanes::max(upper ? largest[1][r] : largest[0][r], of_neighbour(upper ? largest[0][r] : largest[1][r], 2));
    return lanes::max(odd ? of_half[1] : of_half[0], of_neighbour(odd ? of_half[0] : of_half[1], 1));
  }
  /// What the owner of a row has.
  __device__ __forceinline__ static float of_owner(float value, int half, int r) {
    return __shfl_sync(0xffffffffU, value, owning_lane(half, r));
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
