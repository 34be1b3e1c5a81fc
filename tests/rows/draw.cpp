// Rows drawn by log-weights: against the reference, unbiased, in order, and the same in a kernel of one's own.
#include "drawing.hpp"
#include "support/events.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

TEST_CASE("exact_lists_every_row_with_its_normalised_weight") {
  for (const std::size_t rows : {1, 31, 32, 33, 600, 5000}) {
    const Weights log_weights = random_log_weights(3, rows, 1);
    log_weights(1, rows / 2) = -HUGE_VALF;  // no weight: never drawn
    const Drawn drawn(HostSpace{}, 3, rows);
    const Kokkos::View<float*, HostMemory> log_sum("test::log_sum", 3);
    draw_rows(HostSpace{}, Exact{}, log_weights, drawn, {.log_sum = log_sum});
    for (std::size_t b = 0; b < 3; ++b) {
      if (rows == 1 && b == 1) continue;  // no weight at all
      double expected_sum = 0.;
      const auto expected = probabilities(log_weights, b, expected_sum);
      CHECK(relative_error(dense(drawn, b, rows), expected) < 1e-6);
      CHECK(drawn.count(b) == static_cast<std::int64_t>(b == 1 ? rows - 1 : rows));
      CHECK(static_cast<double>(log_sum(b)) == doctest::Approx(expected_sum).epsilon(1e-6));
    }
  }
}

TEST_CASE("lists_are_in_order_weights_add_up_and_counts_are_near_the_budget") {
  constexpr std::size_t rows = 3000;
  const Weights log_weights = random_log_weights(2, rows, 2);
  for_each_method(300, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const Drawn drawn(HostSpace{}, 2, rows);
    draw_rows(HostSpace{}, method, log_weights, drawn, {.seed = 3});
    for (std::size_t b = 0; b < 2; ++b) {
      const DrawnList list = drawn.list(b);
      CHECK(list.count > 100);
      CHECK(list.count < 450);
      double sum = 0.;
      for (std::int64_t i = 0; i < list.count; ++i) {
        if (i > 0) CHECK(list.rows[i] > list.rows[i - 1]);
        CHECK(list.spreads[i] >= 0.F);
        sum += static_cast<double>(list.weights[i]);
      }
      CHECK(list.rows[list.count - 1] < static_cast<std::int64_t>(rows));
      constexpr bool is_mass_unit = requires { method.draws; };
      CHECK(sum == doctest::Approx(1.).epsilon(is_mass_unit ? 0.2 : 1e-4));
    }
  });
}

TEST_CASE("every_rule_without_a_known_bias_draws_rows_by_their_weight") {
  constexpr std::size_t rows = 300;
  constexpr std::size_t bins = 15;  // single rows of little weight are drawn too rarely for a test of their mean
  const auto in_bins = [](const std::vector<double>& weights) {
    std::vector<double> result(bins, 0.);
    for (std::size_t i = 0; i < weights.size(); ++i) result[i % bins] += weights[i];
    return result;
  };
  const Weights log_weights = random_log_weights(1, rows, 4);
  double log_sum = 0.;
  const auto expected = in_bins(probabilities(log_weights, 0, log_sum));
  for_each_method(40, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const DrawPlan plan(HostSpace{}, method, 1, rows);
    const Drawn drawn(HostSpace{}, 1, rows);
    MeanTest test(expected);
    for (std::uint32_t step = 0; step < 2000; ++step) {
      plan.run(HostSpace{}, log_weights, drawn, {.seed = 5, .step = step});
      HostSpace{}.fence();
      test.add(in_bins(dense(drawn, 0, rows)));
    }
    CAPTURE(test.largest_z());
    if (name != "ProportionalTileBudget") CHECK(test.passes());
  });
}

TEST_CASE("the_sum_of_spreads_is_the_variance_of_what_is_drawn") {
  // Two kinds of rows far apart: the variance of the sum of weights of one kind.
  constexpr std::size_t rows = 400;
  const Weights log_weights = random_log_weights(1, rows, 6);
  double log_sum = 0.;
  const auto p = probabilities(log_weights, 0, log_sum);
  double mean = 0.;
  for (std::size_t i = 0; i < rows; i += 2) mean += p[i];
  const DrawPlan plan(HostSpace{}, Multinomial{.samples = 50}, 1, rows);
  const Drawn drawn(HostSpace{}, 1, rows);
  double squares = 0.;
  double told = 0.;
  constexpr int trials = 2000;
  for (int t = 0; t < trials; ++t) {
    plan.run(HostSpace{}, log_weights, drawn, {.seed = 1, .step = t});
    HostSpace{}.fence();
    const DrawnList list = drawn.list(0);
    double sum = 0.;
    for (std::int64_t i = 0; i < list.count; ++i) {
      const double value = list.rows[i] % 2 == 0 ? 1. : 0.;
      sum += static_cast<double>(list.weights[i]) * value;
      told += static_cast<double>(list.spreads[i]) * (value - mean) * (value - mean);
    }
    squares += (sum - mean) * (sum - mean);
  }
  CHECK(told / squares == doctest::Approx(1.).epsilon(0.1));
}

TEST_CASE("weights_that_grow_along_the_rows_lose_nothing") {
  constexpr std::size_t rows = 1000;
  const Weights log_weights("test::log_weights", 1, rows);
  for (std::size_t i = 0; i < rows; ++i) log_weights(0, i) = 0.06F * static_cast<float>(i);  // by 2^86 in all
  double log_sum = 0.;
  const auto p = probabilities(log_weights, 0, log_sum);
  const Drawn drawn(HostSpace{}, 1, rows);
  draw_rows(HostSpace{}, Exact{}, log_weights, drawn);
  REQUIRE(drawn.count(0) == rows);
  for (std::size_t i = 0; i < rows; ++i)
    CHECK(static_cast<double>(drawn.weights(0, i)) == doctest::Approx(p[i]).epsilon(1e-4).scale(0.));
  draw_rows(HostSpace{}, MassUnit{.rows = 40}, log_weights, drawn);
  const DrawnList list = drawn.list(0);
  for (std::int64_t i = 0; i < list.count; ++i) {
    // pi = p / weight, and the row's variance (1 - pi) weight^2.
    const double weight = static_cast<double>(list.weights[i]);
    const double pi = p[static_cast<std::size_t>(list.rows[i])] / weight;
    CHECK(pi < 1.001);
    if (pi < 0.9)
      CHECK(static_cast<double>(list.spreads[i]) ==
            doctest::Approx((1. - pi) * weight * weight).epsilon(1e-2).scale(0.));
  }
}

TEST_CASE("rows_listed_before_much_larger_weights_come_are_brought_to_scale") {
  constexpr std::size_t rows = 256;
  const Weights log_weights("test::log_weights", 1, rows);
  for (std::size_t i = 0; i < rows; ++i) log_weights(0, i) = i < 128 ? 0.F : 8.F;
  double log_sum = 0.;
  const auto p = probabilities(log_weights, 0, log_sum);
  const Drawn drawn(HostSpace{}, 1, rows);
  draw_rows(HostSpace{}, MassUnit{.rows = 168}, log_weights, drawn);  // all of the heavy rows, 40 of the others
  const DrawnList list = drawn.list(0);
  REQUIRE(list.count > 150);
  for (std::int64_t i = 0; i < list.count; ++i) {
    const double weight = static_cast<double>(list.weights[i]);
    const double pi = p[static_cast<std::size_t>(list.rows[i])] / weight;
    CHECK(pi == doctest::Approx(list.rows[i] < 128 ? 40. / 128. : 1.).epsilon(0.2));
    const double spread = list.rows[i] < 128 ? (1. - pi) * weight * weight : 0.;
    CHECK(static_cast<double>(list.spreads[i]) == doctest::Approx(spread).epsilon(1e-3).scale(1e-12));
  }
}

TEST_CASE("log_weights_may_be_doubles_of_any_strides_and_one_vector") {
  constexpr std::size_t rows = 700;
  const Weights log_weights = random_log_weights(2, rows, 7);
  const Kokkos::View<double**, Kokkos::LayoutLeft, HostMemory> columns("test::columns", 2, rows);
  const Kokkos::View<float**, Kokkos::LayoutLeft, HostMemory> float_columns("test::columns", 2, rows);
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t i = 0; i < rows; ++i) columns(b, i) = float_columns(b, i) = log_weights(b, i);
  const auto check = [&](const auto& method) {
    const Drawn whole(HostSpace{}, 2, rows);
    const Drawn strided(HostSpace{}, 2, rows);
    const Drawn doubles(HostSpace{}, 2, rows);
    const Drawn single(HostSpace{}, 1, rows);
    draw_rows(HostSpace{}, method, log_weights, whole, {.seed = 2});
    draw_rows(HostSpace{}, method, float_columns, strided, {.seed = 2});
    draw_rows(HostSpace{}, method, columns, doubles, {.seed = 2});
    draw_rows(HostSpace{}, method, Kokkos::subview(log_weights, 0, Kokkos::ALL), single, {.seed = 2});
    for (std::size_t b = 0; b < 2; ++b) {
      CHECK(same_lists(whole, strided, b));
      CHECK(whole.count(b) == doubles.count(b));  // weights by other roundings
      CHECK(relative_error(dense(whole, b, rows), dense(doubles, b, rows)) < 1e-5);
    }
    CHECK(same_lists(whole, single, 0));
  };
  check(MassUnit{.rows = 60});
  check(Systematic{.samples = 60});
}

TEST_CASE("a_team_of_ones_own_draws_the_same_rows") {
  constexpr std::size_t rows = 1500;
  constexpr int batch = 3;
  const Weights log_weights = random_log_weights(batch, rows, 8);
  for_each_method(100, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const DrawPlan plan(HostSpace{}, method, batch, rows);
    const Drawn drawn(HostSpace{}, batch, rows);
    const Drawn inside(HostSpace{}, batch, rows);
    plan.run(HostSpace{}, log_weights, drawn, {.seed = 9});
    const DrawPlan fresh(HostSpace{}, method, batch, rows);  // has nothing of a run's
    const auto draw = fresh.on_team(log_weights, inside, {.seed = 9});
    for (const int team_size :
         {1, Kokkos::TeamPolicy<HostSpace>(batch, 1).team_size_recommended(
                 [](const Kokkos::TeamPolicy<HostSpace>::member_type&) {}, Kokkos::ParallelForTag{})}) {
      Kokkos::deep_copy(inside.count, -1);
      Kokkos::parallel_for(
          "test::team", Kokkos::TeamPolicy<HostSpace>(batch, team_size),
          KOKKOS_LAMBDA(const Kokkos::TeamPolicy<HostSpace>::member_type& member) {
            draw_rows(member, draw, member.league_rank());
          });
      HostSpace{}.fence();
      for (std::size_t b = 0; b < batch; ++b) {
        // Sums over other parts may round otherwise: the rows are the same, weights nearly.
        const auto x = dense(drawn, b, rows);
        const auto y = dense(inside, b, rows);
        CHECK(relative_error(x, y) < 1e-5);
        CHECK(drawn.count(b) == inside.count(b));
      }
    }
  });
}

TEST_CASE("a_team_draws_nothing_of_vectors_that_are_not_there") {
  const Weights log_weights = random_log_weights(3, 100, 8);
  const DrawPlan plan(HostSpace{}, MassUnit{.rows = 20}, 3, 100);
  const Drawn drawn(HostSpace{}, 3, 100);
  Kokkos::deep_copy(drawn.count, -5);
  const auto two = Kokkos::subview(log_weights, std::pair<int, int>(0, 2), Kokkos::ALL);
  const auto draw = plan.on_team(two, drawn, {.seed = 9});
  Kokkos::parallel_for(
      "test::team", Kokkos::TeamPolicy<HostSpace>(3, 1),
      KOKKOS_LAMBDA(const Kokkos::TeamPolicy<HostSpace>::member_type& member) {
        draw_rows(member, draw, member.league_rank());
      });
  HostSpace{}.fence();
  CHECK(drawn.count(0) > 0);
  CHECK(drawn.count(1) > 0);
  CHECK(drawn.count(2) == -5);
}

TEST_CASE("nothing_to_draw_gives_empty_lists") {
  const auto check = [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const Drawn drawn(HostSpace{}, 2, 40);
    const Kokkos::View<float*, HostMemory> log_sum("test::log_sum", 2);
    Kokkos::deep_copy(drawn.count, 7);
    draw_rows(HostSpace{}, method, Weights("test::none", 2, 0), drawn, {.log_sum = log_sum});
    CHECK(drawn.count(0) == 0);
    CHECK(drawn.count(1) == 0);
    CHECK(log_sum(1) == -HUGE_VALF);
    const Weights weightless("test::weightless", 2, 40);
    Kokkos::deep_copy(weightless, -HUGE_VALF);
    Kokkos::deep_copy(drawn.count, 7);
    draw_rows(HostSpace{}, method, weightless, drawn, {.log_sum = log_sum});
    CHECK(drawn.count(0) == 0);
    CHECK(log_sum(0) == -HUGE_VALF);
    Kokkos::deep_copy(drawn.count, 7);
    draw_rows(HostSpace{}, method, Weights("test::none", 0, 40), drawn);
    CHECK(drawn.count(0) == 7);  // an empty batch writes nothing
  };
  check(Exact{}, "Exact");
  for_each_method(10, check);
}

TEST_CASE("a_list_too_short_says_how_many_rows_there_are_and_holds_the_first") {
  const Weights log_weights = random_log_weights(2, 2000, 9);
  const Drawn whole(HostSpace{}, 2, 2000);
  const Drawn part(HostSpace{}, 2, 50);
  draw_rows(HostSpace{}, MassUnit{.rows = 200}, log_weights, whole);
  draw_rows(HostSpace{}, MassUnit{.rows = 200}, log_weights, part);
  for (std::size_t b = 0; b < 2; ++b) {
    CHECK(part.count(b) == whole.count(b));
    CHECK(part.list(b).count == 50);
    for (std::size_t i = 0; i < 50; ++i) CHECK(part.rows(b, i) == whole.rows(b, i));
  }
}

TEST_CASE("lists_may_be_columns_of_larger_matrices") {
  constexpr std::size_t batch = 3, rows = 400, capacity = 60;
  const Weights log_weights = random_log_weights(batch, rows, 9);
  const Drawn wide(HostSpace{}, batch, capacity + 7), whole(HostSpace{}, batch, capacity);
  const auto columns = [](const auto& view, std::size_t first) {
    return Kokkos::subview(view, Kokkos::ALL, std::pair<std::size_t, std::size_t>(first, first + capacity));
  };
  using Columns = decltype(columns(wide.rows, 0));
  if (!std::is_same_v<typename Columns::array_layout, Kokkos::LayoutRight>) return;  // Kokkos refuses the assignment
  Kokkos::deep_copy(wide.rows, -7);
  Kokkos::deep_copy(wide.weights, -7.F);
  Kokkos::deep_copy(wide.spreads, -7.F);
  Drawn part(HostSpace{}, batch, 1);
  part.rows = columns(wide.rows, 2);
  part.weights = columns(wide.weights, 0);
  part.spreads = columns(wide.spreads, 5);
  const Systematic rule{.samples = 40};
  draw_rows(HostSpace{}, rule, log_weights, whole, {.seed = 3});
  draw_rows(HostSpace{}, rule, log_weights, part, {.seed = 3});
  for (std::size_t b = 0; b < batch; ++b) {
    REQUIRE(part.count(b) > 10);
    CHECK(same_lists(whole, part, b));
    CHECK(wide.rows(b, 1) == -7);
    CHECK(wide.rows(b, 2 + capacity) == -7);
    CHECK(wide.weights(b, capacity) == -7.F);
    CHECK(wide.spreads(b, 4) == -7.F);
    CHECK(wide.spreads(b, 5 + capacity) == -7.F);
  }
}

TEST_CASE("nan_shows") {
  const Weights log_weights = random_log_weights(1, 100, 1);
  for (const float bad : {std::nanf(""), HUGE_VALF}) {
    log_weights(0, 40) = bad;
    const Drawn drawn(HostSpace{}, 1, 100);
    const Kokkos::View<float*, HostMemory> log_sum("test::log_sum", 1);
    draw_rows(HostSpace{}, MassUnit{.rows = 30}, log_weights, drawn, {.log_sum = log_sum});
    CHECK(std::isnan(log_sum(0)));
  }
}

TEST_CASE("a_plan_draws_without_allocating_or_fencing_in_a_region_of_its_own") {
  const Weights log_weights = random_log_weights(2, 600, 1);
  const Drawn drawn(HostSpace{}, 2, 600);
  for_each_method(60, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const DrawPlan plan(HostSpace{}, method, 2, 600);
    plan.run(HostSpace{}, log_weights, drawn);
    {
      const Events events;
      plan.run(HostSpace{}, log_weights, drawn);
    }
    CHECK(Events::allocations == 0);
    CHECK(Events::fences.empty());
    CHECK(Events::kernels.size() >= 2);
    CHECK(Events::kernels.back() == "santa::list");
    for (const std::string& region : Events::regions_of_kernels) CHECK(region == "santa::rows");
    HostSpace{}.fence();
  });
}

TEST_CASE("wrong_arguments_are_named_before_anything_is_written") {
  const Weights log_weights = random_log_weights(2, 60, 1);
  const Drawn drawn(HostSpace{}, 2, 60);
  const auto complaint = [&](const auto& f) -> std::string {
    Kokkos::deep_copy(drawn.count, -5);
    try {
      f();
    } catch (const std::invalid_argument& error) {
      CHECK(drawn.count(0) == -5);
      return error.what();
    }
    return "";
  };
  const DrawPlan plan(HostSpace{}, Systematic{.samples = 5}, 2, 60);
  const auto run = [&](const auto& weights, const Drawn& to, const DrawOptions<HostMemory>& options = {}) {
    return complaint([&] { plan.run(HostSpace{}, weights, to, options); });
  };
  CHECK(run(log_weights, drawn) == "");
  CHECK(run(random_log_weights(3, 60, 1), drawn) == "santa: batch is 3; accepted: at most the plan's 2");
  CHECK(run(random_log_weights(2, 61, 1), drawn) == "santa: rows is 61; accepted: at most the plan's 60");
  CHECK(run(log_weights, Drawn(HostSpace{}, 1, 60)) ==
        "santa: drawn.rows.extent(0) is 1; accepted: the batch (2) or more");
  Drawn uneven = drawn;
  uneven.weights = Kokkos::View<float**, Kokkos::LayoutRight, HostMemory>("test::weights", 2, 59);
  CHECK(run(log_weights, uneven) == "santa: drawn.weights.extent(1) is 59; accepted: that of drawn.rows (60)");
  const Kokkos::View<float*, HostMemory> short_sum("test::log_sum", 1);
  CHECK(run(log_weights, drawn, {.log_sum = short_sum}) ==
        "santa: log_sum.extent(0) is 1; accepted: the batch (2) or more");
  const Kokkos::View<double*, HostMemory> short_double_sum("test::log_sum", 1);
  CHECK(run(log_weights, drawn, {.log_sum = short_double_sum}) ==
        "santa: log_sum.extent(0) is 1; accepted: the batch (2) or more");
  CHECK(run(Kokkos::View<float**, Kokkos::LayoutRight, HostMemory>(static_cast<float*>(nullptr), 2, 60), drawn) ==
        "santa: log_weights.data() is null; accepted: a view with data");
  CHECK(complaint([&] { draw_rows(HostSpace{}, Systematic{.samples = 0}, log_weights, drawn); }) ==
        "santa: Systematic.samples is 0; accepted: 1 to 2^30");
  CHECK(complaint([&] { draw_rows(HostSpace{}, MassUnit{.rows = 5, .target_error = 0.5}, log_weights, drawn); }) ==
        "santa: MassUnit.target_error is 0.5; accepted: 0: rows are drawn without values");
  CHECK(complaint([&] { draw_rows(HostSpace{}, MassUnit{.rows = 5, .steered = true}, log_weights, drawn); }) ==
        "santa: MassUnit.steered is true; accepted: false: draws of rows carry no state");
  CHECK(complaint([&] { draw_rows(HostSpace{}, FixedTileBudget{.samples = 1, .tile = 32}, log_weights, drawn); }) ==
        "santa: FixedTileBudget.samples is 1; accepted: at least one for each of the 2 tiles of the plan's length");
  CHECK(
      complaint([&] { draw_rows(HostSpace{}, MassUnit{.rows = 0.05}, log_weights, drawn); }) ==
      "santa: MassUnit.rows is 0.05; accepted: 1 to 2^63 rows, or a share of the visible ones above 0 and up to 1, as "
      "santa::share(0.05)");
  CHECK(complaint([&] { DrawPlan(HostSpace{}, Exact{}, 2, -1); }) == "santa: rows is -1; accepted: 0 to 2^36");
}
