// exp in double precision with the same bits on every backend, and weights as whole numbers: draws depend on them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/scalar.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// exp(x) for x of -708 to 708, to 2 units in the last place; 0 below -708 and for NaN.
/// Method: x = n ln 2 + r with ln 2 in two parts (Cody and Waite), the Taylor polynomial of degree 13 in explicit fma,
/// n added to the exponent. No branches, so that compilers make vectors of it.
KOKKOS_FORCEINLINE_FUNCTION double fixed_exp(double x) {
  constexpr double magic = 0x1.8p52;
  const bool counts = x >= -708.;
  const double limited = counts ? x : -708.;
  const double shifted = Kokkos::fma(limited, 1.44269504088896340736, magic);
  const double n = lanes::as_rounded(shifted) - magic;
  double r = Kokkos::fma(n, -0x1.62e42fee00000p-1, limited);
  r = Kokkos::fma(n, -0x1.a39ef35793c76p-33, r);
  double power = 1. / 6227020800.;
  power = Kokkos::fma(power, r, 1. / 479001600.);
  power = Kokkos::fma(power, r, 1. / 39916800.);
  power = Kokkos::fma(power, r, 1. / 3628800.);
  power = Kokkos::fma(power, r, 1. / 362880.);
  power = Kokkos::fma(power, r, 1. / 40320.);
  power = Kokkos::fma(power, r, 1. / 5040.);
  power = Kokkos::fma(power, r, 1. / 720.);
  power = Kokkos::fma(power, r, 1. / 120.);
  power = Kokkos::fma(power, r, 1. / 24.);
  power = Kokkos::fma(power, r, 1. / 6.);
  power = Kokkos::fma(power, r, 0.5);
  power = Kokkos::fma(power, r, 1.);
  power = Kokkos::fma(power, r, 1.);
  const std::uint64_t bits = Kokkos::bit_cast<std::uint64_t>(power) + (Kokkos::bit_cast<std::uint64_t>(shifted) << 52);
  return counts ? Kokkos::bit_cast<double>(bits) : 0.;
}

/// Bits of a weight relative to the largest: sums of 2^11 of them stay within 2^62.
inline constexpr int weight_bits = 51;
inline constexpr double weight_unit = 0x1p-51;

/// A weight of 0 to 1 in units of 2^-51, to the nearest: its sums do not depend on their order.
KOKKOS_FORCEINLINE_FUNCTION std::uint64_t fixed_weight(double weight) {
  return Kokkos::bit_cast<std::uint64_t>(Kokkos::fma(weight, 0x1p51, 0x1p52)) - (std::uint64_t{0x433} << 52);
}
/// The weight in units of 2^-51 as a double, exactly; of at most 2^51 units.
KOKKOS_FORCEINLINE_FUNCTION double weight_of(std::uint64_t fixed) {
  return lanes::as_rounded(Kokkos::bit_cast<double>(fixed + (std::uint64_t{0x433} << 52))) - 0x1p52;
}
/// The square of a weight, in the same units.
KOKKOS_FORCEINLINE_FUNCTION std::uint64_t fixed_square(std::uint64_t fixed) {
  const double weight = weight_of(fixed) * weight_unit;
  return fixed_weight(weight * weight);
}

}  // namespace santa::detail::inline SANTA_BUILD
