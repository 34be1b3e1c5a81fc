// Joint draws by copies of keys and by caches of bytes, whose rows go straight to registers where no error bars are
// asked for: the same rows as the kernels with bars draw, and their attention.
#include "device/joint_check.hpp"
#include "paged/paged_problem.hpp"
#include "scaled/scaled_problem.hpp"
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
using Tokens = TokensProblem<Space, bfloat16>;

template <class Code, class Cache>
NarrowKeys<Code, Space::memory_space> copy_of(const Shape& shape, const Cache& cache) {
  const NarrowKeys<Code, Space::memory_space> copy(Space{}, shape);
  calibrate(Space{}, cache, copy);
  encode_keys(Space{}, cache, copy);
  return copy;
}
template <class Code>
auto rescored_copy(const Tokens& problem) {
  const auto cache = problem.cache();
  return rescored(NarrowCache{cache, copy_of<Code>(problem.step, cache)});
}

/// Everything that a tile's scores and drawn rows depend on.
template <class Code>
void check_rescored(const Shape& shape) {
  CAPTURE(shape.heads);
  CAPTURE(shape.dim);
  CAPTURE(shape.tokens);
  const char* variant = "as it is";
  CAPTURE(variant);
  const auto problem = ragged_tokens<Space, bfloat16>(shape);
  const auto cache = rescored_copy<Code>(problem);
  check_bars_change_no_row(problem, cache);
  variant = "a window";
  check_bars_change_no_row(problem, cache, {.window = 100}, Window{100});
  variant = "one token a request";
  check_bars_change_no_row(problem, cache, {.counts = std::vector<std::int32_t>(6, 1)});
  variant = "all rows";
  check_bars_change_no_row(problem, cache, {}, {}, share(1.));
  variant = "three rows";
  check_bars_change_no_row(problem, cache, {}, {}, 3.);
}

template <ScaleKind of_keys, ScaleKind of_values, class K, class V>
void check_bytes(const Shape& shape) {
  ScaledProblem<Space, K, V> problem(shape, {2048, 0, 333, 1}, 3);
  const auto check = [&](const auto& cache) {
    for (const MassUnit& method : {MassUnit{.rows = 200}, MassUnit{.rows = 2048}, MassUnit{.rows = 2}}) {
      CAPTURE(method.rows.number);
      check_same_rows(run_scaled(method, problem, cache), run_scaled(method, problem, cache, 1, {}, false));
    }
  };
  check(problem.template contiguous<of_keys, of_values>());
  check(problem.template paged<of_keys, of_values>(16));
}

}  // namespace

TEST_CASE("kernels_with_and_without_bars_read_the_same_rows_by_int4_copies") {
  for (const std::int64_t tokens : {1, 4}) {
    check_rescored<int4x2>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_rescored<int4x2>({.batch = 6, .heads = 6, .kv_heads = 2, .length = 640, .dim = 96, .tokens = tokens});
  }
}

TEST_CASE("and_of_more_heads_than_kernels_of_4_take") {
  // A lane's last two heads need not be there.
  for (const std::int64_t group : {5, 7, 8}) {
    const Shape shape{.batch = 6, .heads = 2 * group, .kv_heads = 2, .length = 640, .dim = 128};
    check_rescored<int4x2>(shape);
    check_rescored<std::int8_t>(shape);
  }
}

TEST_CASE("kernels_with_and_without_bars_read_the_same_rows_by_int8_copies") {
  for (const std::int64_t tokens : {1, 4})
    check_rescored<std::int8_t>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 112, .tokens = tokens});
}

TEST_CASE("and_by_copies_whose_scores_are_the_last_word") {
  const auto problem =
      ragged_tokens<Space, bfloat16>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  const auto cache = problem.cache();
  const NarrowCache narrow{cache, copy_of<float8>(problem.step, cache)};
  check_bars_change_no_row(problem, narrow);
  check_bars_change_no_row(problem, narrow, {}, SoftCap{5.F});
}

TEST_CASE("copies_in_pages_are_drawn_from_as_contiguous_ones") {
  const auto problem =
      ragged_tokens<Space, bfloat16>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  const PagedProblem paged(static_cast<const Problem<Space, bfloat16>&>(problem), 16);
  const auto pages = paged.by_table();
  const auto cache = rescored(NarrowCache{pages, copy_of<int4x2>(pages.pool_shape(), pages)});
  check_bars_change_no_row(problem, cache);
}

TEST_CASE("kernels_with_and_without_bars_read_the_same_rows_of_byte_caches") {
  const Shape shape{.batch = 4, .heads = 8, .kv_heads = 2, .length = 2048, .dim = 128};
  check_bytes<ScaleKind::head, ScaleKind::head, e4m3, e4m3>(shape);
  check_bytes<ScaleKind::token, ScaleKind::token, std::int8_t, std::int8_t>(shape);
  // Rows that end in the middle of a piece.
  check_bytes<ScaleKind::token, ScaleKind::token, std::int8_t, std::int8_t>(
      {.batch = 4, .heads = 6, .kv_heads = 2, .length = 2048, .dim = 80});
  check_bytes<ScaleKind::head, ScaleKind::head, e4m3, e4m3>(
      {.batch = 4, .heads = 14, .kv_heads = 2, .length = 2048, .dim = 128});
}

TEST_CASE("references_of_rows_that_are_scored_again_rise_by_their_own_scores") {
  for (const std::int64_t tokens : {1, 4}) {
    Tokens problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    problem.fill(3);
    problem.fill_scores(
        [](std::int64_t, std::int64_t i, std::int64_t) { return static_cast<float>(i % 97) * 0.75F - 20.F; },
        [](std::int64_t h) { return h % 2 == 0 ? 1.F : -0.5F; });
    problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
    check_bars_change_no_row(problem, rescored_copy<int4x2>(problem));
  }
}

TEST_CASE("nan_of_a_key_that_is_scored_again_shows") {
  Tokens problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  const auto copy = copy_of<int4x2>(problem.step, problem.cache());
  problem.key(0, 100, 0, 3) = quiet_nan;  // of which the copy knows nothing
  problem.upload();
  const auto cache = rescored(NarrowCache{problem.cache(), copy});
  TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>> run(problem, MassUnit{share(1.)}, cache);
  const Result& result = run.without_bars().run();
  for (std::int64_t h = 0; h < 4; ++h) {
    CHECK(std::isnan(result.out[problem.row(0, 0, h) * 128]));
    CHECK(!std::isnan(result.out[problem.row(0, 0, h + 4) * 128]));
  }
}

TEST_CASE("draws_without_bars_by_int4_copies_are_unbiased") {
  Tokens problem({.batch = 1, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(11).set_lengths({640}).upload();
  const auto cache = rescored_copy<int4x2>(problem);
  const TokensReference expected = token_reference(problem);
  TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>> run(problem, MassUnit{share(0.1)}, cache);
  run.without_bars();
  std::vector<double> mean(expected.out.size());
  double one = 0.;
  const int seeds = 1000;
  for (int seed = 0; seed < seeds; ++seed) {
    const Result& result = run.run(static_cast<std::uint64_t>(seed));
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(result.out[i]) / seeds;
    one += relative_error(result.out, expected.out) / seeds;
  }
  MESSAGE("error of one " << one << ", of the mean " << relative_error(mean, expected.out));
  CHECK(relative_error(mean, expected.out) < 0.15 * one);
  CHECK(one > 0.01);
}
