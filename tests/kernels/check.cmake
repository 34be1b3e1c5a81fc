# cmake -D nm=<nm> -D alone=<program> -D linked=<program> -D objects=<objects of linked> -P check.cmake
#
# Succeeds if both programs print the same, and the objects of the one that links the library
# of kernels have none of their own.
cmake_policy(SET CMP0057 NEW)
set(ENV{OMP_PROC_BIND} false)
foreach(program IN ITEMS alone linked)
  execute_process(COMMAND "${${program}}" OUTPUT_VARIABLE ${program}_output COMMAND_ERROR_IS_FATAL ANY)
endforeach()
if(NOT alone_output STREQUAL linked_output)
  message(FATAL_ERROR "with the library of kernels:\n${linked_output}\nby headers alone:\n${alone_output}")
endif()
execute_process(COMMAND "${nm}" --demangle ${objects} OUTPUT_VARIABLE symbols COMMAND_ERROR_IS_FATAL ANY)
foreach(part IN ITEMS SweepKernel SubsetKernel StageBehindCalls HostTile)
  if(symbols MATCHES "[TWV] [^\n]*${part}[^\n]*")
    message(FATAL_ERROR "compiled beside the library of kernels: ${CMAKE_MATCH_0}")
  endif()
endforeach()
if(NOT symbols MATCHES "U [^\n]*run_method")
  message(FATAL_ERROR "the program takes no method from the library of kernels")
endif()
