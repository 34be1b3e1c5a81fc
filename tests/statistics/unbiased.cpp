// Means over many draws against exact attention: MassUnit and Systematic.
#include "statistics/outcome.hpp"

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("mass_unit_joint_is_unbiased_and_knows_its_error") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    Runner<Space, float> runner(problem, MassUnit{.rows = 64});
    const Outcome result = outcome<Space>(runner, problem, {}, nothing);
    check_unbiased(result);
    CHECK(result.bar > 0.8 * result.error);
    CHECK(result.bar < 1.3 * result.error);
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_separate_is_unbiased_and_knows_its_error") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    Runner<Space, float> runner(problem, MassUnitOf<Draws::separate>{.rows = 48});
    const Outcome result = outcome<Space>(runner, problem, {}, nothing);
    check_unbiased(result);
    CHECK(result.bar > 0.8 * result.error);
    CHECK(result.bar < 1.3 * result.error);
  }
}

SANTA_SPACE_TEST_CASE("systematic_is_unbiased_and_does_not_understate_its_error") {
  for (const float sigma : {1.F, 3.F}) {
    auto problem = shared_problem<Space>(sigma);
    problem.upload();
    Runner<Space, float> runner(problem, Systematic{.samples = 64});
    const Outcome result = outcome<Space>(runner, problem, {}, nothing);
    check_unbiased(result);
    CHECK(result.bar > 0.9 * result.error);
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_is_unbiased_for_any_center_and_a_good_one_helps") {
  auto problem = shared_problem<Space>(1.F);
  problem.upload();
  std::vector<float> mean(2 * 16, 0.F);
  for (std::int64_t i = 0; i < 512; ++i)
    for (std::int64_t kv = 0; kv < 2; ++kv)
      for (std::int64_t d = 0; d < 16; ++d)
        mean[static_cast<std::size_t>(kv * 16 + d)] += problem.value(0, i, kv, d) / 512.F;
  const auto with_center = [&](float offset) {
    std::vector<float> center;
    for (std::int64_t b = 0; b < batch; ++b)
      for (const float x : mean) center.push_back(x + offset);
    Runner<Space, float> runner(problem, MassUnit{.rows = 64});
    const Outcome result = outcome<Space>(runner, problem, {}, [&](auto& settings) { settings.center = center; });
    check_unbiased(result);
    CHECK(result.bar > 0.8 * result.error);
    // Far from the values, a sweep's rows make up for one another, which the bar doesn't know.
    if (offset == 0.F) CHECK(result.bar < 1.3 * result.error);
    return result.error;
  };
  const double good = with_center(0.F);
  const double bad = with_center(2.F);
  CHECK(good < 0.8 * bad);
}

SANTA_SPACE_TEST_CASE("mass_unit_is_unbiased_for_any_delta") {
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  for (const auto draws : {Draws::joint, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 100}));
    const auto state = runner.state();
    double rows[2] = {0., 0.};
    for (const float shift : {-1.5F, 1.F}) {
      const Outcome result = outcome<Space>(runner, problem, {}, [&](auto& settings) {
        // Chosen anew, then shifted.
        state.reset(Space{});
        settings.state = state;
        runner.run({.seed = 3, .state = state});
        shift_log_delta<Space>(state, shift);
      });
      check_unbiased(result);
      rows[shift > 0.F] = result.rows;
    }
    CHECK(rows[0] > 1.5 * rows[1]);
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_is_unbiased_for_uneven_deltas_within_a_group") {
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 100});
  const auto state = runner.state();
  std::vector<float> log_delta;
  const Result& exact_lse = runner.run();
  for (std::size_t i = 0; i < exact_lse.lse.size(); ++i)
    log_delta.push_back(exact_lse.lse[i] * 1.442695F - 5.F - static_cast<float>(i % 4));
  check_unbiased(outcome<Space>(runner, problem, {}, [&](auto& settings) {
    set_log_delta<Space>(state, log_delta);
    settings.state = state;
  }));
}

SANTA_SPACE_TEST_CASE("carried_state_is_unbiased_step_after_step") {
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 64});
  const auto state = runner.state();
  const Outcome result = outcome<Space>(runner, problem, {}, [&](auto& settings) { settings.state = state; });
  check_unbiased(result);
  CHECK(result.rows == doctest::Approx(64.).epsilon(0.1));
}

SANTA_SPACE_TEST_CASE("mass_unit_is_unbiased_after_steps_that_mislead_it") {
  // Before each step that counts, scores of another shape and height, by which delta comes out wrong; and a delta that
  // depends on what was drawn before does not harm either.
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  auto misleading = shared_problem<Space>(0.3F);
  for (std::int64_t h = 0; h < misleading.shape.heads; ++h) misleading.query(0, h, 0) += 40.F;
  misleading.upload();
  const auto queries = misleading.queries();
  const auto cache = misleading.cache();
  for (const auto draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 60, .steered = true}));
    const auto state = runner.state();
    std::uint32_t step = 0;
    check_unbiased(outcome<Space>(runner, problem, {}, [&](auto& settings) {
      for (int i = 0; i < 2; ++i) runner.run({.seed = 9, .step = step++, .state = state}, queries, cache);
      settings.state = state;
    }));
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_is_unbiased_with_a_target_error") {
  // Its rows depend on the draws of the steps before.
  auto problem = shared_problem<Space>(2.F);
  problem.upload();
  for (const auto draws : {Draws::joint, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 60, .target_error = 0.3}));
    const auto state = runner.state();
    check_unbiased(outcome<Space>(runner, problem, {}, [&](auto& settings) { settings.state = state; }));
  }
}

SANTA_SPACE_TEST_CASE("samplers_are_unbiased_within_a_window") {
  auto problem = shared_problem<Space>(2.F, 700);
  problem.upload();
  for (const AnyMethod& method : {AnyMethod(MassUnit{.rows = 50}), AnyMethod(MassUnitOf<Draws::separate>{.rows = 50}),
                                  AnyMethod(Systematic{.samples = 50})}) {
    Runner<Space, float, float, float, Window> runner(problem, method, {}, Window{333});
    check_unbiased(outcome<Space>(runner, problem, {.window = 333}, nothing));
  }
}

SANTA_SPACE_TEST_CASE("samplers_are_unbiased_for_lengths_that_end_within_a_tile") {
  auto problem = shared_problem<Space>(2.F, 600);
  problem.set_lengths(std::vector<std::int64_t>(batch, 413)).upload();
  for (const AnyMethod& method : {AnyMethod(MassUnit{.rows = 50}), AnyMethod(Systematic{.samples = 50})}) {
    Runner<Space, float> runner(problem, method);
    check_unbiased(outcome<Space>(runner, problem, {}, nothing));
  }
}

SANTA_SPACE_TEST_CASE("groups_of_more_than_sixteen_heads_are_unbiased") {
  auto problem = shared_problem<Space>(2.F, 300, 34);
  problem.upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 60});
  check_unbiased(outcome<Space>(runner, problem, {}, nothing));
}

namespace {

/// Trials of MassUnit in plain code; `estimate(weights, read, exact weights)` gives one output per head.
template <class Estimate>
double z_of_plain_trials(const Estimate& estimate) {
  auto problem = shared_problem<Kokkos::DefaultExecutionSpace>(1.F, 512, 2);
  problem.shape.batch = 1;
  const Reference reference = exact_reference(problem);
  std::vector<std::vector<float>> score(1);
  for (const double s : reference_scores(problem, 0, 0)) score[0].push_back(static_cast<float>(s * 1.4426950408889634));
  const std::vector<float> log_delta = {static_cast<float>(reference.lse[0] * 1.4426950408889634 - 6.)};
  MeanTest test(std::vector<double>(reference.out.begin(), reference.out.begin() + 16));
  for (std::uint32_t trial = 0; trial < 5000; ++trial) {
    const ReferenceDraws draws(score, log_delta, 0., StreamKey{.seed = 5, .step = trial}, 0);
    test.add(estimate(problem, score[0], draws, std::exp2(reference.lse[0] * 1.4426950408889634)));
  }
  return test.largest_z() / test.bound();
}

std::vector<double> weighted_mean(const auto& problem, const std::vector<double>& weight, double mass) {
  std::vector<double> out(16, 0.);
  for (std::size_t i = 0; i < weight.size(); ++i)
    if (weight[i] > 0.)
      for (std::size_t d = 0; d < 16; ++d)
        out[d] += weight[i] *
                  static_cast<double>(problem.value(0, static_cast<std::int64_t>(i), 0, static_cast<std::int64_t>(d))) /
                  mass;
  return out;
}

}  // namespace

TEST_CASE("the_test_accepts_the_estimator_in_plain_code") {
  CHECK(z_of_plain_trials([](const auto& problem, const auto&, const ReferenceDraws& draws, double mass) {
          return weighted_mean(problem, draws.weight[0], mass);
        }) < 1.);
}

TEST_CASE("the_test_rejects_weights_that_are_not_divided_by_their_probability") {
  CHECK(z_of_plain_trials([](const auto& problem, const auto& score, const ReferenceDraws& draws, double) {
          std::vector<double> weight(score.size(), 0.);
          double mass = 0.;
          for (std::size_t i = 0; i < score.size(); ++i)
            if (draws.read[i]) mass += weight[i] = std::exp2(static_cast<double>(score[i]));
          return weighted_mean(problem, weight, mass);
        }) > 1.);
}

TEST_CASE("the_test_rejects_a_sweep_that_never_reads_the_last_row_of_a_tile") {
  CHECK(z_of_plain_trials([](const auto& problem, const auto&, const ReferenceDraws& draws, double mass) {
          std::vector<double> weight = draws.weight[0];
          for (std::size_t i = 31; i < weight.size(); i += 32) weight[i] = 0.;
          return weighted_mean(problem, weight, mass);
        }) > 1.);
}
