// a * b + c with one rounding on processors that have no instruction for it.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/scalar.hpp>
#include <santa/lanes/simd_type.hpp>

#if defined(__SSE2__) && !defined(__FMA__)

#include <emmintrin.h>

namespace santa::lanes::inline SANTA_BUILD {

/// a * b + c in doubles, rounded to odd: once more rounded to float, it is what one rounding of the exact number gives.
/// The product is exact, and what is missing from the sum tells to which side the exact number lies.
SANTA_INLINE __m128d add_to_odd(__m128d a, __m128d b, __m128d c) {
  const __m128d product = _mm_mul_pd(a, b);
  __m128d sum = _mm_add_pd(product, c);
  SANTA_KEEP(sum);
  __m128d of_c = _mm_sub_pd(sum, product);
  SANTA_KEEP(of_c);
  __m128d of_product = _mm_sub_pd(sum, of_c);
  SANTA_KEEP(of_product);
  __m128d missing = _mm_sub_pd(product, of_product);
  SANTA_KEEP(missing);
  __m128d missing_of_c = _mm_sub_pd(c, of_c);
  SANTA_KEEP(missing_of_c);
  missing = _mm_add_pd(missing, missing_of_c);
  // Not where it is NaN: of sums that are infinite.
  const __m128d inexact = _mm_cmplt_pd(_mm_setzero_pd(), _mm_andnot_pd(_mm_set1_pd(-0.), missing));
  const __m128i bits = _mm_castpd_si128(sum);
  const __m128i even = _mm_andnot_si128(bits, _mm_and_si128(_mm_castpd_si128(inexact), _mm_set1_epi64x(1)));
  const __m128i opposite = _mm_srli_epi64(_mm_castpd_si128(_mm_xor_pd(sum, missing)), 63);
  const __m128i down = _mm_slli_epi64(_mm_and_si128(even, opposite), 1);
  return _mm_castsi128_pd(_mm_sub_epi64(_mm_add_epi64(bits, even), down));
}

/// The same of `parts` vectors of floats. Compiled once: where it is inlined, or calls a library for each lane, it is
/// most of what a compiler does.
template <int parts>
[[gnu::noinline]] void fma_parts(const __m128* a, const __m128* b, const __m128* c, __m128* result) {
  for (int i = 0; i < parts; ++i) {
    const __m128d low = add_to_odd(_mm_cvtps_pd(a[i]), _mm_cvtps_pd(b[i]), _mm_cvtps_pd(c[i]));
    const auto upper = [](__m128 x) SANTA_INLINE_LAMBDA { return _mm_cvtps_pd(_mm_movehl_ps(x, x)); };
    const __m128d high = add_to_odd(upper(a[i]), upper(b[i]), upper(c[i]));
    result[i] = _mm_movelh_ps(_mm_cvtpd_ps(low), _mm_cvtpd_ps(high));
  }
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
