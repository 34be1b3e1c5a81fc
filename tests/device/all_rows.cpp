// Exact attention that stays in the order of products: against double precision, at all that masks and rows can be.
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

template <class T>
TokensProblem<Space, T> ragged(const Shape& shape, Arrangement where = Arrangement::token_major) {
  TokensProblem<Space, T> problem(shape, where);
  problem.fill(7).set_lengths({shape.length, 0, 2, 333, 64, 545}).upload();
  return problem;
}

template <class T, class Cache, class Modifier = Identity>
void check(const TokensProblem<Space, T>& problem, const Cache& cache, const SeenKeys& options,
           const Modifier& modifier = {}) {
  TokensRun<Space, Exact, Cache, Modifier> run(problem, Exact{}, cache, options, modifier);
  const TokensReference expected = token_reference(problem, options);
  const Result& result = run.run();
  CHECK(relative_error(result.out, expected.out) < 2e-5);
  bool same = true;
  for (std::size_t i = 0; i < expected.lse.size(); ++i)
    same =
        same && (std::isinf(expected.lse[i]) ? static_cast<double>(result.lse[i]) == expected.lse[i]
                                             : std::fabs(static_cast<double>(result.lse[i]) - expected.lse[i]) < 1e-4);
  CHECK(same);
  const std::int64_t rows = problem.step.group() * problem.step.tokens;
  const std::int64_t most = problem.step.dim > 128 ? 8 : 16;
  const std::int64_t slices = (rows + most - 1) / most;
  for (std::size_t b = 0; b < problem.lengths.size(); ++b)
    for (std::int64_t kv = 0; kv < problem.step.kv_heads; ++kv)
      if (options.window < 0 && options.counts.empty())
        CHECK(result.statistics[b * static_cast<std::size_t>(problem.step.kv_heads) + static_cast<std::size_t>(kv)]
                  .rows_read == problem.lengths[b] * slices);
}

template <class T>
void check_all(const Shape& shape) {
  CAPTURE(shape.heads);
  CAPTURE(shape.dim);
  CAPTURE(shape.tokens);
  for (const Arrangement where : {Arrangement::token_major, Arrangement::head_major}) {
    const auto problem = ragged<T>(shape, where);
    check(problem, problem.cache(), {});
  }
  const auto problem = ragged<T>(shape);
  check(problem, problem.cache(), {.window = 100}, Window{100});
  check(problem, problem.cache(), {.counts = std::vector<std::int32_t>(6, 1)});
  const PagedProblem paged(static_cast<const Problem<Space, T>&>(problem), 16);
  check(problem, paged.by_table(), {});
}

}  // namespace

TEST_CASE("rows_that_are_all_taken_have_the_attention_of_double_precision") {
  for (const std::int64_t tokens : {1, 2, 4}) {
    check_all<bfloat16>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_all<santa::half>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_all<bfloat16>({.batch = 6, .heads = 6, .kv_heads = 2, .length = 640, .dim = 72, .tokens = tokens});
    check_all<bfloat16>({.batch = 6, .heads = 4, .kv_heads = 2, .length = 640, .dim = 256, .tokens = tokens});
  }
}

TEST_CASE("scores_that_rise_and_fall_far_raise_references") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(3);
  problem.fill_scores(
      [](std::int64_t, std::int64_t i, std::int64_t) { return static_cast<float>(i % 97) * 0.75F - 20.F; },
      [](std::int64_t h) { return h % 2 == 0 ? 1.F : -0.5F; });
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  check(problem, problem.cache(), {});
}

TEST_CASE("values_of_hidden_rows_are_never_multiplied") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  for (std::int64_t i = 0; i < 640 - 100; ++i)
    for (std::int64_t d = 0; d < 128; ++d) problem.key(0, i, 0, d) = problem.value(0, i, 0, d) = quiet_nan;
  problem.set_lengths({640, 0, 2, 33, 64, 45}).upload();
  check(problem, problem.cache(), {.window = 100}, Window{100});
}

TEST_CASE("nan_and_infinity_of_visible_keys_show") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  problem.key(0, 100, 0, 3) = quiet_nan;
  problem.key(3, 7, 1, 3) = infinity;
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  const auto cache = problem.cache();
  TokensRun<Space, Exact, std::decay_t<decltype(cache)>> run(problem, Exact{}, cache);
  const Result& result = run.run();
  for (std::int64_t h = 0; h < 4; ++h) {
    CHECK(std::isnan(result.out[problem.row(0, 0, h) * 128]));
    CHECK(!std::isnan(result.out[problem.row(0, 0, h + 4) * 128]));
    // The key is a query's rounded part and its rest times infinity: NaN, or infinity, which has no softmax.
    if (problem.query(3, h + 4, 3) > 0.F) CHECK(std::isnan(result.out[problem.row(3, 0, h + 4) * 128]));
  }
}
