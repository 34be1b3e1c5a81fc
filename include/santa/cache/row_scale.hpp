// The scale that a row is given where each has its own.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/element.hpp>

#include <Kokkos_Core.hpp>

#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// The scale by which the largest finite magnitude of a row of `dim` features becomes the largest that T is scaled to;
/// 1 for a row of zeros; never below the smallest normal float. Infinities have no part in it: they saturate. NaN for
/// a row with NaN if T has none.
template <class T, class From>
KOKKOS_FUNCTION float scale_for(const From* row, int dim) {
  float largest = 0.F;
  bool nan = false;
  for (int d = 0; d < dim; ++d) {
    const auto x = static_cast<float>(row[d]);
    const float magnitude = Kokkos::fabs(x);
    if (is_finite(x) && magnitude > largest) largest = magnitude;
    nan = nan || x != x;
  }
  if (std::is_same_v<T, Integer8> && nan) return Kokkos::Experimental::quiet_NaN_v<float>;
  if (largest == 0.F) return 1.F;
  const float scale = largest / largest_scaled<T>;
  constexpr float smallest = 0x1p-126F;
  return scale > smallest ? scale : smallest;
}

}  // namespace santa::detail::inline SANTA_BUILD
