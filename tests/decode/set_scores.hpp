// Scores of a problem that are changed from step to step.
#pragma once

#include "support/data.hpp"

#include <cstdint>
#include <random>
#include <vector>

namespace santa::test {

/// Normal scores of standard deviation `sigma`, with a few large ones, plus `added`.
template <class Space>
void set_scores(Problem<Space, float>& problem, float sigma, float added, unsigned seed = 3) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  std::vector<float> score;
  for (std::int64_t i = 0; i < problem.shape.length; ++i)
    score.push_back(sigma * normal(random) + (i % 700 == 0 ? 2.F * sigma : 0.F));
  problem.fill(1)
      .fill_scores([&](auto, std::int64_t i, auto) { return score[static_cast<std::size_t>(i)] + added; })
      .upload();
}

}  // namespace santa::test
