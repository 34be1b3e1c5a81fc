// What the programs' main functions have in common: options of Kokkos apart from their own, errors as exit codes.
#pragma once

#include "decode/error.hpp"

#include <exception>
#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace santa::example {

/// Calls body(arguments, kokkos_count, kokkos_arguments) and flushes standard output.
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
    // Kokkos takes only what names it: it would also take --help.
    std::string quiet = "--kokkos-disable-warnings";
    std::vector<char*> kokkos_arguments = {argv[0], quiet.data()};
    std::vector<std::string> arguments;
    for (int i = 1; i < argc; ++i) {
      if (std::string_view(argv[i]).starts_with("--kokkos-"))
        kokkos_arguments.push_back(argv[i]);
      else
        arguments.emplace_back(argv[i]);
    }
    const int kokkos_count = static_cast<int>(kokkos_arguments.size());
    kokkos_arguments.push_back(nullptr);
    body(arguments, kokkos_count, kokkos_arguments.data());
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
