// Rows of 4-bit codes as operands of the tensor cores' product, straight from memory.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Codes of half a byte at bits `shift` and `shift` + 16 of a word, less 8, as two bfloat16, exactly: 128 + n has the
/// bits of n at its end.
__device__ __forceinline__ std::uint32_t nibble_pair(std::uint32_t word, int shift) {
  const std::uint32_t raised = ((word >> shift) & 0x000f000fU) | 0x43004300U;
  std::uint32_t pair;  // raised * 1 - 136
  asm("fma.rn.bf16x2 %0, %1, %2, %3;" : "=r"(pair) : "r"(raised), "r"(0x3f803f80U), "r"(0xc308c308U));
  return pair;
}

/// So many words of a row, loaded at once.
template <int words>
struct RowWords {
  std::uint32_t of[words];

  __device__ __forceinline__ void load(const std::uint8_t* from) {
    if constexpr (words == 1) {
      of[0] = *reinterpret_cast<const std::uint32_t*>(from);
    } else if constexpr (words == 2) {
      const uint2 piece = *reinterpret_cast<const uint2*>(from);
      of[0] = piece.x;
      of[1] = piece.y;
    } else {
#pragma unroll
      for (int i = 0; i < words / 4; ++i) {
        const uint4 piece = reinterpret_cast<const uint4*>(from)[i];
        of[4 * i] = piece.x;
        of[4 * i + 1] = piece.y;
        of[4 * i + 2] = piece.z;
        of[4 * i + 3] = piece.w;
      }
    }
  }
};

/// 32 rows of `Dim` codes, laid out as ClusterChunk has them, as the operand A of products over features: with g =
/// lane / 4 and t = lane % 4, a lane loads the t-th quarter of rows g, g + 8, g + 16 and g + 24. Vectors are laid out
/// to match: see `feature`.
template <int Dim>
struct NibbleRows {
  static constexpr int words = Dim / 32;  // of a quarter of a row
  static constexpr int row_bytes = Dim / 2;

  RowWords<words> row[4];

  /// from(r): where row r of 32 lies.
  template <class From>
  __device__ __forceinline__ void load(const From& from) {
#pragma unroll
    for (int i = 0; i < 4; ++i) row[i].load(from(8 * i + warp_lane() / 4) + warp_lane() % 4 * (row_bytes / 4));
  }
  /// The 16 features of word w and step 0 or 1, of half the rows.
  __device__ __forceinline__ void operand(int half, int w, int step, std::uint32_t (&a)[4]) const {
#pragma unroll
    for (int k = 0; k < 4; ++k) a[k] = nibble_pair(row[2 * half + k % 2].of[w], 8 * step + 4 * (k / 2));
  }
};

/// The same rows as the operand A of sums over rows: features are its rows. A lane loads the g-th eighth of rows 2t,
/// 2t + 1, 2t + 8 and 2t + 9 of each half.
template <int Dim>
struct NibbleColumns {
  static constexpr int words = Dim / 64;  // of an eighth of a row
  static constexpr int row_bytes = Dim / 2;
  static constexpr int steps = Dim / 16;  // of 16 features

  RowWords<words> row[2][4];

  template <class From>
  __device__ __forceinline__ void load(const From& from) {
#pragma unroll
    for (int i = 0; i < 8; ++i)
      row[i / 4][i % 4].load(from(16 * (i / 4) + 2 * (warp_lane() % 4) + i % 2 + i % 4 / 2 * 8) +
                             warp_lane() / 4 * (row_bytes / 8));
  }
  /// Both halves' operands of step n, whose features are those of byte `byte(n)`: rows g have that in its low half,
  /// rows g + 8 that in its high one.
  __device__ __forceinline__ void operand(int half, int n, std::uint32_t (&a)[4]) const {
    const int w = n / 4;
    const unsigned bytes = n / 2 % 2 == 0 ? 0x5410U : 0x7632U;
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const std::uint32_t both = __byte_perm(row[half][2 * k].of[w], row[half][2 * k + 1].of[w], bytes);
      a[2 * k] = nibble_pair(both, n % 2 * 8);
      a[2 * k + 1] = nibble_pair(both, n % 2 * 8 + 4);
    }
  }
  __device__ static int byte(int n) { return warp_lane() / 4 * (row_bytes / 8) + n; }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
