// The token sampler by the lane group that every device of Kokkos' has.
#include "token/problem.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

using Space = Kokkos::DefaultExecutionSpace;

TEST_CASE("tokens_of_a_team_of_threads_are_those_of_the_rule") {
  if (Space().concurrency() < lanes::GroupOf<Space>::size) {
    MESSAGE("not run: needs 32 threads");
    return;
  }
  TokenProblem<Space, bfloat16, float> problem(11, 100, 40);
  problem.fill_exact(1, 8.F);
  const Sampled sampled = problem.sample({.temperature = 0.7F, .seed = 3});
  for (std::size_t b = 0; b < problem.batch; ++b) {
    const std::vector<double> logits = problem.logits(b);
    std::vector<double> scores = logits;
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] +=
          static_cast<double>(0.7F) * gumbel_reference({.seed = 3, .request = static_cast<std::uint32_t>(b)}, i);
    CHECK(sampled.tokens[b] == static_cast<std::int64_t>(argmax(scores)));
    CHECK(static_cast<double>(sampled.logit[b]) == logits[argmax(scores)]);
    CHECK(static_cast<double>(sampled.lse[b]) == doctest::Approx(log_sum_exp(logits)).epsilon(1e-6).scale(1.));
  }
}
