// Budgets: rows at the first step, and what is carried from step to step.
#include "decode/set_scores.hpp"
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Mean rows read, over all requests and kv heads.
double mean_rows(const Result& result) {
  double rows = 0.;
  for (const Statistics& s : result.statistics) rows += static_cast<double>(s.rows_read);
  return rows / static_cast<double>(result.statistics.size());
}

template <class Space>
Problem<Space, float> scores_of_shape(int shape) {
  Problem<Space, float> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 4000, .dim = 64});
  problem.fill(31, shape == 1 ? 3.F : 1.F);
  if (shape == 2)  // one giant key, aligned with every query
    for (std::int64_t b = 0; b < 2; ++b) {
      for (std::int64_t h = 0; h < 8; ++h) problem.query(b, h, 0) = 8.F;
      for (std::int64_t kv = 0; kv < 2; ++kv) problem.key(b, 1717, kv, 0) = 12.F;
    }
  return problem.upload();
}

}  // namespace

SANTA_SPACE_TEST_CASE("first_step_reads_about_the_rows_asked_for_whatever_the_shape_of_the_scores") {
  for (const int shape : {0, 1, 2}) {
    CAPTURE(shape);
    const auto problem = scores_of_shape<Space>(shape);
    for (const auto draws : {Draws::joint, Draws::separate}) {
      Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 400}));
      const double heads = draws == Draws::joint ? 1. : 4.;  // separate budgets are per query head
      const Result& result = runner.run();
      double samples = 0.;
      for (const Statistics& s : result.statistics) samples += static_cast<double>(s.samples) / 4.;
      CHECK(samples > 0.6 * 400. * heads);
      CHECK(samples < 1.5 * 400. * heads);
      CHECK(mean_rows(result) <= samples);
    }
  }
}

SANTA_SPACE_TEST_CASE("budgets_as_shares_follow_each_request_s_length") {
  Problem<Space, float> problem({.batch = 3, .heads = 4, .kv_heads = 2, .length = 4000, .dim = 64});
  problem.fill(1, 1.F).set_lengths({4000, 2000, 1000}).upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = share(0.2)});
  const Result& result = runner.run();
  for (std::size_t i = 0; i < 6; ++i) {
    const double wanted = 0.2 * static_cast<double>(problem.lengths[i / 2]);
    CHECK(static_cast<double>(result.statistics[i].rows_read) > 0.6 * wanted);
    CHECK(static_cast<double>(result.statistics[i].rows_read) < 1.5 * wanted);
  }
}

SANTA_SPACE_TEST_CASE("carried_state_converges_to_the_budget") {
  for (const int shape : {0, 1, 2})
    for (const auto draws : {Draws::joint, Draws::separate})
      for (const float shift : {0.F, 3.F, -3.F}) {
        CAPTURE(shape);
        CAPTURE(shift);
        const auto problem = scores_of_shape<Space>(shape);
        Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300}));
        const auto state = runner.state();
        runner.run({.step = 0, .state = state});
        shift_log_delta<Space>(state, shift);
        for (std::uint32_t step = 1; step < 8; ++step) runner.run({.step = step, .state = state});
        double rows = 0.;
        for (std::uint32_t step = 8; step < 12; ++step)
          for (const Statistics& s : runner.run({.step = step, .state = state}).statistics)
            rows += static_cast<double>(s.samples) / 16.;
        const double wanted = draws == Draws::joint ? 300. : 1200.;
        CHECK(rows > 0.8 * wanted);
        CHECK(rows < 1.25 * wanted);
      }
}

SANTA_SPACE_TEST_CASE("a_shift_of_all_scores_leaves_the_rows_as_they_are_in_the_same_step") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 3000, .dim = 64});
  for (const auto draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    std::vector<std::vector<std::int64_t>> rows;
    for (const float shift : {0.F, -10.F, 10.F}) {
      Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300, .steered = true}));
      const auto state = runner.state();
      set_scores(problem, 1.5F, 0.F);
      runner.run({.step = 0, .state = state});
      runner.run({.step = 1, .state = state});
      rows.emplace_back();
      for (std::uint32_t step = 2; step < 5; ++step) {
        set_scores(problem, 1.5F, step % 2 == 0 ? shift : -shift);  // and back by twice as much
        for (const Statistics& s : runner.run({.step = step, .state = state}).statistics)
          rows.back().push_back(s.rows_read);
      }
    }
    for (std::size_t i = 0; i < rows[0].size(); ++i) {
      CHECK(rows[0][i] > 240);
      for (const std::size_t shifted : {1U, 2U})
        CHECK(std::abs(rows[shifted][i] - rows[0][i]) <= 2);  // scores are rounded at another place
    }
  }
}

SANTA_SPACE_TEST_CASE("a_change_of_shape_is_followed_within_three_steps") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 3000, .dim = 64});
  for (const auto draws : {Draws::joint, Draws::joint_l2}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300, .steered = true}));
    const auto state = runner.state();
    std::uint32_t step = 0;
    for (const float sigma : {1.F, 4.F, 0.2F, 2.5F, 0.F}) {
      CAPTURE(sigma);
      set_scores(problem, sigma, 5.F * sigma, 7);
      for (int after = 0; after < 5; ++after) {
        const Result& result = runner.run({.step = step++, .state = state});
        for (const Statistics& s : result.statistics) {
          CHECK(static_cast<double>(s.rows_read) > (after < 2 ? 0.6 : 0.8) * 300.);
          CHECK(static_cast<double>(s.rows_read) < (after < 2 ? 1.7 : 1.25) * 300.);
        }
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("state_holds_the_log2_sum_and_the_ratio_of_delta_to_it") {
  const auto problem = scores_of_shape<Space>(0);
  Runner<Space, float> runner(problem, MassUnit{.rows = 300});
  const auto state = runner.state();
  const Result& result = runner.run({.state = state});
  const auto sum = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.log2_sum);
  const auto ratio = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.log_ratio);
  for (std::size_t i = 0; i < 16; ++i) {
    CHECK(sum.data()[i] == doctest::Approx(result.lse[i] / 0.69314718F).epsilon(1e-5));
    CHECK(ratio.data()[i] < 0.F);  // delta is well below Z, and above Z / (4 rows)
    CHECK(ratio.data()[i] > -std::log2(4.F * 300.F));
  }
  state.reset(Space{});
  const auto cleared = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.log_ratio);
  for (std::size_t i = 0; i < 16; ++i) CHECK(std::isnan(cleared.data()[i]));
}

SANTA_SPACE_TEST_CASE("heads_that_draw_together_share_the_ratio_that_was_carried") {
  const auto problem = scores_of_shape<Space>(1);
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300}));
    const auto state = runner.state();
    // The same mean over the four heads of each group.
    const auto second_step = [&](float apart) {
      state.reset(Space{});
      runner.run({.seed = 5, .state = state});
      const auto ratio = Kokkos::create_mirror_view(state.log_ratio);
      for (std::size_t i = 0; i < 16; ++i) ratio.data()[i] = -7.F + (i % 2 == 0 ? apart : -apart);
      Kokkos::deep_copy(state.log_ratio, ratio);
      return runner.run({.seed = 5, .step = 1, .state = state}).out;
    };
    const bool same = same_bits(second_step(1.F), second_step(0.F));
    CHECK(same == (draws != Draws::separate));
  }
}

SANTA_SPACE_TEST_CASE("any_content_of_a_carried_state_is_safe") {
  const auto problem = scores_of_shape<Space>(1);
  const Reference reference = exact_reference(problem);
  Runner<Space, float> runner(problem, MassUnit{.rows = 300});
  const Result fresh = runner.run({.seed = 5});
  for (const float content : {quiet_nan, infinity, -infinity}) {
    const auto state = runner.state();
    set_log_delta<Space>(state, std::vector<float>(16, content));
    // As if nothing had been carried.
    CHECK(same_bits(runner.run({.seed = 5, .state = state}).out, fresh.out));
  }
  for (const float content : {-3e38F, -1e6F, -100.F, 100.F, 1e6F, 3e38F}) {
    CAPTURE(content);
    const auto state = runner.state();
    set_log_delta<Space>(state, std::vector<float>(16, content));
    const Result& result = runner.run({.seed = 5, .state = state});
    for (const float x : result.out) REQUIRE(std::isfinite(x));
    for (std::size_t i = 0; i < 16; ++i)
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
    if (content < 0.F) {  // every row is certain
      CHECK(mean_rows(result) == 4000.);
      CHECK(relative_error(result.out, reference.out) < 1e-5);
    } else {
      CHECK(mean_rows(result) < 10.);
    }
    // The next steps find back.
    const auto steps = std::fabs(content) > 200.F ? 0 : 100;
    for (int step = 1; step < steps; ++step)
      runner.run({.seed = 5, .step = static_cast<std::uint32_t>(step), .state = state});
    if (steps > 0)
      CHECK(mean_rows(runner.run({.seed = 5, .step = 1000, .state = state})) == doctest::Approx(300.).epsilon(0.25));
  }
}

SANTA_SPACE_TEST_CASE("where_a_used_state_holds_nothing_the_panel_keeps_the_budget") {
  const auto problem = scores_of_shape<Space>(1);
  const Reference reference = exact_reference(problem);
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300, .steered = true}));
    for (const float content : {quiet_nan, infinity, -infinity}) {
      const auto state = runner.state();
      runner.run({.seed = 5, .state = state});
      for (const auto& view : std::vector{state.log_ratio, state.log2_sum, state.panel})
        Kokkos::deep_copy(view, content);
      for (std::uint32_t step = 1; step < 6; ++step) {
        const Result& result = runner.run({.seed = 5, .step = step, .state = state});
        double samples = 0.;
        for (const Statistics& s : result.statistics) samples += static_cast<double>(s.samples) / 4.;
        const double wanted = (draws == Draws::separate ? 4. : 1.) * 300.;
        CHECK(samples > (step == 1 ? 0.6 : 0.75) * wanted);
        CHECK(samples < (step == 1 ? 1.5 : 1.3) * wanted);
        CHECK(relative_error(result.out, reference.out) < 0.5);
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("carried_state_finds_back_after_all_scores_have_shifted") {
  // By 10 nats, 14.4 in log2; a step corrects by 2 at most.
  Problem<Space, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 3000, .dim = 64});
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> score;
  for (int i = 0; i < 3000; ++i) score.push_back(normal(random));
  for (const float shift : {-10.F, 10.F}) {
    Runner<Space, float> runner(problem, MassUnit{.rows = 300});
    const auto state = runner.state();
    const auto scores = [&](float added) {
      problem.fill(1).fill_scores(
          [&](auto, std::int64_t i, auto) { return score[static_cast<std::size_t>(i)] + added; });
      problem.upload();
    };
    scores(0.F);
    runner.run({.step = 0, .state = state});
    scores(shift);
    for (std::uint32_t step = 1; step < 12; ++step) runner.run({.step = step, .state = state});
    const double rows = static_cast<double>(runner.run({.step = 12, .state = state}).statistics[0].rows_read);
    CHECK(rows > 0.8 * 300.);
    CHECK(rows < 1.25 * 300.);
  }
}

SANTA_SPACE_TEST_CASE("what_a_used_state_does_not_hold_is_read_once_and_found_back") {
  const auto problem = scores_of_shape<Space>(1);
  const Reference reference = exact_reference(problem);
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 300}));
    for (const float content : {quiet_nan, infinity, -infinity}) {
      const auto state = runner.state();
      runner.run({.seed = 5, .state = state});
      set_log_delta<Space>(state, std::vector<float>(16, content));
      const Result all = runner.run({.seed = 5, .step = 1, .state = state});
      CHECK(mean_rows(all) == 4000.);
      CHECK(relative_error(all.out, reference.out) < 1e-5);
      // From below: never more than was asked for, and soon about as many.
      const double next = mean_rows(runner.run({.seed = 5, .step = 2, .state = state}));
      CHECK(next < (draws == Draws::separate ? 4. : 1.) * 360.);
      std::uint32_t step = 3;
      for (; step < 8; ++step) runner.run({.seed = 5, .step = step, .state = state});
      const double later = mean_rows(runner.run({.seed = 5, .step = step, .state = state}));
      if (draws != Draws::separate) CHECK(later == doctest::Approx(300.).epsilon(0.25));
      CHECK(later > 200.);
    }
  }
}

SANTA_SPACE_TEST_CASE("a_steered_step_after_one_that_read_everything_starts_anew") {
  const auto problem = scores_of_shape<Space>(1);
  Runner<Space, float> all(problem, MassUnit{.rows = 4000, .steered = true});
  Runner<Space, float> some(problem, MassUnit{.rows = 300, .steered = true});
  const auto state = all.state();
  CHECK(mean_rows(all.run({.state = state})) == 4000.);
  const double rows = mean_rows(some.run({.step = 1, .state = state}));
  CHECK(rows > 0.6 * 300.);
  CHECK(rows < 1.5 * 300.);
}

namespace {

/// The requests of a problem in another order.
template <class Space>
Problem<Space, float> reordered(const Problem<Space, float>& from, const std::vector<std::int32_t>& order) {
  Problem<Space, float> to(from.shape);
  to.fill(1);
  const Shape& shape = from.shape;
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    const std::int64_t source = order[static_cast<std::size_t>(b)];
    for (std::int64_t d = 0; d < shape.dim; ++d) {
      for (std::int64_t h = 0; h < shape.heads; ++h) to.query(b, h, d) = from.query(source, h, d);
      for (std::int64_t i = 0; i < shape.length; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) {
          to.key(b, i, kv, d) = from.key(source, i, kv, d);
          to.value(b, i, kv, d) = from.value(source, i, kv, d);
        }
    }
  }
  to.upload();
  return to;
}

}  // namespace

SANTA_SPACE_TEST_CASE("state_moves_with_requests_that_change_places") {
  const std::vector<std::int32_t> order = {2, 0, 1};
  const std::vector<std::uint32_t> identities = {2, 0, 1};
  Problem<Space, float> before({.batch = 3, .heads = 4, .kv_heads = 2, .length = 1500, .dim = 64});
  before.fill(11, 2.F).upload();
  const auto after = reordered(before, order);
  const auto queries = after.queries();
  const auto cache = after.cache();
  Runner<Space, float> runner(before, MassUnit{.rows = 100, .steered = true});
  const auto state = runner.state();
  const auto moved = runner.state();
  for (const auto& carried : {state, moved})
    for (std::uint32_t step = 0; step < 3; ++step) runner.run({.step = step, .state = carried});
  const Result stayed = runner.run({.step = 3, .state = state});
  moved.permute(Space{}, to_space<Space>(order, "test::order"));
  const Result went = runner.run({.step = 3, .requests = identities, .state = moved}, queries, cache);
  for (std::size_t b = 0; b < 3; ++b) {
    const auto source = static_cast<std::size_t>(order[b]);
    const std::size_t n = went.out.size() / 3;
    bool same = true;
    for (std::size_t i = 0; i < n; ++i) same = same && went.out[b * n + i] == stayed.out[source * n + i];
    CHECK(same);
  }
}

SANTA_SPACE_TEST_CASE("requests_without_a_place_before_have_nothing_carried") {
  const auto problem = scores_of_shape<Space>(1);  // batch 2, 8 heads
  Runner<Space, float> runner(problem, MassUnit{.rows = 300});
  const auto state = runner.state();
  runner.run({.state = state});
  const auto content = [&] {
    const auto copy = Kokkos::create_mirror(state.log_ratio);  // of its own, also on a host
    Kokkos::deep_copy(copy, state.log_ratio);
    return copy;
  };
  const auto before = content();
  state.permute(Space{}, to_space<Space>(std::vector<std::int32_t>{-1, 0}, "test::order"));
  const auto after = content();
  for (std::size_t h = 0; h < 8; ++h) {
    CHECK(std::isnan(after(0, h)));
    CHECK(after(1, h) == before(0, h));
  }
  state.permute(Space{}, to_space<Space>(std::vector<std::int32_t>{1, 2}, "test::order"));
  CHECK(content()(0, 3) == before(0, 3));
  CHECK(std::isnan(content()(1, 3)));
}

SANTA_SPACE_TEST_CASE("one_request_of_a_state_can_be_reset") {
  const auto problem = scores_of_shape<Space>(1);
  Runner<Space, float> runner(problem, MassUnit{.rows = 300, .steered = true});
  const auto state = runner.state();
  runner.run({.state = state});
  state.reset(Space{}, 1);
  for (const auto& view : std::vector{state.log_ratio, state.log2_sum, state.panel}) {
    const auto content = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
    for (std::size_t h = 0; h < 8; ++h) {
      CHECK(std::isfinite(content(0, h)));
      CHECK(std::isnan(content(1, h)));
    }
  }
  CHECK(!state.is_fresh());
  CHECK(mean_rows(runner.run({.step = 1, .state = state})) == doctest::Approx(300.).epsilon(0.3));
}

SANTA_SPACE_TEST_CASE("bad_orders_and_requests_of_a_state_are_rejected") {
  using Memory = typename Space::memory_space;
  const DecodeState<Memory> state(Space{}, {.batch = 2, .heads = 4, .kv_heads = 2, .length = 10, .dim = 64});
  CHECK_THROWS_WITH_AS(state.permute(Space{}, to_space<Space>(std::vector<std::int32_t>{0, 1, 2}, "test::order")),
                       "santa: order.extent(0) is 3; accepted: the state's batch (2)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(state.reset(Space{}, 2), "santa: request is 2; accepted: 0 to 1", std::invalid_argument);
  CHECK_THROWS_WITH_AS(state.reset(Space{}, -1), "santa: request is -1; accepted: 0 to 1", std::invalid_argument);
}

SANTA_SPACE_TEST_CASE("exact_and_systematic_leave_a_state_alone") {
  const auto problem = scores_of_shape<Space>(0);
  for (const AnyMethod& method : {AnyMethod(Exact{}), AnyMethod(Systematic{.samples = 100})}) {
    Runner<Space, float> runner(problem, method);
    const auto state = runner.state();
    set_log_delta<Space>(state, std::vector<float>(16, 0.25F));
    runner.run({.state = state});
    const auto sum = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, state.log2_sum);
    for (std::size_t i = 0; i < 16; ++i) CHECK(sum.data()[i] == 0.25F);
  }
}
