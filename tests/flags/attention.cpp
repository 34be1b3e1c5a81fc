// Attention in a program whose build lets the compiler reorder sums and take approximate quotients: the same results.
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"
#include <santa/token/gumbel.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
using Data = Problem<Space, float, float>;

template <class Space, class M, class Modifier = Identity>
Result run(const Data<Space>& problem, const M& method, const Modifier& modifier = {}) {
  return run_once(method, problem, problem.cache(), {.seed = 5U}, {}, modifier);
}

void check(const Result& given, const Reference& expected, double tolerance) {
  CHECK(relative_error(given.out, expected.out) < tolerance);
  for (std::size_t i = 0; i < expected.lse.size(); ++i)
    CHECK(std::fabs(static_cast<double>(given.lse[i]) - expected.lse[i]) < 2e-6);
}

/// Scores 2 sin(i), and two requests of which one is shorter.
template <class Space>
Data<Space> waves() {
  Data<Space> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 512, .dim = 64});
  problem.fill(1).fill_scores([](std::int64_t b, std::int64_t i, std::int64_t kv) {
    return 2.F * std::sin(static_cast<float>(i + 3 * b + 5 * kv));
  });
  problem.set_lengths({512, 77}).upload();
  return problem;
}

}  // namespace

SANTA_SPACE_TEST_CASE("exact_attention_is_that_of_double_precision") {
  const auto problem = waves<Space>();
  check(run(problem, Exact{}), exact_reference(problem), 2e-6);
}

SANTA_SPACE_TEST_CASE("hidden_keys_stay_hidden") {
  const auto problem = waves<Space>();
  check(run(problem, Exact{}, Window{100}), exact_reference(problem, {.window = 100}), 2e-6);
}

SANTA_SPACE_TEST_CASE("sampled_attention_knows_the_sum_and_is_near") {
  const auto problem = waves<Space>();
  const Reference exact = exact_reference(problem);
  check(run(problem, MassUnit{.rows = 60}), exact, 0.4);
  check(run(problem, Systematic{.samples = 60}), exact, 0.4);
  check(run(problem, MassUnit{.rows = 512}), exact, 2e-6);
  check(run(problem, Systematic{.samples = 512}), exact, 2e-6);
}

SANTA_SPACE_TEST_CASE("an_empty_request_has_nothing") {
  auto problem = waves<Space>();
  problem.set_lengths({0, 77}).upload();
  for (const Result& given : {run(problem, Exact{}), run(problem, MassUnit{}), run(problem, Systematic{})}) {
    for (std::size_t i = 0; i < std::size_t{4 * 64}; ++i) CHECK(given.out[i] == 0.F);
    for (std::size_t head = 0; head < 4; ++head) CHECK(given.lse[head] < -1e38F);
  }
}

SANTA_SPACE_TEST_CASE("a_key_that_is_no_number_shows") {
  auto problem = waves<Space>();
  problem.key(0, 300, 0, 9) = quiet_nan;
  problem.upload();
  for (const Result& given : {run(problem, Exact{}), run(problem, MassUnit{}), run(problem, Systematic{})}) {
    CHECK(std::isnan(given.lse[0]));
    CHECK(std::isnan(given.out[0]));
    CHECK(!std::isnan(given.out[2 * 64]));  // of the other kv head
  }
}

// The winning noise comes from small numbers, of which 1 - v has no digits left.
TEST_CASE("noise_of_small_numbers_keeps_its_digits") {
  for (const std::uint32_t high : {0U, 1U, 3U, 30U, 255U, 1000U, 100000U}) {
    const std::uint32_t low = 0x87654321U;
    const double v = std::ldexp(static_cast<double>((std::uint64_t{high} << 32) | low), -64);
    const double expected = -std::log(-std::log1p(-v));
    CHECK(static_cast<double>(gumbel(high, low)) == doctest::Approx(expected).epsilon(1e-5));
  }
}
