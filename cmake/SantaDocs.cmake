# The documentation's site: build/docs/site/index.html, of docs/, the headers' docstrings (Doxygen) and MkDocs. It needs
# neither a compiler nor Kokkos. Undocumented public names and dead links fail it.
include_guard(GLOBAL)
include(cmake/SantaDebian.cmake)

find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)
find_program(SANTA_DOXYGEN doxygen DOC "Doxygen, 1.9.4 or later")
set(santa_doxygen "${SANTA_DOXYGEN}")
set(santa_doxygen_libraries "")
if(NOT SANTA_DOXYGEN)
  santa_debian_packages(santa_doxygen_prefix NAME doxygen PACKAGES doxygen)
  if(NOT santa_doxygen_prefix)
    message(FATAL_ERROR "santa: no doxygen, and none from Debian: ${santa_doxygen_prefix_ERROR}")
  endif()
  set(santa_doxygen "${santa_doxygen_prefix}/usr/bin/doxygen")
  file(GLOB santa_doxygen_libraries "${santa_doxygen_prefix}/usr/lib/*-linux-gnu" "${santa_doxygen_prefix}/usr/lib/llvm-*/lib")
  list(JOIN santa_doxygen_libraries ":" santa_doxygen_libraries)
endif()

# MkDocs, in an environment of its own.
set(santa_docs_python "${CMAKE_BINARY_DIR}/venv/bin/python")
add_custom_command(
  OUTPUT "${CMAKE_BINARY_DIR}/venv/complete"
  COMMAND "${Python3_EXECUTABLE}" -m venv --clear "${CMAKE_BINARY_DIR}/venv"
  COMMAND "${santa_docs_python}" -m pip install --quiet --disable-pip-version-check
          --requirement "${PROJECT_SOURCE_DIR}/docs/requirements.txt"
  COMMAND "${CMAKE_COMMAND}" -E touch "${CMAKE_BINARY_DIR}/venv/complete"
  DEPENDS "${PROJECT_SOURCE_DIR}/docs/requirements.txt"
  COMMENT "MkDocs (docs/requirements.txt)"
  VERBATIM)

add_custom_target(docs ALL
  COMMAND "${CMAKE_COMMAND}" -E env "DOXYGEN=${santa_doxygen}" "DOXYGEN_OUTPUT=${CMAKE_BINARY_DIR}/doxygen"
          "LD_LIBRARY_PATH=${santa_doxygen_libraries}" PYTHONDONTWRITEBYTECODE=1 NO_MKDOCS_2_WARNING=1
          "${santa_docs_python}" -m mkdocs build --strict --clean
          --config-file "${PROJECT_SOURCE_DIR}/docs/site/mkdocs.yml" --site-dir "${CMAKE_BINARY_DIR}/site"
  DEPENDS "${CMAKE_BINARY_DIR}/venv/complete"
  COMMENT "The documentation's site: ${CMAKE_BINARY_DIR}/site/index.html"
  VERBATIM)
