# Builds of Kokkos that compile and give wrong results. Installed too: the package asks the same.
include_guard(GLOBAL)

# Sets <out> to what is wrong with the Kokkos that find_package found and what to do, in a sentence, or to nothing.
function(santa_kokkos_fault out)
  set(sentence "")
  # The reason is in include/santa/core/supported.hpp, which looks where CMake doesn't know.
  if("CUDA" IN_LIST Kokkos_DEVICES AND NOT Kokkos_ENABLE_IMPL_VIEW_LEGACY
     AND Kokkos_VERSION VERSION_GREATER_EQUAL 4.6.99 AND Kokkos_VERSION VERSION_LESS 4.7.2
     AND Kokkos_CXX_COMPILER_ID STREQUAL "NVIDIA" AND Kokkos_CXX_COMPILER_VERSION VERSION_GREATER_EQUAL 12.9)
    string(CONCAT sentence "Kokkos ${Kokkos_VERSION} (${Kokkos_DIR}) has its new View, which nvcc "
      "${Kokkos_CXX_COMPILER_VERSION} miscompiles: kernels would write out of bounds. Build Kokkos anew with "
      "-DKokkos_ENABLE_IMPL_VIEW_LEGACY=ON, or take Kokkos 4.7.2 or later.")
  endif()
  set(${out} "${sentence}" PARENT_SCOPE)
endfunction()
