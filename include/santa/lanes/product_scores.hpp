// A tile's scores as the tensor cores leave them: what each lane has of them, and how they become weights of rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/product_heads.hpp>
#include <santa/lanes/product_lanes.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Transposes an 8 x 8 matrix of 2-byte elements, of which lane (g, t) has elements 2 t and 2 t + 1 of row g.
__device__ __forceinline__ std::uint32_t transpose(std::uint32_t elements) {
  std::uint32_t result;
  asm("movmatrix.sync.aligned.m8n8.trans.b16 %0,%1;" : "=r"(result) : "r"(elements));
  return result;
}

/// Numbers of a tile of 32 rows and up to `heads` heads, half of the rows by half: a lane has of each half and each of
/// its heads rows g and g + 8; of up to 4 heads one of these. Or of 16 rows: of one of the `halves`.
template <int heads, int halves = 2>
struct ProductScores : ProductHeads<heads> {
  using Base = ProductHeads<heads>;
  using Base::packed, Base::blocks, Base::operands, Base::column, Base::quarter;
  static constexpr int rows = packed ? 1 : 2;  // of a half

  float of[halves][blocks][rows][2];

  __device__ static int row(int half, int r) { return 16 * half + column() + 8 * (packed ? quarter() / 2 : r); }

  /// Calls f(number, half, block, r, k) for all of a lane's numbers.
  template <class F>
  __device__ __forceinline__ void for_each(F&& f) {
#pragma unroll
    for (int half = 0; half < halves; ++half)
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int r = 0; r < rows; ++r)
#pragma unroll
          for (int k = 0; k < 2; ++k) f(of[half][b][r][k], half, b, r, k);
  }
  /// Calls f(half, r) for all rows of which a lane has numbers.
  template <class F>
  __device__ __forceinline__ static void for_each_row(F&& f) {
#pragma unroll
    for (int half = 0; half < halves; ++half)
#pragma unroll
      for (int r = 0; r < rows; ++r) f(half, r);
  }
  /// Takes the products of half the rows.
  __device__ __forceinline__ void take(int half, const float (&c)[blocks][4]) {
    if constexpr (packed) {
      const bool upper = quarter() >= 2;
#pragma unroll
      for (int k = 0; k < 2; ++k)
        of[half][0][0][k] = (upper ? c[0][2 + k] : c[0][k]) + of_neighbour(upper ? c[0][k] : c[0][2 + k], 2);
    } else {
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int k = 0; k < 4; ++k) of[half][b][k / 2][k % 2] = c[b][k];
    }
  }

  /// Multiplies all of a row by a number of its own: lane i has that of row i.
  __device__ __forceinline__ void scale_rows(float own) {
#pragma unroll
    for (int half = 0; half < halves; ++half)
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        const float by = __shfl_sync(0xffffffffU, own, row(half, r));
#pragma unroll
        for (int b = 0; b < blocks; ++b)
#pragma unroll
          for (int k = 0; k < 2; ++k) of[half][b][r][k] *= by;
      }
  }

  /// The weights of half the rows, times by(block, k), as operands of a product with these rows: of each block the
  /// rounded ones and their rests.
  template <class Factor, class By>
  __device__ __forceinline__ void weigh_rows(int half, const By& by, std::uint32_t (&b)[operands][2]) const {
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
      std::uint32_t rounded[rows], rest[rows];
#pragma unroll
      for (int r = 0; r < rows; ++r) {
        const float first = of[half][block][r][0] * by(block, 0), second = of[half][block][r][1] * by(block, 1);
        rounded[r] = pack<Factor>(first, second);
        rest[r] = pack_rest<Factor>(first, second, rounded[r]);
      }
      if constexpr (packed) {  // lanes of the upper quarters have the rests of rows 0 to 7, the others those of the
                               // rest
        const bool upper = quarter() >= 2;
        const std::uint32_t other = __shfl_xor_sync(0xffffffffU, upper ? rounded[0] : rest[0], 2);
        b[0][0] = transpose(upper ? other : rounded[0]);
        b[0][1] = transpose(upper ? rest[0] : other);
      } else {
#pragma unroll
        for (int r = 0; r < rows; ++r) {
          b[2 * block][r] = transpose(rounded[r]);
          b[2 * block + 1][r] = transpose(rest[r]);
        }
      }
    }
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
