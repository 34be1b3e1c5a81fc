# cmake -D nm=<nm> -D objects=<objects> -P check.cmake
#
# Succeeds if each object, the kernels of one instruction set, has one name that other objects can take: its table's.
foreach(object IN LISTS objects)
  execute_process(COMMAND "${nm}" --extern-only --defined-only --format=posix "${object}" OUTPUT_VARIABLE names
    COMMAND_ERROR_IS_FATAL ANY)
  if(NOT names MATCHES "^santa_kernels_[a-z0-9_]+ T [^\n]*\n$")
    message(FATAL_ERROR "${object} has names that programs for older processors may take:\n${names}")
  endif()
endforeach()
