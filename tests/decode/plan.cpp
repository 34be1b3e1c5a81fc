// What a plan promises besides its results: no allocation, no fence, labels, reuse, seeds in memory.
#include "support/events.hpp"
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
using Cache = typename Problem<Space, float>::Cache;

const std::vector<AnyMethod> methods = exact_and_samplers(40);

/// Kernels of one run that is not the first with a state, but for the one that makes its schedule and the one that
/// merges, which small plans don't have.
template <class Space>
std::size_t kernels_of(const AnyMethod& method) {
  constexpr std::size_t prefix = lanes::Seam<Space>::many_groups ? 1 : 0;  // of a first pass
  switch (method.index()) {
    case 0:
    case 1:
    case 5:
    case 7:
    case 8: return 1;  // Exact, MassUnit, FixedTileBudget, MassUnit by squares and separate
    case 2:
    case 3: return 2 + prefix;   // Systematic, Stratified
    default: return 3 + prefix;  // Multinomial, ProportionalTileBudget
  }
}

/// What a plan may keep: 8 bytes a key and head, and what doesn't grow with the length.
constexpr std::size_t most_bytes(const Shape& shape) {
  return static_cast<std::size_t>(shape.batch * shape.heads * (8 * shape.length + 4096));
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_warm_run_neither_allocates_nor_fences_and_its_kernels_have_labels") {
  Problem<Space, float> problem({.batch = 5, .heads = 36, .kv_heads = 2, .length = 600, .dim = 256});
  problem.fill(1).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const auto state = runner.state();
    const Settings<Space> settings{.state = state};
    runner.run(settings);
    {
      const Events events;
      for (std::uint32_t step = 0; step < 3; ++step) runner.launch(settings);
    }
    CHECK(Events::allocations == 0);
    CHECK(Events::fences.empty());
    const auto merges = std::count(Events::kernels.begin(), Events::kernels.end(), "santa::merge");
    CHECK(Events::kernels.size() - static_cast<std::size_t>(merges) == 3 * (1 + kernels_of<Space>(method)));
    for (const std::string& label : Events::kernels) CHECK(label.rfind("santa::", 0) == 0);
    Space{}.fence();
  }
}

SANTA_SPACE_TEST_CASE("delta_takes_kernels_of_its_own_as_far_as_a_state_does_not_have_it") {
  Problem<Space, float> problem({.batch = 5, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  using Labels = std::vector<std::string>;
  const Labels first{"santa::subset", "santa::delta", "santa::mass_unit"};
  for (const bool steered : {true, false}) {
    Runner<Space, float> runner(problem, MassUnit{.rows = 40, .steered = steered});
    const auto kernels = [&](const Settings<Space>& settings) {
      const Events events;
      runner.launch(settings);
      Space{}.fence();
      REQUIRE(Events::kernels.front() == "santa::schedule");
      Labels labels(Events::kernels.begin() + 1, Events::kernels.end());
      if (labels.back() == "santa::merge") labels.pop_back();
      return labels;
    };
    const Labels later = steered ? Labels{"santa::subset", "santa::mass_unit"} : Labels{"santa::mass_unit"};
    CHECK(kernels({}) == first);
    CHECK(kernels({}) == first);
    const auto state = runner.state();
    const auto copy = state;
    CHECK(kernels({.state = state}) == first);
    CHECK(kernels({.state = state}) == later);
    CHECK(kernels({.state = copy}) == later);
    copy.reset(Space{});
    CHECK(kernels({.state = state}) == first);
    CHECK(kernels({.state = state}) == later);
  }
}

SANTA_SPACE_TEST_CASE("one_allocation_makes_a_plan") {
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64};
  const Events events;
  const DecodePlan plan(Space{}, MassUnit{}, shape, cache_of<Cache<Space>>);
  CHECK(Events::allocations == 1);
  CHECK(plan.workspace_bytes() > 0);
  CHECK(plan.shape() == shape);
}

SANTA_SPACE_TEST_CASE("plans_describe_their_splits_workspace_and_reads") {
  const Shape shape{.batch = 3, .heads = 34, .kv_heads = 2, .length = 1000, .dim = 64};
  const auto text = [&](const auto& method, std::int64_t keys_per_split) {
    return DecodePlan(Space{}, method, shape, cache_of<Cache<Space>>, {.keys_per_split = keys_per_split}).describe();
  };
  const auto has = [](const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; };
  const DecodePlan plan(Space{}, MassUnit{.rows = 70}, shape, cache_of<Cache<Space>>);
  CHECK(has(plan.describe(), "santa::MassUnit for batch 3, heads 34/2, dim 64, up to 1000 keys"));
  CHECK(has(plan.describe(), "workspace " + std::to_string(plan.workspace_bytes()) + " bytes"));
  CHECK(has(plan.describe(), "slices of 9 heads"));
  CHECK(has(plan.describe(), "about 70 a kv head"));
  CHECK(has(text(MassUnit{.rows = share(0.25)}, 0), "about 250 a kv head"));
  CHECK(has(text(MassUnit{.rows = 0x1p63}, 0), "and all value rows"));
  CHECK(has(text(Exact{}, 512), "santa::Exact"));
  CHECK(has(text(Exact{}, 512), "2 splits of 512 keys"));
  CHECK(has(text(Systematic{.samples = 33}, 0), "santa::Systematic"));
  CHECK(has(text(Systematic{.samples = 33}, 0), "at most 33 a query head"));
  CHECK(has(text(Stratified{.samples = 33}, 0), "santa::Stratified"));
  CHECK(has(text(Multinomial{.samples = 33}, 0), "santa::Multinomial"));
  CHECK(has(text(FixedTileBudget{.samples = 33}, 0), "santa::FixedTileBudget"));
  CHECK(has(text(ProportionalTileBudget{.samples = 33}, 0), "santa::ProportionalTileBudget"));
}

SANTA_SPACE_TEST_CASE("plans_describe_the_splits_of_what_a_window_shows") {
  if (!lanes::is_host_space<Space>) return;  // whose splits follow from the keys alone
  const auto text = [](std::int64_t length, std::int64_t window) {
    const Shape shape{.heads = 4, .kv_heads = 2, .length = length, .dim = 64};
    return DecodePlan(Space{}, Exact{}, shape, cache_of<Cache<Space>>, {}, Window{window}).describe();
  };
  const auto has = [](const std::string& all, const std::string& part) { return all.find(part) != std::string::npos; };
  CHECK(has(text(8192, every_key), " 32 splits of 256 keys"));
  CHECK(has(text(40000, every_key), " 79 splits of 512 keys"));
  CHECK(has(text(8192, 1000), " 4 splits of 256 keys"));
  CHECK(has(text(40000, 1000), " 5 splits of 256 keys"));
  CHECK(has(text(0, 1000), " 0 splits of 256 keys"));
}

SANTA_SPACE_TEST_CASE("one_plan_serves_smaller_batches_and_storages") {
  const Shape most{.batch = 4, .heads = 4, .kv_heads = 2, .length = 1500, .dim = 64};
  using Memory = typename Space::memory_space;
  const auto check = [&](const auto& method) {
    const DecodePlan plan(Space{}, method, most, cache_of<Cache<Space>>, {.keys_per_split = 256});
    for (const std::int64_t length : {1500, 1000, 1, 257})
      for (const std::int64_t batch : {1, 4}) {
        Problem<Space, float> problem({.batch = batch, .heads = 4, .kv_heads = 2, .length = length, .dim = 64});
        problem.fill(static_cast<unsigned>(length)).upload();
        const Kokkos::View<float*, Memory> flat("test::out", static_cast<std::size_t>(batch * 4 * 64));
        const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out(flat.data(), static_cast<std::size_t>(batch), 4,
                                                                      64);
        plan.run(Space{}, problem.queries(), problem.cache(), out);
        Space{}.fence();
        CHECK(relative_error(to_host<float>(flat), exact_reference(problem).out) < 1e-5);
      }
  };
  check(Exact{});
  for (const AnyMethod& any : samplers(1500)) std::visit(check, any);
}

SANTA_SPACE_TEST_CASE("one_plan_serves_caches_with_lengths_and_without") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  const Kokkos::View<float*, typename Space::memory_space> flat("test::out", 2 * 4 * 64);
  const Kokkos::View<float***, Kokkos::LayoutRight, typename Space::memory_space> out(flat.data(), 2, 4, 64);
  const ContiguousCache full{problem.key_view(), problem.value_view()};
  const DecodePlan plan(Space{}, MassUnit{.rows = 40}, problem.queries(), full);
  const auto outputs_on = [&](const auto& cache) {
    plan.run(Space{}, problem.queries(), cache, out, {.seed = 1});
    Space{}.fence();
    return to_host<float>(flat);
  };
  const auto expected = outputs_on(full);
  CHECK(same_bits(outputs_on(problem.cache()), expected));
  problem.replace_lengths({600, 599});
  CHECK(!same_bits(outputs_on(problem.cache()), expected));
}

SANTA_SPACE_TEST_CASE("seed_and_step_may_lie_in_memory") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  using Memory = typename Space::memory_space;
  const Kokkos::View<std::uint64_t, Memory> seed("test::seed");
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  const Kokkos::View<float*, Memory> flat("test::out", 4 * 64);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out(flat.data(), 1, 4, 64);
  const auto check = [&](const auto& method) {
    const DecodePlan plan(Space{}, method, problem.queries(), problem.cache());
    for (const std::uint64_t s : {std::uint64_t{3}, std::uint64_t{1} << 50})
      for (const std::uint32_t t : {0U, 9U}) {
        Kokkos::deep_copy(seed, s);
        Kokkos::deep_copy(step, t);
        plan.run(Space{}, problem.queries(), problem.cache(), out, {.seed = seed, .step = step});
        Space{}.fence();
        const auto in_memory = to_host<float>(flat);
        plan.run(Space{}, problem.queries(), problem.cache(), out, {.seed = s, .step = t});
        Space{}.fence();
        CHECK(same_bits(in_memory, to_host<float>(flat)));
      }
  };
  for (const AnyMethod& any : samplers(60)) std::visit(check, any);
}

SANTA_SPACE_TEST_CASE("error_bars_and_statistics_change_nothing_else") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  using Memory = typename Space::memory_space;
  for (const AnyMethod& any : methods) {
    Runner<Space, float> runner(problem, any);
    const Result& expected = runner.run();
    std::visit(
        [&](const auto& method) {
          const Kokkos::View<float*, Memory> flat("test::out", 2 * 4 * 64);
          const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out(flat.data(), 2, 4, 64);
          const DecodePlan plan(Space{}, method, problem.queries(), problem.cache());
          plan.run(Space{}, problem.queries(), problem.cache(), out, {.seed = 1});
          Space{}.fence();
          CHECK(same_bits(to_host<float>(flat), expected.out));
        },
        any);
  }
}

SANTA_SPACE_TEST_CASE("exact_has_no_error_and_the_bars_of_samplers_are_positive") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run();
    for (const float bar : result.error) CHECK((method.index() == 0 ? bar == 0.F : bar > 0.01F));
  }
}

SANTA_SPACE_TEST_CASE("effective_sample_size_of_exact_is_that_of_the_softmax") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 500, .dim = 64});
  problem.fill(1).upload();
  Runner<Space, float> runner(problem, Exact{});
  const Result& result = runner.run();
  for (std::int64_t kv = 0; kv < 2; ++kv) {
    double smallest = HUGE_VAL;
    for (std::int64_t h = 2 * kv; h < 2 * kv + 2; ++h) {
      double lse = 0.;
      double squares = 0.;
      for (const double a : reference_probabilities(problem, 0, h, {}, lse)) squares += a * a;
      smallest = std::fmin(smallest, 1. / squares);
    }
    CHECK(static_cast<double>(result.statistics[static_cast<std::size_t>(kv)].effective_sample_size) ==
          doctest::Approx(smallest).epsilon(1e-4));
  }
}

SANTA_SPACE_TEST_CASE("a_workspace_holds_no_more_than_eight_bytes_a_key_and_head") {
  for (const std::int64_t length : {1024, 30000})
    for (const std::int64_t samples : {length / 8, length - 1}) {
      const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = length, .dim = 8};
      for (const AnyMethod& any : samplers(samples))
        std::visit(
            [&](const auto& method) {
              CAPTURE(any.index());
              CHECK(DecodePlan(Space{}, method, shape, cache_of<Cache<Space>>).workspace_bytes() <= most_bytes(shape));
            },
            any);
    }
}
