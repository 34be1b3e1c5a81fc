// Settings that differ by request: seeds, steps, budgets, in memory that kernels read.
#include "decode/set_scores.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::size_t batch = 4, heads = 4, dim = 64;

template <class Space>
using Options = RunOptions<typename Space::memory_space>;

template <class Space>
Problem<Space, float> problem_of_lengths() {
  Problem<Space, float> problem({.batch = batch, .heads = heads, .kv_heads = 2, .length = 1300, .dim = dim});
  set_scores(problem, 2.F, 0.F);
  return problem.set_lengths({1300, 700, 0, 1111}).upload();
}

/// A plan and what a run of it gives.
template <class Space, class M>
struct Runs {
  using Memory = typename Space::memory_space;
  using Data = Problem<Space, float>;

  const Data& problem;
  DecodePlan<Space, M, typename Data::Cache> plan;
  DecodeState<Memory> state{};

  Runs(const Data& data, const M& method) : problem(data), plan(Space{}, method, data.queries(), data.cache()) {}
  Runs& keep_state() {
    state = DecodeState<Memory>(Space{}, problem.shape);
    return *this;
  }
  Result run(Options<Space> options) const {
    const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("out", batch, heads, dim);
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse("lse", batch, heads), error("error", batch, heads);
    const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", batch, 2);
    options.lse = lse;
    options.error = error;
    options.statistics = statistics;
    options.state = state;
    plan.run(Space{}, problem.queries(), problem.cache(), out, options);
    Space{}.fence();
    const auto flat = [](const auto& view) {
      using V = typename std::decay_t<decltype(view)>::value_type;
      return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
    };
    return {flat(out), flat(lse), flat(error), flat(statistics)};
  }
};
template <class Space, class M>
Runs(const Problem<Space, float>&, const M&) -> Runs<Space, M>;

template <class T>
std::vector<T> part_of(const std::vector<T>& all, std::size_t request) {
  const auto size = static_cast<std::ptrdiff_t>(all.size() / batch);
  const auto first = all.begin() + static_cast<std::ptrdiff_t>(request) * size;
  return {first, first + size};
}
void check_same(const Result& given, const Result& expected, std::size_t request) {
  CAPTURE(request);
  CHECK(same_bits(part_of(given.out, request), part_of(expected.out, request)));
  CHECK(same_bits(part_of(given.lse, request), part_of(expected.lse, request)));
  CHECK(same_bits(part_of(given.error, request), part_of(expected.error, request)));
  CHECK(same_bits(part_of(given.statistics, request), part_of(expected.statistics, request)));
}

template <class M, class Space>
void check_chance(const M& method, const Problem<Space, float>& problem) {
  const std::vector<std::uint64_t> seeds = {3, std::uint64_t{1} << 40, 3, 9};
  const std::vector<std::uint32_t> steps = {7, 7, 1, 0xffffffffU};
  const auto seed_view = to_space<Space>(seeds, "seeds");
  const auto step_view = to_space<Space>(steps, "steps");
  const Runs runs(problem, method);
  const Result given = runs.run({.seed = seed_view, .step = step_view});
  for (std::size_t b = 0; b < batch; ++b) check_same(given, runs.run({.seed = seeds[b], .step = steps[b]}), b);
  const Result one_step = runs.run({.seed = seed_view, .step = 5});
  for (std::size_t b = 0; b < batch; ++b) check_same(one_step, runs.run({.seed = seeds[b], .step = 5}), b);
}

/// Each request as by a plan whose budget is its own, over steps that carry a state.
template <class M, class Space>
void check_budgets(const M& method, const Problem<Space, float>& problem, const std::vector<float>& budgets,
                   bool shares) {
  const auto view = to_space<Space>(budgets, "budgets");
  Runs all(problem, method);
  all.keep_state();
  for (std::size_t b = 0; b < batch; ++b) {
    M own = method;
    if (budgets[b] > 0.F) own.rows = shares ? share(static_cast<double>(budgets[b])) : RowBudget(budgets[b]);
    Runs alone(problem, own);
    alone.keep_state();
    all.state.reset(Space{});
    for (std::uint32_t step = 0; step < 4; ++step)
      check_same(all.run({.seed = 3, .step = step, .budgets = view}), alone.run({.seed = 3, .step = step}), b);
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("seeds_and_steps_may_differ_by_request") {
  const auto problem = problem_of_lengths<Space>();
  check_chance(MassUnit{.rows = 50}, problem);
  check_chance(Systematic{.samples = 50}, problem);
  check_chance(FixedTileBudget{.samples = 64, .tile = 32}, problem);
}

SANTA_SPACE_TEST_CASE("budgets_may_differ_by_request") {
  const auto problem = problem_of_lengths<Space>();
  for (const bool steered : {false, true}) {
    check_budgets(MassUnit{.rows = 100, .steered = steered}, problem, {50.F, 200.F, 80.F, 0.F}, false);
    check_budgets(MassUnit{.rows = share(0.1), .steered = steered}, problem, {0.0625F, 0.25F, 0.5F, quiet_nan}, true);
  }
  check_budgets(MassUnitOf<Draws::separate>{.rows = 100}, problem, {50.F, 200.F, 80.F, -1.F}, false);
}

SANTA_SPACE_TEST_CASE("a_request_whose_budget_covers_its_keys_is_exact_beside_others_that_are_sampled") {
  const auto problem = problem_of_lengths<Space>();
  const Reference reference = exact_reference(problem);
  const auto none = to_space<Space>(std::vector<float>(batch, 0.F), "budgets");
  for (const MassUnit& method :
       {MassUnit{.rows = 130}, MassUnit{.rows = share(0.1)}, MassUnit{.rows = share(0.1), .steered = true},
        MassUnit{.rows = share(0.1), .target_error = 0.2}}) {
    const float all = method.rows.is_share ? 1.F : 1e9F;
    const auto budgets = to_space<Space>(std::vector<float>{infinity, 0.F, infinity, all}, "budgets");
    Runs runs(problem, method);
    runs.keep_state();
    for (std::uint32_t step = 0; step < 8; ++step) {  // to exact and back
      const bool exact = step % 4 < 2;
      const Result result = runs.run({.seed = 3, .step = step, .budgets = exact ? budgets : none});
      CHECK(result.statistics[2].rows_read < 700);
      if (!exact) CHECK(result.statistics[0].rows_read < 650);
      if (!exact) continue;
      for (const std::size_t request : {std::size_t{0}, std::size_t{3}}) {
        CHECK(relative_error(part_of(result.out, request), part_of(reference.out, request)) < 1e-5);
        CHECK(result.statistics[2 * request].rows_read == problem.lengths[request]);
        for (const float error : part_of(result.error, request)) CHECK(error == 0.F);
      }
    }
    const Result after = runs.run({.seed = 3, .step = 9, .budgets = none});
    CHECK(after.statistics[0].rows_read < 500);
    for (const float x : part_of(after.out, 2)) CHECK(x == 0.F);
  }
}

SANTA_SPACE_TEST_CASE("settings_of_fewer_requests_are_named") {
  const auto problem = problem_of_lengths<Space>();
  const auto complaint = [&](const auto& method, const Options<Space>& options) -> std::string {
    try {
      Runs(problem, method).run(options);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  const auto seeds = to_space<Space>(std::vector<std::uint64_t>(3), "seeds");
  const auto steps = to_space<Space>(std::vector<std::uint32_t>(1), "steps");
  const auto budgets = to_space<Space>(std::vector<float>(2), "budgets");
  CHECK(complaint(MassUnit{}, {.seed = seeds}) == "santa: seed.extent(0) is 3; accepted: the batch (4) or more");
  CHECK(complaint(MassUnit{}, {.step = steps}) == "santa: step.extent(0) is 1; accepted: the batch (4) or more");
  CHECK(complaint(MassUnit{}, {.budgets = budgets}) ==
        "santa: budgets.extent(0) is 2; accepted: the batch (4) or more");
  CHECK(complaint(Exact{}, {.budgets = budgets}) ==
        "santa: budgets is given; accepted: none: the method is not MassUnit");
}
