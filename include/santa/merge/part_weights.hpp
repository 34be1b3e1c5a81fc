// Weights of parts of which only the mean and the logarithm of the sum of weights are known.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

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

/// Weights of parts by the logarithms of their sums, relative to the largest. Differences are taken before they are
/// scaled: logarithms may be large. Weight: float, or double to merge in double.
template <class Real, class Weight = float>
struct PartWeights {
  Real reference;

  KOKKOS_FUNCTION explicit PartWeights(Real largest) : reference(largest) {}

  [[nodiscard]] KOKKOS_FUNCTION Weight of(Real log_sum) const {
    if constexpr (std::is_same_v<Weight, double>)
      return Kokkos::exp(log_sum - reference);
    else
      return lanes::exp2(static_cast<float>((log_sum - reference) * static_cast<Real>(1.44269504088896340736)));
  }
  /// The logarithm of a sum of such weights.
  [[nodiscard]] KOKKOS_FUNCTION Real log_of(Weight mass) const {
    if constexpr (std::is_same_v<Weight, double>)
      return reference + Kokkos::log(mass);
    else
      return lanes::fma(static_cast<Real>(lanes::log2(mass)), static_cast<Real>(0.69314718055994530942), reference);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
