// Draws with error bars and without, which are kernels of their own: the same rows, and their attention.
#pragma once

#include "several_tokens/tokens_problem.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <vector>

namespace santa::test {

template <class Space, class T>
TokensProblem<Space, T> ragged_tokens(const Shape& shape, Arrangement where = Arrangement::token_major) {
  TokensProblem<Space, T> problem(shape, where);
  problem.fill(7).set_lengths({shape.length, 0, 2, 333, 64, 545}).upload();
  return problem;
}

/// How many rows, and what they come to.
template <class Outputs>
void check_same_rows(const Outputs& expected, const Outputs& result) {
  CHECK(relative_error(result.out, std::vector<double>(expected.out.begin(), expected.out.end())) < 1e-5);
  bool same = true;
  std::int64_t all = 0;
  for (std::size_t i = 0; i < expected.statistics.size(); ++i) {
    same = same && result.statistics[i].rows_read == expected.statistics[i].rows_read;
    all += expected.statistics[i].rows_read;
  }
  for (std::size_t i = 0; i < expected.lse.size(); ++i)
    same = same && (std::isfinite(expected.lse[i]) ? std::fabs(result.lse[i] - expected.lse[i]) < 1e-5F
                                                   : result.lse[i] == expected.lse[i]);
  CHECK(same);
  CHECK(all > 0);
}

/// With bars and without, by a delta that a step before has left.
template <class Space, class T, class Cache, class Modifier = Identity>
void check_bars_change_no_row(const TokensProblem<Space, T>& problem, const Cache& cache, const SeenKeys& options = {},
                              const Modifier& modifier = {}, RowBudget rows = share(0.15)) {
  TokensRun<Space, MassUnit, Cache, Modifier> with(problem, MassUnit{rows}, cache, options, modifier);
  TokensRun<Space, MassUnit, Cache, Modifier> without(problem, MassUnit{rows}, cache, options, modifier);
  without.without_bars();
  const auto state_with = with.state(), state_without = with.state();
  for (std::uint32_t step = 0; step < 3; ++step) {
    CAPTURE(step);
    const Result expected = with.run(5, state_with, step);
    check_same_rows(expected, without.run(5, state_without, step));
  }
}

/// A visible key's NaN shows in the heads of its kv head, one behind a request's last key in none.
template <class Space, class Method>
void check_nan_shows(const Method& method) {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  problem.key(0, 100, 0, 3) = quiet_nan;
  problem.key(4, 64, 0, 3) = problem.value(4, 64, 1, 3) = quiet_nan;  // behind the last one
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  const auto cache = problem.cache();
  TokensRun<Space, Method, std::decay_t<decltype(cache)>> run(problem, method, cache);
  const Result& result = run.without_bars().run();
  for (std::int64_t h = 0; h < 4; ++h) {
    CHECK(std::isnan(result.out[problem.row(0, 0, h) * 128]));
    CHECK(!std::isnan(result.out[problem.row(0, 0, h + 4) * 128]));
    CHECK(!std::isnan(result.out[problem.row(4, 0, h) * 128]));
    CHECK(!std::isnan(result.out[problem.row(4, 0, h + 4) * 128]));
  }
}

}  // namespace santa::test
