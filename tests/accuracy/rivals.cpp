#include "accuracy/rivals.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <random>
#include <vector>

namespace {

using santa::accuracy::RivalOutput;
using santa::accuracy::RivalProblem;

constexpr std::size_t heads = 3, length = 512, dim = 16;

RivalProblem problem_of(unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<float> normal;
  const auto numbers = [&](std::size_t count) {
    std::vector<float> all(count);
    for (float& one : all) one = normal(random);
    return all;
  };
  RivalProblem problem;
  problem.heads = heads, problem.length = length, problem.dim = dim;
  problem.keys = numbers(length * dim);
  problem.values = numbers(length * dim);
  std::vector<float> query = numbers(heads * dim);
  for (float& q : query) q *= 0.25F;  // scores of a deviation of 1
  problem.take_query(query);
  return problem;
}

std::vector<double> exact(const RivalProblem& p) {
  std::vector<double> out(heads * dim, 0.);
  for (std::size_t head = 0; head < heads; ++head)
    for (std::size_t i = 0; i < length; ++i)
      for (std::size_t d = 0; d < dim; ++d)
        out[head * dim + d] += p.weight[head * length + i] * static_cast<double>(p.values[i * dim + d]);
  return out;
}

double error(const std::vector<double>& out, const std::vector<double>& right) {
  double off = 0., norm = 0.;
  for (std::size_t at = 0; at < right.size(); ++at) {
    off += std::pow(out.at(at) - right[at], 2);
    norm += right[at] * right[at];
  }
  return std::sqrt(off / norm);
}

/// Relative error of the mean of many draws, and of one.
template <class Draw>
void check_mean(const RivalProblem& problem, const Draw& draw, double most_bytes) {
  constexpr int draws = 100;
  std::vector<double> mean(heads * dim, 0.);
  const std::vector<double> right = exact(problem);
  double one = 0.;
  for (int n = 0; n < draws; ++n) {
    const RivalOutput result = draw();
    CHECK(result.share <= most_bytes);
    one += error(result.out, right) / draws;
    for (std::size_t at = 0; at < mean.size(); ++at) mean[at] += result.out[at] / draws;
  }
  CHECK(one > 0.02);
  CHECK(error(mean, right) < one / 4.);  // what a biased choice of the same rows has is as large as one
}

TEST_CASE("rivals that read everything are exact") {
  const RivalProblem problem = problem_of(1);
  std::mt19937_64 random(2);
  CHECK(error(santa::accuracy::top_rows(problem, 1.).out, exact(problem)) < 1e-12);
  CHECK(error(santa::accuracy::heavy_and_uniform(problem, 1., random).out, exact(problem)) < 1e-12);
  const RivalOutput pages = santa::accuracy::Pages(problem).read(problem, 1. + 1. / 32.);
  CHECK(error(pages.out, exact(problem)) < 1e-12);
  CHECK(pages.share == doctest::Approx(1. + 1. / 32.));
}

TEST_CASE("the largest rows are read, and as many as the bytes allow") {
  const RivalProblem problem = problem_of(3);
  const RivalOutput half = santa::accuracy::top_rows(problem, 0.5), tenth = santa::accuracy::top_rows(problem, 0.1);
  CHECK(half.share == doctest::Approx(0.5));
  CHECK(tenth.share == doctest::Approx(51. / 512.));
  CHECK(error(half.out, exact(problem)) < error(tenth.out, exact(problem)));
}

TEST_CASE("rivals that draw have no bias but that of a ratio") {
  const RivalProblem problem = problem_of(4);
  std::mt19937_64 random(5);
  SUBCASE("heavy and uniform") {
    check_mean(
        problem, [&] { return santa::accuracy::heavy_and_uniform(problem, 0.25, random); }, 0.25);
  }
  SUBCASE("hash tables") {
    check_mean(
        problem, [&] { return santa::accuracy::HashTables(problem, random).read(problem, 0.5); }, 0.5);
  }
  SUBCASE("product codes") {
    const santa::accuracy::ProductCodes codes(problem, random);
    check_mean(
        problem, [&] { return codes.draw(problem, 0.6, random); }, 0.75);
  }
}

TEST_CASE("a share that is too small for what a rival reads in any case gives nothing") {
  const RivalProblem problem = problem_of(6);
  std::mt19937_64 random(7);
  CHECK(santa::accuracy::Pages(problem).read(problem, 0.03).out.empty());
  CHECK(santa::accuracy::HashTables(problem, random).read(problem, 0.05).out.empty());
  CHECK(santa::accuracy::ProductCodes(problem, random).draw(problem, 0.1, random).out.empty());
}

}  // namespace
