// The operations of Simd for a single lane, so that one source serves vectors (host) and scalars (device lanes).
#pragma once

#include <Kokkos_Core.hpp>

#include <type_traits>

// Unrolls the loop that follows on a device, so that loads of several turns are on their way at once.
#if defined(__CUDA_ARCH__)
#define SANTA_UNROLL_PRAGMA(text) _Pragma(#text)
#define SANTA_UNROLL(count) SANTA_UNROLL_PRAGMA(unroll count)
#else
#define SANTA_UNROLL(count)
#endif

namespace santa::lanes {

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

KOKKOS_FORCEINLINE_FUNCTION float sqrt(float x) { return Kokkos::sqrt(x); }

}  // namespace santa::lanes
