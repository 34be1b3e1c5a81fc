// Gumbel noise from random words.
#pragma once

#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa {

/// A number with the standard Gumbel distribution, -ln(-ln(1 - v)), from two words of 32 uniform bits: of an index, or
/// of each lane's. The same bits on every backend.
/// Resolution: v is a uniform number of 55 bits, rounded to a float's 24 significant ones. Draws depend on the large
///             results, which come from small v and keep all 24 bits; noise lies in [-2.82, 38.9], is right to 4e-7 of
///             itself or of 1 (to 0.07 near the lower end, where rounding of v shows), and two of 10^5 equal rows tie
///             for the maximum with a chance near 1e-6.
template <class Word>
KOKKOS_FORCEINLINE_FUNCTION auto gumbel(const Word& high, const Word& low) {
  const auto top = lanes::convert<float>(lanes::bit_cast<std::int32_t>(high >> 8));  // 24 bits: exact
  const auto rest = lanes::convert<float>(lanes::bit_cast<std::int32_t>(((high & Word(0xffU)) << 23) | (low >> 9)));
  using Float = std::remove_const_t<decltype(top)>;
  const Float exact = lanes::fma(rest, Float(0x1p-55F), lanes::fma(top, Float(0x1p-24F), Float(0x1p-56F)));
  const Float most = Float(1.F - 0x1p-24F);
  const Float v = lanes::select(exact < most, exact, most);
  // ln(1 - v) as ln(y) and what rounding of y = 1 - v lost, so that small v keep their digits.
  const Float y = lanes::as_rounded(Float(1.F) - v);
  const Float lost = lanes::as_rounded(Float(1.F) - y) - v;
  return Float(0.F) - lanes::ln(Float(0.F) - (lanes::ln(y) + lost));
}

}  // namespace santa
