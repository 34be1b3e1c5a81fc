// The parts of the accuracy study that decide what is reported.
#include "accuracy/extended.hpp"
#include "accuracy/match_rows.hpp"
#include "accuracy/outcome.hpp"
#include "accuracy/plain_draws.hpp"
#include "accuracy/plain_stages.hpp"
#include "accuracy/stages.hpp"
#include "decode/error.hpp"
#include <santa/core/narrow.hpp>

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

TEST_CASE("reads_come_to_the_share_of_bytes_or_to_the_fewest_rows") {
  GroupProblem group;
  group.length = 1000;
  group.dim = 64;  // 256 bytes a key and its value
  const auto narrow = [](const GroupProblem&, double) { return StageReads{.key_bytes = 34.}; };
  const auto free = [](const GroupProblem&, double most) { return StageReads{.key_bytes = most}; };
  Stage stage{"", "", RowReads::value, narrow, nullptr};
  const auto check = [&](double share, double rows, double key_bytes, double realised) {
    const StageReads reads = reads_of_bytes(group, stage, share);
    CHECK(reads.rows == doctest::Approx(rows));
    CHECK(reads.key_bytes == doctest::Approx(key_bytes));
    CHECK(bytes_share(group, stage, reads) == doctest::Approx(realised));
  };
  check(0.25, 1000. * 30. / 128., 34., 0.25);
  check(0.125, 20., 34., (34. + 0.02 * 128.) / 256.);  // out of reach
  check(1., 1000., 34., (34. + 128.) / 256.);          // more than there is
  stage.reads = RowReads::key_and_value;
  check(0.25, 1000. * 30. / 256., 34., 0.25);
  stage.scores = free;
  check(0.125, 1000. / 16., 16., 0.125);
  CHECK(reads_of_rows(group, stage, 0.1).rows == doctest::Approx(100.));
  CHECK(reads_of_rows(group, stage, 0.1).key_bytes == doctest::Approx(25.6));
  stage.reads = RowReads::none;
  stage.scores = narrow;
  check(0.5, 0., 34., 34. / 256.);
}

TEST_CASE("a_copy_of_rows_is_off_by_half_a_step_at_most") {
  const auto groups = groups_of(captured_layer(), captured_shape(), 0.125F);
  const std::vector<float> keys = as_floats(groups[0].keys);
  for (const Scaling scaling : {Scaling::rows, Scaling::channels_and_rows}) {
    const std::vector<float> copy = rounded_rows<std::int8_t>(keys, 64, scaling);
    double off = 0.;
    double all = 0.;
    for (std::size_t i = 0; i < keys.size(); i += 64) {
      float largest = 0.F;
      for (std::size_t d = 0; d < 64; ++d) largest = std::max(largest, std::fabs(keys[i + d]));
      for (std::size_t d = 0; d < 64; ++d) {
        const double miss = std::fabs(static_cast<double>(copy[i + d]) - static_cast<double>(keys[i + d]));
        // A scale is a bfloat16 that was rounded up.
        if (scaling == Scaling::rows) REQUIRE(miss <= 0.51 * (1. + 0x1p-7) * static_cast<double>(largest) / 127.);
        off += miss * miss;
        all += static_cast<double>(keys[i + d]) * static_cast<double>(keys[i + d]);
      }
    }
    CHECK(off < 3e-4 * all);
    CHECK(off > 0.);
  }
}

TEST_CASE("attention_over_narrow_copies_is_off_by_what_the_copies_are") {
  const auto groups = groups_of(captured_layer(), captured_shape(), 0.125F);
  const auto mean_error = [](const GroupOutcome& outcome) {
    double sum = 0.;
    for (const HeadOutcome& head : outcome.heads) sum += head.error / static_cast<double>(outcome.heads.size());
    return sum;
  };
  const GroupProblem& group = groups[1];
  const auto int8 = run_exact_narrow<std::int8_t, Scaling::channels_and_rows>(group, {}, 4);
  const auto int4 = run_exact_narrow<int4x2, Scaling::channels_and_rows>(group, {}, 4);
  const auto int4_rows = run_exact_narrow<int4x2, Scaling::rows>(group, {}, 4);
  CHECK(int8.heads.size() == 3);
  CHECK(mean_error(int8) < 0.05);
  CHECK(mean_error(int4) > 5. * mean_error(int8));
  CHECK(mean_error(int4) < 0.5);
  CHECK(mean_error(int4_rows) > mean_error(int4));
  // Scores that are all 0 leave what the copy of the values is off.
  GroupProblem flat = group;
  flat.query = decltype(flat.query)("zeros", group.query.size());
  for (std::size_t i = 0; i < flat.exact.size(); ++i) flat.exact[i] = static_cast<double>(flat.mean[i % 64]);
  for (const HeadOutcome& head : run_exact_narrow<int4x2, Scaling::rows>(flat, {}, 4).heads) {
    CHECK(head.error > 1e-4);
    CHECK(head.error < 0.1);
  }
}

TEST_CASE("top_rows_are_those_of_largest_weight_and_all_of_them_are_exact") {
  const auto groups = groups_of(captured_layer(), captured_shape(), 0.125F);
  GroupProblem group = groups[2];
  for (const auto run : {run_top_rows, run_top_rows_int4}) {
    const GroupOutcome few = run(group, {.rows = 50.}, 4);
    const GroupOutcome more = run(group, {.rows = 800.}, 4);
    const GroupOutcome all = run(group, {.rows = 8192.}, 4);
    CHECK(few.rows == 50.);
    for (std::size_t head = 0; head < 3; ++head) {
      CHECK(few.heads[head].error > more.heads[head].error);
      CHECK(all.heads[head].error < 1e-5);
    }
  }
  // The row that is largest in any head, though not in the last; and both heads' weights add up to 1 again.
  group.heads = 2;
  group.weight.assign(2 * 8192, 0.);
  group.weight[4711] = 0.5;
  group.weight[42] = 0.3;
  group.weight[8192 + 17] = 0.4;
  group.weight[8192 + 4711] = 0.1;
  group.exact.resize(128);
  const auto value = [&](std::size_t row, std::size_t d) {
    return static_cast<double>(static_cast<float>(group.values(row * 64 + d)));
  };
  for (std::size_t d = 0; d < 64; ++d) {
    group.exact[d] = value(4711, d);
    group.exact[64 + d] = value(4711, d);
  }
  for (const HeadOutcome& head : run_top_rows(group, {.rows = 1.}, 4).heads) CHECK(head.error < 1e-6);
  for (std::size_t d = 0; d < 64; ++d) {
    group.exact[d] = (0.5 * value(4711, d) + 0.3 * value(42, d)) / 0.8;
    group.exact[64 + d] = (0.4 * value(17, d) + 0.1 * value(4711, d)) / 0.5;
  }
  for (const HeadOutcome& head : run_top_rows(group, {.rows = 3.}, 4).heads) CHECK(head.error < 1e-6);
}
