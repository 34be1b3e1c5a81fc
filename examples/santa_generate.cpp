// santa-generate: a language model writes, with exact attention or with a fraction of its cache read.
#include "decode/error.hpp"
#include "generate/options.hpp"
#include "generate/run.hpp"

#include <Kokkos_Core.hpp>

#include <iostream>
#include <new>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace santa::example;

constexpr int failed = 1;
constexpr int bad_input = 2;

int generate(const std::vector<std::string>& arguments, int kokkos_count, char** kokkos_arguments) {
  const GenerateOptions options = parse_generate_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
  } else {
    const Kokkos::ScopeGuard kokkos(kokkos_count, kokkos_arguments);
    run_generate(options, std::cout);
  }
  if (std::cout.flush()) return 0;
  std::cerr << "santa-generate: standard output can't be written\n";
  return failed;
}

int complain(const char* what, int code) {
  std::cerr << "santa-generate: " << what << "\n";
  return code;
}

}  // namespace

int main(int argc, char* argv[]) {
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
    return generate(arguments, kokkos_count, kokkos_arguments.data());
  } catch (const UserError& error) {
    return complain(error.what(), bad_input);
  } catch (const std::invalid_argument& error) {
    return complain(error.what(), bad_input);
  } catch (const std::bad_alloc&) {
    return complain("not enough memory for this model and cache", failed);
  } catch (const std::exception& error) {
    return complain(error.what(), failed);
  }
}
