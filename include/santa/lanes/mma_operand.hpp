// Rows of scratch as operands of the tensor cores' product.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/mma.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Where a row's 16-byte pieces lie in scratch, so that the same pieces of 8 rows are in different banks: piece p of a
/// row is `pieces_on(address of piece 0, p)`. Rows of 128 bytes and more begin at multiples of their size, shorter ones
/// share lines of 128 bytes.
template <unsigned row_bytes>
__device__ __forceinline__ std::uint32_t row_place(int number) {
  const auto row = static_cast<unsigned>(number);
  if constexpr (row_bytes >= 128) {
    return row * row_bytes + row % 8 * 16;
  } else {
    constexpr unsigned rows = 128 / row_bytes;  // of a line
    const unsigned line = row / rows;
    return line * 128 + ((row % rows * (row_bytes / 16)) ^ (line % 8)) * 16;
  }
}
__device__ __forceinline__ std::uint32_t pieces_on(std::uint32_t first, int pieces) {
  return (first ^ static_cast<std::uint32_t>(pieces % 8 * 16)) + static_cast<std::uint32_t>(pieces / 8 * 128);
}

/// How 16 rows of Key become the product's first operand, 32 features at a time. Products may permute features: lane
/// (g, t) takes what it has loaded for its columns, and the query is laid out to match.
///   Factor                 what is multiplied, exactly what rows hold
///   lane_piece()           the first piece whose address a lane gives, of a row it gives
///   load(from, i, a)       both operands of the i-th 32 features
///   feature(k, e, t)       which of the 32 are in the pair k (of operands k / 2), element e
template <class Key>
struct MmaOperand {
  using Factor = Key;
  static constexpr float unit = 1.F;  // of a row's numbers, in those that are multiplied

  __device__ static int lane_piece() { return warp_lane() / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    load_matrices<false>(pieces_on(from, 4 * i), a[0]);
    load_matrices<false>(pieces_on(from, 4 * i + 2), a[1]);
  }
  __device__ static int feature(int k, int e, int t) { return 8 * k + 2 * t + e; }
};

/// Rows of e4m3: a lane's word holds 4 of a row's 16 features. A half has one more bit of exponent, with its origin 8
/// higher: the same bits are 2^-8 of the number.
template <>
struct MmaOperand<float8> {
  using Factor = half;
  static constexpr float unit = 0x1p8F;

  __device__ static int lane_piece() { return warp_lane() / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    std::uint32_t word[4];
    load_matrices<false>(pieces_on(from, 2 * i), word);
#pragma unroll
    for (int step = 0; step < 2; ++step)
#pragma unroll
      for (int row = 0; row < 2; ++row) {
        a[step][row] = widened(__byte_perm(word[2 * step + row], 0U, 0x1404));
        a[step][row + 2] = widened(__byte_perm(word[2 * step + row], 0U, 0x3424));
      }
  }
  __device__ static int feature(int k, int e, int t) { return 16 * (k / 2) + 4 * t + 2 * (k % 2) + e; }

 private:
  __device__ __forceinline__ static std::uint32_t widened(std::uint32_t bytes) {
    return (bytes & 0x80008000U) | ((bytes >> 1) & 0x3f803f80U);
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
