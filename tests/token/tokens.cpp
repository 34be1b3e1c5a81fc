// Which token is sampled: against double, by definition of the Gumbel-max rule.
#include "problem.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

struct Extents {
  std::size_t batch, vocab, dim;
};
// Rows that are no whole tile, one row; one, several and more requests than are worked on at a time.
const std::vector<Extents> all_extents = {{1, 1, 8},    {3, 31, 40},    {1, 33, 64},    {9, 100, 72},  {17, 1000, 24},
                                          {64, 513, 8}, {70, 129, 104}, {2, 2500, 576}, {130, 70, 32}, {4, 40, 1000}};

StreamKey key_of(std::uint64_t seed, std::uint32_t step, std::uint16_t stream, std::size_t request) {
  return {seed, step, stream, static_cast<std::uint32_t>(request)};
}

/// Logits that are the same in float: tokens are those of the rule in double, ties included.
template <class Space, class T, class H>
void check_rule(const Extents& extents, float temperature) {
  CAPTURE(extents.batch);
  CAPTURE(extents.vocab);
  CAPTURE(extents.dim);
  TokenProblem<Space, T, H> problem(extents.batch, extents.vocab, extents.dim);
  problem.fill_exact(static_cast<unsigned>(extents.vocab), 8.F);
  const std::uint64_t seed = 0x123456789abcdefU;
  const Sampled sampled = problem.sample({.temperature = temperature, .seed = seed, .step = 5, .stream = 3});
  for (std::size_t b = 0; b < extents.batch; ++b) {
    const std::vector<double> logits = problem.logits(b);
    std::vector<double> scores = logits;
    if (temperature > 0.F)
      for (std::size_t i = 0; i < scores.size(); ++i)
        scores[i] += static_cast<double>(temperature) * gumbel_reference(key_of(seed, 5, 3, b), i);
    const std::size_t best = argmax(scores);
    REQUIRE(sampled.tokens[b] == static_cast<std::int64_t>(best));
    REQUIRE(static_cast<double>(sampled.logit[b]) == logits[best]);
    REQUIRE(static_cast<double>(sampled.score[b]) == doctest::Approx(scores[best]).epsilon(1e-6).scale(1.));
    REQUIRE(static_cast<double>(sampled.lse[b]) == doctest::Approx(log_sum_exp(logits)).epsilon(1e-6).scale(1.));
  }
}

template <class Space, class T, class H>
void check_rules() {
  for (const Extents& extents : all_extents)
    for (const float temperature : {0.F, 0.3F, 1.F, 100.F}) check_rule<Space, T, H>(extents, temperature);
}

/// Any logits, and the best of them as near as float tells.
template <class Space, class T, class H>
void check_greedy(const Extents& extents, double spread) {
  CAPTURE(extents.dim);
  TokenProblem<Space, T, H> problem(extents.batch, extents.vocab, extents.dim);
  problem.fill(3, spread);
  const Sampled sampled = problem.sample({.temperature = 0.F});
  for (std::size_t b = 0; b < extents.batch; ++b) {
    const std::vector<double> logits = problem.logits(b);
    const double near = 4e-5 * spread;  // float times bfloat16 on a device: 16 bits of the float
    REQUIRE(sampled.tokens[b] >= 0);
    const auto token = static_cast<std::size_t>(sampled.tokens[b]);
    REQUIRE(logits.at(token) >= logits[argmax(logits)] - near);
    REQUIRE(std::abs(static_cast<double>(sampled.logit[b]) - logits[token]) < near);
    REQUIRE(sampled.score[b] == sampled.logit[b]);
    REQUIRE(std::abs(static_cast<double>(sampled.lse[b]) - log_sum_exp(logits)) < near + 1e-5);
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("tokens_of_bfloat16_weights_are_those_of_the_rule") {
  check_rules<Space, bfloat16, bfloat16>();
  check_rules<Space, bfloat16, float>();
}
SANTA_SPACE_TEST_CASE("tokens_of_half_weights_are_those_of_the_rule") { check_rules<Space, santa::half, float>(); }
SANTA_SPACE_TEST_CASE("tokens_of_float_weights_are_those_of_the_rule") { check_rules<Space, float, santa::half>(); }

SANTA_SPACE_TEST_CASE("temperature_0_takes_the_largest_logit") {
  for (const Extents& extents : all_extents) {
    check_greedy<Space, bfloat16, float>(extents, 3.);
    check_greedy<Space, float, float>(extents, 3.);
    check_greedy<Space, santa::half, santa::half>(extents, 3.);
  }
  // Features that half cannot hold.
  check_greedy<Space, santa::half, float>({3, 200, 64}, 1e7);
  check_greedy<Space, santa::half, float>({3, 200, 64}, 1e-9);
}

SANTA_SPACE_TEST_CASE("rows_that_are_not_aligned_and_small_temperatures_make_no_difference") {
  TokenProblem<Space, bfloat16, float> aligned(5, 300, 40, 8), odd(5, 300, 40, 3);
  aligned.fill_exact(1);
  odd.fill_exact(1);
  const Sampled a = aligned.sample({.seed = 9}), b = odd.sample({.seed = 9});
  CHECK(a.tokens == b.tokens);
  CHECK(a.score == b.score);
  CHECK(aligned.sample({.temperature = 1e-40F, .seed = 9}).logit == aligned.sample({.temperature = 0.F}).logit);
}

SANTA_SPACE_TEST_CASE("rare_noise_keeps_its_digits") {
  TokenProblem<Space, bfloat16, float> problem(1, 1, 8);
  problem.fill_exact(1);
  const StreamKey key = key_of(2, 0, 0, 0);
  int found = 0;
  for (std::uint32_t row = 0; row < (1U << 22); ++row) {
    const auto random = key.draw(0xffff, row);
    if (random.word[0] >= (1U << 12)) continue;  // noise of 13 or more: the second word tells
    ++found;
    const double expected = problem.logits(0)[0] + gumbel_reference(random.word[0], random.word[1]);
    const Sampled sampled = problem.sample({.seed = 2, .first_row = row});
    CHECK(sampled.tokens[0] == row);
    CHECK(static_cast<double>(sampled.score[0]) == doctest::Approx(expected).epsilon(1e-6));
  }
  CHECK(found > 0);
}

SANTA_SPACE_TEST_CASE("the_same_tokens_on_every_space_and_number_of_threads") {
  TokenProblem<Space, bfloat16, float> problem(8, 5000, 64);
  problem.fill_exact(1, 8.F);
  const std::vector<std::int64_t> expected = {3313, 3615, 1654, 308, 434, 4719, 1212, 4751};
  CHECK(problem.sample({.seed = 11, .step = 3}).tokens == expected);
}

SANTA_SPACE_TEST_CASE("what_is_not_finite_shows") {
  TokenProblem<Space, bfloat16, bfloat16> problem(3, 200, 16);
  const auto check = [&](float weight, bool shows) {
    problem.set([](std::size_t, std::size_t) { return 1.F; },
                [&](std::size_t i, std::size_t) { return i == 77 ? weight : static_cast<float>(i % 7) / 16.F; });
    for (const float temperature : {0.F, 1.F}) {
      const Sampled sampled = problem.sample({.temperature = temperature});
      for (std::size_t b = 0; b < 3; ++b) {
        CHECK((sampled.tokens[b] == -1) == shows);
        CHECK(std::isnan(sampled.score[b]) == shows);
        CHECK(std::isnan(sampled.logit[b]) == shows);
        CHECK(std::isnan(sampled.lse[b]) == shows);
        CHECK(sampled.tokens[b] != 77);
      }
    }
  };
  check(NAN, true);
  check(HUGE_VALF, true);
  check(-HUGE_VALF, false);
  problem.set([](std::size_t, std::size_t) { return 1.F; }, [](std::size_t, std::size_t) { return -HUGE_VALF; });
  const Sampled nothing = problem.sample({});
  CHECK(nothing.tokens[0] == -1);
  CHECK(nothing.score[0] == -HUGE_VALF);
  CHECK(nothing.logit[0] == -HUGE_VALF);
  CHECK(nothing.lse[0] == -HUGE_VALF);
}
