// exp2, log2 and ln that give the same bits on every backend: draws depend on them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/scalar.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <limits>

namespace santa::lanes::inline SANTA_BUILD {

inline constexpr float infinity = std::numeric_limits<float>::infinity();
inline constexpr float lowest = std::numeric_limits<float>::lowest();
inline constexpr float not_a_number = std::numeric_limits<float>::quiet_NaN();
inline constexpr float log2_of_e = 1.44269504088896340736F;
inline constexpr float ln_of_2 = 0.69314718055994530942F;

/// Splits x into the nearest integer n and f of -1/2 to 1/2, by a magic addition: the result's low bits hold n.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float split_off_integer(const Float& x, Float& f) {
  const Float magic = Float(12582912.F);  // 1.5 * 2^23
  const Float shifted = as_rounded(x + magic);
  f = x - as_rounded(shifted - magic);
  return shifted;
}

/// (2^f - 1) / f for f of -1/2 to 1/2: a polynomial in explicit fma.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float exp2_slope(const Float& f) {
  Float slope = fma(f, Float(1.5461448e-4F), Float(1.3390867e-3F));
  slope = fma(slope, f, Float(9.6180569e-3F));
  slope = fma(slope, f, Float(5.5503570e-2F));
  slope = fma(slope, f, Float(0.24022651F));
  return fma(slope, f, Float(0.69314718F));
}

/// 2^x for x <= 127, relative error below 2e-7; 0 below -126; NaN for NaN and +infinity.
/// x is a float lane or a Simd of floats. Method: x = n + f, a polynomial for 2^f, n added to the exponent.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float exp2(const Float& x) {
  Float f;
  const Float shifted = split_off_integer(x, f);
  const Float power = fma(exp2_slope(f), f, Float(1.F));
  const auto exponent = bit_cast<std::uint32_t>(shifted) << 23;  // unsigned: what doesn't fit is meant to go
  const Float scaled = bit_cast<float>(bit_cast<std::uint32_t>(power) + exponent);
  return select(x >= Float(-126.F), scaled, select(x < Float(-126.F), Float(0.F), x));
}

/// The same to 3e-7, by the device's own instruction where it has one: for weights, on which no draw depends.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float exp2_near(const Float& x) {
#if defined(__CUDA_ARCH__) && !defined(SANTA_GENERIC_DEVICE)
  float power;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(power) : "f"(x));
  return power;
#else
  return exp2(x);
#endif
}

/// 2^x - 1 for |x| <= 126, relative error below 4e-7, also near 0; NaN for NaN. x is a float lane or a Simd of floats.
/// Method: that of exp2, but 2^f less 1, and so 2^n (2^f - 1) + (2^n - 1), of which little cancels.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float exp2_less_1(const Float& x) {
  Float f;
  const Float shifted = split_off_integer(x, f);
  using Word = decltype(bit_cast<std::uint32_t>(shifted));
  const Float power = bit_cast<float>((bit_cast<std::uint32_t>(shifted) << 23) + Word(0x3f800000U));
  return fma(power, exp2_slope(f) * f, power - Float(1.F));
}

/// 1 / x to 2e-7 for normal x whose inverse is normal: for weights too.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float inverse_near(const Float& x) {
#if defined(__CUDA_ARCH__) && !defined(SANTA_GENERIC_DEVICE)
  float inverse;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(inverse) : "f"(x));
  return inverse;
#else
  return Float(1.F) / x;
#endif
}

/// log2(x) for x > 0, absolute error below 2e-7 + 1e-7 |log2 x|; -infinity for 0 and NaN for NaN or negative x.
/// Method: log2(x) = e + 2/ln2 atanh((m - 1) / (m + 1)) with x = m 2^e, m in [sqrt(1/2), sqrt(2)), series in double.
KOKKOS_FORCEINLINE_FUNCTION float log2(float x) {
  if (x == 0.F) return -infinity;
  if (!(x > 0.F) || x == infinity) return x > 0.F ? infinity : not_a_number;
  float scaled = x;
  int exponent = 0;
  if (scaled < 0x1p-126F) {  // subnormal
    scaled *= 0x1p32F;
    exponent -= 32;
  }
  auto bits = Kokkos::bit_cast<std::int32_t>(scaled);
  const std::int32_t offset = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  exponent += offset;
  bits -= offset * (1 << 23);
  const auto mantissa = static_cast<double>(Kokkos::bit_cast<float>(bits));
  const double t = (mantissa - 1.) / (mantissa + 1.);
  const double t2 = t * t;
  double series = 1. / 11.;
  series = Kokkos::fma(series, t2, 1. / 9.);
  series = Kokkos::fma(series, t2, 1. / 7.);
  series = Kokkos::fma(series, t2, 1. / 5.);
  series = Kokkos::fma(series, t2, 1. / 3.);
  series = Kokkos::fma(series, t2, 1.);
  return static_cast<float>(Kokkos::fma(2.88539008177792681472 * t, series, static_cast<double>(exponent)));
}

/// ln(x) for normal positive x, relative error below 2e-7, also near 1; x is a float lane or a Simd of floats.
/// Method: ln(x) = e ln 2 + ln(m) with x = m 2^e, m in [sqrt(1/2), sqrt(2)), a polynomial for ln(m) (the coefficients
/// of Cephes' logf), ln 2 in two parts.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float ln(const Float& x) {
  const auto bits = bit_cast<std::int32_t>(x);
  const auto exponent = (bits - 0x3f3504f3) >> 23;  // 0x3f3504f3 is sqrt(1/2)
  const Float e = convert<float>(exponent);
  const Float f = bit_cast<float>(bits - (exponent << 23)) - Float(1.F);
  const Float square = f * f;
  Float series = fma(f, Float(7.0376836292e-2F), Float(-1.1514610310e-1F));
  series = fma(series, f, Float(1.1676998740e-1F));
  series = fma(series, f, Float(-1.2420140846e-1F));
  series = fma(series, f, Float(1.4249322787e-1F));
  series = fma(series, f, Float(-1.6668057665e-1F));
  series = fma(series, f, Float(2.0000714765e-1F));
  series = fma(series, f, Float(-2.4999993993e-1F));
  series = fma(series, f, Float(3.3333331174e-1F));
  Float rest = fma(e, Float(-2.12194440e-4F), series * f * square);
  rest = fma(square, Float(-0.5F), rest);
  return fma(e, Float(0.693359375F), f + rest);
}

/// The smallest integer that is not below x, as a float (x finite).
KOKKOS_FORCEINLINE_FUNCTION float ceil(float x) { return Kokkos::ceil(x); }

/// The larger of two; a NaN in `value` is ignored.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float max(const Float& so_far, const Float& value) {
  return select(value > so_far, value, so_far);
}
KOKKOS_FORCEINLINE_FUNCTION float max(float so_far, float value) { return Kokkos::fmax(so_far, value); }

}  // namespace santa::lanes::inline SANTA_BUILD
