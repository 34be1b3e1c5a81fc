// Feature-major copies: made, appended to, out of step, of the wrong shape.
#include "features/feature_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

using namespace santa;
using namespace santa::test;

namespace {

template <class View>
auto host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

/// Keys, moments and lengths as the problem has them; the rest of the rows 0.
template <class Space, class T, class Q, class Keys>
void check_copy(const Problem<Space, T, Q>& problem, const Keys& keys) {
  const auto copy = host(keys.keys);
  const auto mean = host(keys.mean), deviation = host(keys.deviation);
  const auto lengths = host(keys.lengths);
  bool same = true;
  for (std::size_t b = 0; b < copy.extent(0); ++b) {
    CHECK(lengths(b) == problem.lengths[b]);
    for (std::size_t kv = 0; kv < copy.extent(1); ++kv) {
      const Moments expected = moments(problem, static_cast<std::int64_t>(b), static_cast<std::int64_t>(kv));
      for (std::size_t d = 0; d < copy.extent(2); ++d) {
        CHECK(static_cast<double>(mean(b, kv, d)) == doctest::Approx(expected.mean[d]).epsilon(1e-4));
        CHECK(static_cast<double>(deviation(b, kv, d)) == doctest::Approx(expected.deviation[d]).epsilon(1e-4));
        for (std::size_t i = 0; i < copy.extent(3); ++i) {
          const auto key = static_cast<std::int64_t>(i);
          const float there = key < problem.lengths[b]
                                  ? problem.key(static_cast<std::int64_t>(b), key, static_cast<std::int64_t>(kv),
                                                static_cast<std::int64_t>(d))
                                  : 0.F;
          same = same && static_cast<float>(copy(b, kv, d, i)) == there;
        }
      }
    }
  }
  CHECK(same);
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_copy_holds_the_valid_keys_feature_by_feature") {
  for (const Arrangement where : {Arrangement::token_major, Arrangement::head_major, Arrangement::fused}) {
    Problem<Space, bfloat16> problem({.batch = 3, .heads = 2, .kv_heads = 2, .length = 130, .dim = 24}, where);
    problem.fill(1).set_lengths({130, 0, 71});
    spread_channels(problem);
    problem.upload();
    check_copy(problem, feature_keys(problem));
  }
}

SANTA_SPACE_TEST_CASE("appending_brings_a_copy_in_step_touches_no_other_key_and_does_so_once") {
  Problem<Space, bfloat16> problem({.batch = 3, .heads = 2, .kv_heads = 2, .length = 60, .dim = 64});
  problem.fill(2).set_lengths({59, 16, 0});
  spread_channels(problem);
  problem.upload();
  const auto keys = feature_keys(problem);
  for (int turn = 0; turn < 3; ++turn) {
    problem.set_lengths({60, 16 + turn, turn}).upload();
    append_keys(Space{}, problem.cache(), keys);
    append_keys(Space{}, problem.cache(), keys);  // nothing new
    check_copy(problem, keys);
    validate(Space{}, feature_cache(problem, keys, Bernoulli{}));
  }
  problem.set_lengths({60, 58, 2}).upload();
  append_keys(Space{}, problem.cache(), keys, 39);  // one fewer than are new
  CHECK(host(keys.lengths)(1) == 18);
  append_keys(Space{}, problem.cache(), keys, 40);
  check_copy(problem, keys);
}

SANTA_SPACE_TEST_CASE("validate_names_a_copy_that_is_out_of_step_and_a_key_that_is_not_finite") {
  Problem<Space, bfloat16> problem({.batch = 2, .heads = 2, .kv_heads = 2, .length = 40, .dim = 16});
  problem.fill(3).set_lengths({40, 20}).upload();
  const auto keys = feature_keys(problem);
  validate(Space{}, feature_cache(problem, keys, Bernoulli{}));
  const auto is_out_of_step = [&](const char* sentence) {
    CHECK_THROWS_WITH_AS(validate(Space{}, feature_cache(problem, keys, Bernoulli{})), sentence, std::invalid_argument);
    CHECK_THROWS_AS(validate(Space{}, rescored(feature_cache(problem, keys, Bernoulli{}))), std::invalid_argument);
  };
  problem.set_lengths({40, 22}).upload();
  is_out_of_step("santa: feature-major keys' lengths(1) is 20; accepted: that of the full cache (22)");
  append_keys(Space{}, problem.cache(), keys);  // two are new
  is_out_of_step("santa: feature-major keys' lengths(1) is 20; accepted: that of the full cache (22)");
  problem.set_lengths({39, 20}).upload();
  append_keys(Space{}, problem.cache(), keys);
  is_out_of_step("santa: feature-major keys' lengths(0) is 40; accepted: that of the full cache (39)");
  problem.set_lengths({40, 20});
  problem.key(1, 19, 1, 5) = infinity;
  problem.upload();
  transpose_keys(Space{}, problem.cache(), keys);
  is_out_of_step("santa: mean or deviation(1, 1, 5) is not finite; accepted: a finite number");
  problem.set_lengths({41, 20}).replace_lengths({41, 20});
  is_out_of_step("santa: lengths(0) is 41; accepted: 0 to the storage length (40)");
}

SANTA_SPACE_TEST_CASE("feature_keys_that_do_not_fit_are_named") {
  using Keys = FeatureKeysOf<Space, bfloat16>;
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64};
  Problem<Space, bfloat16> problem(shape);
  problem.fill(1).upload();
  const auto rejects = [&](const Keys& keys, const char* sentence) {
    CHECK_THROWS_WITH_AS(static_cast<void>(feature_cache(problem, keys, Bernoulli{}).shape()), sentence,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(transpose_keys(Space{}, problem.cache(), keys), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(append_keys(Space{}, problem.cache(), keys), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, feature_cache(problem, keys, Bernoulli{})), sentence,
                         std::invalid_argument);
  };
  const Keys good = feature_keys(problem);
  Keys bad = good;
  bad.keys = decltype(bad.keys)("test::keys", 2, 2, 64, 39);
  rejects(bad, "santa: feature-major keys' length is 39; accepted: that of the full cache (40) or more");
  bad.keys = decltype(bad.keys)("test::keys", 2, 2, 72, 40);
  rejects(bad, "santa: mean.extent(2) is 64; accepted: that of keys (72)");
  bad = good;
  bad.lengths = decltype(bad.lengths)("test::lengths", 1);
  rejects(bad, "santa: lengths of feature-major keys.extent(0) is 1; accepted: that of keys (2)");
  bad = good;
  bad.deviation = decltype(bad.deviation)("test::deviation", 2, 1, 64);
  rejects(bad, "santa: deviation.extent(1) is 1; accepted: that of keys (2)");
  rejects(Keys(Space{}, {.batch = 3, .kv_heads = 2, .length = 40, .dim = 64}),
          "santa: feature-major keys' batch is 3; accepted: that of the full cache (2)");
  rejects(Keys(Space{}, {.batch = 2, .kv_heads = 1, .length = 40, .dim = 64}),
          "santa: feature-major keys' kv_heads is 1; accepted: that of the full cache (2)");
  rejects(Keys(Space{}, {.batch = 2, .kv_heads = 2, .length = 40, .dim = 72}),
          "santa: feature-major keys' dim is 72; accepted: that of the full cache (64)");
  CHECK_THROWS_WITH_AS((Keys(Space{}, {.batch = 1, .kv_heads = 1, .length = 8, .dim = 12})),
                       "santa: dim is 12; accepted: a multiple of 8 from 8 to 256", std::invalid_argument);
  CHECK_THROWS_WITH_AS(append_keys(Space{}, problem.cache(), good, -1), "santa: most is -1; accepted: 0 or more",
                       std::invalid_argument);
}

SANTA_SPACE_TEST_CASE("mean_and_deviation_lie_without_gaps") {
  using Keys = FeatureKeysOf<Space, bfloat16>;
  Problem<Space, bfloat16> problem({.batch = 2, .heads = 1, .kv_heads = 1, .length = 40, .dim = 24});
  problem.fill(1).upload();
  const Keys good = feature_keys(problem);
  const decltype(good.mean) padded(Kokkos::view_alloc("test::padded", Kokkos::AllowPadding), 2, 1, 24);
  REQUIRE(padded.stride(0) == 32);
  const auto rejects = [&](const Keys& keys, const char* sentence) {
    CHECK_THROWS_WITH_AS(transpose_keys(Space{}, problem.cache(), keys), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(append_keys(Space{}, problem.cache(), keys), sentence, std::invalid_argument);
    const auto cache = feature_cache(problem, keys, Bernoulli{});
    CHECK_THROWS_WITH_AS(validate(Space{}, cache), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, cache), sentence, std::invalid_argument);
  };
  Keys bad = good;
  bad.mean = padded;
  rejects(bad, "santa: mean.stride(0) is 32; accepted: 24: elements lie without gaps");
  bad = good;
  bad.deviation = padded;
  rejects(bad, "santa: deviation.stride(0) is 32; accepted: 24: elements lie without gaps");
}

SANTA_SPACE_TEST_CASE("policies_that_can_not_be_are_named") {
  Problem<Space, bfloat16> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 8, .dim = 8});
  problem.fill(1).upload();
  const auto keys = feature_keys(problem);
  const auto rejects = [&](const AnyFeatures& choice, const char* sentence) {
    const auto cache = feature_cache(problem, keys, choice);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, cache), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(chosen(problem, cache), sentence, std::invalid_argument);
  };
  rejects(Bernoulli{.draws = 0}, "santa: draws is 0; accepted: 1 to 128");
  rejects(Bernoulli{.draws = -1}, "santa: draws is -1; accepted: 1 to 128");
  rejects(Bernoulli{.draws = 129}, "santa: draws is 129; accepted: 1 to 128");
  rejects(SystematicFeatures{.features = 0}, "santa: features is 0; accepted: 1 to 256");
  rejects(TopFeatures{.features = 257}, "santa: features is 257; accepted: 1 to 256");
  const Kokkos::View<float***, typename Space::memory_space> coefficients("test::coefficients", 1, 1, 8);
  CHECK_THROWS_WITH_AS(choose_features(Space{}, problem.queries(), feature_cache(problem, keys, Bernoulli{}),
                                       coefficients, {.scale = std::numeric_limits<float>::infinity()}),
                       "santa: scale is inf; accepted: a finite number", std::invalid_argument);
}
