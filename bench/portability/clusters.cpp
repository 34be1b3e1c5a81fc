#include "clusters.hpp"

#include "copies.hpp"
#include "read_ceiling.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

constexpr std::int64_t kinds = 256;
constexpr float spread = 2.F;

/// Clusters beside every copy of a cache. The copies hold the same numbers.
class ClusterCopies {
 public:
  ClusterCopies(const Space& space, const Caches<Space>& caches) : _caches(caches) {
    for (std::size_t copy = 0; copy < caches.copies(); ++copy) {
      _keys.emplace_back(space, caches.shape);
      santa::cluster_keys(space, santa::clustered(caches.cache(copy), _keys.back()));
    }
    space.fence();
  }
  [[nodiscard]] auto cache(std::size_t copy) const { return santa::clustered(_caches.cache(copy), _keys[copy]); }
  [[nodiscard]] const santa::ClusteredKeys<Memory>& keys(std::size_t copy) const { return _keys[copy]; }

 private:
  const Caches<Space>& _caches;
  std::vector<santa::ClusteredKeys<Memory>> _keys;
};

Measured measure_clusters(const Space& space, const Caches<Space>& caches, const ClusterCopies& copies,
                          const santa::Clusters& method, int repeats) {
  const santa::Shape& shape = caches.shape;
  const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
  const Caches<Space>::Outputs out("out", size(shape.batch), size(shape.heads), size(shape.dim));
  const Kokkos::View<santa::ClusterStatistics**, Kokkos::LayoutRight, Memory> statistics(
      "statistics", size(shape.batch), size(shape.kv_heads));
  const santa::ClusterPlan plan(space, method, caches.query, copies.cache(0));
  std::vector<santa::ClusterState<Memory>> states;
  for (std::size_t copy = 0; copy < caches.copies(); ++copy) states.emplace_back(space, shape);
  Measured result = time_steps(
      space, caches.copies(), caches.copies(), repeats, [&](std::size_t copy, std::uint32_t step, bool count) {
        santa::ClusterRunOptions<Memory> options{.seed = run_seed, .step = step, .state = states[copy]};
        if (count) options.statistics = statistics;
        plan.run(space, caches.query, copies.cache(copy), out, options);
      });
  const auto counts = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, statistics);
  for (std::size_t i = 0; i < counts.size(); ++i) result.bytes += static_cast<double>(counts.data()[i].bytes_read);
  result.rows_fraction = rows_of(statistics) / static_cast<double>(shape.batch * shape.kv_heads * shape.length);
  result.out = outputs_of(out);
  return result;
}

/// What a token costs besides: a call where no chunk is full, and those that cluster one of each request.
void print_appending(const Space& space, const Caches<Space>& caches, const ClusterCopies& copies, int repeats) {
  const santa::NewestClusters<Memory> newest(space, copies.keys(0));
  const auto counts = copies.keys(0).clustered();
  const auto full = static_cast<std::int32_t>(caches.shape.length / copies.keys(0).layout().chunk);
  if (full == 0) return;
  const double idle = time_launches(space, repeats, [&] { newest.run(space, copies.cache(0)); });
  Kokkos::deep_copy(space, counts, full - 1);
  double all = 0., most = 0.;
  int calls = 0;
  for (bool done = false; !done; ++calls) {
    space.fence();
    const Kokkos::Timer timer;
    newest.run(space, copies.cache(0));
    space.fence();
    const double time = timer.seconds() * 1e6;
    all += time;
    most = time > most ? time : most;
    done = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, counts)(0) == full;
  }
  std::printf(
      "  appending: %.1f us where no chunk is full; one is clustered in %d calls, %.1f us each, %.1f at most: %.2f us "
      "a token in all\n",
      idle, calls, all / calls, most, idle + (all - calls * idle) / static_cast<double>(copies.keys(0).layout().chunk));
}

void run_shape(const Space& space, const santa::Shape& shape, const Options& options, Report& report) {
  const std::size_t rotation = santa::lanes::is_host_space<Space> ? rotation_bytes() : std::size_t{512} << 20U;
  const Caches<Space> caches(space, shape, options.sharpness, rotation, 1);
  caches.make_kinds(space, kinds, spread);
  const ClusterCopies copies(space, caches);
  report.set_layout(santa::CacheLayout::token_major);
  report.set_ceiling(shape, ceiling_of(space, caches.copies(), caches.bytes(), options.repeats,
                                       [&](std::size_t copy) { return caches.data(copy); }));
  Measured exact;
  const auto add = [&](const char* name, const Report::Stage& stage, const auto& measured_of) {
    try {
      const Measured measured = measured_of();
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, {}, measured, exact.microseconds() / measured.microseconds(),
                 relative_error(measured.out, exact.out), stage);
    } catch (const std::exception& error) {
      space.fence();
      report.add_unsupported(shape, name, error.what(), stage);
    }
  };
  const FullStage<Space> full{caches};
  add("exact", {}, [&] { return measure(space, caches, full, santa::Exact{}, options.repeats); });
  if (exact.out.empty()) return;
  add("mass-unit", {}, [&] {
    return measure(space, caches, full, santa::MassUnit{.rows = santa::share(options.share)}, options.repeats);
  });
  const Report::Stage stage{"clusters", true};
  for (const auto& [name, bytes] : {std::pair{"clusters-4", 1. / 4}, {"clusters-8", 1. / 8}, {"clusters-12", 1. / 12}})
    add(name, stage,
        [&, share = bytes] { return measure_clusters(space, caches, copies, {.bytes = share}, options.repeats); });
  print_appending(space, caches, copies, options.repeats);
}

}  // namespace

void run_clusters(const Space& space, const Options& options, Report& report) {
  report.set_scenario("clusters");
  constexpr std::int64_t sizes[][2] = {{1, 32}, {1, 128}, {4, 128}, {16, 32}};
  for (const auto& [batch, k] : sizes) {
    if (options.quick && batch * k > 32) continue;
    const santa::Shape usual{batch, 32, 8, k * 1024 / options.divide, 128};
    run_shape(space, options.shape.value_or(usual), options, report);
    report.write();
    if (options.shape) break;
  }
  report.set_scenario("");
}

}  // namespace santa_bench
