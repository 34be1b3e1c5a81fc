#include "scaled.hpp"

#include "byte_caches.hpp"
#include "copies.hpp"
#include "read_ceiling.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

template <class Method>
Measured measure_bytes(const Space& space, const Caches<Space>& caches, const ByteCaches<Space>& bytes,
                       const Method& method, int repeats) {
  const santa::Shape& shape = caches.shape;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Caches<Space>::Outputs out("out", n(shape.batch), n(shape.heads), n(shape.dim));
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", n(shape.batch),
                                                                                  n(shape.kv_heads));
  const santa::DecodePlan plan(space, method, caches.query, bytes.cache(0));
  std::vector<santa::DecodeState<Memory>> states;
  for (std::size_t copy = 0; copy < bytes.copies(); ++copy) states.emplace_back(space, plan.shape());
  Measured result =
      time_steps(space, bytes.copies(), bytes.copies(), repeats, [&](std::size_t copy, std::uint32_t step, bool count) {
        santa::RunOptions<Memory> options{.seed = run_seed, .step = step, .state = states[copy]};
        if (count) options.statistics = statistics;
        plan.run(space, caches.query, bytes.cache(copy), out, options);
      });
  result.rows_fraction = rows_of(statistics) / static_cast<double>(shape.batch * shape.kv_heads * shape.length);
  result.bytes = static_cast<double>(bytes.bytes()) / 2. * (1. + result.rows_fraction);
  result.out = outputs_of(out);
  return result;
}

}  // namespace

void run_fp8_cache(const Space& space, const Options& options, Report& report) {
  const santa::Shape shape{4, 32, 8, 32768 / options.divide, 128};
  const std::size_t rotation = santa::lanes::is_host_space<Space> ? rotation_bytes() : std::size_t{512} << 20U;
  const Caches<Space> caches(space, shape, options.sharpness, rotation);
  const ByteCaches<Space> bytes(space, caches, rotation);
  report.set_scenario("fp8-cache");
  report.set_elements("e4m3");
  report.set_layout(santa::CacheLayout::token_major);
  report.set_ceiling(shape, ceiling_of(space, bytes.copies(), bytes.bytes(), options.repeats,
                                       [&](std::size_t copy) { return bytes.data(copy); }));
  const Measured wide = measure(space, caches, FullStage<Space>{caches}, santa::Exact{}, options.repeats);
  Measured exact;
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget) {
    try {
      const Measured measured = measure_bytes(space, caches, bytes, method, options.repeats);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, measured, wide.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), {.score = "e4m3"});
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), {.score = "e4m3"});
    }
  };
  add("exact", santa::Exact{}, {});
  add("mass-unit", santa::MassUnit{.rows = santa::share(options.share)},
      {.rows = options.share * static_cast<double>(shape.length)});
  report.set_scenario("");
  report.set_elements("bf16");
}

}  // namespace santa_bench
