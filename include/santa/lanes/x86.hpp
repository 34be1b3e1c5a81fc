// The instructions of x86-64 for vectors that no operator stands for, and which of them a build has.
#pragma once

#include <santa/core/build.hpp>

#include <cstdint>

// nvcc's front end does not know the wide vector types as GCC does.
#if defined(__AVX512F__) && !defined(__CUDACC__)
#define SANTA_AVX512
#endif

// What stands in <immintrin.h> is 40000 lines, which take a quarter of the time that a compiler takes for Kokkos. The
// few functions that are needed of it are made here of GCC's builtins, by the version that this was tried with.
#if defined(__AVX2__)
#if defined(__GNUC__) && __GNUC__ == 12 && !defined(__clang__) && !defined(__CUDACC__)
#define SANTA_GCC_BUILTINS
#else
#include <immintrin.h>
#endif
#endif

// Vectors stay in registers only where everything that touches them is inlined, lambdas included. Sanitizers would
// check every copy of that code, which takes their builds from seconds to a quarter of an hour a file.
#if defined(__SANITIZE_ADDRESS__)
#define SANTA_INLINE inline
#define SANTA_INLINE_LAMBDA
#else
#define SANTA_INLINE [[gnu::always_inline]] inline
#define SANTA_INLINE_LAMBDA __attribute__((always_inline))
#endif

#if defined(__AVX2__)

namespace santa::lanes::inline SANTA_BUILD {

/// A vector of so many values.
template <class T, int lanes>
struct NativeVector {
  typedef T Type __attribute__((vector_size(lanes * sizeof(T))));  // NOLINT(modernize-use-using): attribute
};
template <class T, int lanes>
using Native = typename NativeVector<T, lanes>::Type;

#if defined(SANTA_GCC_BUILTINS)

#if defined(SANTA_AVX512)
inline constexpr int current_rounding = 4;

/// Those lanes from memory whose bits are set, the rest 0; reads nothing else.
SANTA_INLINE Native<std::int32_t, 16> load_lanes(const void* from, std::uint32_t bits) {
  return __builtin_ia32_loaddqusi512_mask(static_cast<const int*>(from), Native<std::int32_t, 16>{},
                                          static_cast<std::uint16_t>(bits));
}
SANTA_INLINE Native<float, 16> widen_halves(Native<std::int16_t, 16> halves) {
  return __builtin_ia32_vcvtph2ps512_mask(halves, Native<float, 16>{}, -1, current_rounding);
}
/// a * b + c with one rounding.
SANTA_INLINE Native<float, 16> fused(Native<float, 16> a, Native<float, 16> b, Native<float, 16> c) {
  return __builtin_ia32_vfmaddps512_mask(a, b, c, -1, current_rounding);
}
SANTA_INLINE Native<double, 8> fused(Native<double, 8> a, Native<double, 8> b, Native<double, 8> c) {
  return __builtin_ia32_vfmaddpd512_mask(a, b, c, -1, current_rounding);
}
/// c and the products of pairs of neighbours.
SANTA_INLINE Native<std::int32_t, 16> add_pairs(Native<std::int16_t, 32> a, Native<std::int16_t, 32> b,
                                                Native<std::int32_t, 16> c) {
#if defined(__AVX512VNNI__)
  return __builtin_ia32_vpdpwssd_v16si(c, (Native<std::int32_t, 16>)a, (Native<std::int32_t, 16>)b);
#else
  return c + __builtin_ia32_pmaddwd512_mask(a, b, Native<std::int32_t, 16>{}, -1);
#endif
}
/// A bit for each lane that is not 0.
SANTA_INLINE std::uint32_t set_lanes(Native<std::int32_t, 16> x) {
  return static_cast<std::uint16_t>(__builtin_ia32_ptestmd512(x, x, -1));
}
/// Quarters of x and y, two each, by two bits of `which` for each.
template <int which>
SANTA_INLINE Native<float, 16> take_quarters(Native<float, 16> x, Native<float, 16> y) {
  return __builtin_ia32_shuf_f32x4_mask(x, y, which, Native<float, 16>{}, -1);
}
/// The same of floats within each quarter.
template <int which>
SANTA_INLINE Native<float, 16> take_floats(Native<float, 16> x, Native<float, 16> y) {
  return __builtin_ia32_shufps512_mask(x, y, which, Native<float, 16>{}, -1);
}
#else
/// Those lanes from memory whose lanes in `wanted` are -1, the rest 0; reads nothing else.
SANTA_INLINE Native<std::int32_t, 8> load_lanes(const void* from, Native<std::int32_t, 8> wanted) {
  return __builtin_ia32_maskloadd256(static_cast<const Native<std::int32_t, 8>*>(from), wanted);
}
#if defined(__F16C__)
SANTA_INLINE Native<float, 8> widen_halves(Native<std::int16_t, 8> halves) {
  return __builtin_ia32_vcvtph2ps256(halves);
}
#endif
#if defined(__FMA__)
/// a * b + c with one rounding.
SANTA_INLINE Native<float, 8> fused(Native<float, 8> a, Native<float, 8> b, Native<float, 8> c) {
  return __builtin_ia32_vfmaddps256(a, b, c);
}
SANTA_INLINE Native<double, 4> fused(Native<double, 4> a, Native<double, 4> b, Native<double, 4> c) {
  return __builtin_ia32_vfmaddpd256(a, b, c);
}
#endif
/// c and the products of pairs of neighbours.
SANTA_INLINE Native<std::int32_t, 8> add_pairs(Native<std::int16_t, 16> a, Native<std::int16_t, 16> b,
                                               Native<std::int32_t, 8> c) {
  return c + __builtin_ia32_pmaddwd256(a, b);
}
/// A bit for each lane that is negative.
SANTA_INLINE std::uint32_t negative_lanes(Native<float, 8> x) {
  return static_cast<std::uint32_t>(__builtin_ia32_movmskps256(x));
}
/// Halves of x and y, one each, by four bits of `which` for each.
template <int which>
SANTA_INLINE Native<float, 8> take_halves(Native<float, 8> x, Native<float, 8> y) {
  return __builtin_ia32_vperm2f128_ps256(x, y, which);
}
/// Floats of x and y within each half, two each, by two bits of `which` for each.
template <int which>
SANTA_INLINE Native<float, 8> take_floats(Native<float, 8> x, Native<float, 8> y) {
  return __builtin_ia32_shufps256(x, y, which);
}
#endif

#else  // the same by intrinsics

#if defined(SANTA_AVX512)
// Forms with a full mask: the plain ones set off a false "used uninitialized" warning in GCC's own header.
SANTA_INLINE Native<std::int32_t, 16> load_lanes(const void* from, std::uint32_t bits) {
  return (Native<std::int32_t, 16>)_mm512_maskz_loadu_epi32(static_cast<__mmask16>(bits), from);
}
SANTA_INLINE Native<float, 16> widen_halves(Native<std::int16_t, 16> halves) {
  return (Native<float, 16>)_mm512_maskz_cvtph_ps(0xffff, (__m256i)halves);
}
SANTA_INLINE Native<float, 16> fused(Native<float, 16> a, Native<float, 16> b, Native<float, 16> c) {
  return (Native<float, 16>)_mm512_fmadd_ps(a, b, c);
}
SANTA_INLINE Native<double, 8> fused(Native<double, 8> a, Native<double, 8> b, Native<double, 8> c) {
  return (Native<double, 8>)_mm512_fmadd_pd(a, b, c);
}
SANTA_INLINE Native<std::int32_t, 16> add_pairs(Native<std::int16_t, 32> a, Native<std::int16_t, 32> b,
                                                Native<std::int32_t, 16> c) {
#if defined(__AVX512VNNI__)
  return (Native<std::int32_t, 16>)_mm512_dpwssd_epi32((__m512i)c, (__m512i)a, (__m512i)b);
#else
  return c + (Native<std::int32_t, 16>)_mm512_madd_epi16((__m512i)a, (__m512i)b);
#endif
}
SANTA_INLINE std::uint32_t set_lanes(Native<std::int32_t, 16> x) {
  return _mm512_test_epi32_mask((__m512i)x, (__m512i)x);
}
template <int which>
SANTA_INLINE Native<float, 16> take_quarters(Native<float, 16> x, Native<float, 16> y) {
  return (Native<float, 16>)_mm512_maskz_shuffle_f32x4(0xffff, x, y, which);
}
template <int which>
SANTA_INLINE Native<float, 16> take_floats(Native<float, 16> x, Native<float, 16> y) {
  return (Native<float, 16>)_mm512_maskz_shuffle_ps(0xffff, x, y, which);
}
#else
SANTA_INLINE Native<std::int32_t, 8> load_lanes(const void* from, Native<std::int32_t, 8> wanted) {
  return (Native<std::int32_t, 8>)_mm256_maskload_epi32(static_cast<const int*>(from), (__m256i)wanted);
}
#if defined(__F16C__)
SANTA_INLINE Native<float, 8> widen_halves(Native<std::int16_t, 8> halves) {
  return (Native<float, 8>)_mm256_cvtph_ps((__m128i)halves);
}
#endif
#if defined(__FMA__)
SANTA_INLINE Native<float, 8> fused(Native<float, 8> a, Native<float, 8> b, Native<float, 8> c) {
  return (Native<float, 8>)_mm256_fmadd_ps(a, b, c);
}
SANTA_INLINE Native<double, 4> fused(Native<double, 4> a, Native<double, 4> b, Native<double, 4> c) {
  return (Native<double, 4>)_mm256_fmadd_pd(a, b, c);
}
#endif
SANTA_INLINE Native<std::int32_t, 8> add_pairs(Native<std::int16_t, 16> a, Native<std::int16_t, 16> b,
                                               Native<std::int32_t, 8> c) {
  return c + (Native<std::int32_t, 8>)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}
SANTA_INLINE std::uint32_t negative_lanes(Native<float, 8> x) {
  return static_cast<std::uint32_t>(_mm256_movemask_ps(x));
}
template <int which>
SANTA_INLINE Native<float, 8> take_halves(Native<float, 8> x, Native<float, 8> y) {
  return (Native<float, 8>)_mm256_permute2f128_ps(x, y, which);
}
template <int which>
SANTA_INLINE Native<float, 8> take_floats(Native<float, 8> x, Native<float, 8> y) {
  return (Native<float, 8>)_mm256_shuffle_ps(x, y, which);
}
#endif

#endif

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
