// Rows of scratch as operands of the tensor cores' product.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
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

/// Bytes of a row in scratch where it holds so many features: whole lines of 128.
template <class T, int dim>
inline constexpr int padded_row_bytes = (dim * int{sizeof(T)} + 127) / 128 * 128;

/// How 16 rows of Key become the product's first operand, 32 features at a time. Products may permute features: lane
/// (g, t) takes what it has loaded for its columns, and the query is laid out to match.
///   Factor                 what is multiplied, exactly what rows hold
///   lane_piece()           the first piece whose address a lane gives, of a row it gives
///   load(from, i, a)       both operands of the i-th 32 features
///   feature(i, k, e, t)    which feature is in the pair k (of operands k / 2) of the i-th 32, element e
template <class Key>
struct MmaOperand {
  using Factor = Key;
  static constexpr float unit = 1.F;  // of a row's numbers, in those that are multiplied

  __device__ static int lane_piece() { return warp_lane() / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    load_matrices<false>(pieces_on(from, 4 * i), a[0]);
    load_matrices<false>(pieces_on(from, 4 * i + 2), a[1]);
  }
  __device__ static int feature(int i, int k, int e, int t) { return 32 * i + 8 * k + 2 * t + e; }
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
      for (int row = 0; row < 2; ++row) widen(word[2 * step + row], a[step][row], a[step][row + 2]);
  }
  /// Four elements, in pairs.
  __device__ __forceinline__ static void widen(std::uint32_t bytes, std::uint32_t& low, std::uint32_t& high) {
    low = widened(__byte_perm(bytes, 0U, 0x1404));
    high = widened(__byte_perm(bytes, 0U, 0x3424));
  }
  __device__ static int feature(int i, int k, int e, int t) { return 32 * i + 16 * (k / 2) + 4 * t + 2 * (k % 2) + e; }

 private:
  __device__ __forceinline__ static std::uint32_t widened(std::uint32_t bytes) {
    return (bytes & 0x80008000U) | ((bytes >> 1) & 0x3f803f80U);
  }
};

/// Four elements of a cache's bytes as halves, exactly: of bytes 0 and 1, and of 2 and 3, in pairs.
template <class T>
struct MmaBytes;
template <>
struct MmaBytes<e4m3> {
  __device__ __forceinline__ static void widen(std::uint32_t bytes, std::uint32_t& low, std::uint32_t& high) {
#if __CUDA_ARCH__ >= 890
    asm("{.reg .b16 l, h; mov.b32 {l, h}, %2; cvt.rn.f16x2.e4m3x2 %0, l; cvt.rn.f16x2.e4m3x2 %1, h;}"
        : "=r"(low), "=r"(high)
        : "r"(bytes));
#else
    std::uint32_t x[4];
    for (int k = 0; k < 4; ++k)
      x[k] = half(static_cast<float>(Kokkos::bit_cast<e4m3>(static_cast<std::uint8_t>(bytes >> (8 * k))))).bits;
    low = x[0] | x[1] << 16;
    high = x[2] | x[3] << 16;
#endif
  }
};
/// 1024 + 128 + x has the bits of x + 128 at its end.
template <>
struct MmaBytes<santa::detail::Integer8> {
  __device__ __forceinline__ static void widen(std::uint32_t bytes, std::uint32_t& low, std::uint32_t& high) {
    const std::uint32_t moved = bytes ^ 0x80808080U;
    constexpr std::uint32_t origin = 0x64806480U;  // 1152, twice
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(low) : "r"(__byte_perm(moved, 0x64646464U, 0x4140)), "r"(origin));
    asm("sub.rn.f16x2 %0, %1, %2;" : "=r"(high) : "r"(__byte_perm(moved, 0x64646464U, 0x4342)), "r"(origin));
  }
};

/// Elements of a cache of one byte.
template <class T>
concept CacheByte = requires(std::uint32_t word) {
  MmaBytes<T>::widen(word, word, word);
};

/// Rows of such elements: as those of e4m3 codes, a lane's word holds 4 of a row's 16 features.
template <CacheByte T>
struct MmaOperand<T> {
  using Factor = half;
  static constexpr float unit = 1.F;

  __device__ static int lane_piece() { return warp_lane() / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    std::uint32_t word[4];
    load_matrices<false>(pieces_on(from, 2 * i), word);
#pragma unroll
    for (int step = 0; step < 2; ++step)
#pragma unroll
      for (int row = 0; row < 2; ++row) widen(word[2 * step + row], a[step][row], a[step][row + 2]);
  }
  __device__ __forceinline__ static void widen(std::uint32_t bytes, std::uint32_t& low, std::uint32_t& high) {
    MmaBytes<T>::widen(bytes, low, high);
  }
  __device__ static int feature(int i, int k, int e, int t) { return 32 * i + 16 * (k / 2) + 4 * t + 2 * (k % 2) + e; }
};

/// How 16 value rows become the product's first operand, transposed, 32 features at a time.
///   load(from, i, a)    both operands of the i-th 32 features
///   feature(g, upper)   which of an operand's 16 features its row g, or g + 8, is
template <class T>
struct MmaValues {
  using Factor = T;

  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    load_matrices<true>(pieces_on(from, 4 * i), a[0]);
    load_matrices<true>(pieces_on(from, 4 * i + 2), a[1]);
  }
  __device__ static int feature(int g, int upper) { return g + 8 * upper; }
};

/// Of bytes, pairs of features are transposed together.
template <CacheByte T>
struct MmaValues<T> {
  using Factor = half;

  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[2][4]) {
    std::uint32_t word[4];  // of rows 0 to 7, two pieces, then of rows 8 to 15
    load_matrices<true>(pieces_on(from, 2 * i), word);
#pragma unroll
    for (int step = 0; step < 2; ++step)
#pragma unroll
      for (int k = 0; k < 2; ++k)
        MmaBytes<T>::widen(__byte_perm(word[2 * k + step], 0U, 0x3120), a[step][2 * k], a[step][2 * k + 1]);
  }
  __device__ static int feature(int g, int upper) { return 2 * g + upper; }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
