// What many draws of one problem give on average. Seeds are fixed, so that a right program always passes; the bounds
// make a chance of 1e-3 that it would not for another seed.
#pragma once

#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstdint>
#include <vector>

namespace santa::test {

inline constexpr std::int64_t batch = 256;  // requests with the same rows and draws of their own
inline constexpr int runs = 16;

/// One request's rows for a whole batch, heads of a group with different queries.
template <class Space>
Problem<Space, float> shared_problem(float sigma, std::int64_t length = 512, std::int64_t heads = 4) {
  Problem<Space, float> problem({.batch = batch, .heads = heads, .kv_heads = 2, .length = length, .dim = 16},
                                Arrangement::token_major, true);
  problem.fill(17, sigma);
  return problem;
}

struct Outcome {
  double z, bound;
  double rows;       // mean rows read
  double error;      // mean squared error of a head's output
  double bar;        // mean squared error bar
  double lse_error;  // largest
};

/// Decodes `runs` times; `prepare(settings)` may change what a run is given.
template <class Space, class Runner, class Problem, class Prepare>
Outcome outcome(Runner& runner, const Problem& problem, const ReferenceOptions& options, const Prepare& prepare) {
  const Shape& shape = problem.shape;
  const auto size = [](std::int64_t n) { return static_cast<std::size_t>(n); };
  const Reference all = exact_reference(
      [&] {
        Problem one = problem;
        one.shape.batch = 1;
        return one;
      }(),
      options);
  MeanTest test(all.out);
  Outcome result{0., test.bound(), 0., 0., 0., 0.};
  double rows = 0.;
  for (int run = 0; run < runs; ++run) {
    Settings<Space> settings{.seed = 2024, .step = static_cast<std::uint32_t>(run)};
    prepare(settings);
    const Result& given = runner.run(settings);
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      const float* out = given.out.data() + b * shape.heads * shape.dim;
      test.add(out);
      for (std::int64_t h = 0; h < shape.heads; ++h) {
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          const double difference = static_cast<double>(out[h * shape.dim + d]) - all.out[size(h * shape.dim + d)];
          result.error += difference * difference;
        }
        const auto bar = static_cast<double>(given.error[size(b * shape.heads + h)]);
        result.bar += bar * bar;
        result.lse_error = std::fmax(
            result.lse_error, std::fabs(static_cast<double>(given.lse[size(b * shape.heads + h)]) - all.lse[size(h)]));
      }
    }
    for (const Statistics& s : given.statistics) rows += static_cast<double>(s.rows_read);
  }
  result.z = test.largest_z();
  result.rows = rows / static_cast<double>(runs * shape.batch * shape.kv_heads);
  result.error /= static_cast<double>(runs * shape.batch * shape.heads);
  result.bar /= static_cast<double>(runs * shape.batch * shape.heads);
  return result;
}

inline const auto nothing = [](auto&) {};

/// Unbiased, with the lse exact, and really sampled.
inline void check_unbiased(const Outcome& result) {
  CHECK(result.z < result.bound);
  CHECK(result.z > 0.5);  // else nothing was random
  CHECK(result.error > 1e-5);
  CHECK(result.lse_error < 1e-5);
  CHECK(result.rows > 30.);
}

}  // namespace santa::test
