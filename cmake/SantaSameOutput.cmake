# cmake -D first=<program> -D second=<program> -P SantaSameOutput.cmake
#
# Succeeds if both programs print the same, each with 1, 2 and 3 threads.
set(ENV{OMP_PROC_BIND} false)
set(expected "")
foreach(program IN ITEMS "${first}" "${second}")
  foreach(threads RANGE 1 3)
    set(ENV{OMP_NUM_THREADS} ${threads})
    execute_process(COMMAND "${program}" OUTPUT_VARIABLE output RESULT_VARIABLE result)
    if(NOT result EQUAL 0 OR output STREQUAL "")
      message(FATAL_ERROR "${program} with ${threads} threads failed: ${result}")
    endif()
    if(expected STREQUAL "")
      set(expected "${output}")
    elseif(NOT output STREQUAL expected)
      message(FATAL_ERROR "${program} with ${threads} threads prints\n${output}\nexpected\n${expected}")
    endif()
  endforeach()
endforeach()
