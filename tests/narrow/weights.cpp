// Weights of rows that are scored again: right however far the copy's scores are from those of the keys.
#include "narrow/check_exact.hpp"
#include "narrow/pieces_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

/// Keys whose scores are `told`, and a copy of them; then keys and their scores become `full`: the copy is stale.
template <class Space, class Check>
void with_stale_copies(const Shape& shape, const std::function<float(std::int64_t)>& told,
                       const std::function<float(std::int64_t)>& full, const Check& check) {
  const auto problem_of = [&](const std::function<float(std::int64_t)>& score) {
    Problem<Space, float, float> problem(shape);
    problem.fill(4).fill_scores([&](std::int64_t, std::int64_t i, std::int64_t) { return score(i); });
    for (std::int64_t i = 0; i < shape.length; ++i) problem.value(0, i, 0, 0) = static_cast<float>(i % 7 + 1);
    return problem.upload();
  };
  const auto old = problem_of(told);
  const auto now = problem_of(full);
  const auto with = [&](const auto& narrow) { check(now, NarrowCache{now.cache(), narrow}); };
  with(narrow_keys<std::int8_t>(old));
  with(narrow_keys<float8>(old));
  with(narrow_keys<int4x2>(old));
  with(low_rank_keys(old, shape.dim));
  with(sparse_keys(old, shape.dim));
}

template <class Result>
void check_reference(const Result& result, const Reference& exact) {
  CHECK(relative_error(result.out, exact.out) < 1e-5);
  for (std::size_t i = 0; i < exact.lse.size(); ++i)
    CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(exact.lse[i]).epsilon(1e-5));
  for (const float bar : result.error) CHECK(bar == 0.F);
  for (const Statistics& s : result.statistics) {
    CHECK(std::isfinite(s.effective_sample_size));
    CHECK(s.effective_sample_size > 0.9F);
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_row_far_above_or_below_the_score_of_its_copy_has_its_own_weight") {
  const Shape shape{.batch = 1, .heads = 2, .kv_heads = 1, .length = 2, .dim = 8};
  for (const float far : {20.F, 50.F, 88.F, 90.F, 200.F, 5000.F, -50.F, -90.F, -200.F, -5000.F}) {
    CAPTURE(far);
    const auto zero = [](std::int64_t) { return 0.F; };
    const auto second = [far](std::int64_t i) { return i == 1 ? far : 0.F; };
    const auto check = [](const auto& problem, const auto& cache) {
      const Reference exact = exact_reference(problem);
      for (const AnyMethod& method : exact_and_samplers(3))
        std::visit([&](const auto& m) { check_reference(run_once(m, problem, rescored(cache)), exact); }, method);
    };
    with_stale_copies<Space>(shape, zero, second, check);
    with_stale_copies<Space>(shape, second, zero, check);
  }
}

SANTA_SPACE_TEST_CASE("states_of_splits_whose_copies_are_wrong_in_their_own_ways_merge") {
  const Shape shape{.batch = 1, .heads = 4, .kv_heads = 1, .length = 3000, .dim = 64};
  const auto told = [](std::int64_t i) { return i < 1000 ? 300.F : 2.F * std::sin(static_cast<float>(i)); };
  const auto full = [](std::int64_t i) { return (i < 2000 ? 0.F : 150.F) + 2.F * std::cos(static_cast<float>(i)); };
  with_stale_copies<Space>(shape, told, full, [](const auto& problem, const auto& cache) {
    const Reference exact = exact_reference(problem);
    for (const std::int64_t keys_per_split : {256, 4096})
      for (const AnyMethod& method : exact_and_samplers(3001)) {
        CAPTURE(method.index());
        std::visit(
            [&](const auto& m) {
              check_reference(run_once(m, problem, rescored(cache), {}, {.keys_per_split = keys_per_split}), exact);
            },
            method);
      }
  });
}

SANTA_SPACE_TEST_CASE("large_queries_on_coarse_codes_give_exact_attention_where_every_row_is_read") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 500, .dim = 64});
  problem.fill(11, 150.F).upload();
  const Reference exact = exact_reference(problem);
  const auto check = [&](const auto& narrow) {
    const NarrowCache cache{problem.cache(), narrow};
    for (const AnyMethod& method : exact_and_samplers(501))
      std::visit([&](const auto& m) { check_reference(run_once(m, problem, rescored(cache)), exact); }, method);
  };
  check(narrow_keys<int4x2>(problem));
  check(sparse_keys(problem, 4));
}

SANTA_SPACE_TEST_CASE("delta_is_carried_by_the_mass_of_the_scores_that_rows_are_drawn_by") {
  const Shape shape{.batch = 1, .heads = 2, .kv_heads = 1, .length = 800, .dim = 64};
  const auto told = [](std::int64_t i) { return 2.F * std::sin(static_cast<float>(i)); };
  const auto full = [&](std::int64_t i) { return told(i) + 120.F; };
  with_stale_copies<Space>(shape, told, full, [&](const auto& problem, const auto& cache) {
    const auto carried = [&](const auto& by) {
      const DecodeState<typename Space::memory_space> state(Space{}, problem.shape);
      run_once(MassUnit{.rows = 80}, problem, by, {.state = state});
      return to_host<float>(
          Kokkos::View<float*, typename Space::memory_space>(state.log2_sum.data(), state.log2_sum.size()));
    };
    const std::vector<float> by_copy = carried(cache);
    CHECK(std::isfinite(by_copy[0]));
    CHECK(same_bits(carried(rescored(cache)), by_copy));
  });
}

namespace {

/// Every copy of the keys, made before or after one key has got a feature that is NaN.
template <class Space, class Check>
void with_copies_of_a_broken_key(bool calibrated_before, const Check& check) {
  Problem<Space, float, float> whole({.batch = 1, .heads = 4, .kv_heads = 2, .length = 300, .dim = 64});
  whole.fill(6).upload();
  auto broken = whole;
  broken.key(0, 123, 0, 5) = quiet_nan;
  broken.upload();
  const auto code = [&]<class Code>(Code) {
    const auto narrow = narrow_keys<Code>(calibrated_before ? whole : broken);
    encode_keys(Space{}, broken.cache(), narrow);
    check(broken, NarrowCache{broken.cache(), narrow});
  };
  code(std::int8_t{});
  code(float8{});
  code(int4x2{});
  check(broken, NarrowCache{broken.cache(), low_rank_keys(broken, 16)});
  check(broken, NarrowCache{broken.cache(), sparse_keys(broken, 8)});
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_key_that_is_no_number_shows_with_every_copy_and_method") {
  for (const bool calibrated_before : {true, false})
    with_copies_of_a_broken_key<Space>(calibrated_before, [&](const auto& problem, const auto& cache) {
      CAPTURE(calibrated_before);
      for (const AnyMethod& method : exact_and_samplers(30)) {
        CAPTURE(method.index());
        std::visit(
            [&](const auto& m) {
              const auto check = [&](const Result& result) {
                for (std::size_t head = 0; head < 4; ++head) {
                  const bool whole = head >= 2;  // the other kv head's
                  CHECK(std::isfinite(result.lse[head]) == whole);
                  for (std::size_t d = 0; d < 64; ++d) CHECK(std::isnan(result.out[64 * head + d]) == !whole);
                  CHECK(std::isnan(result.lse[head]) == !whole);
                  CHECK(std::isnan(result.error[head]) == !whole);
                }
              };
              check(run_once(m, problem, cache));
              check(run_once(m, problem, rescored(cache)));
            },
            method);
      }
    });
}

SANTA_SPACE_TEST_CASE("an_infinite_query_feature_shows_with_every_code") {
  for (const float feature : {infinity, -infinity}) {
    Problem<Space, bfloat16, float> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 300, .dim = 64});
    problem.fill(12);
    for (std::int64_t i = 0; i < 300; ++i) problem.key(0, i, 0, 3) -= 50.F;  // all of one sign
    problem.query(0, 1, 3) = feature;
    problem.upload();
    const auto check = [&](const auto& narrow) {
      const NarrowCache cache{problem.cache(), narrow};
      for (const Result& result : {run_once(Exact{}, problem, cache), run_once(MassUnit{.rows = 30}, problem, cache),
                                   run_once(MassUnit{.rows = 30}, problem, rescored(cache))})
        for (std::size_t head = 0; head < 4; ++head) {
          CHECK(std::isnan(result.lse[head]) == (head == 1));
          CHECK(std::isnan(result.out[64 * head]) == (head == 1));
        }
    };
    check(narrow_keys<std::int8_t>(problem));
    check(narrow_keys<float8>(problem));
    check(narrow_keys<int4x2>(problem));
  }
}

SANTA_SPACE_TEST_CASE("tiles_whose_copies_are_far_below_the_others_keep_their_draws_weights") {
  const Shape shape{.batch = 1, .heads = 2, .kv_heads = 1, .length = 512, .dim = 64};
  for (const float below : {-60.F, -84.F, -86.F, -120.F}) {
    CAPTURE(below);
    // All scores are 0; the copy tells that of half of the tiles alone.
    const auto told = [below](std::int64_t i) { return i / 32 % 2 == 0 ? 0.F : below; };
    const auto check = [](const auto& problem, const auto& cache) {
      const Reference exact = exact_reference(problem);
      double mean = 0.;
      for (std::uint64_t seed = 1; seed <= 32; ++seed) {
        const Result result =
            run_once(FixedTileBudget{.samples = 64, .tile = 32}, problem, rescored(cache), {.seed = seed});
        CHECK(static_cast<double>(result.lse[0]) == doctest::Approx(exact.lse[0]).epsilon(0.01));
        mean += static_cast<double>(result.out[0]) / 32.;
      }
      CHECK(mean == doctest::Approx(exact.out[0]).epsilon(0.05));
    };
    with_stale_copies<Space>(
        shape, told, [](std::int64_t) { return 0.F; }, check);
  }
}

SANTA_SPACE_TEST_CASE("a_copy_made_before_calibrate_shows_as_nan") {
  Problem<Space, bfloat16, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 100, .dim = 64});
  problem.fill(5).upload();
  const NarrowKeysOf<Space, std::int8_t> narrow(Space{}, problem.shape);
  encode_keys(Space{}, problem.cache(), narrow);
  for (const float x : run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}).out) CHECK(std::isnan(x));
}

SANTA_SPACE_TEST_CASE("separate_draws_of_rescored_rows_have_a_bar_or_say_that_they_have_none") {
  const Shape shape{.batch = 1, .heads = 2, .kv_heads = 1, .length = 1000, .dim = 64};
  const auto told = [](std::int64_t i) { return 2.F * std::sin(static_cast<float>(i)); };
  for (const float above : {-100.F, 100.F})
    with_stale_copies<Space>(
        shape, told, [&](std::int64_t i) { return told(i) + above; },
        [](const auto& problem, const auto& cache) {
          const MassUnitOf<Draws::separate> separate{.rows = 100};
          const Result result = run_once(separate, problem, rescored(cache), {.seed = 3});
          for (const float bar : result.error) CHECK(bar > 0.F);
          for (const Statistics& s : result.statistics) CHECK((s.flags & Statistics::no_error_bar) == 0);
        });
}
