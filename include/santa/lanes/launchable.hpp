// Whether kernels can be launched where a call was made.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>

#include <Kokkos_Core.hpp>

#include <stdexcept>
#include <string>
#include <type_traits>

#if defined(KOKKOS_ENABLE_OPENMP)
#include <omp.h>
#endif

namespace santa::lanes::inline SANTA_BUILD {

/// What every call that launches kernels or allocates asks first. Errors: std::runtime_error where Kokkos is not
/// initialized, and in an OpenMP parallel region, where Kokkos' OpenMP would abort; unless that may have regions inside
/// (OMP_MAX_ACTIVE_LEVELS=2), for instances of one's own for each of its threads.
template <class Space>
void require_launchable(const Space& /*space*/) {
  santa::detail::require_initialized();
#if defined(KOKKOS_ENABLE_OPENMP)
  if constexpr (std::is_same_v<Space, Kokkos::OpenMP>) {
    const int level = omp_get_level();
    if (level > 1 || (level == 1 && omp_get_max_active_levels() < 2))
      throw std::runtime_error("santa: called in an OpenMP parallel region (level " + std::to_string(level) +
                               "), where Kokkos::OpenMP launches nothing; call from outside, or use Kokkos::Serial");
  }
#endif
}

}  // namespace santa::lanes::inline SANTA_BUILD
