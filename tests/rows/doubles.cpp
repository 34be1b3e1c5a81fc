// Log-weights and log-sums in double: nothing is lost before a difference is taken.
#include "drawing.hpp"
#include "support/statistics.hpp"
#include <santa/rows/gather_add.hpp>
#include <santa/rows/merge_states.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Doubles = Kokkos::View<double**, Kokkos::LayoutRight, HostMemory>;
using DoubleSums = Kokkos::View<double*, HostMemory>;
using FloatSums = Kokkos::View<float*, HostMemory>;

constexpr double nothing = -HUGE_VAL;

/// A vector of offset + step i.
Doubles ramp(std::size_t rows, double offset, double step) {
  Doubles result("test::ramp", 1, rows);
  for (std::size_t i = 0; i < rows; ++i) result(0, i) = offset + step * static_cast<double>(i);
  return result;
}

/// Exact's list against the reference, and both log-sums.
void check_exact(const Doubles& log_weights) {
  const std::size_t batch = log_weights.extent(0), rows = log_weights.extent(1);
  const Drawn drawn(HostSpace{}, batch, rows);
  const DoubleSums sums("test::sums", batch);
  const FloatSums float_sums("test::sums", batch);
  draw_rows(HostSpace{}, Exact{}, log_weights, drawn, {.log_sum = sums});
  draw_rows(HostSpace{}, Exact{}, log_weights, drawn, {.log_sum = float_sums});
  for (std::size_t b = 0; b < batch; ++b) {
    double log_sum = 0.;
    const auto p = probabilities(log_weights, b, log_sum);
    const auto given = dense(drawn, b, rows);
    double worst = 0.;
    for (std::size_t i = 0; i < rows; ++i)
      if (p[i] > 1e-30) worst = std::fmax(worst, std::fabs(given[i] - p[i]) / p[i]);
    CHECK(worst < 6e-6);  // half an ulp of a difference of 69
    CHECK(std::fabs(sums(b) - log_sum) <= 1e-6 + 4e-16 * std::fabs(log_sum));
    if (std::fabs(log_sum) > 1e39)
      CHECK(std::isinf(float_sums(b)));
    else
      CHECK(std::fabs(static_cast<double>(float_sums(b)) - log_sum) <= 1e-6 + 6e-8 * std::fabs(log_sum));
  }
}

}  // namespace

TEST_CASE("weights_of_double_log_weights_are_right_at_every_offset") {
  for (const double offset : {0., 1., -1e5, 1e5, -1e6, 1e6, 1e9, -2e38, 2e38, -1e300, 1e300}) {
    CAPTURE(offset);
    check_exact(ramp(1000, offset, 0.01));
    check_exact(ramp(1000, offset, -0.01));
    check_exact(ramp(1, offset, 0.));
  }
}

TEST_CASE("vectors_of_a_batch_have_offsets_of_their_own") {
  const Doubles log_weights("test::log_weights", 4, 700);
  const double offset[] = {-1e6, 3., 1e12, -2e38};
  for (std::size_t b = 0; b < 4; ++b)
    for (std::size_t i = 0; i < 700; ++i)
      log_weights(b, i) = offset[b] + 3. * std::sin(static_cast<double>(i + 100 * b));
  check_exact(log_weights);
}

TEST_CASE("draws_by_doubles_do_not_depend_on_the_offset") {
  constexpr std::size_t rows = 1500;
  const auto shifted = [](double offset) {
    Doubles result("test::log_weights", 1, rows);
    for (std::size_t i = 0; i < rows; ++i)  // multiples of 2^-10: exact at all of these offsets
      result(0, i) = offset + std::floor(4096. * std::sin(static_cast<double>(i))) * 0x1p-10;
    return result;
  };
  for_each_method(100, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const Drawn near_0(HostSpace{}, 1, rows);
    draw_rows(HostSpace{}, method, shifted(0.), near_0, {.seed = 3});
    for (const double offset : {-0x1p20, 0x1p40}) {
      const Drawn far(HostSpace{}, 1, rows), in_team(HostSpace{}, 1, rows);
      const DoubleSums sum("test::sum", 1), sum_of_team("test::sum", 1);
      const DrawPlan plan(HostSpace{}, method, 1, rows);
      plan.run(HostSpace{}, shifted(offset), far, {.seed = 3, .log_sum = sum});
      HostSpace{}.fence();
      CHECK(same_lists(near_0, far, 0));
      const auto log_weights = shifted(offset);
      const auto draw = plan.on_team(log_weights, in_team, {.seed = 3, .log_sum = sum_of_team});
      Kokkos::parallel_for(
          "test::team", Kokkos::TeamPolicy<HostSpace>(1, 1),
          KOKKOS_LAMBDA(const Kokkos::TeamPolicy<HostSpace>::member_type& member) { draw_rows(member, draw, 0); });
      HostSpace{}.fence();
      CHECK(relative_error(dense(far, 0, rows), dense(in_team, 0, rows)) < 1e-5);
      CHECK(far.count(0) == in_team.count(0));
      CHECK(std::fabs(sum(0) - sum_of_team(0)) < 1e-6 + 2e-16 * std::fabs(offset));
    }
  });
}

TEST_CASE("doubles_of_any_span_lose_nothing_of_the_largest") {
  constexpr double decade = 2.302585092994046;
  for (const double offset : {0., -1e6, 1e6}) check_exact(ramp(601, offset, decade));  // 600 decades
  for (const double offset : {0., -1e6, 1e6}) check_exact(ramp(601, offset, -decade));
  Doubles log_weights = ramp(300, 0., 0.01);
  log_weights(0, 7) = -1e308;
  log_weights(0, 8) = nothing;
  log_weights(0, 9) = 1e308;  // carries everything: the difference from the least is no double
  check_exact(log_weights);
}

TEST_CASE("one_finite_double_none_and_what_is_no_number") {
  const auto none = ramp(100, nothing, 0.);
  for_each_method(20, [&](const auto& method, const std::string& name) {
    CAPTURE(name);
    const Drawn drawn(HostSpace{}, 1, 100);
    const DoubleSums sum("test::sum", 1);
    draw_rows(HostSpace{}, method, none, drawn, {.log_sum = sum});
    CHECK(drawn.count(0) == 0);
    CHECK(sum(0) == nothing);
    Doubles one = ramp(100, nothing, 0.);
    one(0, 41) = -1e7;
    draw_rows(HostSpace{}, method, one, drawn, {.log_sum = sum});
    REQUIRE(drawn.count(0) == 1);
    CHECK(drawn.rows(0, 0) == 41);
    CHECK(drawn.weights(0, 0) == doctest::Approx(1.));
    CHECK(sum(0) == -1e7);
  });
  for (const double bad : {std::nan(""), HUGE_VAL})
    for (const std::size_t place : {0U, 40U, 99U}) {
      Doubles log_weights = ramp(100, -1e6, 0.01);
      log_weights(0, place) = bad;
      const Drawn drawn(HostSpace{}, 1, 100);
      const DoubleSums sum("test::sum", 1);
      draw_rows(HostSpace{}, MassUnit{.rows = 30}, log_weights, drawn, {.log_sum = sum});
      CHECK(std::isnan(sum(0)));
    }
}

TEST_CASE("parts_with_double_log_sums_merge_as_in_double") {
  constexpr std::size_t parts = 4, items = 6, dim = 9;
  const double offset[items] = {0., -1e6, 1e6, 1e12, -2e38, nothing};
  const Kokkos::View<float***, Kokkos::LayoutRight, HostMemory> out("test::out", parts, items, dim);
  const Doubles sums("test::sums", parts, items);
  for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = std::sin(static_cast<float>(i));
  for (std::size_t p = 0; p < parts; ++p)
    for (std::size_t item = 0; item < items; ++item) sums(p, item) = offset[item] + 0.37 * static_cast<double>(p);
  sums(2, 1) = nothing;
  const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> merged("test::merged", items, dim);
  const DoubleSums log_sum("test::sums", items);
  const FloatSums in_float("test::sums", items);
  merge(HostSpace{}, PartialStates{out, sums}, merged, log_sum);
  merge(HostSpace{}, PartialStates{out, sums}, merged, in_float);
  HostSpace{}.fence();
  CHECK(log_sum(5) == nothing);
  CHECK(in_float(5) == -HUGE_VALF);
  for (std::size_t d = 0; d < dim; ++d) CHECK(merged(5, d) == 0.F);
  for (std::size_t item = 0; item < 5; ++item) {
    double largest = nothing, total = 0.;
    for (std::size_t p = 0; p < parts; ++p) largest = std::fmax(largest, sums(p, item));
    std::vector<double> mean(dim, 0.);
    for (std::size_t p = 0; p < parts; ++p) {
      const double weight = std::exp(sums(p, item) - largest);
      total += weight;
      for (std::size_t d = 0; d < dim; ++d) mean[d] += weight * static_cast<double>(out(p, item, d));
    }
    const double expected = largest + std::log(total);
    CHECK(std::fabs(log_sum(item) - expected) <= 1e-6 + 4e-16 * std::fabs(expected));
    CHECK(std::fabs(static_cast<double>(in_float(item)) - expected) <= 1e-6 + 6e-8 * std::fabs(expected));
    for (std::size_t d = 0; d < dim; ++d)
      CHECK(static_cast<double>(merged(item, d)) == doctest::Approx(mean[d] / total).epsilon(1e-6).scale(1.));
  }
  sums(1, 0) = std::nan("");
  sums(1, 1) = HUGE_VAL;  // an empty part, as others say it: so is part 2
  merge(HostSpace{}, PartialStates{out, sums}, merged, log_sum);
  HostSpace{}.fence();
  CHECK(std::isnan(log_sum(0)));
  CHECK(std::isnan(merged(0, 0)));
  const double expected = sums(3, 1) + std::log1p(std::exp(sums(0, 1) - sums(3, 1)));
  CHECK(std::fabs(log_sum(1) - expected) <= 1e-6);
}

TEST_CASE("shards_drawn_by_doubles_far_from_0_merge_to_the_mean_of_the_whole") {
  constexpr std::size_t shards = 3, rows = 90, dim = 12;
  const Doubles log_weights = ramp(shards * rows, -1e6, 0.01);
  const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> values("test::values", shards * rows, dim);
  for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = std::sin(static_cast<float>(i));
  const Kokkos::View<float***, Kokkos::LayoutRight, HostMemory> out("test::out", shards, 1, dim);
  const Doubles sums("test::sums", shards, 1);
  const Drawn drawn(HostSpace{}, 1, shards * rows);
  for (std::size_t s = 0; s < shards; ++s) {
    const auto range = std::pair(s * rows, (s + 1) * rows);
    draw_rows(HostSpace{}, Exact{}, Kokkos::subview(log_weights, 0, range), drawn,
              {.log_sum = DoubleSums(&sums(s, 0), 1)});
    gather_add(HostSpace{}, drawn, Kokkos::subview(values, range, Kokkos::ALL),
               Kokkos::subview(out, s, 0, Kokkos::ALL));
  }
  const Kokkos::View<float**, Kokkos::LayoutRight, HostMemory> merged("test::merged", 1, dim);
  const DoubleSums log_sum("test::sum", 1);
  merge(HostSpace{}, PartialStates{out, sums}, merged, log_sum);
  HostSpace{}.fence();
  double expected_sum = 0.;
  const auto p = probabilities(log_weights, 0, expected_sum);
  CHECK(std::fabs(log_sum(0) - expected_sum) < 1e-6);
  for (std::size_t d = 0; d < dim; ++d) {
    double expected = 0.;
    for (std::size_t i = 0; i < p.size(); ++i) expected += p[i] * static_cast<double>(values(i, d));
    CHECK(std::fabs(static_cast<double>(merged(0, d)) - expected) < 1e-6);
  }
}
