// Clusters on a device at the extents of its fast kernel; a step and what follows an append in a graph. (That draws are
// those of a host is tested where both are held against the reference: clusters/unbiased.cpp.)
#include "clusters/cluster_problem.hpp"
#include "device/graph.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::Cuda;
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

constexpr Shape shape{.batch = 2, .heads = 8, .kv_heads = 2, .length = 5000, .dim = 128};

template <class Cluster>
void fill(Cluster& clusters) {
  fill_kinds(clusters.problem, 5, 32, 2.F, 2.F);
  clusters.problem.set_lengths({5000, 4321}).upload();
}

}  // namespace

TEST_CASE("a_budget_that_covers_all_is_exact_on_a_device") {
  ClusterProblem<Space, bfloat16> device(shape, {.chunk = 256});
  fill(device);
  device.make();
  const ClusterPlan plan(Space{}, {.keys = share(1.), .rows = share(1.)}, device.problem.queries(), device.cache(), {},
                         KernelSet<4, 128>{});
  const ClusterResult given = device.run_on(plan, device.cache(), {.seed = 1});
  const Reference right = exact_reference(device.problem);
  CHECK(relative_error(given.out, right.out) < 1e-4);
  // And one that covers a fifth reads a fifth, and is near.
  const ClusterPlan fifth(Space{}, {.bytes = 0.2}, device.problem.queries(), device.cache(), {}, KernelSet<4, 128>{});
  const ClusterState<Memory> state(Space{}, shape);
  double error = 0., bytes = 0.;
  for (std::uint32_t step = 0; step < 10; ++step) {
    const ClusterResult near = device.run_on(fifth, device.cache(), {.seed = 2, .step = step, .state = state});
    error += relative_error(near.out, right.out) / 10.;
    for (const ClusterStatistics& each : near.statistics) bytes += static_cast<double>(each.bytes_read) / 10.;
  }
  CHECK(bytes / (9321. * 2 * 2 * 2 * 128) == doctest::Approx(0.2).epsilon(0.25));
  CHECK(error < 0.3);
}

TEST_CASE("tensor_cores_draw_and_add_what_plain_loops_do") {
  // With error bars a step is run by plain loops: every term is needed by itself.
  ClusterProblem<Space, bfloat16> device(shape, {.chunk = 256});
  fill(device);
  device.make();
  const auto plan_of = [&](const Clusters& method) {
    return ClusterPlan(Space{}, method, device.problem.queries(), device.cache(), {}, KernelSet<4, 128>{});
  };
  const auto run = [&](const auto& plan, ClusterRunOptions<Memory> options, bool with_error) {
    const View<float***> out("test::out", 2, 8, 128);
    const View<float**> error("test::error", 2, 8);
    const View<ClusterStatistics**> statistics("test::statistics", 2, 2);
    if (with_error) options.error = error;
    options.statistics = statistics;
    plan.run(Space{}, device.problem.queries(), device.cache(), out, options);
    Kokkos::fence();
    return std::pair{to_host<float>(View<float*>(out.data(), out.size())),
                     to_host<ClusterStatistics>(View<ClusterStatistics*>(statistics.data(), statistics.size()))};
  };
  const Reference right = exact_reference(device.problem);
  const auto all = run(plan_of({.keys = share(1.), .rows = share(1.)}), {.seed = 1}, false);
  CHECK(relative_error(all.first, right.out) < 1e-4);
  for (const Clusters& method : {Clusters{.bytes = 0.2}, Clusters{.bytes = 0.2, .value_codes = false},
                                 Clusters{.bytes = 0.2, .estimate = ClusterEstimate::self_normalised}}) {
    const auto plan = plan_of(method);
    const ClusterState<Memory> states[2] = {{Space{}, shape}, {Space{}, shape}};
    int others = 0;
    for (std::uint32_t step = 0; step < 10; ++step) {
      const auto plain = run(plan, {.seed = 3, .step = step, .state = states[0]}, true);
      const auto fast = run(plan, {.seed = 3, .step = step, .state = states[1]}, false);
      for (std::size_t i = 0; i < 4; ++i)
        others += plain.second[i].keys_read != fast.second[i].keys_read ||
                  plain.second[i].rows_read != fast.second[i].rows_read;
      const std::vector<double> expected(plain.first.begin(), plain.first.end());
      if (others == 0) CHECK(relative_error(fast.first, expected) < 1e-3);
    }
    CHECK(others <= 4);  // of 40: a row or two at the edge of their probabilities
  }
}

TEST_CASE("clustering_and_decoding_are_captured_and_replayed_as_lengths_grow") {
  ClusterProblem<Space, bfloat16> device(shape, {.chunk = 256});
  fill(device);
  const ClusteredKeys<Memory> grown(Space{}, shape, {.chunk = 256});
  const Stream stream;
  const Space space(stream.get());
  const View<std::int64_t*> lengths("test::lengths", 2);
  const auto cache = clustered(ContiguousCache{device.problem.key_view(), device.problem.value_view(), lengths}, grown);
  const ClusterPlan plan(space, {.bytes = 0.3}, device.problem.queries(), cache, {}, KernelSet<4, 128>{});
  const NewestClusters<Memory> newest(space, grown, 1);
  const ClusterState<Memory> state(space, shape);
  const View<float***> out("test::out", 2, 8, 128), plain("test::plain", 2, 8, 128);
  const auto set_lengths = [&](std::int64_t length) {
    Kokkos::deep_copy(space, lengths, length);
    space.fence();
  };
  const auto step = [&] {
    newest.run(space, cache);
    plan.run(space, device.problem.queries(), cache, out, {.seed = 4, .state = state});
  };
  set_lengths(100);
  step();
  const Graph graph(stream.get(), step);
  for (std::int64_t length = 164; length <= 4321; length += 64) {
    set_lengths(length);
    graph.replay();
  }
  space.fence();
  const auto counts = to_host<int>(grown.clustered());
  CHECK(counts == std::vector<int>{4260 / 256, 4260 / 256});
  // What the graph made is what clustering all at once makes.
  const ClusteredKeys<Memory> all(space, shape, {.chunk = 256});
  cluster_keys(space, clustered(ContiguousCache{device.problem.key_view(), device.problem.value_view(), lengths}, all));
  const auto bytes_of = [&](const ClusteredKeys<Memory>& keys) {
    const auto arrays = keys.arrays();
    return to_host<std::byte>(View<const std::byte*>(arrays.data, static_cast<std::size_t>(16 * arrays.record)));
  };
  CHECK(same_bits(bytes_of(grown), bytes_of(all)));
  const auto given = to_host<float>(View<float*>(out.data(), out.size()));
  for (const float x : given) REQUIRE(std::isfinite(x));
  // The same step again, outside of the graph: the same bits, whatever the state became.
  const ClusterState<Memory> again(space, shape);
  const ClusterRunOptions<Memory> options{.seed = 4, .state = again};
  plan.run(space, device.problem.queries(), cache, out, options);
  again.reset(space);
  plan.run(space, device.problem.queries(), cache, plain, options);
  space.fence();
  CHECK(same_bits(to_host<float>(View<float*>(out.data(), out.size())),
                  to_host<float>(View<float*>(plain.data(), plain.size()))));
}
