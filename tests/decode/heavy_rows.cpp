// Rows that stand for many keys: few points in a long cache, or a delta that is far too large.
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

/// Flat scores, and values that are all 1: an output is the sum of the weights, over Z.
template <class Space, class T>
Problem<Space, T, T> flat_problem(std::int64_t length) {
  Problem<Space, T, T> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = length, .dim = 64});
  problem.fill_scores([](std::int64_t, std::int64_t, std::int64_t) { return 0.F; });
  for (std::int64_t i = 0; i < length; ++i)
    for (std::int64_t d = 0; d < 64; ++d) problem.value(0, i, 0, d) = 1.F;
  return problem.upload();
}

template <class Space, class T>
void check_few_points() {
  constexpr std::int64_t length = 65536;
  const auto problem = flat_problem<Space, T>(length);
  for (const AnyMethod& method :
       {AnyMethod(Systematic{.samples = 16}), AnyMethod(Stratified{.samples = 16}),
        AnyMethod(Multinomial{.samples = 16}), AnyMethod(FixedTileBudget{.samples = length / 256, .tile = 256}),
        AnyMethod(ProportionalTileBudget{.samples = 16, .tile = 256})}) {
    CAPTURE(method.index());
    Runner<Space, T, T> runner(problem, method);
    for (const float x : runner.run().out) CHECK(x == doctest::Approx(1.).epsilon(2e-3));
  }
}

template <class Space, class T>
void check_large_delta() {
  constexpr std::int64_t length = 20000;
  const auto problem = flat_problem<Space, T>(length);
  Runner<Space, T, T> runner(problem, MassUnit{.rows = 100});
  const auto state = runner.state();
  for (const float log_delta : {9.F, 11.F, 13.F}) {
    CAPTURE(log_delta);
    double mean = 0.;
    constexpr int seeds = 64;
    for (int seed = 1; seed <= seeds; ++seed) {
      set_log_delta<Space>(state, {log_delta, log_delta, log_delta, log_delta});
      const Result& result = runner.run({.seed = static_cast<std::uint64_t>(seed), .state = state});
      for (const float x : result.out) CHECK(std::isfinite(x));
      mean += static_cast<double>(result.out[0]) / seeds;
    }
    // About length / 2^log_delta rows a step: the mean has a deviation of the root of that over all seeds.
    CHECK(std::fabs(mean - 1.) < 5. * std::sqrt(std::exp2(static_cast<double>(log_delta)) / length / seeds));
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("few_points_in_a_long_cache_give_weights_of_thousands_of_keys") {
  check_few_points<Space, santa::half>();
  check_few_points<Space, bfloat16>();
}

SANTA_SPACE_TEST_CASE("a_delta_far_too_large_gives_few_rows_of_large_weights_right_on_average") {
  check_large_delta<Space, santa::half>();
  check_large_delta<Space, bfloat16>();
}
