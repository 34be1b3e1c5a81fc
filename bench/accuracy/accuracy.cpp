// santa_accuracy: error, bias and rows read of every method, at equal rows, on captures of a language model.
#include "accuracy/options.hpp"
#include "accuracy/study.hpp"
#include "decode/program.hpp"

#include <Kokkos_Core.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace {

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  using namespace santa::accuracy;
  const Options options = parse_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  santa::example::Progress progress;
  const Cases cases = run_study(options, progress);
  write_cases(options.output, cases);
}

}  // namespace

int main(int argc, char* argv[]) {
  return santa::example::run_program("santa_accuracy", "not enough memory for this capture", argc, argv, measure);
}
