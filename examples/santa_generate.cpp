// santa-generate: a language model writes, with exact attention or with a fraction of its cache read.
#include "decode/program.hpp"
#include "generate/options.hpp"
#include "generate/run.hpp"

#include <Kokkos_Core.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

using namespace santa::example;

void generate(const std::vector<std::string>& arguments, const KokkosOptions& kokkos) {
  const GenerateOptions options = parse_generate_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  run_generate(options, std::cout);
}

}  // namespace

int main(int argc, char* argv[]) {
  return run_program("santa-generate", "not enough memory for this model and cache", argc, argv, generate);
}
