# santa::kernels: what most programs use of the library, compiled once. A program that links it compiles in a fraction of
# the time; none needs it. It is for one instruction set, which it passes on to those that link it.
include(CheckCXXCompilerFlag)

set(santa_march "")
if(SANTA_NATIVE)
  set(santa_march native)
endif()
set(SANTA_KERNELS_MARCH "${santa_march}" CACHE STRING "-march of santa::kernels and what links it; empty: the compiler's")

file(GLOB santa_kernel_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
add_library(santa_kernels STATIC ${santa_kernel_sources})
add_library(santa::kernels ALIAS santa_kernels)
set_target_properties(santa_kernels PROPERTIES EXPORT_NAME kernels CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
target_link_libraries(santa_kernels PUBLIC santa)
target_compile_definitions(santa_kernels INTERFACE SANTA_KERNELS)
if(SANTA_KERNELS_MARCH)
  check_cxx_compiler_flag(-march=${SANTA_KERNELS_MARCH} SANTA_HAS_KERNELS_MARCH)
  if(SANTA_HAS_KERNELS_MARCH)
    target_compile_options(santa_kernels PUBLIC "$<$<COMPILE_LANGUAGE:CXX>:-march=${SANTA_KERNELS_MARCH}>")
  endif()
endif()
