# cmake -D build=<tree> -D target=<target> -D source=<file> -P SantaMustFail.cmake
#
# Succeeds if compiling fails with what the source's first line expects.
file(STRINGS "${source}" expected LIMIT_COUNT 1)
if(NOT expected MATCHES "^// expect: (.+)$")
  message(FATAL_ERROR "${source}: the first line must be \"// expect: <regular expression>\"")
endif()
set(expected "${CMAKE_MATCH_1}")

execute_process(COMMAND "${CMAKE_COMMAND}" --build "${build}" --target "${target}"
  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "${source} compiles, but must fail with: ${expected}")
endif()
if(NOT output MATCHES "${expected}")
  message(FATAL_ERROR "${source} fails, but not with: ${expected}\n${output}")
endif()
