// What the programs' main functions have in common: options of Kokkos apart from their own, errors as exit codes.
#pragma once

#include "decode/error.hpp"
#include "decode/kokkos_options.hpp"

#include <algorithm>
#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace santa::example {

/// Calls body(arguments, kokkos), which starts Kokkos by the latter, and flushes standard output.
/// Returns: 0 done, 1 failed, 2 bad option or bad file, after a line on standard error that begins with the program's
/// name; `out_of_memory` is the rest of it where memory was not enough.
template <class Body>
int run_program(std::string_view name, const char* out_of_memory, int argc, char** argv, const Body& body) {
  const auto complain = [&](const char* what, int code) {
    std::cerr << name << ": " << what << "\n";
    return code;
  };
  constexpr int failed = 1;
  constexpr int bad_input = 2;
  try {
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const KokkosOptions kokkos(arguments);
    body(std::as_const(arguments), kokkos);
    return std::cout.flush() ? 0 : complain("standard output can't be written", failed);
  } catch (const UserError& error) {
    return complain(error.what(), bad_input);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), bad_input);
  } catch (const std::bad_alloc&) {
    return complain(out_of_memory, failed);
  } catch (const std::exception& error) {
    return complain(error.what(), failed);
  }
}

}  // namespace santa::example
