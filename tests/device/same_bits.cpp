// A device's outputs are the same bits from run to run, on whichever stream, and from a replayed graph.
#include "device/graph.hpp"
#include "device/instances.hpp"
#include "support/events.hpp"

#include <memory>

using namespace santa;
using namespace santa::test;

namespace {

/// Those that carry more from step to step than delta too.
std::vector<AnyMethod> all_methods() {
  std::vector<AnyMethod> methods = exact_and_samplers(200);
  methods.emplace_back(MassUnit{.rows = 200, .steered = true});
  methods.emplace_back(MassUnit{.rows = 200, .target_error = 0.1});
  return methods;
}

const std::vector<AnyMethod> methods = all_methods();

bool same(const Result& a, const Result& b) {
  if (!same_bits(a.out, b.out) || !same_bits(a.lse, b.lse) || !same_bits(a.error, b.error)) return false;
  for (std::size_t i = 0; i < a.statistics.size(); ++i)
    if (a.statistics[i].rows_read != b.statistics[i].rows_read || a.statistics[i].samples != b.statistics[i].samples ||
        a.statistics[i].effective_sample_size != b.statistics[i].effective_sample_size)
      return false;
  return true;
}

template <class T>
Problem<Device, T, float> some_problem(std::int64_t dim) {
  Problem<Device, T, float> problem({.batch = 2, .heads = 10, .kv_heads = 2, .length = 4000, .dim = dim});
  problem.fill(5).set_lengths({4000, 2777}).upload();
  return problem;
}

template <class T>
void check_runs(std::int64_t dim) {
  const auto problem = some_problem<T>(dim);
  Problem<Device, T, float> other_problem({.batch = 3, .heads = 4, .kv_heads = 1, .length = 1500, .dim = dim});
  other_problem.fill(6).upload();
  Runner<Device, T, float> other(other_problem, Systematic{.samples = 99});
  for (const AnyMethod& method : methods) {
    CAPTURE(method.index());
    Runner<Device, T, float> runner(problem, method);
    const auto state = runner.state();
    const auto two_steps = [&] {
      state.reset(Device{});
      runner.run({.seed = 3, .step = 1, .state = state});
      return runner.run({.seed = 3, .step = 2, .state = state});
    };
    const Result first = two_steps();
    int different = 0;
    for (int repeat = 0; repeat < 15; ++repeat) {
      // What the workspace holds from other steps, and what else ran, is of no matter.
      runner.run({.seed = 70, .step = static_cast<std::uint32_t>(repeat)});
      other.run({.step = static_cast<std::uint32_t>(repeat)});
      different += !same(first, two_steps());
    }
    CHECK(different == 0);
    Runner<Device, T, float> another_plan(problem, method);
    state.reset(Device{});
    another_plan.run({.seed = 3, .step = 1, .state = state});
    CHECK(same(first, another_plan.run({.seed = 3, .step = 2, .state = state})));
    if (method.index() != 0) CHECK_FALSE(same(first, runner.run({.seed = 4, .step = 2})));
  }
}

template <class T>
void check_graph(std::int64_t dim) {
  const auto problem = some_problem<T>(dim);
  const Stream stream;
  const Device space(stream.get());
  using Memory = Device::memory_space;
  const Kokkos::View<std::uint64_t, Memory> seed("test::seed");
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  Kokkos::deep_copy(seed, std::uint64_t{5} << 40);
  Problem<Device, T, float> other_problem({.batch = 3, .heads = 4, .kv_heads = 1, .length = 1500, .dim = dim});
  other_problem.fill(6).upload();
  for (const AnyMethod& method : methods) {
    CAPTURE(method.index());
    Runner<Device, T, float> runner(problem, method);
    for (const bool carried : {false, true}) {
      CAPTURE(carried);
      // A state that a run has used, and what it held then; or none.
      const auto state = carried ? runner.state() : DecodeState<Memory>{};
      if (carried) runner.run({.seed = 8, .state = state, .space = space});
      const auto keep = [](const auto& view) { return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view); };
      const decltype(state.log_ratio)* const views[] = {&state.log_ratio, &state.log2_sum, &state.panel,
                                                        &state.error_scale};
      std::vector<decltype(keep(state.log_ratio))> kept;
      for (const auto* const view : views) kept.push_back(keep(*view));
      const auto restore = [&] {
        for (std::size_t i = 0; i < kept.size(); ++i) Kokkos::deep_copy(*views[i], kept[i]);
      };
      Settings<Device> plain{.seed = std::uint64_t{5} << 40, .step = 3, .state = state, .space = space};
      const Result first = runner.run(plain);
      plain.step = 9;
      const Result second = runner.run(plain);

      const Settings<Device> captured{.state = state, .space = space, .seed_in_memory = seed, .step_in_memory = step};
      const Graph graph(stream.get(), [&] { runner.launch(captured); });
      {
        // Another plan in between, with its own memory and stream.
        Runner<Device, T, float> other(other_problem, method);
        other.run({.seed = 1, .step = 77, .state = other.state()});
        runner.run({.seed = 2, .step = 5});
      }
      const auto replay = [&](std::uint32_t now) {
        Kokkos::deep_copy(step, now);
        runner.mark();
        Kokkos::fence();
        graph.replay();
        return runner.fetch();
      };
      restore();
      CHECK(same(replay(3), first));
      CHECK(same(replay(9), second));
      if (method.index() != 0) CHECK_FALSE(same_bits(first.out, second.out));
      restore();
      CHECK(same(replay(3), first));
    }
  }
}

}  // namespace

TEST_CASE("runs_of_a_device_give_the_same_bits_whatever_ran_before") {
  check_runs<bfloat16>(64);
  check_runs<bfloat16>(128);
  check_runs<float>(128);
}

TEST_CASE("a_replayed_graph_draws_by_the_numbers_in_memory") {
  check_graph<bfloat16>(128);
  check_graph<float>(64);
}

TEST_CASE("a_run_on_a_stream_neither_allocates_nor_fences") {
  const auto problem = some_problem<bfloat16>(128);
  const Stream stream;
  const Device space(stream.get());
  for (const AnyMethod& method : methods) {
    CAPTURE(method.index());
    Runner<Device, bfloat16, float> runner(problem, method);
    const auto state = runner.state();
    Kokkos::fence();
    std::size_t free_before = 0;
    std::size_t free_after = 0;
    std::size_t total = 0;
    runner.run({.state = state, .space = space});
    REQUIRE(cudaMemGetInfo(&free_before, &total) == cudaSuccess);
    {
      const Events events;
      for (std::uint32_t step = 0; step < 4; ++step) runner.launch({.step = step, .state = state, .space = space});
    }
    REQUIRE(cudaMemGetInfo(&free_after, &total) == cudaSuccess);
    CHECK(Events::allocations == 0);
    CHECK(Events::fences.empty());
    CHECK(Events::kernels.size() >= 4);
    CHECK(free_after == free_before);
    space.fence();
  }
}
