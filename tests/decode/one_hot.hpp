// A problem whose output shows the weight of every row.
#pragma once

#include "support/reference.hpp"
#include "support/runner.hpp"

#include <cmath>
#include <random>
#include <vector>

/// Names for tests of single rows.
namespace santa::test::unit_rows {

inline constexpr std::int64_t n = 256;
inline constexpr std::int64_t heads = 6;
inline constexpr std::int64_t group = 3;

/// Six heads over 256 keys with known float scores; value row i is unit vector i.
template <class Space>
Problem<Space, float> one_hot(std::int64_t batch = 1) {
  Problem<Space, float> problem({.batch = batch, .heads = heads, .kv_heads = 2, .length = n, .dim = n});
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  problem.fill_scores([&](auto, auto, auto) { return 1.5F * normal(random); },
                      [](std::int64_t h) { return 1.F - 0.3F * static_cast<float>(h % group); });
  return problem.fill_one_hot();
}

/// The scores of a head in log2 units as a kernel has them: one product, rounded once.
template <class Problem>
std::vector<float> kernel_scores(const Problem& problem, std::int64_t b, std::int64_t h) {
  const float scale = 1.F / std::sqrt(static_cast<float>(problem.shape.dim));
  const float query = problem.query(b, h, 0) * (scale * lanes::log2_of_e);
  std::vector<float> scores;
  for (std::int64_t i = 0; i < problem.lengths[static_cast<std::size_t>(b)]; ++i)
    scores.push_back(problem.key(b, i, h / problem.shape.group(), 0) * query);
  return scores;
}

inline double mass_of(const std::vector<float>& scores) {
  double sum = 0.;
  for (const float s : scores) sum += std::exp2(static_cast<double>(s));
  return sum;
}

}  // namespace santa::test::unit_rows
