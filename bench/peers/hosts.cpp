// What is compared with other programs' attention on a host: Exact, MassUnit, Systematic and narrow keys, rescored,
// over a token-major cache, beside the read ceiling of the same run. As a table and as JSON, which merge_results.py
// reads.
#include "../portability/measure.hpp"
#include "../portability/options.hpp"
#include "../portability/report.hpp"
#include "../readers.hpp"
#include "decode/kokkos_options.hpp"
#include "decode/number.hpp"
#include "decode/program.hpp"
#include "huge_pages.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;
using Memory = Space::memory_space;
using Caches = santa_bench::Caches<Space>;
using santa_bench::Measured, santa_bench::Report;

const char* const usage =
    "santa_hosts --shape B,H,KVH,L,D ... [options]\n"
    "  --repeats N    timed repetitions (7)\n"
    "  --bytes N      what the copies of a cache have together, at least (2.4e9)\n"
    "  --huge-pages   asks the system for huge pages\n"
    "  --few          Exact and MassUnit alone\n"
    "  --json FILE    results as JSON\n"
    "Options that begin with --kokkos- go to Kokkos: --kokkos-num-threads=N.\n";

struct Settings {
  santa_bench::Options report;  // what Report looks at
  std::vector<santa::Shape> shapes;
  double bytes = 2.4e9;
  bool huge_pages = false;
  bool few = false;
};

/// Narrow keys of every copy of a cache, whose drawn rows are scored again by their keys.
template <class Code>
class Rescored {
 public:
  Rescored(const Space& space, const Caches& caches, bool huge_pages) : _caches(caches) {
    for (std::size_t copy = 0; copy < caches.copies(); ++copy) {
      const santa::NarrowKeys<Code, Memory>& narrow = _narrow.emplace_back(space, caches.shape, caches.layout);
      if (huge_pages) santa_bench::ask_for_huge_pages(narrow.codes.data(), narrow.codes.size() * sizeof(Code));
      santa::calibrate(space, caches.cache(copy), narrow);
      santa::encode_keys(space, caches.cache(copy), narrow);
    }
    space.fence();
  }

  [[nodiscard]] auto cache(std::size_t copy) const {
    return santa::rescored(santa::NarrowCache{_caches.cache(copy), _narrow[copy]});
  }
  [[nodiscard]] double bytes(double rows_fraction) const {
    const santa::Shape& s = _caches.shape;
    const double keys = static_cast<double>(s.batch * s.length * s.kv_heads);
    const double code = static_cast<double>(s.dim) * sizeof(Code) / santa::detail::features_per_element<Code>;
    return keys * (code + sizeof(santa::bfloat16)) + 2. * rows_fraction * santa_bench::bytes_of_rows(s);
  }

 private:
  const Caches& _caches;
  std::vector<santa::NarrowKeys<Code, Memory>> _narrow;
};

void run(const Space& space, const Settings& settings, const santa::Shape& shape, Report& report) {
  const Caches caches(space, shape, settings.report.sharpness, static_cast<std::size_t>(settings.bytes), 2,
                      settings.huge_pages);
  const auto data = [&](std::size_t copy) { return caches.data(copy); };
  const int repeats = settings.report.repeats;
  const auto best = santa_bench::best_reader(space, caches.copies(), caches.bytes(), repeats, data);
  report.set_ceiling(shape, {best.gb_s, best.reader->name});
  Measured exact;
  const auto add = [&](const char* name, const auto& stage, const auto& method, const Report::Budget& budget,
                       const Report::Stage& from = {}) {
    const Measured measured = santa_bench::measure(space, caches, stage, method, repeats);
    if (exact.out.empty()) exact = measured;
    report.add(shape, name, budget, measured, exact.microseconds() / measured.microseconds(),
               santa_bench::relative_error(measured.out, exact.out), from);
  };
  const santa_bench::FullStage<Space> full{caches};
  const double rows = settings.report.share * static_cast<double>(shape.length);
  const auto samples = std::max<std::int64_t>(1, static_cast<std::int64_t>(rows));
  const santa::MassUnit mass_unit{.rows = santa::share(settings.report.share)};
  add("exact", full, santa::Exact{}, {});
  add("mass-unit", full, mass_unit, {.rows = rows});
  if (settings.few) return;
  add("systematic", full, santa::Systematic{.samples = samples}, {.samples = samples});
  {
    const Rescored<std::int8_t> int8(space, caches, settings.huge_pages);
    add("mass-unit", int8, mass_unit, {.rows = rows}, {"int8", true});
  }
  const Rescored<santa::int4x2> int4(space, caches, settings.huge_pages);
  add("mass-unit", int4, mass_unit, {.rows = rows}, {"int4", true});
  std::printf("%-24s in huge pages: %.2f of %.2f GB\n", "", 1e-9 * santa_bench::bytes_in_huge_pages(),
              1e-9 * static_cast<double>(caches.bytes() * caches.copies()));
}

/// The options, of which the portability benchmark reads those that it has as well.
Settings parse(const std::vector<std::string>& arguments) {
  Settings settings;
  settings.report.repeats = 7;
  for (auto argument = arguments.begin(); argument != arguments.end(); ++argument) {
    const std::string& name = *argument;
    if (name == "--huge-pages") {
      settings.huge_pages = true;
    } else if (name == "--few") {
      settings.few = true;
    } else if (name == "--help") {
      settings.report.help = true;
    } else {
      if (argument + 1 == arguments.end()) throw santa::example::UserError(name + " needs a value");
      const std::string& value = *++argument;
      if (name == "--bytes") {
        settings.bytes = santa::example::number_between(name, value, 1., 1e12);
      } else {
        const santa_bench::Options one = santa_bench::parse_options({name, value});
        if (name == "--shape")
          settings.shapes.push_back(*one.shape);
        else if (name == "--repeats")
          settings.report.repeats = one.repeats;
        else if (name == "--json")
          settings.report.json = one.json;
        else
          throw santa::example::UserError(santa::example::quote(name) + " is unknown; --help lists the options");
      }
    }
  }
  return settings;
}

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  const Settings settings = parse(arguments);
  if (settings.report.help) {
    std::fputs(usage, stdout);
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  const Space space;
  Report report(settings.report);
  for (const santa::Shape& shape : settings.shapes) {
    run(space, settings, shape, report);
    report.write();
  }
  report.check_ceilings();
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_hosts", "not enough memory for this shape", argc, argv, measure);
}
