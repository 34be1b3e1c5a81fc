// Means over many draws against exact attention: every rule, and that the one which is biased is found out.
#include "statistics/outcome.hpp"

using namespace santa;
using namespace santa::test;

namespace {

const std::vector<AnyMethod> unbiased = {MassUnitOf<Draws::joint_l2>{.rows = 64},
                                         Stratified{.samples = 64},
                                         Multinomial{.samples = 64},
                                         FixedTileBudget{.samples = 80, .tile = 32},
                                         FixedTileBudget{.samples = 64, .tile = 64},
                                         FixedTileBudget{.samples = 64, .tile = 256}};

}  // namespace

SANTA_SPACE_TEST_CASE("every_unbiased_rule_is_unbiased_and_does_not_understate_its_error") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    for (const AnyMethod& method : unbiased) {
      CAPTURE(method.index());
      CAPTURE(sigma);
      Runner<Space, float> runner(problem, method);
      const Outcome result = outcome<Space>(runner, problem, {}, nothing);
      check_unbiased(result);
      CHECK(result.bar > 0.8 * result.error);
    }
  }
}

SANTA_SPACE_TEST_CASE("the_error_bars_of_independent_draws_are_right") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    for (const AnyMethod& method :
         {AnyMethod(Multinomial{.samples = 64}), AnyMethod(MassUnitOf<Draws::joint_l2>{.rows = 64})}) {
      Runner<Space, float> runner(problem, method);
      const Outcome result = outcome<Space>(runner, problem, {}, nothing);
      CHECK(result.bar == doctest::Approx(result.error).epsilon(0.2));
    }
  }
}

SANTA_SPACE_TEST_CASE("the_root_of_squares_reads_the_rows_asked_for") {
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  Runner<Space, float> runner(problem, MassUnitOf<Draws::joint_l2>{.rows = 64});
  const auto state = runner.state();
  const Outcome first = outcome<Space>(runner, problem, {}, nothing);
  CHECK(first.rows == doctest::Approx(64.).epsilon(0.1));
  const Outcome carried = outcome<Space>(runner, problem, {}, [&](auto& settings) { settings.state = state; });
  check_unbiased(carried);
  CHECK(carried.rows == doctest::Approx(64.).epsilon(0.05));
}

SANTA_SPACE_TEST_CASE("every_unbiased_rule_is_unbiased_within_a_window_and_for_a_short_last_tile") {
  auto problem = shared_problem<Space>(2.F, 700);
  problem.upload();
  auto shorter = shared_problem<Space>(2.F, 700);
  shorter.set_lengths(std::vector<std::int64_t>(batch, 475)).upload();
  for (const AnyMethod& method : unbiased) {
    CAPTURE(method.index());
    Runner<Space, float, float, float, Window> windowed(problem, method, {}, Window{333});
    check_unbiased(outcome<Space>(windowed, problem, {.window = 333}, nothing));
    Runner<Space, float> runner(shorter, method);
    check_unbiased(outcome<Space>(runner, shorter, {}, nothing));
  }
}

SANTA_SPACE_TEST_CASE("proportional_tile_budgets_are_biased") {
  auto problem = shared_problem<Space>(1.F);
  problem.upload();
  Runner<Space, float> runner(problem, ProportionalTileBudget{.samples = 40, .tile = 32});
  const Outcome result = outcome<Space>(runner, problem, {}, nothing);
  CHECK(result.z > 1.5 * result.bound);
  CHECK(result.lse_error < 1e-5);
}

SANTA_SPACE_TEST_CASE("fewer_correlations_between_draws_mean_more_error") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    const auto error = [&](const AnyMethod& method) {
      Runner<Space, float> runner(problem, method);
      return outcome<Space>(runner, problem, {}, nothing).error;
    };
    const double independent = error(Multinomial{.samples = 64});
    const double stratified = error(Stratified{.samples = 64});
    CHECK(stratified < 0.97 * independent);
    CHECK(error(Systematic{.samples = 64}) < stratified);
  }
}
