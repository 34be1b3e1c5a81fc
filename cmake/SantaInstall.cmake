# Installs the headers and the package that find_package(santa) reads.
include(CMakePackageConfigHelpers)

set(santa_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/santa")
install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(TARGETS santa EXPORT santaTargets)
set(santa_any_architecture ARCH_INDEPENDENT)
# Not one for this machine alone, nor one with sanitizers in it.
if(TARGET santa_kernels AND NOT santa_kernels_march STREQUAL "native" AND NOT SANTA_SANITIZE)
  install(TARGETS santa_kernels EXPORT santaTargets ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
  set(santa_any_architecture "")
endif()
install(EXPORT santaTargets NAMESPACE santa:: DESTINATION "${santa_package_dir}")

configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/santaConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/santaConfig.cmake" INSTALL_DESTINATION "${santa_package_dir}")
# Before 1.0 a minor version may break its predecessor. Of headers alone any architecture will do.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/santaConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion ${santa_any_architecture})
install(FILES "${PROJECT_BINARY_DIR}/santaConfig.cmake" "${PROJECT_BINARY_DIR}/santaConfigVersion.cmake"
  "${PROJECT_SOURCE_DIR}/cmake/SantaKokkosFaults.cmake" "${PROJECT_SOURCE_DIR}/cmake/santa_cuda13_compat.hpp"
  DESTINATION "${santa_package_dir}")
