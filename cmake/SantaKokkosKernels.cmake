# Finds a Kokkos Kernels that fits the Kokkos in use.
include_guard(GLOBAL)

# Sets <out> to whether there is one, as the target Kokkos::kokkoskernels.
function(santa_find_kokkos_kernels out)
  set(${out} OFF PARENT_SCOPE)
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(Kokkos_FOUND ON)  # else its package brings another Kokkos into this build
  find_package(KokkosKernels CONFIG QUIET)
  if(NOT KokkosKernels_FOUND)
    message(STATUS "santa: no Kokkos Kernels (KokkosKernels_ROOT): santa-generate multiplies by a plain Kokkos loop")
    return()
  endif()
  # What its library has compiled are Views of the Kokkos that it was built with, options and all: no other will do.
  file(STRINGS "${KokkosKernels_CONFIG}" line REGEX "find_dependency\\(Kokkos HINTS")
  string(REGEX REPLACE ".*HINTS +([^)]*)\\).*" "\\1" its_kokkos "${line}")
  file(REAL_PATH "${its_kokkos}" its_kokkos)
  set(kokkos "a build of its release")
  if(SANTA_KOKKOS_DIR)
    file(REAL_PATH "${SANTA_KOKKOS_DIR}" kokkos)
  endif()
  if(NOT its_kokkos STREQUAL kokkos)
    message(STATUS "santa: Kokkos Kernels ${KokkosKernels_VERSION} from ${KokkosKernels_DIR} was built with the Kokkos "
      "from ${its_kokkos}, not with the one in use (${kokkos}): santa-generate multiplies by a plain Kokkos loop")
    return()
  endif()
  message(STATUS "santa: Kokkos Kernels ${KokkosKernels_VERSION} from ${KokkosKernels_DIR}: santa-generate's products")
  set(${out} ON PARENT_SCOPE)
endfunction()
