// A piece of a bfloat16 row as it lies, for processors that multiply and add up pairs of them (AVX512-BF16).
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <type_traits>

#if defined(SANTA_BF16_DOTS) && defined(SANTA_AVX512) && defined(__AVX512BF16__)
#define SANTA_ADDS_PAIRS
#include <immintrin.h>
#endif

namespace santa::lanes::inline SANTA_BUILD {

/// Whether scores of rows of T are made by such products, for queries that bfloat16 holds exactly: half the operations.
/// Where -DSANTA_BF16_DOTS asks for it, as last bits of scores are then others than in all other builds: the scale is
/// taken after the sum. Rows of the same scores are drawn by the same chance, and outputs agree within 2e-6 of their
/// norm where the same rows are; a row whose weight is that near its threshold may be drawn in one build alone.
#if defined(SANTA_ADDS_PAIRS)
template <class T>
inline constexpr bool adds_pairs = std::is_same_v<T, bfloat16>;
#else
template <class T>
inline constexpr bool adds_pairs = false;
#endif

/// 32 consecutive features, two in a lane: the even one in the low half.
struct PairBlock {
  static constexpr int size = 32;
  using Part = Simd<std::uint32_t, 16>;
  Part part[1];

  SANTA_INLINE static PairBlock load(const bfloat16* from) { return {{Part::load_bytes(from)}}; }
};

#if defined(SANTA_ADDS_PAIRS)
/// c and the products of pairs of bfloat16: lane i has c_i + a_2i+1 b_2i+1 + a_2i b_2i, each rounded once.
SANTA_INLINE Simd<float, 16> add_products(const PairBlock::Part& a, const PairBlock::Part& b,
                                          const Simd<float, 16>& c) {
  Simd<float, 16> result;
  result.part[0] =
      (typename Simd<float, 16>::Part)_mm512_dpbf16_ps((__m512)c.part[0], (__m512bh)a.part[0], (__m512bh)b.part[0]);
  return result;
}
#endif

}  // namespace santa::lanes::inline SANTA_BUILD
