#include "scenarios.hpp"

#include "copies.hpp"
#include "ragged.hpp"
#include "read_ceiling.hpp"
#include "scaled.hpp"
#include "serving.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// Layers of a step that one schedule serves: models have more.
constexpr std::size_t layers_of_schedule = 8;

/// One draw of lengths on caches as long as the longest may be.
class Batch {
 public:
  Batch(const Caches<Space>& caches, const Lengths& lengths)
      : _caches(caches), _lengths("lengths", lengths.size()), _keys(sum_of(lengths)) {
    const Kokkos::View<const std::int32_t*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>> given(
        lengths.data(), lengths.size());
    Kokkos::deep_copy(_lengths, given);
  }

  [[nodiscard]] auto cache(std::size_t copy) const { return _caches.cache(copy, _lengths); }
  [[nodiscard]] double bytes(double rows_fraction) const {
    const santa::Shape& s = _caches.shape;
    return _keys * static_cast<double>(s.kv_heads * s.dim) * sizeof(santa::bfloat16) * (1. + rows_fraction);
  }
  [[nodiscard]] double keys() const { return _keys; }

 private:
  const Caches<Space>& _caches;
  Kokkos::View<std::int32_t*, Memory> _lengths;
  double _keys;  // of all requests
};

template <class Method>
Measured measure_ragged(const Space& space, const Caches<Space>& caches, const Batch& batch, const Method& method,
                        int repeats) {
  const santa::Shape& shape = caches.shape;
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const Caches<Space>::Outputs out("out", size(shape.batch), size(shape.heads), size(shape.dim));
  const Kokkos::View<santa::Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", size(shape.batch),
                                                                                  size(shape.kv_heads));
  const santa::DecodePlan plan(space, method, caches.query, batch.cache(0));
  const santa::Schedule<Memory> schedule(space, shape_of(caches.query, batch.cache(0)));
  std::vector<santa::DecodeState<Memory>> carried;
  for (std::size_t i = 0; i < caches.copies(); ++i) carried.emplace_back(space, plan.shape());
  Measured result = time_steps(
      space, caches.copies(), layers_of_schedule, repeats, [&](std::size_t layer, std::uint32_t step, bool count) {
        if (layer == 0) schedule.update(space, batch.cache(0));
        const std::size_t copy = layer % caches.copies();
        santa::RunOptions<Memory> options{.seed = run_seed, .step = step, .state = carried[copy], .schedule = schedule};
        if (count) options.statistics = statistics;
        plan.run(space, caches.query, batch.cache(copy), out, options);
      });
  result.rows_fraction = rows_of(statistics) / (static_cast<double>(shape.kv_heads) * batch.keys());
  result.bytes = batch.bytes(result.rows_fraction);
  result.out = outputs_of(out);
  return result;
}

/// The mean over draws of lengths; outputs one after the other.
template <class Method>
Measured measure_draws(const Space& space, const Caches<Space>& caches, const std::vector<Batch>& batches,
                       const Method& method, int repeats) {
  Measured mean;
  const double part = 1. / static_cast<double>(batches.size());
  double keys = 0.;
  for (const Batch& batch : batches) {
    const Measured one = measure_ragged(space, caches, batch, method, repeats);
    mean.launch_microseconds += part * one.launch_microseconds;
    mean.graph_microseconds += part * one.graph_microseconds;
    mean.rows_fraction += batch.keys() * one.rows_fraction;
    mean.bytes += part * one.bytes;
    mean.out.insert(mean.out.end(), one.out.begin(), one.out.end());
    keys += batch.keys();
  }
  mean.rows_fraction /= keys;
  return mean;
}

void run_scenario(const Space& space, const Scenario& scenario, const Options& options, Report& report) {
  const santa::Shape shape{static_cast<std::int64_t>(scenario.draws.front().size()), 32, 8, scenario.storage, 128};
  // One copy where what is read of it is more than any cache holds.
  const std::size_t rotation = santa::lanes::is_host_space<Space> ? rotation_bytes() : std::size_t{512} << 20U;
  const Caches<Space> caches(space, shape, options.sharpness, options.divide == 1 ? 0 : rotation, 1);
  std::vector<Batch> batches;
  double keys = 0.;
  for (const Lengths& lengths : scenario.draws) keys += batches.emplace_back(caches, lengths).keys();
  report.set_scenario(scenario.name);
  report.set_layout(santa::CacheLayout::token_major);
  // As many bytes as Exact reads, whole copies where there are several.
  const std::size_t some = std::min(caches.bytes(), static_cast<std::size_t>(batches.front().bytes(1.)) / 4096 * 4096);
  report.set_ceiling(shape,
                     ceiling_of_batch(space, caches.copies(), some, caches.bytes(), scenario.draws.front().size(),
                                      options.repeats, [&](std::size_t copy) { return caches.data(copy); }));
  Measured exact;
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget) {
    try {
      const Measured measured = measure_draws(space, caches, batches, method, options.repeats);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, measured, exact.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), {});
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), {});
    }
  };
  add("exact", santa::Exact{}, {});
  if (exact.out.empty()) return;
  const double each = keys / static_cast<double>(scenario.draws.size() * scenario.draws.front().size());
  add("mass-unit", santa::MassUnit{.rows = santa::share(options.share)}, {.rows = options.share * each});
}

}  // namespace

void run_scenarios(const Space& space, const Options& options, Report& report) {
  for (const Scenario& scenario : scenarios(options.divide)) {
    if (!options.scenario.empty() && options.scenario != "all" && options.scenario != scenario.name) continue;
    run_scenario(space, scenario, options, report);
    report.write();
  }
  report.set_scenario("");
  run_serving(space, options.scenario, options, report);
  if (options.scenario.empty() || options.scenario == "all" || options.scenario == "fp8-cache") {
    run_fp8_cache(space, options, report);
    report.write();
  }
}

}  // namespace santa_bench
