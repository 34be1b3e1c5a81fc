// Sparse keys: how they are made and what is computed from them.
#include "narrow/check_exact.hpp"
#include "narrow/pieces_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("sparse_keys_are_the_largest_features_in_order") {
  Problem<Space, float> problem({.batch = 2, .heads = 2, .kv_heads = 2, .length = 50, .dim = 72},
                                Arrangement::head_major);
  problem.fill(1).set_lengths({50, 7});
  for (std::int64_t d = 0; d < 72; ++d) problem.key(0, 3, 1, d) = d % 3 == 0 ? 1.F : -1.F;  // all equal
  problem.upload();
  const auto expected = cut_to_largest(problem, 11);
  for (const CacheLayout layout : {CacheLayout::token_major, CacheLayout::head_major}) {
    const auto narrow = sparse_keys(problem, 11, 0, layout);
    const auto features = on_host(narrow.features);
    const auto values = on_host(narrow.values);
    for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
      std::vector<float> row(72, 0.F);
      int before = -1;
      for (std::int64_t j = 0; j < 11; ++j) {
        const int feature = element(features, layout, b, i, kv, j);
        CHECK(feature > before);
        before = feature;
        row[static_cast<std::size_t>(feature)] = static_cast<float>(element(values, layout, b, i, kv, j));
      }
      for (std::int64_t d = 0; d < 72; ++d) CHECK(row[static_cast<std::size_t>(d)] == expected.key(b, i, kv, d));
    });
  }
}

SANTA_SPACE_TEST_CASE("appending_cuts_the_newest_keys_and_touches_no_other") {
  Problem<Space, bfloat16> problem({.batch = 3, .heads = 2, .kv_heads = 2, .length = 50, .dim = 64});
  problem.fill(2).set_lengths({50, 17, 1}).upload();
  const auto all = sparse_keys(problem, 16);
  const SparseKeys<typename Space::memory_space> appended(Space{}, problem.shape, 16);
  Kokkos::deep_copy(appended.features, std::uint8_t{200});
  encode_newest_keys(Space{}, problem.cache(), appended, 2);
  const auto expected = on_host(all.features), features = on_host(appended.features);
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t i = 0; i < 50; ++i)
      for (std::size_t kv = 0; kv < 2; ++kv) {
        const auto length = static_cast<std::size_t>(problem.lengths[b]);
        const bool newest = i < length && i + 2 >= length;
        for (std::size_t j = 0; j < 16; ++j)
          CHECK(int{features(b, i, kv, j)} == (newest ? int{expected(b, i, kv, j)} : 200));
      }
}

SANTA_SPACE_TEST_CASE("sparse_keys_give_attention_over_what_they_stand_for") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = 128});
  problem.fill(3).set_lengths({300, 77}).upload();
  for (const std::int64_t k : {1, 16, 21}) {
    CAPTURE(k);
    for (const std::int64_t query_k : {std::int64_t{0}, k, std::int64_t{128}}) {
      CAPTURE(query_k);
      check_stands_for(problem, sparse_keys(problem, k, query_k), cut_to_largest(problem, k, query_k));
    }
  }
  const auto whole = sparse_keys(problem, 128);
  CHECK(relative_error(run_once(Exact{}, problem, NarrowCache{problem.cache(), whole}).out,
                       exact_reference(problem).out) < 1e-5);
}

SANTA_SPACE_TEST_CASE("the_mean_over_seeds_is_attention_over_sparse_keys_or_by_rescoring_over_keys") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 2000, .dim = 64});
  problem.fill(8, 1.5F).upload();
  const auto narrow = sparse_keys(problem, 24);
  const NarrowCache cache{problem.cache(), narrow};
  // Errors of 64 seeds fall by 8 where they are independent and have mean 0; by less than 4 where they had not.
  const auto is_right_on_average = [&](const auto& sampled, const Reference& reference) {
    constexpr int seeds = 64;
    std::vector<float> mean(reference.out.size());
    double square = 0.;
    for (int s = 0; s < seeds; ++s) {
      const Result result =
          run_once(MassUnit{.rows = 300}, problem, sampled, {.seed = static_cast<std::uint64_t>(s) + 1});
      const double error = relative_error(result.out, reference.out);
      square += error * error / seeds;
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += result.out[i] / seeds;
    }
    CHECK(relative_error(mean, reference.out) < std::sqrt(square) / 4.);
    CHECK(std::sqrt(square) < 0.5);
  };
  is_right_on_average(cache, exact_reference(cut_to_largest(problem, 24)));
  is_right_on_average(rescored(cache), exact_reference(problem));
}

SANTA_SPACE_TEST_CASE("sparse_keys_that_do_not_fit_are_named") {
  using Keys = SparseKeys<typename Space::memory_space>;
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64};
  Problem<Space, bfloat16> problem(shape);
  problem.fill(1).upload();
  const auto rejects = [&](const Keys& narrow, const char* sentence) {
    CHECK_THROWS_WITH_AS(static_cast<void>(NarrowCache{problem.cache(), narrow}.shape()), sentence,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}), sentence,
                         std::invalid_argument);
  };
  const auto refuses = [&](const Shape& given, std::int64_t k, std::int64_t query_k, const char* sentence) {
    CHECK_THROWS_WITH_AS((Keys(Space{}, given, k, query_k)), sentence, std::invalid_argument);
  };
  refuses(shape, 0, 0, "santa: features of a key is 0; accepted: 1 to dim (64)");
  refuses(shape, 65, 0, "santa: features of a key is 65; accepted: 1 to dim (64)");
  refuses(shape, 8, -1, "santa: query_features is -1; accepted: 0 to dim (64)");
  refuses(shape, 8, 65, "santa: query_features is 65; accepted: 0 to dim (64)");
  refuses({.length = 40, .dim = 264}, 8, 0, "santa: dim is 264; accepted: a multiple of 8 from 8 to 256");
  rejects(Keys(Space{}, {.batch = 2, .kv_heads = 1, .length = 40, .dim = 64}, 8),
          "santa: narrow keys' kv_heads is 1; accepted: that of the full cache (2)");
  Keys bad(Space{}, shape, 8);
  bad.values = decltype(bad.values)("test::values", 2, 40, 2, 7);
  rejects(bad, "santa: values.extent(3) is 7; accepted: that of features (8)");
  bad = Keys(Space{}, shape, 8);
  bad.query_features = 70;
  rejects(bad, "santa: query_features is 70; accepted: 0 to dim (64)");
  bad.dim = 300;
  rejects(bad, "santa: dim is 300; accepted: a multiple of 8 from 8 to 256");
}

SANTA_SPACE_TEST_CASE("validate_names_a_feature_that_there_is_not_and_keys_that_are_not_finite") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64});
  problem.fill(3);
  problem.key(1, 33, 1, 7) = quiet_nan;
  problem.upload();
  const auto narrow = sparse_keys(problem, 4);
  const NarrowCache cache{problem.cache(), narrow};
  CHECK_THROWS_WITH_AS(
      validate(Space{}, cache),
      "santa: narrow row (1, 1, 33) is not finite or out of place; accepted: finite values at places below 64",
      std::invalid_argument);
  const Result result = run_once(Exact{}, problem, cache);
  for (std::size_t h = 0; h < 8; ++h) CHECK(std::isnan(result.lse[h]) == (h >= 6));
  Kokkos::deep_copy(Kokkos::subview(narrow.features, 0, 39, 1, 3), std::uint8_t{64});
  CHECK_THROWS_WITH_AS(
      validate(Space{}, cache),
      "santa: narrow row (0, 1, 39) is not finite or out of place; accepted: finite values at places below 64",
      std::invalid_argument);
}
