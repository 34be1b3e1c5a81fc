# santa::kernels: what most programs use of the library, compiled once. A program that links it compiles in a fraction of
# the time; none needs it. It is for one instruction set, which it passes on to those that link it; where that is an old
# one, it has the same kernels for newer ones besides, and chooses by the processor that it runs on.
set(SANTA_KERNELS_MARCH "auto" CACHE STRING
  "-march of santa::kernels and what links it; auto: native where SANTA_NATIVE is on, else the compiler's own")
set(santa_kernels_march "${SANTA_KERNELS_MARCH}")
if(santa_kernels_march STREQUAL "auto")
  if(SANTA_NATIVE AND NOT CMAKE_CROSSCOMPILING)
    set(santa_kernels_march native)
  else()
    set(santa_kernels_march "")
  endif()
endif()
set(SANTA_KERNELS_CHOICE "auto" CACHE STRING
  "Whether santa::kernels chooses an instruction set at run time; auto: on x86-64, unless it is for one machine alone")
set_property(CACHE SANTA_KERNELS_CHOICE PROPERTY STRINGS auto ON OFF)

# What the kernels are compiled for besides, by name: what is added to the library's own -march. src/choose.cpp asks
# the processor for these extensions, and no others.
set(SANTA_KERNELS_avx2 -mavx2 -mfma -mf16c -mbmi2)
set(SANTA_KERNELS_avx512 ${SANTA_KERNELS_avx2} -mavx512f -mavx512bw -mavx512dq -mavx512vl)
set(SANTA_KERNELS_avx512_bf16 ${SANTA_KERNELS_avx512} -mavx512vnni -mavx512vbmi2 -mavx512bf16)

# Functions of newer processors must not take the place of others: linkers keep one of each inline function, whichever
# they meet first. So a build for one of them is an object of its own, in which all names but its table's are local.
set(SANTA_CAN_CHOOSE OFF)
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$" AND CMAKE_LINKER AND CMAKE_OBJCOPY)
  execute_process(COMMAND "${CMAKE_LINKER}" --help OUTPUT_VARIABLE help ERROR_QUIET)
  if(help MATCHES "--force-group-allocation")
    set(SANTA_CAN_CHOOSE ON)
  endif()
endif()

# santa_kernels_options(<target> <table> <march> <option>...): compiles the sources of a build.
function(santa_kernels_options target table march)
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF POSITION_INDEPENDENT_CODE ON)
  if(march)
    set_target_properties(${target} PROPERTIES SANTA_MARCH "${march}")  # this project's own options give way to it
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:-march=${march}>")
  endif()
  # As this project's own programs are, where it builds any.
  target_link_libraries(${target} PRIVATE $<BUILD_INTERFACE:$<TARGET_NAME_IF_EXISTS:santa_project_options>>)
  target_compile_definitions(${target} PRIVATE "SANTA_KERNELS_TABLE=santa_kernels_${table}")
  target_compile_options(${target} PRIVATE ${ARGN} $<$<CXX_COMPILER_ID:GNU>:-Wno-psabi>)
endfunction()

# santa_add_kernels(<target> <march> <chooses>): the library for an instruction set, which may be empty: the compiler's
# own; and for the newer ones as well.
function(santa_add_kernels target march chooses)
  file(GLOB sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/src/*.cpp")
  add_library(${target} STATIC ${sources})
  santa_kernels_options(${target} compiled "${march}")
  target_link_libraries(${target} PUBLIC santa)
  target_compile_definitions(${target} INTERFACE SANTA_KERNELS)
  if(NOT chooses)
    return()
  endif()
  target_compile_definitions(${target} PRIVATE SANTA_KERNELS_CHOOSES)
  list(FILTER sources EXCLUDE REGEX "/choose.cpp$")
  foreach(set IN ITEMS avx2 avx512 avx512_bf16)
    add_library(${target}_${set} OBJECT ${sources})
    santa_kernels_options(${target}_${set} ${set} "${march}" ${SANTA_KERNELS_${set}} -fno-lto
      $<$<CXX_COMPILER_ID:GNU>:-fno-gnu-unique>)  # names that no tool makes local
    target_link_libraries(${target}_${set} PRIVATE santa)
    set(whole "${CMAKE_CURRENT_BINARY_DIR}/${target}_${set}")
    add_custom_command(OUTPUT "${whole}.o"
      COMMAND "${CMAKE_LINKER}" -r --force-group-allocation -o "${whole}.all.o" $<TARGET_OBJECTS:${target}_${set}>
      COMMAND "${CMAKE_OBJCOPY}" --keep-global-symbol=santa_kernels_${set} "${whole}.all.o" "${whole}.o"
      DEPENDS ${target}_${set} $<TARGET_OBJECTS:${target}_${set}>
      COMMAND_EXPAND_LISTS VERBATIM)
    set_source_files_properties("${whole}.o" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
    target_sources(${target} PRIVATE "${whole}.o")
  endforeach()
endfunction()

set(santa_kernels_choose ${SANTA_CAN_CHOOSE})
if(SANTA_KERNELS_CHOICE STREQUAL "auto")
  if(santa_kernels_march STREQUAL "native" OR SANTA_SANITIZE)
    set(santa_kernels_choose OFF)
  endif()
elseif(NOT SANTA_KERNELS_CHOICE)
  set(santa_kernels_choose OFF)
elseif(NOT SANTA_CAN_CHOOSE)
  message(FATAL_ERROR "santa: SANTA_KERNELS_CHOICE is \"${SANTA_KERNELS_CHOICE}\"; it needs x86-64 and GNU ld and objcopy.")
endif()
santa_add_kernels(santa_kernels "${santa_kernels_march}" ${santa_kernels_choose})
add_library(santa::kernels ALIAS santa_kernels)
set_target_properties(santa_kernels PROPERTIES EXPORT_NAME kernels)
if(santa_kernels_march)
  # For this build's own programs, which may be for this machine.
  target_compile_options(santa_kernels INTERFACE
    "$<BUILD_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-march=${santa_kernels_march}>>")
endif()
# What is installed says for which processors it is, by a name that means the same on every machine.
set(santa_kernels_flags "")  # in santa-kernels.pc
if(SANTA_KERNELS_MARCH AND NOT SANTA_KERNELS_MARCH MATCHES "^(auto|native)$")
  set(santa_kernels_flags " -march=${SANTA_KERNELS_MARCH}")
  target_compile_options(santa_kernels INTERFACE
    "$<INSTALL_INTERFACE:$<$<COMPILE_LANGUAGE:CXX>:-march=${SANTA_KERNELS_MARCH}>>")
endif()
