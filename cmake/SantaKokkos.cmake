# Finds Kokkos 4.6 to 5.x: an installed one, Debian's in a private prefix, or upstream's release built from source.
include_guard(GLOBAL)
include("${CMAKE_CURRENT_LIST_DIR}/SantaKokkosFaults.cmake")

set(SANTA_KOKKOS auto CACHE STRING "Where Kokkos comes from: auto (the first that works), system, debian or fetch")
set_property(CACHE SANTA_KOKKOS PROPERTY STRINGS auto system debian fetch)
if(NOT SANTA_KOKKOS MATCHES "^(auto|system|debian|fetch)$")
  message(FATAL_ERROR "santa: SANTA_KOKKOS is \"${SANTA_KOKKOS}\"; it must be auto, system, debian or fetch.")
endif()

set(SANTA_BACKEND "" CACHE STRING "Backend that Kokkos must have: OPENMP, SERIAL, CUDA, or empty for whatever it has")
set_property(CACHE SANTA_BACKEND PROPERTY STRINGS "" OPENMP SERIAL CUDA)
if(NOT SANTA_BACKEND MATCHES "^(|OPENMP|SERIAL|CUDA)$")
  message(FATAL_ERROR "santa: SANTA_BACKEND is \"${SANTA_BACKEND}\"; it must be OPENMP, SERIAL, CUDA or empty.")
endif()

# Sets <out> to the loader (relative to the prefix) that programs linked with its Kokkos must name, or to nothing
# if the system's C and C++ libraries are new enough.
function(_santa_kokkos_loader out prefix)
  set(${out} "" PARENT_SCOPE)
  if(CMAKE_CROSSCOMPILING)
    # Programs run by an emulator, on the libraries that came with Kokkos.
    file(GLOB loader RELATIVE "${prefix}" "${prefix}/usr/lib/*/ld-linux*.so.*")
    set(${out} "${loader}" PARENT_SCOPE)
    return()
  endif()
  set(program "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/santa_kokkos_probe")
  file(WRITE "${program}.cpp" "int main() {}\n")
  execute_process(
    COMMAND "${CMAKE_CXX_COMPILER}" "${program}.cpp" -o "${program}" -Wl,--no-as-needed
            "${prefix}/lib/libkokkoscore.so" "-Wl,-rpath,${prefix}/lib"
    RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  if(result EQUAL 0)
    execute_process(COMMAND "${program}" RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  endif()
  if(NOT result EQUAL 0)
    file(GLOB loader RELATIVE "${prefix}" "${prefix}/usr/lib/*/ld-linux*.so.*")
    set(${out} "${loader}" PARENT_SCOPE)
  endif()
endfunction()

# Makes SANTA_DEPS_DIR/kokkos a regular Kokkos installation; <out> as in santa_debian_packages.
function(_santa_kokkos_debian out)
  # Kokkos is as new as we need in unstable alone.
  santa_debian_packages(prefix NAME kokkos SUITE unstable PACKAGES libkokkos-dev)
  set(${out} "${prefix}" PARENT_SCOPE)
  set(${out}_ERROR "${prefix_ERROR}" PARENT_SCOPE)
  if(NOT prefix)
    return()
  endif()

  # Kokkos' libraries apart from the C library that lies beside them in the package's folder.
  file(GLOB kokkos_libraries "${prefix}/usr/lib/*/libkokkos*.so*")
  file(MAKE_DIRECTORY "${prefix}/lib")
  foreach(library IN LISTS kokkos_libraries)
    get_filename_component(name "${library}" NAME)
    if(NOT EXISTS "${prefix}/lib/${name}")
      file(RELATIVE_PATH target "${prefix}/lib" "${library}")
      file(CREATE_LINK "${target}" "${prefix}/lib/${name}" SYMBOLIC)
    endif()
  endforeach()
  _santa_kokkos_loader(loader "${prefix}")
  if(loader AND SANTA_KOKKOS_IN_MODULE AND SANTA_KOKKOS STREQUAL "auto")
    # Who loads a module is a program of this machine, which does not run on that loader.
    set(${out} "" PARENT_SCOPE)
    set(${out}_ERROR "it was built for a newer C library than this machine's" PARENT_SCOPE)
    return()
  endif()

  file(GLOB package RELATIVE "${prefix}" "${prefix}/usr/lib/*/cmake/Kokkos")
  get_filename_component(libraries "${loader}" DIRECTORY)
  file(STRINGS "${prefix}/${package}/KokkosConfigVersion.cmake" version REGEX "set\\(PACKAGE_VERSION \"[0-9]")
  string(REGEX MATCH "[0-9.]+" version "${version}")
  configure_file("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/KokkosDebianConfig.cmake.in"
    "${prefix}/lib/cmake/Kokkos/KokkosConfig.cmake" @ONLY)
  configure_file("${prefix}/${package}/KokkosConfigVersion.cmake"
    "${prefix}/lib/cmake/Kokkos/KokkosConfigVersion.cmake" COPYONLY)
endfunction()

# Adds upstream's release to this build; <reasons> say why nothing else will do. Sets Kokkos_VERSION and Kokkos_DEVICES.
function(_santa_kokkos_fetch reasons)
  include(FetchContent)
  if(SANTA_BACKEND STREQUAL "SERIAL")
    set(openmp OFF)
  else()
    set(openmp ON)
  endif()
  set(Kokkos_ENABLE_SERIAL ON CACHE BOOL "Kokkos' Serial backend")
  set(Kokkos_ENABLE_OPENMP ${openmp} CACHE BOOL "Kokkos' OpenMP backend")
  if(SANTA_BACKEND STREQUAL "CUDA")
    set(Kokkos_ENABLE_CUDA ON CACHE BOOL "Kokkos' CUDA backend")
    if(NOT CMAKE_CXX_COMPILER MATCHES "nvcc_wrapper")
      # The wrapper lies in the sources that are yet to be fetched: let CMake call nvcc itself.
      set(Kokkos_ENABLE_COMPILE_AS_CMAKE_LANGUAGE ON CACHE BOOL "Compile Kokkos code as CMake's CUDA language")
    endif()
  endif()

  set(archive "${SANTA_DEPS_DIR}/kokkos-5.2.0.tar.gz")
  if(NOT FETCHCONTENT_SOURCE_DIR_KOKKOS AND NOT EXISTS "${archive}")
    # Apart from FetchContent, whose own failure would be pages long.
    set(url https://github.com/kokkos/kokkos/releases/download/5.2.0/kokkos-5.2.0.tar.gz)
    file(DOWNLOAD ${url} "${archive}.part" INACTIVITY_TIMEOUT 30 STATUS status)
    list(GET status 0 code)
    if(NOT code EQUAL 0)
      list(GET status 1 message)
      file(REMOVE "${archive}.part")
      message(FATAL_ERROR "santa: no Kokkos to be had: ${reasons}${url} can't be downloaded (${message}). "
        "Name an installed Kokkos 4.6 to 5.x with -DKokkos_ROOT=<prefix>, or its sources with "
        "-DFETCHCONTENT_SOURCE_DIR_KOKKOS=<folder>.")
    endif()
    file(RENAME "${archive}.part" "${archive}")
  endif()
  FetchContent_Declare(Kokkos
    URL "${archive}"
    URL_HASH SHA256=54993e0682d80b78939bbf260490f8cf31428bb883c0309961369997f15d94df
    DOWNLOAD_EXTRACT_TIMESTAMP ON
    SYSTEM)
  FetchContent_MakeAvailable(Kokkos)
  get_directory_property(version DIRECTORY "${kokkos_SOURCE_DIR}" DEFINITION Kokkos_VERSION)
  get_directory_property(devices DIRECTORY "${kokkos_SOURCE_DIR}" DEFINITION KOKKOS_ENABLED_DEVICES)
  set(Kokkos_VERSION "${version}" PARENT_SCOPE)
  set(Kokkos_DEVICES "${devices}" PARENT_SCOPE)
endfunction()

# Stops where a CUDA Kokkos from <where> (its package in <package_dir>, if installed) can't be used as it was asked for.
function(_santa_check_cuda where package_dir)
  if(Kokkos_CUDA_ARCHITECTURES AND CMAKE_CUDA_ARCHITECTURES
     AND NOT CMAKE_CUDA_ARCHITECTURES STREQUAL Kokkos_CUDA_ARCHITECTURES)
    message(FATAL_ERROR "santa: the Kokkos from ${where} was built for CUDA architecture ${Kokkos_CUDA_ARCHITECTURES}, "
      "but CMAKE_CUDA_ARCHITECTURES is ${CMAKE_CUDA_ARCHITECTURES}. Name another with -DKokkos_ROOT=<prefix>, or take "
      "its own architecture with -DCMAKE_CUDA_ARCHITECTURES=${Kokkos_CUDA_ARCHITECTURES}.")
  endif()
  if(package_dir AND Kokkos_COMPILE_LANGUAGE STREQUAL "CXX" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # nvcc_wrapper passes for the compiler that it calls for the host; what it says of itself tells.
    execute_process(COMMAND "${CMAKE_CXX_COMPILER}" --version OUTPUT_VARIABLE version ERROR_QUIET)
    if(NOT version MATCHES "nvcc")
      get_filename_component(wrapper "${package_dir}/../../../bin/nvcc_wrapper" ABSOLUTE)
      message(FATAL_ERROR "santa: ${CMAKE_CXX_COMPILER} does not compile CUDA, which the Kokkos from ${where} needs. "
        "Configure anew (--fresh) with -DCMAKE_CXX_COMPILER=${wrapper}")
    endif()
  endif()
endfunction()

# Makes the target Kokkos::kokkos. Sets SANTA_KOKKOS_LANGUAGE to the language that code using it is compiled as,
# SANTA_KOKKOS_FOUND to a text that says which it is, SANTA_KOKKOS_VERSION to its version, where that is known,
# SANTA_KOKKOS_DIR to where its package was found, if it was, SANTA_CUDA to whether it has CUDA, and SANTA_CUDA_COMPATIBILITY to the header beside this file that has to come before
# it, if one has.
function(santa_find_kokkos)
  # Whoever adds santa as a subdirectory links Kokkos through it, and so has to see its targets.
  set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
  set(Kokkos_COMPILE_LANGUAGE CXX)
  set(package_dir "")
  set(where "")
  set(tried "")

  if(TARGET Kokkos::kokkos)
    set(where "the enclosing project")
  endif()
  if(NOT where AND SANTA_KOKKOS MATCHES "auto|system")
    set(SANTA_KOKKOS_SEEN "")
    if(SANTA_KOKKOS STREQUAL "auto" AND SANTA_BACKEND)
      add_subdirectory("${CMAKE_CURRENT_FUNCTION_LIST_DIR}/kokkos_devices"
        "${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/santa_kokkos_devices" EXCLUDE_FROM_ALL)
    endif()
    if(SANTA_KOKKOS_SEEN AND NOT SANTA_BACKEND IN_LIST SANTA_KOKKOS_SEEN)
      list(JOIN SANTA_KOKKOS_SEEN " and " devices)
      list(APPEND tried "the Kokkos in ${SANTA_KOKKOS_SEEN_AT} has ${devices}, not ${SANTA_BACKEND}")
      message(STATUS "santa: ${tried}: looking for another")
      unset(Kokkos_DIR CACHE)  # else what follows would find it again
    else()
      find_package(Kokkos 4.6...<6 CONFIG QUIET)
      if(Kokkos_FOUND)
        set(where "${Kokkos_DIR}")
        set(package_dir "${Kokkos_DIR}")
      else()
        list(APPEND tried "no Kokkos 4.6 to 5.x is installed or named by Kokkos_ROOT")
      endif()
    endif()
  endif()
  if(NOT where AND SANTA_KOKKOS MATCHES "auto|debian")
    if(SANTA_BACKEND MATCHES "CUDA|SERIAL")
      list(APPEND tried "Debian's Kokkos has OpenMP alone, not ${SANTA_BACKEND}")
    else()
      _santa_kokkos_debian(prefix)
      if(prefix)
        find_package(Kokkos 4.6...<6 CONFIG QUIET REQUIRED PATHS "${prefix}" NO_DEFAULT_PATH)
        set(where "${prefix} (Debian's libkokkos-dev)")
        set(package_dir "${Kokkos_DIR}")
        # Not kept: the next configure goes through the same steps.
        unset(Kokkos_DIR CACHE)
      else()
        list(APPEND tried "Debian's can't be had: ${prefix_ERROR}")
      endif()
    endif()
  endif()
  if(NOT where AND SANTA_KOKKOS MATCHES "auto|fetch")
    set(reasons "")
    if(tried)
      list(JOIN tried "; " reasons)
      message(STATUS "santa: building Kokkos from its release, as ${reasons}")
      string(APPEND reasons "; ")
    endif()
    _santa_kokkos_fetch("${reasons}")
    set(where "its release, built here")
    if(Kokkos_ENABLE_COMPILE_AS_CMAKE_LANGUAGE)
      set(Kokkos_COMPILE_LANGUAGE CUDA)
    endif()
  endif()

  if(NOT where)
    list(JOIN tried "; " reasons)
    message(FATAL_ERROR
      "santa: ${reasons}. Name an installed Kokkos with -DKokkos_ROOT=<prefix>, or choose another SANTA_KOKKOS.")
  endif()
  if(SANTA_BACKEND AND Kokkos_DEVICES AND NOT SANTA_BACKEND IN_LIST Kokkos_DEVICES)
    message(FATAL_ERROR "santa: this build needs a Kokkos with the ${SANTA_BACKEND} backend, but the one from ${where} "
      "has ${Kokkos_DEVICES}. Name another with -DKokkos_ROOT=<prefix>, or build one with -DSANTA_KOKKOS=fetch.")
  endif()
  santa_kokkos_fault(fault)
  if(fault)
    message(FATAL_ERROR "santa: ${fault}")
  endif()
  list(JOIN Kokkos_DEVICES ", " devices)
  set(found "Kokkos ${Kokkos_VERSION} (${devices}) from ${where}")
  message(STATUS "santa: ${found}")
  set(cuda OFF)
  set(compatibility "")
  if("CUDA" IN_LIST Kokkos_DEVICES)
    set(cuda ON)
    if(PROJECT_IS_TOP_LEVEL)
      _santa_check_cuda("${where}" "${package_dir}")
    endif()
    if(Kokkos_VERSION VERSION_LESS 4.7 AND CUDAToolkit_VERSION VERSION_GREATER_EQUAL 13)
      set(compatibility santa_cuda13_compat.hpp)
    endif()
  endif()
  set(SANTA_KOKKOS_FOUND "${found}" PARENT_SCOPE)
  set(SANTA_KOKKOS_VERSION "${Kokkos_VERSION}" PARENT_SCOPE)
  set(SANTA_CUDA ${cuda} PARENT_SCOPE)
  set(SANTA_CUDA_COMPATIBILITY "${compatibility}" PARENT_SCOPE)
  set(SANTA_KOKKOS_LANGUAGE ${Kokkos_COMPILE_LANGUAGE} PARENT_SCOPE)
  set(SANTA_KOKKOS_DIR "${package_dir}" PARENT_SCOPE)
endfunction()
