// What checks of device memory look for, and read.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The first of [0, count) of which bad(i) is true; count if there is none. Fences `space`.
template <class Space, class Bad>
std::int64_t first_bad(const Space& space, std::int64_t count, const Bad& bad) {
  std::int64_t result = count;
  Kokkos::parallel_reduce(
      "santa::validate", Range<Space>(space, 0, count),
      KOKKOS_LAMBDA(const std::int64_t i, std::int64_t& first) {
        if (i < first && bad(i)) first = i;
      },
      Kokkos::Min<std::int64_t>(result));
  space.fence("santa::validate");
  return result < count ? result : count;
}

/// A number that `of()` finds in the memory of `space`. Fences it.
template <class Space, class Of>
std::int64_t found_on(const Space& space, const Of& of) {
  std::int64_t result = 0;
  Kokkos::parallel_reduce(
      "santa::validate", Range<Space>(space, 0, 1),
      KOKKOS_LAMBDA(const std::int64_t /*i*/, std::int64_t& found) { found = of(); },
      Kokkos::Sum<std::int64_t>(result));
  space.fence("santa::validate");
  return result;
}

}  // namespace santa::detail::inline SANTA_BUILD
