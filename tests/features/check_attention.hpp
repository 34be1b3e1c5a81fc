// Exact attention by some features against references in double precision.
#pragma once

#include "features/feature_problem.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

namespace santa::test {

/// The problem with chosen coefficients in the place of queries: what scores by features are made of.
template <class Space, class T, class Q, class Cache>
Problem<Space, T> with_coefficients(const Problem<Space, T, Q>& problem, const Cache& cache, std::uint64_t seed) {
  const Shape& shape = problem.shape;
  Problem<Space, T> result(shape);
  result.lengths = problem.lengths;
  const Chosen of_run = chosen(problem, cache, seed);
  for (std::int64_t b = 0; b < shape.batch; ++b) {
    for (std::int64_t h = 0; h < shape.heads; ++h)
      for (std::int64_t d = 0; d < shape.dim; ++d)
        result.query(b, h, d) = of_run.coefficients[static_cast<std::size_t>((b * shape.heads + h) * shape.dim + d)];
    for (std::int64_t i = 0; i < shape.length; ++i)
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          result.key(b, i, kv, d) = problem.key(b, i, kv, d);
          result.value(b, i, kv, d) = problem.value(b, i, kv, d);
        }
  }
  return result;
}

/// What the log-sum-exp of coefficients lacks: what they do to the mean of the keys is taken back.
template <class Space, class T, class Q>
double mean_part(const Problem<Space, T, Q>& problem, const Problem<Space, T>& coefficients, std::int64_t b,
                 std::int64_t h) {
  const Moments of_keys = moments(problem, b, h / problem.shape.group());
  double sum = 0.;
  for (std::int64_t d = 0; d < problem.shape.dim; ++d)
    sum += static_cast<double>(problem.query(b, h, d) - coefficients.query(b, h, d)) *
           of_keys.mean[static_cast<std::size_t>(d)];
  return sum / std::sqrt(static_cast<double>(problem.shape.dim));
}

/// Exact attention by chosen features is that of their coefficients, and rescored that of the queries.
template <class Space, class T, class Q>
void check_attention(const Problem<Space, T, Q>& problem, const AnyFeatures& choice) {
  const FeatureCache cache{problem.cache(), feature_keys(problem), choice};
  const auto coefficients = with_coefficients(problem, cache, 5);
  const Reference approximate = exact_reference(coefficients);
  const Reference exact = exact_reference(problem);
  const Result by_features = run_once(Exact{}, problem, cache, {.seed = 5});
  CHECK(relative_error(by_features.out, approximate.out) < 2e-4);
  for (std::int64_t b = 0; b < problem.shape.batch; ++b)
    for (std::int64_t h = 0; h < problem.shape.heads; ++h) {
      const auto i = static_cast<std::size_t>(b * problem.shape.heads + h);
      CHECK(static_cast<double>(by_features.lse[i]) ==
            doctest::Approx(approximate.lse[i] + mean_part(problem, coefficients, b, h)).epsilon(2e-4));
    }
  CHECK(relative_error(by_features.out, exact.out) > 1e-3);  // the two references can be told apart
  CHECK(relative_error(run_once(Exact{}, problem, rescored(cache), {.seed = 5}).out, exact.out) < 1e-5);
}

}  // namespace santa::test
