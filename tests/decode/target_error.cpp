// A target error in place of a number of rows, and error bars that there are not.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
Problem<Space, float> some_problem(float sigma = 2.F) {
  Problem<Space, float> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 4000, .dim = 64});
  problem.fill(31, sigma).upload();
  return problem;
}

std::int64_t rows_of(const Result& result, std::size_t b, std::size_t kv) {
  return result.statistics[b * 2 + kv].rows_read;
}

}  // namespace

SANTA_SPACE_TEST_CASE("rows_follow_from_the_target_error_after_the_first_step") {
  const auto problem = some_problem<Space>();
  const Reference reference = exact_reference(problem);
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    double rows[2] = {0., 0.};
    for (const double target : {0.2, 0.1}) {
      Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 150, .target_error = target}));
      const auto state = runner.state();
      const std::int64_t first = rows_of(runner.run({.state = state}), 0, 0);
      CHECK(first > 100);
      CHECK(first < (draws == Draws::separate ? 4 : 1) * 200);
      int held = 0;
      int heads = 0;
      for (std::uint32_t step = 1; step < 16; ++step) {
        const Result& result = runner.run({.step = step, .state = state});
        for (std::size_t h = 0; h < 16; ++h, ++heads) {
          const std::vector<double> right(reference.out.begin() + static_cast<std::ptrdiff_t>(h) * 64,
                                          reference.out.begin() + static_cast<std::ptrdiff_t>(h + 1) * 64);
          held += relative_error(result.out.data() + h * 64, right) <= target;
        }
        for (std::size_t kv = 0; kv < 4; ++kv)
          rows[target < 0.15] += static_cast<double>(result.statistics[kv].rows_read) / (4. * 15.);
      }
      CHECK(held >= 0.95 * heads);
      CHECK(rows[target < 0.15] < 0.8 * 4000.);
    }
    CHECK(rows[1] > 1.3 * rows[0]);
  }
}

SANTA_SPACE_TEST_CASE("without_a_state_a_target_error_reads_the_rows_given") {
  const auto problem = some_problem<Space>();
  Runner<Space, float> with(problem, MassUnit{.rows = 150, .target_error = 0.01});
  Runner<Space, float> without(problem, MassUnit{.rows = 150});
  CHECK(same_bits(with.run().out, without.run().out));
}

SANTA_SPACE_TEST_CASE("a_request_that_was_reset_reads_the_rows_given_once_more") {
  const auto problem = some_problem<Space>();
  Runner<Space, float> runner(problem, MassUnit{.rows = 150, .target_error = 0.05});
  const auto state = runner.state();
  for (std::uint32_t step = 0; step < 5; ++step) runner.run({.step = step, .state = state});
  state.reset(Space{}, 1);
  const Result result = runner.run({.step = 5, .state = state});
  CHECK(rows_of(result, 0, 0) > 400);
  CHECK(rows_of(result, 1, 0) > 90);
  CHECK(rows_of(result, 1, 0) < 230);
  CHECK(rows_of(runner.run({.step = 6, .state = state}), 1, 0) > 400);
}

SANTA_SPACE_TEST_CASE("a_target_below_what_sampling_can_do_reads_nearly_everything") {
  const auto problem = some_problem<Space>(1.F);
  Runner<Space, float> runner(problem, MassUnit{.rows = 400, .target_error = 1e-6});
  const auto state = runner.state();
  runner.run({.state = state});
  const Result& result = runner.run({.step = 1, .state = state});
  CHECK(rows_of(result, 0, 0) > 3900);
  CHECK(relative_error(result.out, exact_reference(problem).out) < 0.01);  // rows that the panel has no like of
}

SANTA_SPACE_TEST_CASE("there_is_no_error_bar_where_rows_were_left_to_chance_and_none_was_read") {
  const auto problem = some_problem<Space>();
  for (const Draws draws : {Draws::joint, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 150}));
    const auto with_log_delta = [&](float log_delta) {
      const auto state = runner.state();
      set_log_delta<Space>(state, std::vector<float>(16, log_delta));
      return runner.run({.state = state});
    };
    const Result none = with_log_delta(200.F);
    for (const float bar : none.error) CHECK(std::isnan(bar));
    for (const Statistics& s : none.statistics) {
      CHECK(s.rows_read == 0);
      CHECK((s.flags & Statistics::no_error_bar) != 0);
    }
    const Result all = with_log_delta(-100.F);
    for (const float bar : all.error) CHECK(bar == 0.F);
    for (const Statistics& s : all.statistics) CHECK(s.flags == 0);
    const Result some = runner.run();
    for (const float bar : some.error) CHECK(bar > 0.F);
    for (const Statistics& s : some.statistics) CHECK(s.flags == 0);
  }
}

SANTA_SPACE_TEST_CASE("a_step_without_a_bar_makes_the_next_read_more") {
  const auto problem = some_problem<Space>();
  Runner<Space, float> runner(problem, MassUnit{.rows = 150, .target_error = 0.2});
  const auto state = runner.state();
  runner.run({.state = state});
  int without = 0;
  for (std::uint32_t step = 1; step < 20; ++step) {
    Kokkos::deep_copy(state.error_scale, -40.F);  // as if errors were next to nothing: delta is Z and more
    const Result& result = runner.run({.step = step, .state = state});
    const auto scale = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.error_scale);
    for (std::size_t i = 0; i < 4; ++i) {
      const bool none = (result.statistics[i].flags & Statistics::no_error_bar) != 0;
      CHECK(none == (result.statistics[i].rows_read == 0));
      without += none;
      for (std::size_t h = 0; none && h < 4; ++h) CHECK(scale.data()[i * 4 + h] == -39.F);
    }
  }
  CHECK(without > 0);
}

// A head whose mass is one key's has a bar of 0, or one too small for a float; or the panel foretells no spread of it.
SANTA_SPACE_TEST_CASE("a_head_without_an_error_keeps_no_other_from_the_target") {
  // Keys 400 to 400 + peaked - 1, one of them or some of the panel's too, are `gap` nats above the others for the first
  // head of each group.
  const auto rows = [](Draws draws, std::int64_t peaked, float gap) {
    Problem<Space, float> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 4000, .dim = 64});
    problem.fill(31, 2.F);
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t h = 0; h < 8; ++h) problem.query(b, h, 0) = h % 4 == 0 ? 8.F : 0.F;
      for (std::int64_t i = 0; i < 4000; ++i)
        for (std::int64_t kv = 0; kv < 2; ++kv) problem.key(b, i, kv, 0) = i / peaked == 400 / peaked ? gap : 0.F;
    }
    problem.upload();
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 150, .target_error = 0.05}));
    const auto state = runner.state();
    std::int64_t last = 0;
    for (std::uint32_t step = 0; step < 3; ++step) last = rows_of(runner.run({.step = step, .state = state}), 0, 0);
    return last;
  };
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    const std::int64_t alike = rows(draws, 1, 0.F);
    CHECK(alike > 700);
    for (const std::int64_t peaked : {1, 40})
      for (const float gap : {20.F, 80.F}) {
        CAPTURE(peaked);
        CAPTURE(gap);
        const auto given = static_cast<double>(rows(draws, peaked, gap));
        CHECK(given > 0.7 * static_cast<double>(alike));
        CHECK(given < 1.3 * static_cast<double>(alike));
      }
  }
}

SANTA_SPACE_TEST_CASE("any_content_of_the_error_scale_is_safe") {
  const auto problem = some_problem<Space>();
  Runner<Space, float> runner(problem, MassUnit{.rows = 150, .target_error = 0.1});
  for (const float content : {quiet_nan, infinity, -infinity, 3e38F, -3e38F, 300.F, -300.F}) {
    const auto state = runner.state();
    runner.run({.state = state});
    Kokkos::deep_copy(state.error_scale, content);
    for (std::uint32_t step = 1; step < 4; ++step)
      for (const float x : runner.run({.step = step, .state = state}).out) REQUIRE(std::isfinite(x));
  }
}
