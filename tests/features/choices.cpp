// Policies against their plain definitions.
#include "features/feature_problem.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Calls f(batch, kv head, first query head, the rest of them) for every group.
template <class F>
void for_each_group(const Shape& shape, F&& f) {
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) f(b, kv, kv * shape.group());
}

/// Importance of features for a group's heads: the largest |q_d|, times the deviation of the keys.
template <class Problem, class Keys>
std::vector<double> importance(const Problem& problem, const Keys& keys, std::int64_t b, std::int64_t kv,
                               bool by_query = false) {
  const auto deviation = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, keys.deviation);
  std::vector<double> result;
  for (std::int64_t d = 0; d < problem.shape.dim; ++d) {
    float largest = 0.F;
    for (std::int64_t h = kv * problem.shape.group(); h < (kv + 1) * problem.shape.group(); ++h)
      largest = std::fmax(largest, std::fabs(problem.query(b, h, d)));
    result.push_back(static_cast<double>(by_query ? largest : largest * deviation(at(b), at(kv), at(d))));
  }
  return result;
}

/// Inclusion probabilities proportional to importance, at most 1, that add up to `features`.
std::vector<double> probabilities(const std::vector<double>& importance, double features) {
  std::vector<double> result(importance.size());
  double low = 0., high = 1e30;
  for (int i = 0; i < 400; ++i) {
    const double factor = low + (high - low) / (i < 200 ? 1024. : 2.);  // a wide range first
    double sum = 0.;
    for (std::size_t d = 0; d < result.size(); ++d) sum += result[d] = std::fmin(1., importance[d] * factor);
    (sum > features ? high : low) = factor;
  }
  return result;
}

const std::vector<Shape> shapes = {{.batch = 2, .heads = 8, .kv_heads = 2, .length = 60, .dim = 128},
                                   {.batch = 1, .heads = 3, .kv_heads = 3, .length = 33, .dim = 72},
                                   {.batch = 1, .heads = 10, .kv_heads = 2, .length = 20, .dim = 256},
                                   {.batch = 1, .heads = 16, .kv_heads = 1, .length = 9, .dim = 8}};

template <class Space>
Problem<Space, bfloat16, bfloat16> make_problem(const Shape& shape) {
  Problem<Space, bfloat16, bfloat16> problem(shape);
  problem.fill(3);
  spread_channels(problem);
  problem.upload();
  return problem;
}

}  // namespace

SANTA_SPACE_TEST_CASE("bernoulli_draws_as_its_definition_says_by_uniforms_that_a_group_shares") {
  for (const Shape& shape : shapes)
    for (const int draws : {1, 3}) {
      const auto problem = make_problem<Space>(shape);
      const Chosen result =
          chosen(problem, feature_cache(problem, feature_keys(problem), Bernoulli{.draws = draws}), 7, 4, 2);
      bool same = true;
      for_each_group(shape, [&](std::int64_t b, std::int64_t kv, std::int64_t first) {
        const StreamKey key{.seed = 7, .step = 4, .stream = 2, .request = static_cast<std::uint32_t>(b)};
        for (std::int64_t h = first; h < first + shape.group(); ++h) {
          float s = 0.F;
          for (std::int64_t d = 0; d < shape.dim; ++d) s = std::fmax(s, std::fabs(problem.query(b, h, d)));
          for (std::int64_t d = 0; d < shape.dim; ++d) {
            const float q = problem.query(b, h, d);
            int times = 0;
            for (int draw = 0; draw < draws; ++draw) {
              const std::uint32_t index = (1U << 31) + static_cast<std::uint32_t>(kv * 32768 + draw * 256 + d);
              const std::uint32_t uniform = key.draw(65535, index).word[0] >> 8;
              times += static_cast<double>(uniform) < static_cast<double>(std::fabs(q) / s) * 0x1p24 ? 1 : 0;
            }
            const float expected = (q < 0.F ? -1.F : 1.F) * static_cast<float>(times) * (s / static_cast<float>(draws));
            same = same && result.coefficients[at((b * shape.heads + h) * shape.dim + d)] == expected;
          }
        }
      });
      CHECK(same);
    }
}

SANTA_SPACE_TEST_CASE("systematic_features_are_drawn_in_proportion_to_their_importance") {
  for (const Shape& shape : shapes)
    for (const int features : {1, 5, 40, 300 /* all */}) {
      if (features > 256 && shape.dim < 256) continue;
      const int asked = std::min(features, 256);
      const auto problem = make_problem<Space>(shape);
      const auto keys = feature_keys(problem);
      const Chosen result = chosen(problem, feature_cache(problem, keys, SystematicFeatures{asked}));
      for_each_group(shape, [&](std::int64_t b, std::int64_t kv, std::int64_t first) {
        const auto share = importance(problem, keys, b, kv);
        const bool all = asked >= shape.dim;
        const auto pi = all ? std::vector<double>(at(shape.dim), 1.) : probabilities(share, asked);
        int used = 0;
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          bool read = false;
          for (std::int64_t h = first; h < first + shape.group(); ++h) {
            const auto c = static_cast<double>(result.coefficients[at((b * shape.heads + h) * shape.dim + d)]);
            const auto q = static_cast<double>(problem.query(b, h, d));
            read = read || c != 0.;
            if (c != 0.) CHECK(c == doctest::Approx(q / pi[at(d)]).epsilon(1e-3));
            if (pi[at(d)] > 0.9999) CHECK(c == q);
          }
          used += read ? 1 : 0;
        }
        CHECK(std::abs(used - std::min<std::int64_t>(asked, shape.dim)) <= 1);
      });
    }
}

SANTA_SPACE_TEST_CASE("top_features_are_the_most_important_ones") {
  for (const Shape& shape : shapes)
    for (const bool by_query : {false, true}) {
      const int features = static_cast<int>(shape.dim) / 3;
      const auto problem = make_problem<Space>(shape);
      const auto keys = feature_keys(problem);
      const Chosen result = chosen(problem, feature_cache(problem, keys, TopFeatures{features, by_query}));
      bool same = true;
      for_each_group(shape, [&](std::int64_t b, std::int64_t kv, std::int64_t first) {
        const auto share = importance(problem, keys, b, kv, by_query);
        std::vector<std::int64_t> order(at(shape.dim));
        std::iota(order.begin(), order.end(), 0);
        std::stable_sort(order.begin(), order.end(),
                         [&](std::int64_t x, std::int64_t y) { return share[at(x)] > share[at(y)]; });
        for (std::int64_t rank = 0; rank < shape.dim; ++rank)
          for (std::int64_t h = first; h < first + shape.group(); ++h) {
            const std::int64_t d = order[at(rank)];
            same = same && result.coefficients[at((b * shape.heads + h) * shape.dim + d)] ==
                               (rank < features ? problem.query(b, h, d) : 0.F);
          }
      });
      CHECK(same);
    }
}

SANTA_SPACE_TEST_CASE("mean_scores_over_steps_are_those_of_the_keys_and_their_spread_is_the_variance") {
  const Shape shape{.batch = 1, .heads = 8, .kv_heads = 2, .length = 40, .dim = 64};
  const auto problem = make_problem<Space>(shape);
  const auto keys = feature_keys(problem);
  for (const AnyFeatures& choice : {AnyFeatures(Bernoulli{}), AnyFeatures(Bernoulli{.draws = 4}),
                                    AnyFeatures(SystematicFeatures{.features = 24})}) {
    const auto cache = feature_cache(problem, keys, choice);
    constexpr int steps = 3000;
    const std::size_t scores = at(shape.heads * shape.length);
    std::vector<double> sum(scores), square(scores), exact(scores);
    std::vector<float> variance;
    const auto score = [&](const auto& of_query, std::int64_t h, std::int64_t i) {
      const Moments of_keys = moments(problem, 0, h / shape.group());
      double total = 0.;
      for (std::int64_t d = 0; d < shape.dim; ++d)
        total += static_cast<double>(of_query(h, d)) *
                 (static_cast<double>(problem.key(0, i, h / shape.group(), d)) - of_keys.mean[at(d)]);
      return total / 8.;
    };
    std::vector<std::vector<double>> centered(scores);
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      const Moments of_keys = moments(problem, 0, h / shape.group());
      for (std::int64_t i = 0; i < shape.length; ++i) {
        exact[at(h * shape.length + i)] =
            score([&](std::int64_t head, std::int64_t d) { return problem.query(0, head, d); }, h, i);
        for (std::int64_t d = 0; d < shape.dim; ++d)
          centered[at(h * shape.length + i)].push_back(static_cast<double>(problem.key(0, i, h / shape.group(), d)) -
                                                       of_keys.mean[at(d)]);
      }
    }
    for (int step = 0; step < steps; ++step) {
      const Chosen result = chosen(problem, cache, 11, static_cast<std::uint32_t>(step));
      variance = result.variance;
      for (std::size_t k = 0; k < scores; ++k) {
        double total = 0.;
        for (std::int64_t d = 0; d < shape.dim; ++d)
          total += static_cast<double>(result.coefficients[k / at(shape.length) * at(shape.dim) + at(d)]) *
                   centered[k][at(d)];
        sum[k] += total / 8.;
        square[k] += total * total / 64.;
      }
    }
    // 320 of them: one beyond 5 has a chance of 2e-4 in all.
    double worst = 0.;
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      double spread = 0.;
      for (std::int64_t i = 0; i < shape.length; ++i) {
        const std::size_t k = at(h * shape.length + i);
        const double mean = sum[k] / steps;
        const double deviation = std::sqrt(square[k] / steps - mean * mean);
        worst = std::fmax(worst, std::fabs(mean - exact[k]) / (deviation / std::sqrt(double{steps})));
        spread += deviation * deviation / static_cast<double>(shape.length);
      }
      // Systematic draws lean on each other, which the variance leaves out.
      CHECK(static_cast<double>(variance[at(h)]) < 1.3 * spread);
      CHECK(static_cast<double>(variance[at(h)]) > 0.8 * spread);
    }
    CHECK(worst < 5.);
  }
}

SANTA_SPACE_TEST_CASE("features_are_drawn_anew_by_step_stream_and_seed_and_the_same_again_by_the_same") {
  const auto problem = make_problem<Space>(shapes[0]);
  const auto cache = feature_cache(problem, feature_keys(problem), Bernoulli{});
  const auto draw = [&](std::uint64_t seed, std::uint32_t step, std::uint16_t stream) {
    return chosen(problem, cache, seed, step, stream).coefficients;
  };
  const auto first = draw(1, 2, 3);
  CHECK(first == draw(1, 2, 3));
  CHECK(first != draw(2, 2, 3));
  CHECK(first != draw(1, 3, 3));
  CHECK(first != draw(1, 2, 4));
}

SANTA_SPACE_TEST_CASE("a_feature_that_is_the_same_in_all_keys_is_never_read_and_never_missed") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 50, .dim = 64});
  problem.fill(2);
  for (std::int64_t i = 0; i < 50; ++i) problem.key(0, i, 0, 9) = 3.F;
  problem.upload();
  const auto keys = feature_keys(problem);
  const Chosen result = chosen(problem, feature_cache(problem, keys, SystematicFeatures{.features = 64}));
  for (std::size_t d = 0; d < 64; ++d) CHECK((result.coefficients[d] == 0.F) == (d == 9));
}

SANTA_SPACE_TEST_CASE("a_query_that_is_not_finite_keeps_its_coefficient") {
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 10, .dim = 8});
  problem.fill(2);
  problem.query(0, 1, 3) = quiet_nan;
  problem.upload();
  const auto keys = feature_keys(problem);
  for (const AnyFeatures& choice : {AnyFeatures(Bernoulli{}), AnyFeatures(SystematicFeatures{.features = 2}),
                                    AnyFeatures(TopFeatures{.features = 2})}) {
    const auto cache = feature_cache(problem, keys, choice);
    const Chosen result = chosen(problem, cache);
    for (std::size_t i = 0; i < 16; ++i) CHECK(std::isnan(result.coefficients[i]) == (i == 11));
    CHECK(std::isnan(run_once(Exact{}, problem, cache).lse[1]));
  }
}
