// MassUnit's sweep of one tile: inclusion probabilities are exactly what they say, over all phases.
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/lanes/host_group.hpp>
#include <santa/sample/mass_unit.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;
using Group = lanes::HostGroup;
using Float = Group::Vector<float>;
using Sweep = detail::Sweep<Group>;

namespace {

constexpr std::uint32_t one = 1U << 26;
constexpr float never = -HUGE_VALF;

struct Team {};

Sweep sweep(const std::vector<float>& ratio, std::uint32_t phase) {
  std::vector<float> padded = ratio;
  padded.resize(32, never);
  return Sweep(Group(Team{}), detail::Inclusion<Group>(Float::load(padded.data())), phase);
}

/// P of each lane in units; the sum over the lanes that are swept is the sweep's own.
std::vector<std::uint64_t> units(const std::vector<float>& ratio) {
  const std::vector<std::uint64_t> result = ReferenceSweep(ratio, 0).units;
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < ratio.size(); ++i)
    if (!(ratio[i] >= 0.F)) sum += result[i];
  CHECK(sum == sweep(ratio, 0).uncertain);
  return result;
}

/// How often a lane is read over all 2^26 phases, found by counting between the phases at which something changes:
/// (phase + C) crosses a multiple of 2^26 only at phases -C modulo 2^26.
std::vector<std::uint64_t> read_counts(const std::vector<float>& ratio,
                                       std::map<std::uint64_t, std::uint64_t>* joint = nullptr) {
  const std::vector<std::uint64_t> p = units(ratio);
  std::vector<std::uint32_t> edges = {0};
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < p.size(); ++i) {
    if (ratio[i] < 0.F) sum += p[i];
    const auto edge = static_cast<std::uint32_t>((one - sum % one) % one);
    for (std::uint32_t near = edge < 2 ? 0 : edge - 2; near <= edge + 2 && near < one; ++near) edges.push_back(near);
  }
  edges.push_back(one);
  std::sort(edges.begin(), edges.end());
  edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
  std::vector<std::uint64_t> counts(ratio.size(), 0);
  for (std::size_t e = 0; e + 1 < edges.size(); ++e) {
    const std::uint64_t width = edges[e + 1] - edges[e];
    const std::uint32_t rows = sweep(ratio, edges[e]).rows;
    CHECK(sweep(ratio, edges[e + 1] - 1).rows == rows);
    for (std::size_t i = 0; i < ratio.size(); ++i)
      if ((rows >> i) & 1U) counts[i] += width;
    if (joint != nullptr) (*joint)[rows] += width;
  }
  return counts;
}

std::vector<std::vector<float>> tiles() {
  std::vector<std::vector<float>> result = {std::vector<float>(32, -1.F),        std::vector<float>(32, -5.F),
                                            std::vector<float>(32, -0.01F),      std::vector<float>(32, -25.5F),
                                            std::vector<float>(32, -40.F),       {-1.F},
                                            {-3.F, 0.F, 2.F, -3.F, never, -0.5F}};
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  for (int k = 0; k < 40; ++k) {
    std::vector<float> tile;
    for (int i = 0; i < 1 + k % 32; ++i)
      tile.push_back(random() % 9 == 0 ? never : -4.F + static_cast<float>(1 + k % 5) * normal(random));
    result.push_back(tile);
  }
  return result;
}

}  // namespace

TEST_CASE("every_row_is_read_with_exactly_its_probability_over_all_phases") {
  for (const auto& ratio : tiles()) {
    const std::vector<std::uint64_t> p = units(ratio);
    const std::vector<std::uint64_t> counts = read_counts(ratio);
    for (std::size_t i = 0; i < ratio.size(); ++i) {
      CHECK(counts[i] == p[i]);
      // ... which is 2^ratio to half a unit, but at least one unit, and never where there is no weight.
      const double wanted = ratio[i] >= 0.F ? 0x1p26 : std::exp2(static_cast<double>(ratio[i])) * 0x1p26;
      if (ratio[i] == never)
        CHECK(p[i] == 0U);
      else
        CHECK(std::fabs(static_cast<double>(p[i]) - std::fmax(wanted, 1.)) <= 0.5 + 4e-7 * wanted);
    }
  }
}

TEST_CASE("every_phase_of_one_tile_by_brute_force") {
  // All 2^26 phases in plain code; the sweep itself is compared at 1 in 1021 of them.
  std::vector<float> ratio;
  for (int i = 0; i < 32; ++i) ratio.push_back(i == 9 ? 0.25F : i == 20 ? never : -1.F - 0.31F * static_cast<float>(i));
  const std::vector<std::uint64_t> p = ReferenceSweep(ratio, 0).units;
  std::vector<std::uint32_t> counts(32, 0);
  for (std::uint32_t phase = 0; phase < one; ++phase) {
    std::uint32_t sum = phase;
    for (std::size_t i = 0; i < 32; ++i) {
      if (i == 9 || i == 20) continue;
      const std::uint32_t after = sum + static_cast<std::uint32_t>(p[i]);
      counts[i] += (after >> 26) - (sum >> 26);
      sum = after;
    }
  }
  for (std::size_t i = 0; i < 32; ++i)
    if (i != 9) CHECK(counts[i] == p[i]);
  int wrong = 0;
  for (std::uint32_t phase = 0; phase < one; phase += 1021) {
    const ReferenceSweep expected(ratio, phase);
    const Sweep given = sweep(ratio, phase);
    for (std::size_t i = 0; i < 32; ++i) wrong += expected.read[i] != (((given.rows >> i) & 1U) != 0);
  }
  CHECK(wrong == 0);
}

TEST_CASE("weights_have_the_right_expectation_for_every_head_of_a_group") {
  // E[weight] = sum over phases of w / pi: with 1 / pi exact to a float, the mean is w.
  for (const auto& ratio : tiles()) {
    const std::vector<std::uint64_t> counts = read_counts(ratio);
    const Sweep s = sweep(ratio, 0);
    for (std::size_t i = 0; i < ratio.size(); ++i) {
      if (ratio[i] == never) continue;
      const double mean =
          static_cast<double>(counts[i]) * 0x1p-26 * static_cast<double>(s.inverse[static_cast<int>(i)]);
      CHECK(std::fabs(mean - 1.) < 2e-7);
      const double doubt = 1. - static_cast<double>(counts[i]) * 0x1p-26;
      CHECK(std::fabs(static_cast<double>(s.doubt[static_cast<int>(i)]) - doubt) < 1e-7);
    }
  }
}

TEST_CASE("the_number_of_rows_read_is_floor_or_ceil_of_its_expectation") {
  for (const auto& ratio : tiles()) {
    std::map<std::uint64_t, std::uint64_t> joint;
    read_counts(ratio, &joint);
    const Sweep s = sweep(ratio, 0);
    const int certain = Kokkos::popcount(s.certain);
    for (const auto& [rows, width] : joint) {
      const int read = Kokkos::popcount(static_cast<std::uint32_t>(rows)) - certain;
      CHECK(read >= static_cast<int>(s.uncertain / one));
      CHECK(read <= static_cast<int>((s.uncertain + one - 1) / one));
    }
  }
}

TEST_CASE("certain_rows_are_always_read_at_their_own_weight_and_never_swept") {
  const std::vector<float> with = {-1.F, 0.F, -2.F, 3.F, 100.F, -3.F};
  const std::vector<float> without = {-1.F, never, -2.F, never, never, -3.F};
  for (std::uint32_t phase = 0; phase < one; phase += one / 997) {
    const Sweep a = sweep(with, phase);
    const Sweep b = sweep(without, phase);
    CHECK(a.certain == 0b011010U);
    CHECK(b.certain == 0U);
    CHECK((a.rows & a.certain) == a.certain);
    CHECK((a.rows & ~a.certain) == b.rows);
    CHECK(a.uncertain == b.uncertain);
    for (const int i : {1, 3, 4}) {
      CHECK(a.inverse[i] == 1.F);
      CHECK(a.doubt[i] == 0.F);
    }
  }
}

TEST_CASE("rows_without_weight_are_never_read") {
  for (const float ratio : {never, quiet_nan})
    for (std::uint32_t phase = 0; phase < one; phase += one / 509) {
      std::vector<float> tile(32, -0.001F);
      tile[0] = tile[13] = tile[31] = ratio;
      CHECK((sweep(tile, phase).rows & 0x80002001U) == 0U);
      CHECK(sweep(std::vector<float>(32, ratio), phase).rows == 0U);
    }
  CHECK(sweep(std::vector<float>(32, -0.001F), one - 1).rows != 0U);
}

TEST_CASE("rows_of_the_smallest_weight_can_still_be_read") {
  for (const float ratio : {-27.F, -40.F, -126.F, -1000.F, -3e38F}) {
    CHECK(units({ratio})[0] == 1U);
    CHECK(sweep({ratio}, one - 1).rows == 1U);
    CHECK(sweep({ratio}, one - 2).rows == 0U);
  }
}

TEST_CASE("a_tile_of_certainty_minus_one_unit_does_not_overflow") {
  const float almost = std::nextafter(0.F, -1.F);
  const std::vector<float> ratio(32, almost);
  for (const std::uint32_t phase : {0U, 1U, one / 2, one - 1}) {
    const ReferenceSweep expected(ratio, phase);
    const Sweep given = sweep(ratio, phase);
    for (std::size_t i = 0; i < 32; ++i) CHECK(expected.read[i] == (((given.rows >> i) & 1U) != 0));
    CHECK(given.uncertain == 32U * one);
  }
}

namespace {

/// Two heads of one tile, drawn by the rule itself.
template <Draws draws>
struct Rule {
  detail::MassUnitArguments arguments;
  detail::Unit unit{};
  std::vector<float> log_delta;
  std::vector<Float> score, weight;

  explicit Rule(const std::vector<std::vector<float>>& scores) : log_delta(scores.size(), 0.F) {
    arguments.batch = arguments.kv_heads = 1;
    arguments.heads = static_cast<std::int32_t>(scores.size());
    arguments.log_delta = log_delta.data();
    unit.heads = arguments.heads;
    for (const auto& row : scores) {
      score.push_back(Float::load(row.data()));
      weight.push_back(lanes::exp2(score.back()));
    }
  }

  detail::Drawn<Group> draw(std::uint64_t seed) {
    arguments.chance.seed.value = seed;
    const Group group(Team{});
    detail::MassUnitRule<Group, draws> rule(group, arguments, unit);
    rule.open(arguments, unit);
    detail::Drawn<Group> drawn;
    rule.draw({3, arguments.heads, score.data(), weight.data()}, true, drawn);
    expected = rule.expected_rows(0);
    samples = rule.samples(static_cast<std::uint32_t>(Kokkos::popcount(drawn.rows)));
    return drawn;
  }

  detail::ExpectedRows expected;
  std::uint32_t samples = 0;
};

std::vector<std::vector<float>> two_heads() {
  std::mt19937 random(2);
  std::normal_distribution<float> normal;
  std::vector<std::vector<float>> scores(2);
  for (int i = 0; i < 32; ++i) {
    const float common = normal(random);
    for (auto& row : scores) row.push_back(-3.F + common + normal(random));
  }
  return scores;
}

}  // namespace

TEST_CASE("joint_draws_read_no_more_rows_than_separate_ones_at_the_same_delta") {
  const auto scores = two_heads();
  Rule<Draws::joint> joint(scores);
  Rule<Draws::separate> separate(scores);
  double joint_rows = 0.;
  double separate_rows = 0.;
  double expected = 0.;
  for (std::size_t i = 0; i < 32; ++i)
    expected += std::fmin(1., std::exp2(static_cast<double>(std::fmax(scores[0][i], scores[1][i]))));
  const int trials = 4000;
  for (int seed = 0; seed < trials; ++seed) {
    joint_rows += Kokkos::popcount(joint.draw(static_cast<std::uint64_t>(seed)).rows);
    separate_rows += Kokkos::popcount(separate.draw(static_cast<std::uint64_t>(seed)).rows);
  }
  CHECK(static_cast<double>(joint.expected.certain + joint.expected.uncertain) ==
        doctest::Approx(expected).epsilon(1e-5));
  CHECK(joint_rows / trials == doctest::Approx(expected).epsilon(0.02));
  CHECK(joint_rows < separate_rows);
}

TEST_CASE_TEMPLATE("weights_of_a_rule_are_unbiased_for_every_head_and_row", Draw,
                   std::integral_constant<Draws, Draws::joint>, std::integral_constant<Draws, Draws::joint_l2>,
                   std::integral_constant<Draws, Draws::separate>) {
  const auto scores = two_heads();
  Rule<Draw::value> rule(scores);
  MeanTest weights([&] {
    std::vector<double> expected;
    for (const auto& row : scores)
      for (const float s : row) expected.push_back(std::exp2(static_cast<double>(s)));
    return expected;
  }());
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    const auto drawn = rule.draw(seed);
    std::vector<double> given;
    for (std::size_t h = 0; h < 2; ++h)
      for (int i = 0; i < 32; ++i)
        given.push_back(((drawn.rows >> i) & 1U) != 0 ? static_cast<double>(drawn.weight[h][i]) : 0.);
    weights.add(given);
  }
  CHECK(weights.largest_z() < weights.bound());
}

TEST_CASE("the_probability_of_a_row_is_the_root_of_the_sum_of_squares_over_heads") {
  auto scores = two_heads();
  scores[0][3] = 0.F;                   // certain for one head alone
  scores[0][4] = scores[1][4] = -0.4F;  // certain for both together
  scores[1][5] = never;
  scores[0][6] = scores[1][6] = never;
  Rule<Draws::joint_l2> rule(scores);
  std::uint32_t seen = 0;
  double expected = 0.;
  for (std::size_t i = 0; i < 32; ++i)
    expected += std::fmin(
        1., std::hypot(std::exp2(static_cast<double>(scores[0][i])), std::exp2(static_cast<double>(scores[1][i]))));
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const auto drawn = rule.draw(seed);
    seen |= drawn.rows;
    CHECK((drawn.rows & 0b11000U) == 0b11000U);
    for (std::size_t h = 0; h < 2; ++h)
      for (int i = 0; i < 32; ++i) {
        if (((drawn.rows >> i) & 1U) == 0) continue;
        const double first = std::exp2(static_cast<double>(scores[0][static_cast<std::size_t>(i)]));
        const double second = std::exp2(static_cast<double>(scores[1][static_cast<std::size_t>(i)]));
        const double pi = std::fmin(1., std::hypot(first, second));
        CHECK(static_cast<double>(drawn.weight[h][i]) == doctest::Approx((h == 0 ? first : second) / pi).epsilon(1e-5));
      }
  }
  CHECK(seen == ~(1U << 6));
  CHECK(static_cast<double>(rule.expected.certain + rule.expected.uncertain) ==
        doctest::Approx(expected).epsilon(1e-5));
}

TEST_CASE("the_spread_of_a_row_is_its_variance_per_squared_distance") {
  // Var[w 1{read} / pi] = w^2 (1 - pi) / pi; the row's share, where read, is (1 - pi) (w / pi)^2.
  const auto scores = two_heads();
  Rule<Draws::joint> rule(scores);
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    const auto drawn = rule.draw(seed);
    for (std::size_t h = 0; h < 2; ++h)
      for (int i = 0; i < 32; ++i) {
        if (((drawn.rows >> i) & 1U) == 0) continue;
        const auto at = static_cast<std::size_t>(i);
        const double pi = std::fmin(1., std::exp2(static_cast<double>(std::fmax(scores[0][at], scores[1][at]))));
        const double weight = std::exp2(static_cast<double>(scores[h][at])) / pi;
        CHECK(static_cast<double>(drawn.weight[h][i]) == doctest::Approx(weight).epsilon(1e-5));
        CHECK(static_cast<double>(drawn.spread[h][i]) == doctest::Approx((1. - pi) * weight * weight).epsilon(1e-4));
      }
  }
}

TEST_CASE("separate_draws_give_no_weight_to_rows_another_head_drew") {
  const auto scores = two_heads();
  Rule<Draws::separate> rule(scores);
  int other = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto drawn = rule.draw(seed);
    std::uint32_t rows = 0;
    std::uint32_t samples = 0;
    for (std::size_t h = 0; h < 2; ++h)
      for (int i = 0; i < 32; ++i) {
        const bool given = drawn.weight[h][i] > 0.F;
        if (given) {
          rows |= 1U << i;
          ++samples;
        }
        if (!given && ((drawn.rows >> i) & 1U) != 0) {
          ++other;
          CHECK(drawn.spread[h][i] == 0.F);
        }
      }
    CHECK(rows == drawn.rows);
    CHECK(samples == rule.samples);
  }
  CHECK(other > 100);
}
