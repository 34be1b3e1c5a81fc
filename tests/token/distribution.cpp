// The distribution of sampled tokens against softmax of logits in double, by chi-square.
#include "problem.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// A right program exceeds it with probability 1e-6 (one-sided).
const double most_z = two_sided_quantile(2e-6);

std::vector<double> softmax(std::vector<double> logits, double temperature) {
  for (double& x : logits) x /= temperature;
  const double lse = log_sum_exp(logits);
  for (double& x : logits) x = std::exp(x - lse);
  return logits;
}

/// Counts of each row over steps, for `batch` requests of the same hidden state.
template <class Space, class T>
std::vector<double> count_tokens(const TokenProblem<Space, T, float>& problem, float temperature, std::uint32_t steps) {
  std::vector<double> counts(problem.vocab, 0.);
  const TokenSampler<Space> sampler(Space{}, problem.shape());
  for (std::uint32_t step = 0; step < steps; ++step)
    for (const std::int64_t token : problem
                                        .sample(sampler, problem.hidden(), problem.weights(),
                                                {.temperature = temperature, .seed = 17, .step = step})
                                        .tokens)
      counts.at(static_cast<std::size_t>(token)) += 1.;
  return counts;
}

template <class Space, class T>
void check_distribution(std::size_t batch, std::size_t vocab, float temperature, std::uint32_t steps) {
  CAPTURE(vocab);
  CAPTURE(temperature);
  TokenProblem<Space, T, float> problem(batch, vocab, 16);
  std::mt19937 random(5);
  std::normal_distribution<float> normal;
  problem.set([](std::size_t, std::size_t d) { return 0.2F + 0.01F * static_cast<float>(d); },
              [&](std::size_t, std::size_t) { return normal(random); });
  const std::vector<double> p = softmax(problem.logits(0), static_cast<double>(temperature));
  CHECK(chi_square_z(count_tokens(problem, temperature, steps), p) < most_z);
}

}  // namespace

SANTA_SPACE_TEST_CASE("tokens_have_the_distribution_of_softmax") {
  for (const float temperature : {0.5F, 1.F, 3.F}) {
    check_distribution<Space, bfloat16>(64, 37, temperature, 300);
    check_distribution<Space, float>(64, 100, temperature, 300);
  }
  check_distribution<Space, santa::half>(3, 5, 1.F, 3000);
  check_distribution<Space, bfloat16>(1, 40, 1.F, 5000);
}

SANTA_SPACE_TEST_CASE("requests_steps_and_streams_draw_independently") {
  constexpr std::size_t vocab = 5;
  TokenProblem<Space, bfloat16, float> problem(64, vocab, 8);
  problem.set([](std::size_t, std::size_t) { return 0.1F; },
              [](std::size_t i, std::size_t) { return static_cast<float>(i) * 0.5F; });
  const std::vector<double> p = softmax(problem.logits(0), 1.);
  std::vector<double> joint;
  for (const double x : p)
    for (const double y : p) joint.push_back(x * y);
  const TokenSampler<Space> sampler(Space{}, problem.shape());
  const auto sample = [&](std::uint64_t seed, std::uint32_t step, std::uint16_t stream) {
    return problem.sample(sampler, problem.hidden(), problem.weights(), {.seed = seed, .step = step, .stream = stream})
        .tokens;
  };
  std::vector<double> of_requests(25, 0.), of_steps(25, 0.), of_streams(25, 0.), of_seeds(25, 0.);
  const auto count = [](std::vector<double>& counts, std::int64_t a, std::int64_t b) {
    counts.at(static_cast<std::size_t>(a) * vocab + static_cast<std::size_t>(b)) += 1.;
  };
  for (std::uint32_t step = 0; step < 400; step += 2) {
    const auto tokens = sample(1, step, 0), later = sample(1, step + 1, 0), stream = sample(1, step, 1),
               seed = sample(2, step, 0);
    for (std::size_t b = 0; b < 64; ++b) {
      if (b % 2 == 0) count(of_requests, tokens[b], tokens[b + 1]);
      count(of_steps, tokens[b], later[b]);
      count(of_streams, tokens[b], stream[b]);
      count(of_seeds, tokens[b], seed[b]);
    }
  }
  for (const auto& counts : {of_requests, of_steps, of_streams, of_seeds}) CHECK(chi_square_z(counts, joint) < most_z);
}
