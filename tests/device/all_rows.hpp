// Exact attention over rows of every kind, as the device's tests of it check it: against double precision.
#pragma once

#include "paged/paged_problem.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace santa::test {

using DeviceSpace = Kokkos::DefaultExecutionSpace;

template <class T>
TokensProblem<DeviceSpace, T> ragged(const Shape& shape, Arrangement where = Arrangement::token_major) {
  TokensProblem<DeviceSpace, T> problem(shape, where);
  problem.fill(7).set_lengths({shape.length, 0, 2, 333, 64, 545}).upload();
  return problem;
}

template <class T, class Cache, class Modifier = Identity>
void check_exact(const TokensProblem<DeviceSpace, T>& problem, const Cache& cache, const SeenKeys& options,
                 const Modifier& modifier = {}) {
  TokensRun<DeviceSpace, Exact, Cache, Modifier> run(problem, Exact{}, cache, options, modifier);
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
    check_exact(problem, problem.cache(), {});
  }
  const auto problem = ragged<T>(shape);
  check_exact(problem, problem.cache(), {.window = 100}, Window{100});
  check_exact(problem, problem.cache(), {.counts = std::vector<std::int32_t>(6, 1)});
  const PagedProblem paged(static_cast<const Problem<DeviceSpace, T>&>(problem), 16);
  check_exact(problem, paged.by_table(), {});
}

}  // namespace santa::test
