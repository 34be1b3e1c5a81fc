// Draws of several heads together in the order of products, as kernels without error bars have them: the same rows as
// those with bars draw, and their attention.
#include "device/joint_check.hpp"
#include "paged/paged_problem.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;

template <class T = bfloat16>
void check_all(const Shape& shape) {
  CAPTURE(shape.heads);
  CAPTURE(shape.dim);
  CAPTURE(shape.tokens);
  const char* variant = "as it is";
  CAPTURE(variant);
  const auto problem = ragged_tokens<Space, T>(shape);
  check_bars_change_no_row(problem, problem.cache());
  variant = "head-major";
  const auto by_head = ragged_tokens<Space, T>(shape, Arrangement::head_major);
  check_bars_change_no_row(by_head, by_head.cache());
  variant = "a window";
  check_bars_change_no_row(problem, problem.cache(), {.window = 100}, Window{100});
  variant = "a soft cap, of which a head that is none has a score";
  check_bars_change_no_row(problem, problem.cache(), {}, SoftCap{5.F});
  variant = "one token a request";
  check_bars_change_no_row(problem, problem.cache(), {.counts = std::vector<std::int32_t>(6, 1)});
  variant = "all rows";
  check_bars_change_no_row(problem, problem.cache(), {}, {}, share(1.));
  variant = "three rows";
  check_bars_change_no_row(problem, problem.cache(), {}, {}, 3.);
  variant = "pages";
  const PagedProblem paged(static_cast<const Problem<Space, T>&>(problem), 16);
  check_bars_change_no_row(problem, paged.by_table());
}

}  // namespace

TEST_CASE("kernels_with_and_without_bars_read_the_same_rows") {
  for (const std::int64_t tokens : {1, 2, 4}) {
    check_all({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_all({.batch = 6, .heads = 6, .kv_heads = 2, .length = 640, .dim = 72, .tokens = tokens});
  }
  const auto halves =
      ragged_tokens<Space, santa::half>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  check_bars_change_no_row(halves, halves.cache());
}

TEST_CASE("drawn_rows_that_wait_follow_references_that_rise") {
  for (const std::int64_t tokens : {1, 4}) {
    TokensProblem<Space, bfloat16> problem(
        {.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    problem.fill(3);
    problem.fill_scores(
        [](std::int64_t, std::int64_t i, std::int64_t) { return static_cast<float>(i % 97) * 0.75F - 20.F; },
        [](std::int64_t h) { return h % 2 == 0 ? 1.F : -0.5F; });
    problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
    check_bars_change_no_row(problem, problem.cache());
  }
}

TEST_CASE("nan_of_a_visible_key_shows_and_of_a_hidden_one_does_not") { check_nan_shows<Space>(MassUnit{}); }

TEST_CASE("draws_without_bars_are_unbiased") {
  TokensProblem<Space, bfloat16> problem(
      {.batch = 1, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = 2});
  problem.fill(11).set_lengths({640}).upload();
  const auto cache = problem.cache();
  const TokensReference expected = token_reference(problem);
  TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>> run(problem, MassUnit{share(0.1)}, cache);
  run.without_bars();
  std::vector<double> mean(expected.out.size());
  double one = 0.;
  const int seeds = 400;
  for (int seed = 0; seed < seeds; ++seed) {
    const Result& result = run.run(static_cast<std::uint64_t>(seed));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(result.out[i]) / seeds;
    one += relative_error(result.out, expected.out) / seeds;
  }
  // The error of a mean of independent draws: a bias would stay.
  CHECK(relative_error(std::vector<float>(mean.begin(), mean.end()), expected.out) < 1.3 * one / std::sqrt(seeds));
  CHECK(one > 0.01);
}
