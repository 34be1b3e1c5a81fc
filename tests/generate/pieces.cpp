// Products, picks and scores by themselves.
#include "generate/pick.hpp"
#include "generate/projection.hpp"
#include "generate/scores.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <vector>

namespace santa::example::test {
namespace {

FloatRows random_rows(std::size_t rows, std::size_t columns, unsigned seed) {
  FloatRows device("rows", rows, columns);
  const auto host = Kokkos::create_mirror_view(device);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  for (std::size_t i = 0; i < host.size(); ++i) host.data()[i] = normal(random);
  Kokkos::deep_copy(device, host);
  return device;
}

auto on_host(const FloatRows& rows) { return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), rows); }

void check_product(std::size_t rows, std::size_t inputs, std::size_t outputs) {
  CAPTURE(rows);
  CAPTURE(inputs);
  CAPTURE(outputs);
  const auto numbers = on_host(random_rows(outputs, inputs, 1));
  std::vector<bfloat16> weights;
  for (std::size_t i = 0; i < numbers.size(); ++i) weights.emplace_back(numbers.data()[i]);
  const Projection projection(weights, static_cast<std::int64_t>(outputs), static_cast<std::int64_t>(inputs));
  const FloatRows x = random_rows(rows + 1, inputs, 2);
  const FloatRows y = random_rows(rows + 1, outputs, 3);
  const auto before = Kokkos::create_mirror(Kokkos::HostSpace(), y);
  Kokkos::deep_copy(before, y);
  projection.apply(Space(), x, y, static_cast<std::int64_t>(rows), true);
  const auto added = Kokkos::create_mirror(Kokkos::HostSpace(), y);
  Kokkos::deep_copy(added, y);
  projection.apply(Space(), x, y, static_cast<std::int64_t>(rows));
  const auto given = on_host(x);
  const auto after = on_host(y);
  double most = 0.;
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t o = 0; o < outputs; ++o) {
      double sum = 0.;
      for (std::size_t i = 0; i < inputs; ++i)
        sum += static_cast<double>(given(r, i)) * static_cast<double>(static_cast<float>(weights[o * inputs + i]));
      most = std::fmax(most, std::fabs(sum - after(r, o)));
      most = std::fmax(most, std::fabs(sum + before(r, o) - added(r, o)));
    }
  CHECK(most < 1e-4);
  for (std::size_t o = 0; o < outputs; ++o) CHECK(after(rows, o) == before(rows, o));  // the row beyond
}

TEST_CASE("products_are_right_for_any_sizes") {
  for (const std::size_t rows : {1, 2, 7, 8, 9, 30})
    for (const std::size_t outputs : {1, 31, 32, 33, 100}) check_product(rows, 37, outputs);
}

TEST_CASE("narrow_products_are_near_and_a_row_does_not_depend_on_the_others") {
  for (const std::size_t outputs : {1, 16, 33, 100}) {
    const std::size_t inputs = 64, rows = 11;
    const auto numbers = on_host(random_rows(outputs, inputs, 1));
    std::vector<bfloat16> weights;
    for (std::size_t i = 0; i < numbers.size(); ++i) weights.emplace_back(numbers.data()[i]);
    const Projection full(weights, static_cast<std::int64_t>(outputs), static_cast<std::int64_t>(inputs));
    const Projection narrow = full.narrow();
    const FloatRows x = random_rows(rows, inputs, 2);
    const FloatRows exact("exact", rows, outputs), near("near", rows, outputs), one("one", 1, outputs);
    full.apply(Space(), x, exact, rows);
    narrow.apply(Space(), x, near, rows);
    const auto a = on_host(exact);
    const auto b = on_host(near);
    double error = 0., norm = 0.;
    for (std::size_t i = 0; i < a.size(); ++i) {
      error += std::pow(a.data()[i] - b.data()[i], 2);
      norm += std::pow(a.data()[i], 2);
    }
    CHECK(error > 0.);
    CHECK(std::sqrt(error / norm) < 0.015);  // 127 steps of about 3 deviations
    for (const Projection* const projection : {&full, &narrow}) {
      projection->apply(Space(), x, one, 1);
      const auto alone = on_host(one);
      const auto& together = projection == &full ? a : b;
      for (std::size_t o = 0; o < outputs; ++o) CHECK(alone(0, o) == doctest::Approx(together(0, o)).epsilon(1e-5));
    }
  }
}

FloatRows same_rows(std::size_t rows, const std::vector<float>& logits) {
  FloatRows device("logits", rows, logits.size());
  const auto host = Kokkos::create_mirror_view(device);
  for (std::size_t r = 0; r < rows; ++r)
    for (std::size_t i = 0; i < logits.size(); ++i) host(r, i) = logits[i];
  Kokkos::deep_copy(device, host);
  return device;
}

std::vector<std::int32_t> picked(const FloatRows& logits, const PickOptions& options) {
  const Numbers tokens("tokens", logits.extent(0));
  pick_tokens(Space(), logits, static_cast<std::int64_t>(logits.extent(0)), tokens, options);
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), tokens);
  return {host.data(), host.data() + host.size()};
}

TEST_CASE("the_likeliest_token_is_picked_and_the_first_of_equals") {
  CHECK(picked(same_rows(2, {-3.F, -1.F, -1.F, -2.F}), {}) == std::vector<std::int32_t>{1, 1});
  CHECK(picked(same_rows(1, {0.F, 5.F, 7.F, 7.F}), {}) == std::vector<std::int32_t>{2});
  CHECK(picked(same_rows(1, {NAN, -5.F}), {}) == std::vector<std::int32_t>{1});
}

TEST_CASE("tokens_are_drawn_from_the_softmax") {
  const std::vector<float> logits = {0.F, 1.F, -1.F, 2.F, 0.5F, -0.5F, 1.5F, -2.F};
  const std::size_t draws = 20000;
  for (const double temperature : {1., 0.5, 2.}) {
    std::vector<double> seen(logits.size(), 0.);
    for (const std::int32_t token : picked(same_rows(draws, logits), {temperature, 3, 1}))
      seen[static_cast<std::size_t>(token)] += 1.;
    double sum = 0.;
    for (const float logit : logits) sum += std::exp(logit / temperature);
    double chi_square = 0.;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double expected = static_cast<double>(draws) * std::exp(logits[i] / temperature) / sum;
      chi_square += (seen[i] - expected) * (seen[i] - expected) / expected;
    }
    CHECK(chi_square < 24.3);  // 7 degrees of freedom, 0.1 %
  }
  CHECK(picked(same_rows(50, logits), {1., 3, 1}) != picked(same_rows(50, logits), {1., 4, 1}));
  CHECK(picked(same_rows(50, logits), {1., 3, 1}) != picked(same_rows(50, logits), {1., 3, 2}));
}

TEST_CASE("scores_are_losses_and_divergences") {
  FloatRows logits("logits", 2, 3);
  const auto host = Kokkos::create_mirror_view(logits);
  const float rows[2][3] = {{100.F, 101.F, 99.F}, {1.F, 0.F, 2.F}};
  for (std::size_t r = 0; r < 2; ++r)
    for (std::size_t i = 0; i < 3; ++i) host(r, i) = rows[r][i];
  Kokkos::deep_copy(logits, host);
  const auto scores = score_rows(Space(), logits, 2, 2);
  const double sum = 1. + std::exp(1.) + std::exp(2.);
  // Probabilities of e^1, e^2, e^0 and of e^1, e^0, e^2 over the sum.
  CHECK(scores[0].loss == doctest::Approx(std::log(sum)));
  CHECK(scores[1].loss == doctest::Approx(std::log(sum) - 2.));
  CHECK(scores[0].divergence == doctest::Approx(0.));
  CHECK(scores[1].divergence == doctest::Approx((2. * std::exp(2.) - 2.) / sum));
  CHECK(scores[0].best == 1);
  CHECK(scores[1].best == 2);
}

}  // namespace
}  // namespace santa::example::test
