// Low-rank keys: how they are made and what is computed from them.
#include "narrow/check_exact.hpp"
#include "narrow/pieces_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("low_rank_keys_are_the_projected_keys_within_rounding") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 2, .kv_heads = 2, .length = 50, .dim = 72},
                                             Arrangement::head_major);
  problem.fill(1).set_lengths({50, 7}).upload();
  for (const CacheLayout layout : {CacheLayout::token_major, CacheLayout::head_major}) {
    const auto narrow = low_rank_keys(problem, 11, layout);
    const auto keys = on_host(narrow.keys);
    const auto projection = on_host(narrow.projection);
    for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
      for (std::int64_t r = 0; r < 11; ++r) {
        double expected = 0.;
        for (std::int64_t d = 0; d < 72; ++d)
          expected += static_cast<double>(projection(kv, r, d)) * static_cast<double>(problem.key(b, i, kv, d));
        const auto given = static_cast<double>(static_cast<float>(element(keys, layout, b, i, kv, r)));
        CHECK(std::fabs(given - expected) <= 0x1p-8 * std::fabs(expected) + 1e-5);
      }
    });
  }
}

SANTA_SPACE_TEST_CASE("appending_projects_the_newest_keys_and_touches_no_other") {
  Problem<Space, bfloat16> problem({.batch = 3, .heads = 2, .kv_heads = 2, .length = 50, .dim = 64});
  problem.fill(2).set_lengths({50, 17, 1}).upload();
  const auto all = low_rank_keys(problem, 16);
  const LowRankKeys<bfloat16, typename Space::memory_space> appended(Space{}, problem.shape, 16);
  Kokkos::deep_copy(appended.projection, all.projection);
  Kokkos::deep_copy(appended.keys, bfloat16(3.F));
  encode_newest_keys(Space{}, problem.cache(), appended, 2);
  const auto expected = on_host(all.keys), keys = on_host(appended.keys);
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t i = 0; i < 50; ++i)
      for (std::size_t kv = 0; kv < 2; ++kv) {
        const auto length = static_cast<std::size_t>(problem.lengths[b]);
        const bool newest = i < length && i + 2 >= length;
        for (std::size_t r = 0; r < 16; ++r)
          CHECK(keys(b, i, kv, r).bits == (newest ? expected(b, i, kv, r).bits : bfloat16(3.F).bits));
      }
}

SANTA_SPACE_TEST_CASE("low_rank_keys_give_attention_over_what_they_stand_for") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = 128});
  problem.fill(3, 1.F).set_lengths({300, 77}).upload();
  for (const std::int64_t rank : {1, 24, 50, 128}) {
    CAPTURE(rank);
    const auto narrow = low_rank_keys(problem, rank);
    check_stands_for(problem, narrow, stand_in(problem, narrow));
  }
}

SANTA_SPACE_TEST_CASE("principal_directions_are_orthonormal_and_keep_keys_that_lie_in_them") {
  constexpr std::int64_t rank = 6;
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 90, .dim = 64});
  problem.fill(4, 1.F).set_lengths({90, 31});
  // Keys of kv head g: numbers times 6 fixed vectors, which are not orthogonal.
  Problem<Space, float> vectors({.batch = 1, .heads = 1, .kv_heads = 2, .length = rank, .dim = 64});
  vectors.shape.heads = 2;
  vectors.fill(5);
  for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
    float number[rank];
    for (std::int64_t r = 0; r < rank; ++r) number[r] = 0.2F * problem.key(b, i, kv, r);
    for (std::int64_t d = 0; d < 64; ++d) {
      problem.key(b, i, kv, d) = 0.F;
      for (std::int64_t r = 0; r < rank; ++r) problem.key(b, i, kv, d) += number[r] * vectors.key(0, r, kv, d);
    }
  });
  problem.upload();
  const LowRankKeys<float, typename Space::memory_space> narrow(Space{}, problem.shape, rank);
  calibrate(Space{}, problem.cache(), narrow);
  encode_keys(Space{}, problem.cache(), narrow);
  const auto projection = on_host(narrow.projection);
  for (std::size_t kv = 0; kv < 2; ++kv)
    for (std::size_t r = 0; r < rank; ++r)
      for (std::size_t s = 0; s < rank; ++s) {
        double product = 0.;
        for (std::size_t d = 0; d < 64; ++d)
          product += static_cast<double>(projection(kv, r, d)) * static_cast<double>(projection(kv, s, d));
        CHECK(product == doctest::Approx(r == s ? 1. : 0.).epsilon(1e-5));
      }
  const Reference exact = exact_reference(problem);
  const Result result = run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow});
  CHECK(relative_error(result.out, exact.out) < 1e-4);
  // One direction less does not hold them; the first is the one in which keys are largest.
  const LowRankKeys<float, typename Space::memory_space> fewer(Space{}, problem.shape, rank - 1);
  calibrate(Space{}, problem.cache(), fewer);
  encode_keys(Space{}, problem.cache(), fewer);
  CHECK(relative_error(run_once(Exact{}, problem, NarrowCache{problem.cache(), fewer}).out, exact.out) > 1e-3);
  const auto keys = on_host(narrow.keys);
  double squares[rank] = {};
  for_each_key(problem, [&](std::int64_t b, std::int64_t i, std::int64_t kv) {
    for (std::int64_t r = 0; r < rank && kv == 0; ++r)
      squares[r] += static_cast<double>(keys(b, i, kv, r)) * static_cast<double>(keys(b, i, kv, r));
  });
  CHECK(std::is_sorted(squares, squares + rank, std::greater<>()));
}

SANTA_SPACE_TEST_CASE("every_sampler_takes_low_rank_keys_and_by_rescoring_gives_exact_attention_over_all_rows") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 6, .kv_heads = 2, .length = 300, .dim = 64});
  problem.fill(7, 1.F).upload();
  const auto narrow = low_rank_keys(problem, 20);
  const NarrowCache cache{problem.cache(), narrow};
  const Reference exact = exact_reference(problem);
  const Reference approximate = exact_reference(stand_in(problem, narrow));
  for (const AnyMethod& method : samplers(301)) {
    CAPTURE(method.index());
    std::visit(
        [&](const auto& m) {
          CHECK(relative_error(run_once(m, problem, cache).out, approximate.out) < codes_tolerance);
          const Result by_keys = run_once(m, problem, rescored(cache));
          CHECK(relative_error(by_keys.out, exact.out) < 1e-5);
          for (const float bar : by_keys.error) CHECK(bar == 0.F);
        },
        method);
  }
}

SANTA_SPACE_TEST_CASE("low_rank_keys_that_do_not_fit_are_named") {
  using Keys = LowRankKeys<bfloat16, typename Space::memory_space>;
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64};
  Problem<Space, bfloat16> problem(shape);
  problem.fill(1).upload();
  const auto rejects = [&](const Keys& narrow, const char* sentence) {
    CHECK_THROWS_WITH_AS(static_cast<void>(NarrowCache{problem.cache(), narrow}.shape()), sentence,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(calibrate(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}), sentence,
                         std::invalid_argument);
  };
  CHECK_THROWS_WITH_AS((Keys(Space{}, shape, 0)), "santa: rank is 0; accepted: 1 to dim (64)", std::invalid_argument);
  CHECK_THROWS_WITH_AS((Keys(Space{}, shape, 65)), "santa: rank is 65; accepted: 1 to dim (64)", std::invalid_argument);
  rejects(Keys(Space{}, {.batch = 2, .kv_heads = 2, .length = 41, .dim = 64}, 8),
          "santa: narrow keys' length is 41; accepted: that of the full cache (40)");
  rejects(Keys(Space{}, {.batch = 2, .kv_heads = 2, .length = 40, .dim = 72}, 8),
          "santa: narrow keys' dim is 72; accepted: that of the full cache (64)");
  Keys bad(Space{}, shape, 8);
  bad.projection = decltype(bad.projection)("test::projection", 1, 8, 64);
  rejects(bad, "santa: projection.extent(0) is 1; accepted: that of keys (2)");
  bad.projection = decltype(bad.projection)("test::projection", 2, 9, 64);
  rejects(bad, "santa: projection.extent(1) is 9; accepted: that of keys (8)");
  rejects(Keys{}, "santa: kv_heads is 0; accepted: 1 to 65535");
}

SANTA_SPACE_TEST_CASE("a_projection_lies_without_gaps") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 40, .dim = 24});
  problem.fill(3).upload();
  auto narrow = low_rank_keys(problem, 1);
  decltype(narrow.projection) padded(Kokkos::view_alloc("test::padded", Kokkos::AllowPadding), 2, 1, 24);
  REQUIRE(padded.stride(0) == 32);
  narrow.projection = padded;
  const char* const sentence = "santa: projection.stride(0) is 32; accepted: 24: elements lie without gaps";
  CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
  CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}), sentence,
                       std::invalid_argument);
}

SANTA_SPACE_TEST_CASE("keys_that_are_refused_leave_the_projection_of_every_head") {
  Problem<Space, bfloat16> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64});
  problem.fill(3).upload();
  const auto narrow = low_rank_keys(problem, 8);
  const auto numbers = [&] {
    return to_host<float>(Kokkos::View<float*, typename Space::memory_space>(narrow.projection.data(), 2 * 8 * 64));
  };
  const std::vector<float> before = numbers();
  problem.fill(4).key(1, 33, 1, 7) = infinity;  // of the last head: that of the first one could be found
  problem.upload();
  CHECK_THROWS_WITH_AS(calibrate(Space{}, problem.cache(), narrow),
                       "santa: feature 7 of a key of kv head 1 is not finite; accepted: finite keys to calibrate by",
                       std::invalid_argument);
  CHECK(same_bits(numbers(), before));
}

SANTA_SPACE_TEST_CASE("validate_names_what_is_not_finite_in_low_rank_keys") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64});
  problem.fill(3).upload();
  auto narrow = low_rank_keys(problem, 8);
  validate(Space{}, NarrowCache{problem.cache(), narrow});
  problem.key(1, 33, 0, 7) = infinity;
  problem.upload();
  encode_keys(Space{}, problem.cache(), narrow);
  CHECK_THROWS_WITH_AS(
      validate(Space{}, NarrowCache{problem.cache(), narrow}),
      "santa: narrow row (1, 0, 33) is not finite or out of place; accepted: finite values at places below 8",
      std::invalid_argument);
  CHECK_THROWS_WITH_AS(calibrate(Space{}, problem.cache(), narrow),
                       "santa: feature 7 of a key of kv head 0 is not finite; accepted: finite keys to calibrate by",
                       std::invalid_argument);
  const Result result = run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow});
  for (std::size_t h = 0; h < 8; ++h) CHECK(std::isnan(result.lse[h]) == (h == 4 || h == 5));
  problem.set_lengths({40, 33}).upload();  // it is not valid any more
  validate(Space{}, NarrowCache{problem.cache(), narrow});
  Kokkos::deep_copy(Kokkos::subview(narrow.projection, 1, 3, 5), quiet_nan);
  CHECK_THROWS_WITH_AS(validate(Space{}, NarrowCache{problem.cache(), narrow}),
                       "santa: a query as prepared for (0, 1) is not finite; accepted: finite numbers for finite "
                       "queries, hence no NaN in a projection",
                       std::invalid_argument);
}
