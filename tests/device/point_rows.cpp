// Draws by points in a cumulative sum, of several tiles at once, as kernels without error bars have them: the rows of
// those with bars, and their attention.
#include "device/joint_check.hpp"
#include "paged/paged_problem.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;

/// Of which a split has more tiles than a group sees at once, and some requests less than one.
TokensProblem<Space, bfloat16> ragged(const Shape& shape) {
  TokensProblem<Space, bfloat16> problem(shape);
  problem.fill(7).set_lengths({shape.length, 0, 2, 333, 64, shape.length - 1003}).upload();
  return problem;
}

template <class M, class Cache, class Modifier = Identity>
void check(const TokensProblem<Space, bfloat16>& problem, const M& method, const Cache& cache,
           const SeenKeys& options = {}, const Modifier& modifier = {}) {
  TokensRun<Space, M, Cache, Modifier> with(problem, method, cache, options, modifier);
  TokensRun<Space, M, Cache, Modifier> without(problem, method, cache, options, modifier);
  without.without_bars();
  for (std::uint32_t step = 0; step < 3; ++step) {
    CAPTURE(step);
    const Result expected = with.run(5, {}, step);
    const Result& result = without.run(5, {}, step);
    check_same_rows(expected, result);
    bool same = true;
    for (std::size_t i = 0; i < expected.statistics.size(); ++i)
      same = same && result.statistics[i].samples == expected.statistics[i].samples;
    CHECK(same);
    const std::vector<float> first = result.out;
    CHECK(without.run(5, {}, step).out == first);
  }
}

void check_all(const Shape& shape) {
  CAPTURE(shape.heads);
  CAPTURE(shape.dim);
  CAPTURE(shape.tokens);
  std::string variant = "few points";
  CAPTURE(variant);
  const auto problem = ragged(shape);
  for (const std::int64_t keys : {0, 2048}) {
    CAPTURE(keys);
    check(problem, Systematic{.samples = 100}, problem.cache(), {.keys_per_split = keys});
    variant = "so many that heads have several in most rows, and short requests all rows";
    check(problem, Systematic{.samples = 3000}, problem.cache(), {.keys_per_split = keys});
    variant = "all rows";
    check(problem, Systematic{.samples = shape.length}, problem.cache(), {.keys_per_split = keys});
  }
  variant = "a window";
  check(problem, Systematic{.samples = 60}, problem.cache(), {.window = 700}, Window{700});
  variant = "one token a request";
  check(problem, Systematic{.samples = 200}, problem.cache(), {.counts = std::vector<std::int32_t>(6, 1)});
  variant = "pages";
  const PagedProblem paged(static_cast<const Problem<Space, bfloat16>&>(problem), 16);
  check(problem, Systematic{.samples = 200}, paged.by_table());
}

}  // namespace

TEST_CASE("points_of_several_tiles_fall_on_the_rows_of_single_ones") {
  for (const std::int64_t tokens : {1, 4})
    check_all({.batch = 6, .heads = 6, .kv_heads = 2, .length = 4500, .dim = 120, .tokens = tokens});
  const auto problem = ragged({.batch = 6, .heads = 8, .kv_heads = 2, .length = 4500, .dim = 128});
  for (const std::int64_t samples : {100, 3000})
    check(problem, ProportionalTileBudget{.samples = samples}, problem.cache(), {.keys_per_split = 2048});
}

TEST_CASE("points_that_fall_on_one_row_and_rows_that_nobody_draws") {
  for (const std::int64_t tokens : {1, 4}) {
    TokensProblem<Space, bfloat16> problem(
        {.batch = 6, .heads = 8, .kv_heads = 2, .length = 4500, .dim = 128, .tokens = tokens});
    problem.fill(3);
    problem.fill_scores(
        [](std::int64_t, std::int64_t i, std::int64_t) { return i == 0 ? 60.F : static_cast<float>(i % 97) * 0.25F; },
        [](std::int64_t h) { return h % 2 == 0 ? 1.F : 0.25F; });
    problem.set_lengths({4500, 0, 2, 333, 64, 545}).upload();
    check(problem, Systematic{.samples = 450}, problem.cache(), {.keys_per_split = 2048});
  }
}

TEST_CASE("nan_of_a_visible_key_shows_where_points_are_drawn_and_of_a_hidden_one_does_not") {
  for (const std::int64_t samples : {100, 640}) {
    CAPTURE(samples);
    check_nan_shows<Space>(Systematic{.samples = samples});
  }
}
