# cmake -D case=... -D source=... -D build=... -D work=... -D compiler=... -D generator=... -D kokkos=... -D found=...
#       -P run.cmake: what configuring says or does where something is missing, one case a call.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${work}")

# Configures <folder> with options alone: sets <result>, and <output> in one line.
function(configure folder)
  execute_process(
    COMMAND "${CMAKE_COMMAND}" -E env --unset=Kokkos_ROOT --unset=KOKKOS_ROOT --unset=CMAKE_PREFIX_PATH
            --unset=CMAKE_BUILD_TYPE
            "${CMAKE_COMMAND}" -S "${folder}" -B "${work}/build" -G "${generator}" -D "CMAKE_CXX_COMPILER=${compiler}"
            ${ARGN}
    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  set(result "${result}" PARENT_SCOPE)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect_failure)
  foreach(text IN LISTS ARGN)
    string(FIND "${output}" "${text}" at)
    if(result EQUAL 0 OR at EQUAL -1)
      message(FATAL_ERROR "configuring gave ${result} and must fail with \"${text}\": ${output}")
    endif()
  endforeach()
endfunction()

function(expect_build_type expected)
  file(STRINGS "${work}/build/CMakeCache.txt" given REGEX "^CMAKE_BUILD_TYPE:")
  if(NOT result EQUAL 0 OR NOT given MATCHES "^CMAKE_BUILD_TYPE:[A-Z]+=${expected}$")
    message(FATAL_ERROR "the build type is \"${given}\", not ${expected}: ${output}")
  endif()
endfunction()

# Stands in for a Kokkos of this version with CUDA and its new View.
function(make_kokkos version)
  file(WRITE "${work}/kokkos/lib/cmake/Kokkos/KokkosConfigVersion.cmake"
    "set(PACKAGE_VERSION ${version})\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
  file(WRITE "${work}/kokkos/lib/cmake/Kokkos/KokkosConfig.cmake"
    "set(Kokkos_DEVICES SERIAL CUDA)\nset(Kokkos_CXX_COMPILER_ID NVIDIA)\nset(Kokkos_CXX_COMPILER_VERSION 13.0.88)\n"
    "add_library(Kokkos::kokkos INTERFACE IMPORTED)\n")
endfunction()

# Stands in for an installed Kokkos with this backend alone.
function(make_kokkos_with backend)
  file(WRITE "${work}/kokkos/lib/cmake/Kokkos/KokkosConfigVersion.cmake"
    "set(PACKAGE_VERSION 5.1.0)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
  file(WRITE "${work}/kokkos/lib/cmake/Kokkos/KokkosConfig.cmake"
    "set(Kokkos_DEVICES ${backend})\nset_property(GLOBAL PROPERTY RULE_LAUNCH_LINK no-such-launcher)\n"
    "add_library(Kokkos::kokkos INTERFACE IMPORTED)\n")
endfunction()

# Stands in for the sources of a Kokkos that the build makes itself.
function(make_kokkos_sources backend)
  file(WRITE "${work}/sources/CMakeLists.txt" "cmake_minimum_required(VERSION 3.25)\nproject(Kokkos LANGUAGES CXX)\n"
    "set(Kokkos_VERSION 5.2.0)\nset(KOKKOS_ENABLED_DEVICES ${backend})\nadd_library(kokkos INTERFACE)\n"
    "add_library(Kokkos::kokkos ALIAS kokkos)\nmessage(STATUS \"for modules: \${CMAKE_POSITION_INDEPENDENT_CODE}\")\n")
endfunction()

# Stands in for a Kokkos as its own build installs it: archives, of which each says what it takes; <options> besides.
function(make_archived_kokkos options)
  set(folder "${work}/kokkos/lib/cmake/Kokkos")
  file(WRITE "${folder}/KokkosConfigVersion.cmake" "set(PACKAGE_VERSION 4.7.2)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
  file(WRITE "${folder}/KokkosConfig.cmake" "set(Kokkos_DEVICES OPENMP)
    add_library(Kokkos::DL INTERFACE IMPORTED)
    set_target_properties(Kokkos::DL PROPERTIES INTERFACE_LINK_LIBRARIES dl)
    add_library(Kokkos::core STATIC IMPORTED)
    set_target_properties(Kokkos::core PROPERTIES IMPORTED_CONFIGURATIONS RELEASE
      IMPORTED_LOCATION_RELEASE \"${work}/kokkos/lib/libkokkoscore.a\"
      INTERFACE_COMPILE_DEFINITIONS \"\$<\$<COMPILE_LANGUAGE:CXX>:KOKKOS_DEPENDENCE>\"
      INTERFACE_COMPILE_OPTIONS \"\$<\$<COMPILE_LANGUAGE:CXX>:>;\$<\$<COMPILE_LANGUAGE:CXX>:-mtune=a;-mfma>;${options}\"
      INTERFACE_LINK_OPTIONS \"\$<\$<LINK_LANGUAGE:CXX>:-DKOKKOS_DEPENDENCE>;\$<\$<LINK_LANGUAGE:CUDA>:-arch=sm_90>\"
      INTERFACE_INCLUDE_DIRECTORIES \"${work}/kokkos/include\" INTERFACE_LINK_LIBRARIES \"\$<LINK_ONLY:Kokkos::DL>\")
    add_library(Kokkos::containers STATIC IMPORTED)
    set_target_properties(Kokkos::containers PROPERTIES IMPORTED_LOCATION \"${work}/kokkos/lib/libkokkoscontainers.a\"
      INTERFACE_INCLUDE_DIRECTORIES \"${work}/kokkos/include\" INTERFACE_LINK_LIBRARIES Kokkos::core)
    add_library(Kokkos::kokkos INTERFACE IMPORTED)
    set_target_properties(Kokkos::kokkos PROPERTIES INTERFACE_LINK_LIBRARIES \"Kokkos::core;Kokkos::containers\")\n")
endfunction()

set(consumer "${source}/tests/consumer")
set(parts_off -D SANTA_BUILD_TESTS=OFF -D SANTA_BUILD_EXAMPLES=OFF)
if(case MATCHES "^installed")
  execute_process(COMMAND "${CMAKE_COMMAND}" --install "${build}" --prefix "${work}/prefix" OUTPUT_QUIET
    COMMAND_ERROR_IS_FATAL ANY)
  set(installed -D SANTA_WAY=installed -D "santa_ROOT=${work}/prefix")
endif()

if(case STREQUAL "installed_without_kokkos")
  configure("${consumer}" ${installed} -D CMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON)  # as if the machine had none
  expect_failure("no Kokkos 4.6 to 5.x was found. Name one with -DKokkos_ROOT=<prefix>"
    "santa was installed with ${found}.")
elseif(case STREQUAL "installed_with_miscompiled_kokkos")
  make_kokkos(4.6.99)
  configure("${consumer}" ${installed} -D "Kokkos_ROOT=${work}/kokkos")
  expect_failure("-DKokkos_ENABLE_IMPL_VIEW_LEGACY=ON")
elseif(case STREQUAL "miscompiled_kokkos")
  make_kokkos(4.6.99)
  configure("${source}" ${parts_off} -D SANTA_KOKKOS=system -D "Kokkos_ROOT=${work}/kokkos")
  expect_failure("-DKokkos_ENABLE_IMPL_VIEW_LEGACY=ON")
elseif(case STREQUAL "kokkos_without_the_backend")
  make_kokkos_with(OPENMP)
  make_kokkos_sources(SERIAL)
  set(options ${parts_off} -D SANTA_INSTALL=OFF -D SANTA_BUILD_KERNELS=ON -D SANTA_BACKEND=SERIAL
    -D "Kokkos_ROOT=${work}/kokkos" -D "FETCHCONTENT_SOURCE_DIR_KOKKOS=${work}/sources")
  configure("${source}" ${options} -D SANTA_KOKKOS=system)
  expect_failure("needs a Kokkos with the SERIAL backend, but the one from ${work}/kokkos/lib/cmake/Kokkos has OPENMP")
  file(REMOVE_RECURSE "${work}/build")
  foreach(time IN ITEMS first second)
    configure("${source}" ${options})
    foreach(text IN ITEMS "the Kokkos in ${work}/kokkos/lib/cmake/Kokkos has OPENMP, not SERIAL: looking for another"
                          "Kokkos 5.2.0 (SERIAL) from its release, built here")
      string(FIND "${output}" "${text}" at)
      if(NOT result EQUAL 0 OR at EQUAL -1)
        message(FATAL_ERROR "configuring for the ${time} time gave ${result} and must say \"${text}\": ${output}")
      endif()
    endforeach()
  endforeach()
  # Nor does anything else of the one that is passed over stay.
  file(GLOB_RECURSE rules "${work}/build/*.ninja" "${work}/build/*/link.txt")
  foreach(file IN LISTS rules)
    file(STRINGS "${file}" found REGEX "no-such-launcher")
    if(found)
      message(FATAL_ERROR "${file} has ${found}")
    endif()
  endforeach()
elseif(case STREQUAL "kokkos_of_a_module")
  # Debian's, unpacked already, whose programs need its own loader here; a Python is no program of ours. What comes after
  # Kokkos may lack its packages.
  file(WRITE "${work}/deps/kokkos/.packages" libkokkos-dev)
  file(WRITE "${work}/deps/kokkos/usr/lib/machine/ld-linux.so.2" "")
  make_kokkos_sources(OPENMP)
  foreach(folder IN ITEMS "${source}" "${source}/python")
    file(REMOVE_RECURSE "${work}/build")
    configure("${folder}" ${parts_off} -D SANTA_BUILD_PYTHON=ON -D CMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON
      -D "SANTA_DEPS_DIR=${work}/deps" -D "FETCHCONTENT_SOURCE_DIR_KOKKOS=${work}/sources")
    if(output MATCHES "has no nanobind|Could NOT find Python" AND NOT folder STREQUAL source)
      continue()
    endif()
    foreach(text IN ITEMS "Debian's can't be had: it was built for a newer C library" "for modules: ON")
      string(FIND "${output}" "${text}" at)
      if(at EQUAL -1)
        message(FATAL_ERROR "configuring ${folder} must say \"${text}\": ${output}")
      endif()
    endforeach()
  endforeach()
elseif(case STREQUAL "installed_without_kernels")
  make_kokkos_with(OPENMP)
  file(GLOB_RECURSE kernels "${work}/prefix/*/santaKernelsTargets*.cmake")
  if(kernels)
    file(REMOVE ${kernels})
  endif()
  configure("${consumer}" ${installed} -D SANTA_COMPONENTS=kernels -D "Kokkos_ROOT=${work}/kokkos")
  expect_failure("santa was installed without santa::kernels" "-DSANTA_NATIVE=OFF")
elseif(case STREQUAL "installed_beside_kokkos")
  # A target that is there already is the one; no other is looked for.
  make_kokkos_sources(OPENMP)
  configure("${consumer}" ${installed} -D "SANTA_KOKKOS_SOURCE=${work}/sources" -D CMAKE_DISABLE_FIND_PACKAGE_Kokkos=ON)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "find_package(santa) does not take the project's own Kokkos: ${output}")
  endif()
elseif(case STREQUAL "pkg_config")
  make_archived_kokkos("")
  configure("${source}" ${parts_off} -D "Kokkos_ROOT=${work}/kokkos")
  file(STRINGS "${work}/build/santa.pc" written REGEX "^(kokkos=|Cflags|Libs)")
  set(expected "kokkos=${work}/kokkos"
    "Cflags: -std=c++20 -I\${includedir} -DKOKKOS_DEPENDENCE -mtune=a -mfma -I\${kokkos}/include"
    "Libs: \${kokkos}/lib/libkokkoscontainers.a -DKOKKOS_DEPENDENCE \${kokkos}/lib/libkokkoscore.a -ldl")
  if(NOT written STREQUAL expected)
    message(FATAL_ERROR "santa.pc has ${written}; expected: ${expected}")
  endif()
  foreach(folder IN ITEMS include /opt/include)
    configure("${source}" -D "CMAKE_INSTALL_INCLUDEDIR=${folder}")
    file(STRINGS "${work}/build/santa.pc" written REGEX "^includedir=")
    set(expected "includedir=${folder}")
    if(NOT IS_ABSOLUTE "${folder}")
      set(expected "includedir=\${prefix}/${folder}")
    endif()
    if(NOT written STREQUAL expected)
      message(FATAL_ERROR "santa.pc has ${written}; expected: ${expected}")
    endif()
  endforeach()
  make_archived_kokkos("\$<\$<CONFIG:Debug>:-g>")  # which no file of pkg-config can say
  file(REMOVE_RECURSE "${work}/build")
  configure("${source}" ${parts_off} -D "Kokkos_ROOT=${work}/kokkos")
  if(NOT output MATCHES "no santa.pc, as the Kokkos in use asks for" OR EXISTS "${work}/build/santa.pc")
    message(FATAL_ERROR "what can't be said was written or not named: ${output}")
  endif()
elseif(case STREQUAL "no_build_type")
  configure("${source}" ${parts_off} -D "Kokkos_ROOT=${kokkos}")
  expect_build_type(RelWithDebInfo)
  configure("${source}" -D CMAKE_BUILD_TYPE=Debug)
  expect_build_type(Debug)
elseif(case STREQUAL "no_build_type_of_a_consumer")
  configure("${consumer}" -D SANTA_WAY=subdirectory -D "SANTA_SOURCE=${source}" -D "Kokkos_ROOT=${kokkos}")
  expect_build_type("")
elseif(case STREQUAL "moved_dependencies")
  # As an earlier place left it: the package named itself by that.
  set(folder "${work}/deps/some-dev/usr/lib/cmake/some")
  file(WRITE "${work}/deps/some-dev/.packages" some-dev)
  file(MAKE_DIRECTORY "${work}/deps/some-dev/usr/include")
  file(WRITE "${folder}/someConfig.cmake" "set(_IMPORT_PREFIX \"/former/deps/some-dev/usr\")\n"
    "get_filename_component(some_include \"\${_IMPORT_PREFIX}/include\" REALPATH)\n")
  include("${source}/cmake/SantaDebian.cmake")
  foreach(place IN ITEMS deps moved)
    if(place STREQUAL "moved")
      file(RENAME "${work}/deps" "${work}/moved")
    endif()
    set(SANTA_DEPS_DIR "${work}/${place}")
    santa_debian_packages(prefix NAME some-dev PACKAGES some-dev)
    include("${work}/${place}/some-dev/usr/lib/cmake/some/someConfig.cmake")
    if(NOT some_include STREQUAL "${work}/${place}/some-dev/usr/include")
      message(FATAL_ERROR "in ${SANTA_DEPS_DIR}, the package takes ${some_include} for its folder")
    endif()
  endforeach()
else()
  message(FATAL_ERROR "no such case: ${case}")
endif()
