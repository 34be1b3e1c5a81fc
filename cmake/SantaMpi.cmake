# MPI for the tests, examples and benchmarks of ranks: an installed one, else Debian's Open MPI in a private prefix.
include_guard(GLOBAL)

set(SANTA_MPI AUTO CACHE STRING
  "MPI for the tests, examples and benchmarks of ranks: AUTO (if it can be had), ON (an error if not) or OFF")
set_property(CACHE SANTA_MPI PROPERTY STRINGS AUTO ON OFF)

# Sets <out> to whether there is a target santa_mpi to link, SANTA_MPIRUN and SANTA_MPI_ENVIRONMENT to run with.
function(santa_find_mpi out)
  set(${out} OFF PARENT_SCOPE)
  # Under sanitizers, what Open MPI keeps to its end would be the only thing to see.
  if(SANTA_MPI STREQUAL "OFF" OR SANTA_SANITIZE OR SANTA_CUDA OR NOT SANTA_KOKKOS_LANGUAGE STREQUAL "CXX")
    return()
  endif()
  if(NOT TARGET santa_mpi)
    set(CMAKE_FIND_PACKAGE_TARGETS_GLOBAL ON)
    set(MPI_CXX_SKIP_MPICXX ON)
    find_package(MPI 3.0 QUIET COMPONENTS CXX)
    set(environment "OMPI_ALLOW_RUN_AS_ROOT=1" "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1" "OMPI_MCA_rmaps_base_oversubscribe=1"
      "OMP_PROC_BIND=false" "OMP_NUM_THREADS=1")
    if(MPI_CXX_FOUND AND MPIEXEC_EXECUTABLE)
      add_library(santa_mpi INTERFACE IMPORTED GLOBAL)
      target_link_libraries(santa_mpi INTERFACE MPI::MPI_CXX)
      set(mpirun "${MPIEXEC_EXECUTABLE}")
      set(where "${MPIEXEC_EXECUTABLE}")
    else()
      santa_debian_packages(prefix NAME openmpi PACKAGES libopenmpi-dev openmpi-bin)
      set(library "")
      if(prefix)
        file(GLOB library "${prefix}/usr/lib/*/openmpi/lib/libmpi.so")
      endif()
      if(NOT library)
        set(severity STATUS)
        if(SANTA_MPI STREQUAL "ON")
          set(severity FATAL_ERROR)
        endif()
        message(${severity} "santa: no MPI (${prefix_ERROR}): ranks are tested in one process alone. Install libopenmpi-dev.")
        return()
      endif()
      cmake_path(GET library PARENT_PATH own)
      cmake_path(GET own PARENT_PATH openmpi)
      cmake_path(GET openmpi PARENT_PATH libraries)
      string(REPLACE "${prefix}/usr/lib" "${prefix}/lib" base "${libraries}")
      add_library(santa_mpi INTERFACE IMPORTED GLOBAL)
      target_include_directories(santa_mpi INTERFACE "${openmpi}/include")
      target_compile_definitions(santa_mpi INTERFACE OMPI_SKIP_MPICXX)
      target_link_libraries(santa_mpi INTERFACE "${library}")
      target_link_options(santa_mpi INTERFACE "LINKER:-rpath-link,${libraries}" "LINKER:--allow-shlib-undefined")
      # Open MPI finds its plugins by these, wherever it was unpacked. It runs on this machine alone, without a network.
      list(APPEND environment "OPAL_PREFIX=${prefix}/usr" "PMIX_INSTALL_PREFIX=${prefix}/usr"
        "LD_LIBRARY_PATH=${libraries}:${own}:${base}" "OMPI_MCA_mca_base_component_show_load_errors=0"
        "OMPI_MCA_btl=self,vader" "OMPI_MCA_plm_rsh_agent=/bin/false")
      set(mpirun "${prefix}/usr/bin/mpirun.openmpi")
      set(where "${prefix}")
    endif()
    message(STATUS "santa: MPI from ${where}")
    set(SANTA_MPIRUN "${mpirun}" CACHE INTERNAL "")
    set(SANTA_MPI_ENVIRONMENT "${environment}" CACHE INTERNAL "")
  endif()
  set(${out} ON PARENT_SCOPE)
endfunction()

# santa_add_mpi_run(<test> <ranks> <command>...): a ctest that runs a program on so many ranks of this machine.
function(santa_add_mpi_run test ranks)
  add_test(NAME ${test} COMMAND "${SANTA_MPIRUN}" -n ${ranks} ${ARGN})
  set_tests_properties(${test} PROPERTIES LABELS run TIMEOUT 600 PROCESSORS ${ranks}
    ENVIRONMENT "${SANTA_MPI_ENVIRONMENT}")
endfunction()
