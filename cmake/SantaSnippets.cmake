# santa_snippets(<document> <output>): the C++ of a document, as one program. All of its blocks are one function's body.
function(santa_snippets document output)
  file(READ "${document}" text)
  # Lists of CMake are cut at semicolons and brackets.
  string(ASCII 1 semicolon)
  string(ASCII 2 open)
  string(ASCII 3 close)
  string(REPLACE ";" "${semicolon}" text "${text}")
  string(REPLACE "[" "${open}" text "${text}")
  string(REPLACE "]" "${close}" text "${text}")
  string(REGEX MATCHALL "```cpp\n[^`]*```" blocks "${text}")
  if(NOT blocks)
    message(FATAL_ERROR "${document} has no C++")
  endif()
  set(body "")
  foreach(block IN LISTS blocks)
    string(REGEX REPLACE "^```cpp\n(.*)```$" "\\1" block "${block}")
    string(APPEND body "${block}")
  endforeach()
  string(REPLACE "${semicolon}" ";" body "${body}")
  string(REPLACE "${open}" "[" body "${body}")
  string(REPLACE "${close}" "]" body "${body}")
  file(CONFIGURE OUTPUT "${output}" CONTENT "#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <utility>

void run_snippets() {
${body}}

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  run_snippets();
}
" @ONLY)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${document}")
endfunction()
