// The parts of the accuracy study that decide what is reported.
#include "accuracy/extended.hpp"
#include "accuracy/match_rows.hpp"
#include "accuracy/outcome.hpp"
#include "accuracy/plain_draws.hpp"
#include "decode/error.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <random>
#include <set>

using namespace santa;
using namespace santa::accuracy;

namespace {

/// Draws around `exact` + `shift` with normal noise.
std::vector<float> noisy(const std::vector<double>& exact, double shift, double noise, int seeds) {
  std::mt19937 random(3);
  std::normal_distribution<double> normal;
  std::vector<float> out;
  for (int s = 0; s < seeds; ++s)
    for (const double x : exact) out.push_back(static_cast<float>(x + shift + noise * normal(random)));
  return out;
}

const example::CapturedLayer& captured_layer() {
  static const example::Capture capture = example::read_capture(SANTA_DATA_DIR "/smollm2_135m.safetensors", 7);
  return capture.layers.front();
}

Shape captured_shape() { return {32, 9, 3, 8192, 64}; }

const Variant& find_variant(std::string_view name) {
  for (const Variant& variant : all_variants())
    if (variant.name == name) return variant;
  FAIL("no variant of that name");
  return all_variants().front();
}

}  // namespace

TEST_CASE("an_outcome_has_the_error_of_the_noise_and_no_bias") {
  const std::vector<double> exact(16, 1.);  // of length 4
  const HeadOutcome outcome = outcome_of(noisy(exact, 0., 0.1, 2000), exact);
  CHECK(outcome.error == doctest::Approx(0.1).epsilon(0.02));
  CHECK(outcome.standard_error == doctest::Approx(0.1 / std::sqrt(2. * 16. * 2000.)).epsilon(0.2));
  CHECK(outcome.cosine == doctest::Approx(1. - 0.5 * 0.01 * 15. / 16.).epsilon(1e-3));
  CHECK(std::fabs(outcome.bias_z) < 3.);
}

TEST_CASE("a_bias_stands_out_whatever_its_direction") {
  const std::vector<double> exact = {3., 4., 0., 0.};
  for (const double shift : {0.02, -0.02}) CHECK(outcome_of(noisy(exact, shift, 0.1, 1000), exact).bias_z > 5.);
}

TEST_CASE("outcomes_of_heads_are_those_of_each_alone") {
  const std::vector<double> exact = {1., 2., 3., 4.};
  const std::vector<float> out = noisy(exact, 0., 0.2, 8);
  std::vector<float> second;
  for (std::size_t s = 0; s < 8; ++s) second.insert(second.end(), out.begin() + s * 4 + 2, out.begin() + s * 4 + 4);
  const auto heads = outcomes_of(out, exact, 2);
  REQUIRE(heads.size() == 2);
  CHECK(heads[1].error == outcome_of(second, std::vector<double>{3., 4.}).error);
}

TEST_CASE("rows_are_matched_from_both_sides_and_only_where_they_can_be") {
  const auto rows_of = [](double samples) { return 1000. * (1. - std::exp(-samples / 700.)); };
  const auto found = match_rows(400., 1., 8000., true, rows_of);
  REQUIRE(found);
  CHECK(*found == std::round(*found));
  CHECK(rows_of(*found) == doctest::Approx(400.).epsilon(0.005));
  CHECK(!match_rows(400., 1., 100., true, rows_of));      // too few at the most
  CHECK(!match_rows(400., 1000., 8000., true, rows_of));  // too many at the least
  // A step larger than the tolerance: the nearer end of it.
  const auto coarse = match_rows(10., 1., 8., true, [](double samples) { return 4. * samples; });
  REQUIRE(coarse);
  CHECK((*coarse == 2. || *coarse == 3.));
}

TEST_CASE("variants_read_the_rows_asked_for_and_are_unbiased") {
  const auto groups = groups_of(captured_layer(), captured_shape(), 0.125F);
  REQUIRE(groups.size() == 3);
  for (const char* const name : {"plain", "plain-l2", "plain-separate", "tile-all", "independent", "center-mean",
                                 "norm-sinks", "bound", "bound-separate", "even-rows", "by-mass"}) {
    CAPTURE(name);
    const auto outcome = run_variant(groups[1], find_variant(name), 400., 0., 64);
    REQUIRE(outcome);
    CHECK(outcome->rows == doctest::Approx(400.).epsilon(0.02));
    for (const HeadOutcome& head : outcome->heads) {
      CHECK(head.error < 0.5);
      CHECK(std::fabs(head.bias_z) < 4.5);
    }
  }
}

TEST_CASE("one_delta_for_a_layer_reads_the_rows_of_all_its_groups_together") {
  const auto groups = groups_of(captured_layer(), captured_shape(), 0.125F);
  const double delta = delta_of_layer(groups, 1500.);
  double rows = 0.;
  double least = 1e9;
  double most = 0.;
  for (const GroupProblem& group : groups) {
    const auto outcome = run_variant(group, find_variant("shared-delta"), 500., delta, 16);
    REQUIRE(outcome);
    rows += outcome->rows;
    least = std::min(least, outcome->rows);
    most = std::max(most, outcome->rows);
  }
  CHECK(rows == doctest::Approx(1500.).epsilon(0.02));
  CHECK(most > 1.5 * least);
}

TEST_CASE("an_extended_layer_keeps_ends_means_and_spread") {
  Shape shape = captured_shape();
  const example::CapturedLayer& from = captured_layer();
  const example::CapturedLayer to = extended(from, shape, 16384, 5);
  CHECK(shape.length == 16384);
  CHECK(to.positions.back() == 16383);
  const auto old = from.key.as<bfloat16>();
  const auto made = to.key.as<bfloat16>();
  const std::size_t width = 192;
  for (std::size_t i = 0; i < 64 * width; ++i) REQUIRE(static_cast<float>(made[i]) == static_cast<float>(old[i]));
  for (std::size_t i = 1; i <= 256 * width; ++i)
    REQUIRE(static_cast<float>(made[made.size() - i]) == static_cast<float>(old[old.size() - i]));
  const auto moments = [&](auto elements, std::size_t feature) {
    double sum = 0.;
    double squares = 0.;
    double count = 0.;
    for (std::size_t at = 64 * width + feature; at < elements.size() - 256 * width; at += width, ++count) {
      const auto x = static_cast<double>(static_cast<float>(elements[at]));
      sum += x;
      squares += x * x;
    }
    return std::pair(sum / count, std::sqrt(squares / count - sum / count * sum / count));
  };
  for (const std::size_t feature : {0U, 77U, 191U}) {
    const auto [mean, spread] = moments(old, feature);
    const auto [new_mean, new_spread] = moments(made, feature);
    CHECK(std::fabs(new_mean - mean) < 0.1 * spread);
    CHECK(new_spread == doctest::Approx(spread).epsilon(0.1));
  }
  CHECK_THROWS_AS(extended(from, shape, 4096, 5), example::UserError);
}
