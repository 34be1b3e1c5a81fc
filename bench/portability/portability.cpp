// The portability benchmark: one program for every backend. Time of each method against the streaming-read ceiling of
// the device in the same run, over shapes of decode attention; results as a table and as JSON.
#include "clusters.hpp"
#include "copies.hpp"
#include "decode/program.hpp"
#include "features.hpp"
#include "measure.hpp"
#include "narrow.hpp"
#include "options.hpp"
#include "read_ceiling.hpp"
#include "report.hpp"
#include "scenarios.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <exception>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using santa_bench::Options, santa_bench::Report;

std::vector<santa::Shape> shapes(const Options& options) {
  if (options.shape) return {*options.shape};
  // Llama-3.1-8B; Qwen2-7B; Llama-3.1-70B; SmolLM2-135M; one kv head of the largest dim.
  const std::int64_t geometries[][3] = {{32, 8, 128}, {28, 4, 128}, {64, 8, 128}, {9, 3, 64}, {8, 1, 256}};
  const std::int64_t sizes[][2] = {{1, 8}, {1, 32}, {1, 128}, {4, 32}, {16, 32}, {4, 128}, {64, 8}};
  std::vector<santa::Shape> all;
  for (const auto& [heads, kv_heads, dim] : geometries)
    for (const auto& [batch, k] : sizes)
      if (!options.quick || batch * k <= 32) all.push_back({batch, heads, kv_heads, k * 1024, dim});
  return all;
}

constexpr bool on_host = santa::lanes::is_host_space<Space>;

/// What the copies of a cache have together.
std::size_t rotation_bytes() { return on_host ? santa_bench::rotation_bytes() : std::size_t{512} << 20; }

/// All methods at one shape and layout.
void run(const Space& space, const santa_bench::Caches<Space>& caches, const Options& options, Report& report) {
  const santa::Shape& shape = caches.shape;
  santa_bench::Measured exact;
  // A kernel that a device has no room for is a result too.
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget, bool first = false) {
    if (!options.only.empty() && options.only != name && std::strcmp(name, "exact") != 0) return;
    try {
      const auto measured =
          santa_bench::measure(space, caches, santa_bench::FullStage<Space>{caches}, method, options.repeats, first);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, measured, exact.microseconds() / measured.microseconds(),
                 santa_bench::relative_error(measured.out, exact.out), {});
    } catch (const std::exception& error) {
      space.fence();  // an error that stays with the device ends the run
      report.add_unsupported(shape, name, error.what(), {});
    }
  };
  add("exact", santa::Exact{}, {});
  if (exact.out.empty()) return;  // nothing to compare with
  const double rows = options.share * static_cast<double>(shape.length);
  const santa::MassUnit mass_unit{.rows = santa::share(options.share)};
  const santa::MassUnit steered{.rows = santa::share(options.share), .steered = true};
  add("mass-unit", mass_unit, {.rows = rows});
  add("mass-unit-steered", steered, {.rows = rows});
  add("mass-unit-first", mass_unit, {.rows = rows}, true);
  const auto samples = std::max<std::int64_t>(1, static_cast<std::int64_t>(rows));
  add("systematic", santa::Systematic{.samples = samples}, {.samples = samples});
  santa::FixedTileBudget fixed{.samples = samples, .tile = 256};
  fixed.samples = std::max(samples, fixed.tiles(shape.length));  // it draws at least one a tile
  add("fixed-tile-budget", fixed, {.samples = fixed.samples, .tile = fixed.tile});
  if (options.only.empty() || options.only == "narrow") santa_bench::run_narrow(space, caches, exact, options, report);
  if (options.only.empty() || options.only == "features")
    santa_bench::run_features(space, caches, exact, options, report);
}

void run(const Options& options) {
  const Space space;
  Report report(options);
  for (const santa::Shape& shape : options.scenario.empty() ? shapes(options) : std::vector<santa::Shape>{}) {
    santa_bench::Caches<Space> caches(space, shape, options.sharpness, rotation_bytes());
    report.set_layout(santa::CacheLayout::token_major);
    report.set_ceiling(shape, santa_bench::ceiling_of(space, caches.copies(), caches.bytes(), options.repeats,
                                                      [&](std::size_t copy) { return caches.data(copy); }));
    for (const auto& [name, layout] : {std::pair{"token-major", santa::CacheLayout::token_major},
                                       std::pair{"head-major", santa::CacheLayout::head_major}}) {
      if (!options.layout.empty() && options.layout != name) continue;
      report.set_layout(caches.layout = layout);
      run(space, caches, options, report);
    }
    report.write();  // so far: the run may be cut short
  }
  const bool all = !on_host && !options.shape && !options.quick && options.only.empty() && options.layout.empty();
  const bool clusters = options.scenario == "clusters";
  if (all || (!options.scenario.empty() && !clusters)) santa_bench::run_scenarios(space, options, report);
  if (all || clusters) santa_bench::run_clusters(space, options, report);
  report.check_ceilings();
}

void measure(const std::vector<std::string>& arguments, const santa::example::KokkosOptions& kokkos) {
  const Options options = santa_bench::parse_options(arguments);
  if (options.help) {
    std::cout << santa_bench::usage;
    return;
  }
  const Kokkos::ScopeGuard started = kokkos.start();
  run(options);
}

}  // namespace

int main(int argc, char** argv) {
  return santa::example::run_program("santa_portability", "not enough memory for this shape", argc, argv, measure);
}
