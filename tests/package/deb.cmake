# cmake -D source=... -D work=... -D kernels=... -D compiler=... -D generator=... -D kokkos=... -D kokkos_version=...
#       -D version=... -D description=... -D pkgconfig=... -P deb.cmake: makes the Debian packages, of an archive of
# kernels that is compiled already, looks at what is in them, and builds a program with what they would install.
cmake_minimum_required(VERSION 3.25)
file(REMOVE_RECURSE "${work}")

# Runs a command; <output> is what it prints.
function(run)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  set(output "${output}" PARENT_SCOPE)
endfunction()

function(expect what text expected)
  string(FIND "${text}" "${expected}" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "${what} lacks \"${expected}\":\n${text}")
  endif()
endfunction()

# Configures as for a package; the archive is not compiled again.
set(march x86-64-v2)
run("${CMAKE_COMMAND}" -S "${source}" -B "${work}/build" -G "${generator}" -D "CMAKE_CXX_COMPILER=${compiler}"
  -D "Kokkos_ROOT=${kokkos}" -D CMAKE_BUILD_TYPE=Release -D SANTA_BUILD_TESTS=OFF -D SANTA_BUILD_EXAMPLES=OFF
  -D CMAKE_INSTALL_PREFIX=/usr -D SANTA_KERNELS_MARCH=${march} -D CMAKE_SKIP_INSTALL_ALL_DEPENDENCY=ON)
configure_file("${kernels}" "${work}/build/libsanta_kernels.a" COPYONLY)
run("${CMAKE_COMMAND}" -E chdir "${work}/build" "${CMAKE_CPACK_COMMAND}" -G DEB -B "${work}/packages")

function(unpack name)
  file(GLOB package "${work}/packages/${name}_${version}_*.deb")
  run(dpkg-deb --field "${package}")
  set(fields "${output}" PARENT_SCOPE)
  expect(${name} "${output}" "Package: ${name}\n")
  expect(${name} "${output}" "Version: ${version}\n")
  expect(${name} "${output}" "Description: ${description}\n")
  run(dpkg-deb --extract "${package}" "${work}/${name}")
  file(GLOB_RECURSE files RELATIVE "${work}/${name}" "${work}/${name}/*")
  list(FILTER files EXCLUDE REGEX "^usr/include/")
  list(TRANSFORM files REPLACE "^usr/lib/([^/]+-linux-[^/]+/)?" "")
  list(SORT files)
  set(files "${files}" PARENT_SCOPE)
endfunction()

function(expect_files name files)
  if(NOT files STREQUAL "${ARGN}")
    message(FATAL_ERROR "${name} has ${files}; expected: ${ARGN}")
  endif()
endfunction()

unpack(libsanta-dev)
expect(libsanta-dev "${fields}" "Depends: libkokkos-dev (>= 4.6), libkokkos-dev (<< 6)\n")
expect_files(libsanta-dev "${files}" cmake/santa/SantaKokkosFaults.cmake cmake/santa/santaConfig.cmake
  cmake/santa/santaConfigVersion.cmake cmake/santa/santaTargets.cmake cmake/santa/santa_cuda13_compat.hpp
  pkgconfig/santa.pc usr/share/doc/libsanta-dev/copyright usr/share/doc/santa/LICENSE)
file(GLOB_RECURSE installed RELATIVE "${work}/libsanta-dev/usr/include" "${work}/libsanta-dev/usr/include/*")
file(GLOB_RECURSE headers RELATIVE "${source}/include" "${source}/include/*")
expect_files("libsanta-dev's folder of headers" "${installed}" ${headers})

unpack(libsanta-kernels-dev)
string(REGEX MATCH "^[0-9]+[.][0-9]+" kokkos_minor "${kokkos_version}")
expect(libsanta-kernels-dev "${fields}"
  "Depends: libsanta-dev (= ${version}), libkokkos-dev (>= ${kokkos_minor}), libkokkos-dev (<< ")
expect_files(libsanta-kernels-dev "${files}" cmake/santa/santaKernelsTargets-release.cmake
  cmake/santa/santaKernelsTargets.cmake libsanta_kernels.a pkgconfig/santa-kernels.pc
  usr/share/doc/libsanta-kernels-dev/copyright)

# Both in one place, as they are installed. Debian's Kokkos is what its santa.pc names.
file(COPY "${work}/libsanta-dev/usr" "${work}/libsanta-kernels-dev/usr" DESTINATION "${work}/both")
file(GLOB_RECURSE pc "${work}/both/*/santa.pc")
get_filename_component(folder "${pc}" DIRECTORY)
run("${CMAKE_COMMAND}" -E env "PKG_CONFIG_PATH=${folder}" "${pkgconfig}" --cflags --libs santa-kernels)
foreach(flag IN ITEMS "-std=c++20" "-DSANTA_KERNELS" "-march=${march}" "-I/usr/include/kokkos"
                      "-lsanta_kernels -lkokkoscontainers -lkokkoscore -fopenmp")
  expect("pkg-config's answer" "${output}" "${flag}")
endforeach()
if(output MATCHES "${kokkos}|[.]so")
  message(FATAL_ERROR "Debian's santa.pc names the Kokkos that the package was made with: ${output}")
endif()

set(linked -S "${CMAKE_CURRENT_LIST_DIR}/linked" -G "${generator}" -D "CMAKE_CXX_COMPILER=${compiler}"
  -D "CMAKE_PREFIX_PATH=${work}/both/usr" -D "SANTA_SOURCE=${source}")
run("${CMAKE_COMMAND}" ${linked} -B "${work}/linked" -D "Kokkos_ROOT=${kokkos}")
run("${CMAKE_COMMAND}" --build "${work}/linked")
run("${work}/linked/linked")
expect("the linked program's output" "${output}" "relative error 0.0")

# Stands in for another Kokkos: the kernels are not for it.
file(WRITE "${work}/kokkos/KokkosConfigVersion.cmake" "set(PACKAGE_VERSION 4.9.1)\nset(PACKAGE_VERSION_COMPATIBLE TRUE)\n")
file(WRITE "${work}/kokkos/KokkosConfig.cmake"
  "set(Kokkos_DEVICES OPENMP)\nadd_library(Kokkos::kokkos INTERFACE IMPORTED)\n")
execute_process(COMMAND "${CMAKE_COMMAND}" ${linked} -B "${work}/other" -D "Kokkos_ROOT=${work}/kokkos"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX REPLACE "[ \n]+" " " output "${output}")
if(result EQUAL 0)
  message(FATAL_ERROR "kernels compiled with Kokkos ${kokkos_version} were taken for 4.9.1")
endif()
expect("the error" "${output}" "santa::kernels was compiled with Kokkos ${kokkos_version} and is for that, not for 4.9.1")
