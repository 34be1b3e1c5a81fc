// Rows of scratch as operands of the tensor cores' product.
#pragma once

#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/mma.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// Where a row's 16-byte pieces lie in scratch, so that the same pieces of 8 rows are in different banks: piece p of a
/// row is `pieces_on(address of piece 0, p)`. Rows of 128 bytes and more begin at multiples of their size, shorter ones
/// share lines of 128 bytes.
template <int row_bytes>
__device__ __forceinline__ std::uint32_t row_place(int row) {
  if constexpr (row_bytes >= 128) {
    return static_cast<std::uint32_t>(row * row_bytes + row % 8 * 16);
  } else {
    constexpr int rows = 128 / row_bytes;  // of a line
    const int line = row / rows;
    return static_cast<std::uint32_t>(line * 128 + ((row % rows * (row_bytes / 16)) ^ (line % 8)) * 16);
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

  __device__ static int lane_piece() { return static_cast<int>(threadIdx.x) / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    load_matrices<false>(pieces_on(from, 4 * i), a[0]);
    load_matrices<false>(pieces_on(from, 4 * i + 2), a[1]);
  }
  __device__ static int feature(int k, int e, int t) { return 8 * k + 2 * t + e; }
};

/// Rows of one byte a feature: a lane's word holds 4 of a row's 16 features.
template <class Byte>
struct MmaByteOperand {
  using Factor = half;

  __device__ static int lane_piece() { return static_cast<int>(threadIdx.x) / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    std::uint32_t word[4];
    load_matrices<false>(pieces_on(from, 2 * i), word);
#pragma unroll
    for (int step = 0; step < 2; ++step)
#pragma unroll
      for (int row = 0; row < 2; ++row) Byte::widen(word[2 * step + row], a[step][row], a[step][row + 2]);
  }
  __device__ static int feature(int k, int e, int t) { return 16 * (k / 2) + 4 * t + 2 * (k % 2) + e; }
};

/// 1024 + b is a half whose low byte is b: numbers of -128 to 127 as 0 to 255, less 1152.
template <>
struct MmaOperand<std::int8_t> : MmaByteOperand<MmaOperand<std::int8_t>> {
  static constexpr float unit = 1.F;

  __device__ __forceinline__ static void widen(std::uint32_t word, std::uint32_t& low, std::uint32_t& high) {
    const std::uint32_t shifted = word ^ 0x80808080U;
    low = subtract_halves(__byte_perm(shifted, 0x64646464U, 0x4140), 0x64806480U);
    high = subtract_halves(__byte_perm(shifted, 0x64646464U, 0x4342), 0x64806480U);
  }
};

/// A half has one more bit of exponent, with its origin 8 higher: the same bits are 2^-8 of the number.
template <>
struct MmaOperand<float8> : MmaByteOperand<MmaOperand<float8>> {
  static constexpr float unit = 0x1p8F;

  __device__ __forceinline__ static void widen(std::uint32_t word, std::uint32_t& low, std::uint32_t& high) {
    low = widened(__byte_perm(word, 0U, 0x1404));
    high = widened(__byte_perm(word, 0U, 0x3424));
  }

 private:
  __device__ __forceinline__ static std::uint32_t widened(std::uint32_t bytes) {
    return (bytes & 0x80008000U) | ((bytes >> 1) & 0x3f803f80U);
  }
};

/// Rows of half a byte a feature: a lane's word holds 8 of 32 features. Nibbles 0 and 4, then 1 and 5 (16 times as
/// large in their halves), then the same of the word's other bytes.
template <>
struct MmaOperand<int4x2> {
  using Factor = half;
  static constexpr float unit = 1.F;

  __device__ static int lane_piece() { return 0; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    std::uint32_t word[2];
    load_two_matrices(pieces_on(from, i), word);
#pragma unroll
    for (int row = 0; row < 2; ++row)
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        const std::uint32_t w = word[row] >> (8 * step);
        a[step][row] = subtract_halves((w & 0x000f000fU) | 0x64006400U, 0x64086408U);
        a[step][row + 2] = multiply_add_halves((w & 0x00f000f0U) | 0x64006400U, 0x2c002c00U, 0xd480d480U);
      }
  }
  __device__ static int feature(int k, int e, int t) { return 8 * t + k + 4 * e; }
};

}  // namespace santa::lanes

#endif
