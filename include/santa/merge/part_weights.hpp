// Weights of parts of which only the mean and the logarithm of the sum of weights are known.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>

#include <Kokkos_Core.hpp>

#include <limits>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

template <class T>
inline constexpr bool is_real = std::is_same_v<T, float> || std::is_same_v<T, double>;

/// The logarithm of a part's sum, -infinity where the part is empty: it may also be said by infinity.
template <class Real>
KOKKOS_FUNCTION Real log_sum_or_empty(Real log_sum) {
  constexpr Real infinity = std::numeric_limits<Real>::infinity();
  return log_sum == infinity ? -infinity : log_sum;
}

/// Weights of parts by the logarithms of their sums, relative to about the largest. Differences of doubles are taken in
/// double precision. Weight: float, or double to merge in double.
template <class Real, class Weight = float>
struct PartWeights {
  Real reference;  // in log2 units, whole; of doubles in natural ones

  KOKKOS_FUNCTION explicit PartWeights(Real largest) {
    if constexpr (std::is_same_v<Real, float>)
      reference = lanes::ceil(lanes::max(float{empty_reference}, largest * lanes::log2_of_e));
    else
      reference = largest;
  }
  [[nodiscard]] KOKKOS_FUNCTION Weight of(Real log_sum) const {
    if constexpr (std::is_same_v<Weight, double>)
      return Kokkos::exp(log_sum - reference);
    else if constexpr (std::is_same_v<Real, float>)
      return lanes::exp2(lanes::fma(log_sum, lanes::log2_of_e, -reference));
    else
      return lanes::exp2(static_cast<float>((log_sum - reference) * 1.44269504088896340736));
  }
  /// The logarithm of a sum of such weights.
  [[nodiscard]] KOKKOS_FUNCTION Real log_of(Weight mass) const {
    if constexpr (std::is_same_v<Weight, double>)
      return reference + Kokkos::log(mass);
    else if constexpr (std::is_same_v<Real, float>)
      return log2_sum_of(reference, mass) * lanes::ln_of_2;
    else
      return reference + 0.69314718055994530942 * static_cast<double>(lanes::log2(mass));
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
