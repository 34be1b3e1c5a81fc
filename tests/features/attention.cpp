// Methods on some features of the keys.
#include "features/check_attention.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("scores_by_features_are_those_of_the_chosen_coefficients") {
  for (const std::int64_t dim : {64, 128}) {
    CAPTURE(dim);
    Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = dim});
    problem.fill(3).set_lengths({300, 77});
    spread_channels(problem);
    problem.upload();
    for (const AnyFeatures& choice :
         {AnyFeatures(Bernoulli{}), AnyFeatures(Bernoulli{.draws = 5}), AnyFeatures(SystematicFeatures{.features = 40}),
          AnyFeatures(TopFeatures{.features = 17}), AnyFeatures(TopFeatures{20, true})})
      check_attention(problem, choice);
  }
}

SANTA_SPACE_TEST_CASE("all_features_give_attention_over_the_keys") {
  Problem<Space, santa::half, santa::half> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 200, .dim = 128},
                                                   Arrangement::head_major);
  problem.fill(4);
  spread_channels(problem);
  problem.upload();
  const auto keys = feature_keys(problem);
  const Reference exact = exact_reference(problem);
  for (const AnyFeatures& choice : {AnyFeatures(SystematicFeatures{.features = 128}), AnyFeatures(TopFeatures{128})}) {
    const Result result = run_once(Exact{}, problem, feature_cache(problem, keys, choice));
    CHECK(relative_error(result.out, exact.out) < 2e-4);
    for (std::size_t i = 0; i < exact.lse.size(); ++i)
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(exact.lse[i]).epsilon(2e-4));
  }
}

SANTA_SPACE_TEST_CASE("units_of_many_tiles_of_features_are_read_right_whether_few_rows_are_drawn_or_all") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 5000, .dim = 128});
  problem.fill(9, 1.F);
  // Many rows in some places and none in others: what waits to be gathered comes and goes.
  for (std::int64_t i = 0; i < 5000; ++i)
    if (i / 700 % 2 == 1)
      for (std::int64_t d = 0; d < 128; ++d) problem.key(0, i, 0, d) *= 4.F;
  problem.upload();
  const auto keys = feature_keys(problem);
  const Reference exact = exact_reference(problem);
  for (const int features : {20, 60, 127}) {
    const FeatureCache cache{problem.cache(), keys, AnyFeatures(TopFeatures{.features = features})};
    const Reference approximate = exact_reference(with_coefficients(problem, cache, 1));
    for (const std::int64_t keys_per_split : {5120, 1024}) {
      const PlanOptions options{.keys_per_split = keys_per_split};
      CHECK(relative_error(run_once(Exact{}, problem, cache, {}, options).out, approximate.out) < 2e-4);
      CHECK(relative_error(run_once(Exact{}, problem, rescored(cache), {}, options).out, exact.out) < 1e-5);
      const MassUnit most{.rows = share(0.7)};
      CHECK(relative_error(run_once(most, problem, cache, {}, options).out, approximate.out) < 0.05);
      CHECK(relative_error(run_once(most, problem, rescored(cache), {}, options).out, exact.out) < 0.1);
    }
  }
}

SANTA_SPACE_TEST_CASE("rescored_results_come_nearer_to_exact_attention_with_more_rows_and_with_seeds") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 2000, .dim = 64});
  problem.fill(8, 1.F).upload();
  const FeatureCache cache{problem.cache(), feature_keys(problem), AnyFeatures(SystematicFeatures{.features = 32})};
  const Reference exact = exact_reference(problem);
  double before = 1.;
  for (const std::int64_t rows : {100, 400, 1600}) {
    constexpr int seeds = 64;
    double square = 0.;
    std::vector<float> mean(exact.out.size());
    for (int s = 0; s < seeds; ++s) {
      const Result result =
          run_once(MassUnit{.rows = rows}, problem, rescored(cache), {.seed = static_cast<std::uint64_t>(s) + 1});
      square += std::pow(relative_error(result.out, exact.out), 2) / seeds;
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += result.out[i] / seeds;
    }
    CHECK(std::sqrt(square) < 0.8 * before);
    before = std::sqrt(square);
    CHECK(relative_error(mean, exact.out) < before / 3.);
  }
}
