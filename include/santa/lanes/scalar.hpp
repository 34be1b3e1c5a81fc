// The operations of Simd for a single lane, so that one source serves vectors (host) and scalars (device lanes).
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <type_traits>

#if defined(__FINITE_MATH_ONLY__) && __FINITE_MATH_ONLY__
#error \
    "santa: -ffinite-math-only, a part of -ffast-math and -Ofast, lets the compiler assume that no number is infinite or \
NaN; keys that are hidden score -infinity, and NaN has to show. Add -fno-finite-math-only behind it."
#endif

// Makes a compiler that may reorder sums (-fassociative-math), or divide by way of 1 / x (-freciprocal-math), take a
// value as it stands. GCC tells from version 12 on whether it may; its own barrier takes vectors apart.
#if defined(__CUDA_ARCH__) || \
    (defined(__GNUC__) && __GNUC__ >= 12 && !defined(__ASSOCIATIVE_MATH__) && !defined(__RECIPROCAL_MATH__))
#define SANTA_KEEP(value)
#elif defined(__AVX512F__)
#define SANTA_KEEP(value) asm("" : "+v"(value))
#elif defined(__SSE2__)
#define SANTA_KEEP(value) asm("" : "+x"(value))
#elif defined(__aarch64__)
#define SANTA_KEEP(value) asm("" : "+w"(value))
#else
#define SANTA_KEEP(value) asm("" : "+m"(value))
#endif

// Unrolls the loop that follows on a device, so that loads of several turns are on their way at once.
#if defined(__CUDA_ARCH__)
#define SANTA_UNROLL_PRAGMA(text) _Pragma(#text)
#define SANTA_UNROLL(count) SANTA_UNROLL_PRAGMA(unroll count)
#else
#define SANTA_UNROLL(count)
#endif

namespace santa::lanes::inline SANTA_BUILD {

template <class T>
  requires std::is_arithmetic_v<T> KOKKOS_FORCEINLINE_FUNCTION T select(bool mask, std::type_identity_t<T> a, T b) {
    return mask ? a : b;
  }

template <class To, class From>
  requires std::is_arithmetic_v<From> KOKKOS_FORCEINLINE_FUNCTION To convert(From from) {
    return static_cast<To>(from);
  }

template <class To, class From>
  requires std::is_arithmetic_v<From> KOKKOS_FORCEINLINE_FUNCTION To bit_cast(From from) {
    return Kokkos::bit_cast<To>(from);
  }

KOKKOS_FORCEINLINE_FUNCTION float fma(float a, float b, float c) { return Kokkos::fma(a, b, c); }
KOKKOS_FORCEINLINE_FUNCTION double fma(double a, double b, double c) { return Kokkos::fma(a, b, c); }

// Rounded correctly whatever the build allows (nvcc's -use_fast_math): draws depend on them.
KOKKOS_FORCEINLINE_FUNCTION float sqrt(float x) {
#if defined(__CUDA_ARCH__)
  return __fsqrt_rn(x);
#else
  return Kokkos::sqrt(x);
#endif
}
KOKKOS_FORCEINLINE_FUNCTION float divide(float a, float b) {
#if defined(__CUDA_ARCH__)
  return __fdiv_rn(a, b);
#else
  SANTA_KEEP(b);
  return a / b;
#endif
}

/// x as it has been rounded: sums and differences with it are taken as they stand.
template <class T>
  requires std::is_floating_point_v<T> KOKKOS_FORCEINLINE_FUNCTION T as_rounded(T x) {
    SANTA_KEEP(x);
    return x;
  }

}  // namespace santa::lanes::inline SANTA_BUILD
