#include "decode/main.hpp"

#include "decode/options.hpp"
#include "decode/program.hpp"
#include "decode/report.hpp"
#include "decode/run.hpp"

#include <Kokkos_Core.hpp>

#include <nlohmann/json.hpp>

#include <iostream>
#include <string>
#include <vector>

namespace santa::example {
namespace {

void print(const Report& report, bool json) {
  if (json)
    std::cout << to_json(report).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) << "\n";
  else
    print_table(std::cout, report);
}

void decode(const std::vector<std::string>& arguments, const KokkosOptions& kokkos) {
  const Options options = parse_options(arguments);
  if (!options.help.empty()) {
    std::cout << options.help;
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  print(run(options), options.json);
}

}  // namespace

int decode_main(int argc, char* argv[]) {
  return run_program("santa-decode", "not enough memory for this capture or shape", argc, argv, decode);
}

}  // namespace santa::example
