# Installs the headers and the package that find_package(santa) reads, and santa::kernels with a part of that package of its
# own: components santa_dev and santa_kernels. santa.pc, which names Kokkos, is a third: packages have one of their own.
include(CMakePackageConfigHelpers)
include("${CMAKE_CURRENT_LIST_DIR}/SantaPkgConfig.cmake")

set(santa_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/santa")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT santa_dev)
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT santa_dev)
install(TARGETS santa EXPORT santaTargets COMPONENT santa_dev)
install(EXPORT santaTargets NAMESPACE santa:: DESTINATION "${santa_package_dir}" COMPONENT santa_dev)
set(santa_components santa_dev)
set(santa_any_architecture ARCH_INDEPENDENT)
# Not one for this machine alone, nor one with sanitizers in it.
if(TARGET santa_kernels AND NOT santa_kernels_march STREQUAL "native" AND NOT SANTA_SANITIZE)
  install(TARGETS santa_kernels EXPORT santaKernelsTargets
    ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT santa_kernels)
  install(EXPORT santaKernelsTargets NAMESPACE santa:: DESTINATION "${santa_package_dir}" COMPONENT santa_kernels)
  list(APPEND santa_components santa_kernels)
  set(santa_any_architecture "")
endif()

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/santaConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/santaConfig.cmake" INSTALL_DESTINATION "${santa_package_dir}")
# Before 1.0 a minor version may break its predecessor. Of headers alone any architecture will do.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/santaConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ${santa_any_architecture})
install(FILES "${PROJECT_BINARY_DIR}/santaConfig.cmake" "${PROJECT_BINARY_DIR}/santaConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/SantaKokkosFaults.cmake" "${PROJECT_SOURCE_DIR}/cmake/santa_cuda13_compat.hpp"
  DESTINATION "${santa_package_dir}" COMPONENT santa_dev)

# Compilers of CUDA take other flags than Kokkos' targets say, and a Kokkos that is built here is installed elsewhere.
if(NOT SANTA_CUDA AND SANTA_KOKKOS_DIR)
  santa_pkg_config_of_kokkos(COMPONENT santa_pkg_config)
  if("santa_kernels" IN_LIST santa_components)
    santa_pkg_config(santa-kernels "${PROJECT_BINARY_DIR}" COMPONENT santa_kernels)
  endif()
endif()

if(PROJECT_IS_TOP_LEVEL)
  include("${CMAKE_CURRENT_LIST_DIR}/SantaPackages.cmake")
endif()
