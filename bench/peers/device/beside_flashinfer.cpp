// santa and FlashInfer on one device in one run: a table and JSON, which compare_devices.py reads.
#include "../../portability/options.hpp"
#include "../../portability/report.hpp"
#include "decode/number.hpp"
#include "decode/program.hpp"
#include "problems.hpp"

#include <Kokkos_Core.hpp>

#include <cstdio>
#include <string>
#include <vector>

namespace {

const char* const usage =
    "beside_flashinfer [options]\n"
    "  --repeats N    timed repetitions (21)\n"
    "  --divide N     lengths divided by N, for less memory (1)\n"
    "  --json FILE    results as JSON\n"
    "Options that begin with --kokkos- go to Kokkos.\n";

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  for (const std::string& name : arguments)
    if (name.rfind("--", 0) == 0 && name != "--repeats" && name != "--divide" && name != "--json" && name != "--help")
      throw santa::example::UserError(santa::example::quote(name) + " is unknown; --help lists the options");
  const santa_bench::Options options = santa_bench::parse_options(arguments);
  if (options.help) {
    std::fputs(usage, stdout);
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  const Kokkos::Cuda space;
  santa_bench::Records records(santa_bench::device_name<Kokkos::Cuda>(), options.json, options.repeats);
  for (const auto run : {santa_bench::run_even, santa_bench::run_paged, santa_bench::run_scaled,
                         santa_bench::run_tokens, santa_bench::run_ragged})
    run(space, options.divide, records);
  records.check();
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("beside_flashinfer", "not enough memory for this shape", argc, argv, measure);
}
