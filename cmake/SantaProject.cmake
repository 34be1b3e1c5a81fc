# How this project's own programs are built. Nothing here reaches whoever uses santa::santa.
include_guard(GLOBAL)
include(CheckCXXCompilerFlag)
include("${CMAKE_CURRENT_LIST_DIR}/SantaWarnings.cmake")

add_library(santa_project_options INTERFACE)
target_compile_features(santa_project_options INTERFACE cxx_std_20)

# nvcc passes on neither all of these nor code without warnings of its own making.
if(SANTA_KOKKOS_LANGUAGE STREQUAL "CXX" AND NOT SANTA_CUDA)
  target_compile_options(santa_project_options INTERFACE
    ${SANTA_WARNINGS} "$<$<CXX_COMPILER_ID:GNU>:${SANTA_GNU_WARNINGS}>"
    $<$<BOOL:${SANTA_WERROR}>:-Werror>)
endif()

# Kernels are templates over lane groups: nvcc warns of each one of the host's that is no function of a device.
if(SANTA_CUDA)
  foreach(number IN ITEMS 20011 20013 20014 20015 128 549)
    target_compile_options(santa_project_options INTERFACE "SHELL:-Xcudafe --diag_suppress=${number}")
  endforeach()
endif()

if(SANTA_NATIVE)
  check_cxx_compiler_flag(-march=native SANTA_HAS_MARCH_NATIVE)
  if(SANTA_HAS_MARCH_NATIVE)
    # For another processor where a target's SANTA_MARCH names one: of two options -march the last would win.
    set(march "$<TARGET_PROPERTY:SANTA_MARCH>")
    target_compile_options(santa_project_options INTERFACE
      "$<$<COMPILE_LANGUAGE:CXX>:-march=$<IF:$<BOOL:${march}>,${march},native>>")
  endif()
endif()

if(SANTA_SANITIZE)
  target_compile_options(santa_project_options INTERFACE
    -fsanitize=${SANTA_SANITIZE} -fno-sanitize=null,object-size,vptr -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(santa_project_options INTERFACE -fsanitize=${SANTA_SANITIZE})
endif()

# santa_build(<target>): compiles a target of this project against the library.
function(santa_build target)
  target_link_libraries(${target} PRIVATE santa::santa santa_project_options)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(NOT SANTA_KOKKOS_LANGUAGE STREQUAL "CXX")
    get_target_property(sources ${target} SOURCES)
    set_source_files_properties(${sources} PROPERTIES LANGUAGE ${SANTA_KOKKOS_LANGUAGE})
    set_target_properties(${target} PROPERTIES ${SANTA_KOKKOS_LANGUAGE}_STANDARD 20)
  endif()
endfunction()

# santa_compile_together(<target>): all sources as one, for targets of many small ones: for each alone compilers take
# longer to read the headers that they share (Kokkos, the parsers) than what it says itself. -D CMAKE_UNITY_BUILD=OFF
# keeps them apart, for tools that go through files one by one.
function(santa_compile_together target)
  if(NOT DEFINED CMAKE_UNITY_BUILD)
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 0)
  endif()
endfunction()

# santa_link_kernels(<target>): leaves the kernels that the library has to it, where it is built.
function(santa_link_kernels target)
  if(TARGET santa_kernels)
    target_link_libraries(${target} PRIVATE santa::kernels)
  endif()
endfunction()

# santa_only_extents(<target> <heads,dim>... [MISALIGNED <heads,dim>...]): what a device's kernels are compiled for, in
# all sources of an executable. Each is 15 kernels a file that runs all methods, at 2 to 4 seconds: else there are 12.
function(santa_only_extents target)
  cmake_parse_arguments(PARSE_ARGV 1 only "" "" MISALIGNED)
  list(JOIN only_UNPARSED_ARGUMENTS "," extents)
  target_compile_definitions(${target} PUBLIC "SANTA_ONLY_EXTENTS=${extents}")
  if(only_MISALIGNED)
    list(JOIN only_MISALIGNED "," extents)
    target_compile_definitions(${target} PUBLIC "SANTA_ONLY_MISALIGNED_EXTENTS=${extents}")
  endif()
endfunction()

# santa_add_run(<test> COMMAND <command>...): a ctest that runs a program on Kokkos.
set(SANTA_TEST_THREADS "" CACHE STRING "OMP_NUM_THREADS of the tests; empty leaves it to the environment")
function(santa_add_run test)
  add_test(NAME ${test} ${ARGN})
  # Kokkos asks for a binding unless one is named; binding would pin tests that run at once to the same cores.
  set(environment OMP_PROC_BIND=false)
  if(SANTA_TEST_THREADS)
    list(APPEND environment OMP_NUM_THREADS=${SANTA_TEST_THREADS})
  endif()
  # Of two jobs of ctest, both: its threads are for all cores.
  set_tests_properties(${test} PROPERTIES LABELS run TIMEOUT 2700 PROCESSORS 2 ENVIRONMENT "${environment}")
endfunction()
