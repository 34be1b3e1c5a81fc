# santa::kernels: what most programs use of the library, compiled once. A program that links it compiles in a fraction of
# the time; none needs it. It is for one instruction set, which it passes on to those that link it.
set(SANTA_KERNELS_MARCH "auto" CACHE STRING
  "-march of santa::kernels and what links it; auto: native where SANTA_NATIVE is on, else the compiler's own")
set(santa_kernels_march "${SANTA_KERNELS_MARCH}")
if(santa_kernels_march STREQUAL "auto")
  if(SANTA_NATIVE)
    set(santa_kernels_march native)
  else()
    set(santa_kernels_march "")
  endif()
endif()

file(GLOB santa_kernel_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
add_library(santa_kernels STATIC ${santa_kernel_sources})
add_library(santa::kernels ALIAS santa_kernels)
set_target_properties(santa_kernels PROPERTIES EXPORT_NAME kernels CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
target_link_libraries(santa_kernels PUBLIC santa)
target_compile_definitions(santa_kernels INTERFACE SANTA_KERNELS)
if(santa_kernels_march)
  # For this build's own programs, which may be for this machine.
  target_compile_options(santa_kernels PUBLIC "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-march=${santa_kernels_march}>>")
endif()
# What is installed says for which processors it is, by a name that means the same on every machine.
if(SANTA_KERNELS_MARCH AND NOT SANTA_KERNELS_MARCH MATCHES "^(auto|native)$")
  target_compile_options(santa_kernels INTERFACE
    "$<INSTALL_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-march=${SANTA_KERNELS_MARCH}>>")
endif()
