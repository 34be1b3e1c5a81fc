# cpack -G DEB: libsanta-dev, the headers, and libsanta-kernels-dev, santa::kernels, where that is installed. For a Debian
# whose libkokkos-dev is 4.6 or later; configure with -D CMAKE_INSTALL_PREFIX=/usr, as the preset "deb" does.
set(SANTA_PACKAGE_CONTACT "The santa contributors" CACHE STRING "Who makes packages: a name and <address>")
set(CPACK_PACKAGE_CONTACT "${SANTA_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_VENDOR "${SANTA_PACKAGE_CONTACT}")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_RESOURCE_FILE_LICENSE "${PROJECT_SOURCE_DIR}/LICENSE")
set(CPACK_GENERATOR DEB)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL ${santa_components})
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)

# santa_debian_package(<component> <name> <depends> <text>)
macro(santa_debian_package component name depends text)
  string(TOUPPER ${component} upper)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${text}")
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name})
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${depends}")
  # By the name that Debian asks for; in packages alone.
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/doc/${name}" RENAME copyright
    COMPONENT ${component} EXCLUDE_FROM_ALL)
endmacro()

santa_debian_package(santa_dev libsanta-dev "libkokkos-dev (>= 4.6), libkokkos-dev (<< 6)"
  "Headers, and what find_package and pkg-config read.")
santa_pkg_config_of_debian(COMPONENT santa_dev EXCLUDE_FROM_ALL)
if("santa_kernels" IN_LIST santa_components)
  # Compiled code is for the Kokkos that it was compiled with.
  string(REGEX MATCH "^([0-9]+)[.]([0-9]+)" kokkos "${SANTA_KOKKOS_VERSION}")
  math(EXPR next "${CMAKE_MATCH_2} + 1")
  santa_debian_package(santa_kernels libsanta-kernels-dev
    "libsanta-dev (= ${PROJECT_VERSION}), libkokkos-dev (>= ${kokkos}), libkokkos-dev (<< ${CMAKE_MATCH_1}.${next})"
    "What most programs use of santa, compiled: they compile in two thirds of the time.")
endif()
include(CPack)
