// What is neither usual nor an error has a defined result.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t all_rows = 100000;

/// All methods, first with budgets of some rows, then of all.
const std::vector<AnyMethod> methods = [] {
  std::vector<AnyMethod> some = exact_and_samplers(40);
  const std::vector<AnyMethod> all = samplers(all_rows);
  some.insert(some.end(), all.begin(), all.end());
  return some;
}();

/// True if the budget of a method is of all rows.
bool covers(const AnyMethod& method) {
  return std::visit(
      [](const auto& m) {
        if constexpr (requires { m.samples; })
          return m.samples == all_rows;
        else if constexpr (requires { m.rows; })
          return m.rows == RowBudget(all_rows);
        else
          return true;
      },
      method);
}

constexpr std::int64_t dim = 64;

/// True if all of a head's output is NaN; false if none is.
bool is_nan(const Result& result, std::size_t head) {
  int count = 0;
  for (std::size_t d = 0; d < dim; ++d) count += std::isnan(result.out[head * dim + d]);
  CHECK((count == 0 || count == dim));
  return count > 0;
}

template <class Space>
Problem<Space, float> usual() {
  Problem<Space, float> problem({.batch = 2, .heads = 6, .kv_heads = 2, .length = 300, .dim = dim});
  return problem.fill(21);
}

}  // namespace

SANTA_SPACE_TEST_CASE("requests_without_keys_give_zeros_and_minus_infinity") {
  auto problem = usual<Space>();
  problem.set_lengths({0, 300}).upload();
  std::vector<float> center(2 * 2 * dim, 5.F);
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run({.center = center});
    for (std::size_t i = 0; i < 6 * dim; ++i) CHECK(result.out[i] == 0.F);
    for (std::size_t h = 0; h < 6; ++h) {
      CHECK(result.lse[h] == -infinity);
      CHECK(result.error[h] == 0.F);
      CHECK(std::isfinite(result.lse[6 + h]));
    }
    for (std::size_t kv = 0; kv < 2; ++kv) {
      CHECK(result.statistics[kv].rows_read == 0);
      CHECK(result.statistics[kv].samples == 0);
      CHECK(result.statistics[kv].effective_sample_size == 0.F);
    }
  }
}

SANTA_SPACE_TEST_CASE("storage_without_slots_is_decoded_to_zeros") {
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 0, .dim = dim});
  problem.fill(1).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run();
    for (const float x : result.out) CHECK(x == 0.F);
    for (const float x : result.lse) CHECK(x == -infinity);
  }
}

SANTA_SPACE_TEST_CASE("one_key_gives_its_value") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 1, .dim = dim});
  problem.fill(1).upload();
  std::vector<AnyMethod> any = exact_and_samplers(1);
  any.push_back(MassUnit{});
  for (const AnyMethod& more : samplers(50)) any.push_back(more);
  for (const AnyMethod& method : any) {
    Runner<Space, float> runner(problem, method);
    const bool certain = method.index() != 1 || std::get<MassUnit>(method).rows.of(1) >= 1.;
    const Result& result = runner.run();
    for (std::int64_t h = 0; certain && h < 4; ++h)
      for (std::int64_t d = 0; d < dim; ++d)
        CHECK(result.out[static_cast<std::size_t>(h * dim + d)] ==
              doctest::Approx(problem.value(0, 0, h / 2, d)).epsilon(1e-6));
    for (std::int64_t h = 0; h < 4; ++h)
      CHECK(static_cast<double>(result.lse[static_cast<std::size_t>(h)]) ==
            doctest::Approx(reference_scores(problem, 0, h)[0]).epsilon(1e-5));
  }
}

SANTA_SPACE_TEST_CASE("nan_in_a_query_shows_in_its_head_only") {
  auto problem = usual<Space>();
  problem.upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> before(problem, method);
    const Result clean = before.run();
    auto bad = problem;
    bad.query(1, 4, 13) = quiet_nan;
    bad.upload();
    Runner<Space, float> runner(bad, method);
    const Result& result = runner.run();
    for (std::size_t h = 0; h < 12; ++h) CHECK(is_nan(result, h) == (h == 10));
    for (std::size_t h = 0; h < 12; ++h) CHECK(std::isnan(result.lse[h]) == (h == 10));
    // Other kv heads don't notice at all.
    for (std::size_t i = 0; i < 9 * dim; ++i) CHECK(result.out[i] == clean.out[i]);
  }
}

SANTA_SPACE_TEST_CASE("nan_in_a_key_shows_in_the_heads_of_its_group_only") {
  auto problem = usual<Space>();
  for (const std::int64_t key : {0, 100, 299}) {
    auto bad = problem;
    bad.key(0, key, 1, 63) = quiet_nan;
    bad.upload();
    for (const AnyMethod& method : methods) {
      Runner<Space, float> runner(bad, method);
      const Result& result = runner.run();
      for (std::size_t h = 0; h < 12; ++h) CHECK(is_nan(result, h) == (h >= 3 && h < 6));
      for (std::size_t h = 0; h < 12; ++h) CHECK(std::isnan(result.lse[h]) == (h >= 3 && h < 6));
    }
  }
}

SANTA_SPACE_TEST_CASE("nan_in_every_key_is_nan_and_no_crash") {
  auto problem = usual<Space>();
  for (std::int64_t i = 0; i < 300; ++i) problem.key(0, i, 0, 0) = quiet_nan;
  problem.upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const auto state = runner.state();
    for (std::uint32_t step = 0; step < 3; ++step) {
      const Result& result = runner.run({.step = step, .state = state});
      for (std::size_t h = 0; h < 12; ++h) CHECK(is_nan(result, h) == (h < 3));
    }
  }
}

SANTA_SPACE_TEST_CASE("infinite_scores_give_nan_and_minus_infinite_ones_no_weight") {
  auto problem = usual<Space>();
  for (std::int64_t h = 0; h < 6; ++h) {
    for (std::int64_t d = 0; d < dim; ++d) problem.query(0, h, d) = problem.query(1, h, d) = 0.F;
    problem.query(0, h, 0) = problem.query(1, h, 0) = 1.F;
  }
  auto plus = problem;
  plus.key(0, 7, 0, 0) = infinity;
  plus.upload();
  auto minus = problem;
  minus.key(0, 7, 0, 0) = -infinity;
  minus.upload();
  for (const AnyMethod& method : methods) {
    const Result high = Runner<Space, float>(plus, method).run();
    for (std::size_t h = 0; h < 12; ++h) CHECK(is_nan(high, h) == (h < 3));
    const Result low = Runner<Space, float>(minus, method).run();
    const Reference reference = exact_reference(minus);
    for (std::size_t h = 0; h < 12; ++h) {
      CHECK_FALSE(is_nan(low, h));
      CHECK(static_cast<double>(low.lse[h]) == doctest::Approx(reference.lse[h]).epsilon(1e-5));
    }
  }
}

SANTA_SPACE_TEST_CASE("only_minus_infinite_scores_give_zeros") {
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 100, .dim = dim});
  problem.fill(1).fill_scores([](auto, auto, auto) { return -infinity; }).upload();
  for (const AnyMethod& method : methods) {
    const Result result = Runner<Space, float>(problem, method).run();
    for (const float x : result.out) CHECK(x == 0.F);
    for (const float x : result.lse) CHECK(x == -infinity);
  }
}

SANTA_SPACE_TEST_CASE("nan_in_a_value_row_matters_only_where_it_is_drawn") {
  // Key 50 has almost no weight, key 60 most of it.
  for (const bool heavy : {false, true}) {
    Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 200, .dim = dim});
    problem.fill(1).fill_scores([](auto, std::int64_t i, auto) {
      return i == 50 ? -60.F : i == 60 ? 8.F : 0.01F * static_cast<float>(i);
    });
    problem.value(0, heavy ? 60 : 50, 0, 3) = quiet_nan;
    problem.upload();
    for (const AnyMethod& method : samplers(40)) {
      const Result result = Runner<Space, float>(problem, method).run();
      for (std::size_t h = 0; h < 2; ++h)
        for (std::size_t d = 0; d < dim; ++d) CHECK(std::isnan(result.out[h * dim + d]) == (heavy && d == 3));
    }
    const Result exact = Runner<Space, float>(problem, Exact{}).run();
    CHECK(std::isnan(exact.out[3]));
    CHECK_FALSE(std::isnan(exact.out[4]));
  }
}

SANTA_SPACE_TEST_CASE("scores_spread_over_thousands_underflow_to_the_largest") {
  Problem<Space, float> problem({.batch = 1, .heads = 4, .kv_heads = 2, .length = 600, .dim = dim});
  problem.fill(4).fill_scores(
      [](auto, std::int64_t i, auto) { return 20.F * static_cast<float>((i * 271) % 600) - 9000.F; },
      [](std::int64_t h) { return h % 2 == 0 ? 1.F : -0.5F; });
  problem.upload();
  const Reference reference = exact_reference(problem);
  for (const AnyMethod& method : methods) {
    const Result result = Runner<Space, float>(problem, method).run();
    CHECK(relative_error(result.out, reference.out) < 1e-3);
    for (std::size_t h = 0; h < 4; ++h)
      CHECK(static_cast<double>(result.lse[h]) == doctest::Approx(reference.lse[h]).epsilon(1e-5));
  }
}

SANTA_SPACE_TEST_CASE("very_large_and_very_small_scores_do_not_overflow") {
  for (const float size : {1e4F, -1e4F, 1e20F, -1e20F, 1e36F, -1e36F}) {
    CAPTURE(size);
    Problem<Space, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 300, .dim = dim});
    // Equal scores: every row has the same weight, however large the score.
    problem.fill(4).fill_scores([&](auto, auto, auto) { return size; });
    problem.upload();
    const Reference reference = exact_reference(problem);
    for (const AnyMethod& method : methods) {
      const Result result = Runner<Space, float>(problem, method).run();
      CHECK(relative_error(result.out, reference.out) < (covers(method) ? 1e-5 : 1.));
      CHECK(static_cast<double>(result.lse[0]) == doctest::Approx(static_cast<double>(size)).epsilon(1e-3));
    }
  }
}

SANTA_SPACE_TEST_CASE("scores_down_to_1e38_below_0_are_no_hidden_keys") {
  for (const float size : {1e38F, -1e38F, -1.5e38F}) {
    CAPTURE(size);
    const bool hidden = size < -1e38F;
    Problem<Space, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 300, .dim = dim});
    problem.fill(4).fill_scores([](auto, auto, auto) { return 0.F; });
    const Reference reference = exact_reference(problem);  // of equal scores
    problem.fill_scores([&](auto, auto, auto) { return 0.125F * size; });
    problem.upload();
    for (const AnyMethod& method : methods) {
      const Result result = Runner<Space, float>(problem, method, {.scale = 1.F}).run();
      CHECK((hidden ? result.lse[0] == -infinity : std::fabs(result.lse[0] / size - 1.F) < 1e-3F));
      if (hidden)
        for (const float x : result.out) CHECK(x == 0.F);
      else
        CHECK(relative_error(result.out, reference.out) < (covers(method) ? 1e-5 : 1.));
    }
  }
}

SANTA_SPACE_TEST_CASE("lengths_out_of_range_are_clamped_and_flagged_by_run") {
  const Shape shape{.batch = 4, .heads = 2, .kv_heads = 1, .length = 50, .dim = dim};
  Problem<Space, float> problem(shape);
  problem.fill(3).upload();
  auto clamped = problem;
  clamped.set_lengths({0, 50, 50, 7}).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> good(clamped, method);
    const Result expected = good.run();
    auto bad = clamped;
    bad.upload();
    bad.replace_lengths({-1, 51, std::int64_t{1} << 40, 7});
    Runner<Space, float> runner(bad, method);
    const Result& result = runner.run();
    CHECK(same_bits(result.out, expected.out));
    for (std::size_t b = 0; b < 4; ++b) {
      CHECK(result.statistics[b].flags == (b < 3 ? Statistics::length_clamped : 0U));
      CHECK(result.statistics[b].rows_read == expected.statistics[b].rows_read);
    }
    CHECK_THROWS_WITH_AS(validate(Space{}, bad.cache()),
                         "santa: lengths(0) is -1; accepted: 0 to the storage length (50)", std::invalid_argument);
    bad.replace_lengths({5, 51, -1, 7});
    CHECK_THROWS_WITH_AS(validate(Space{}, bad.cache()),
                         "santa: lengths(1) is 51; accepted: 0 to the storage length (50)", std::invalid_argument);
    CHECK_NOTHROW(validate(Space{}, clamped.cache()));
  }
}

SANTA_SPACE_TEST_CASE("decode_validates_lengths_and_leaves_the_output_alone") {
  Problem<Space, float> problem({.batch = 2, .heads = 2, .kv_heads = 1, .length = 50, .dim = dim});
  problem.fill(3).upload();
  const Kokkos::View<float***, Kokkos::LayoutRight, typename Space::memory_space> out("test::out", 2, 2, dim);
  const Kokkos::View<float*, typename Space::memory_space> flat(out.data(), out.size());
  Kokkos::deep_copy(out, 7.F);
  problem.replace_lengths({50, 51});
  CHECK_THROWS_AS(decode(Space{}, MassUnit{}, problem.queries(), problem.cache(), out), std::invalid_argument);
  for (const float x : to_host<float>(flat)) CHECK(x == 7.F);
  problem.replace_lengths({50, 49});
  decode(Space{}, MassUnit{.rows = 50}, problem.queries(), problem.cache(), out);
  CHECK(relative_error(to_host<float>(flat), exact_reference([&] {
                                               auto shorter = problem;
                                               shorter.lengths = {50, 49};
                                               return shorter;
                                             }())
                                                 .out) < 1e-5);
}

SANTA_SPACE_TEST_CASE("outputs_are_optional_and_of_any_stride") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 100, .dim = 40});
  problem.fill(3).upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 20});
  const Result& expected = runner.run();
  using Memory = typename Space::memory_space;
  // A larger array, of which every other head and the middle features are the output.
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> large("test::large", 2, 4, 2, 64);
  Kokkos::deep_copy(large, 7.F);
  const auto out = Kokkos::subview(large, Kokkos::ALL, Kokkos::ALL, 1, std::make_pair(8, 48));
  const DecodePlan plan(Space{}, MassUnit{.rows = 20}, problem.queries(), problem.cache());
  plan.run(Space{}, problem.queries(), problem.cache(), out, {.seed = 1});
  Space{}.fence();
  const auto mirror = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, large);
  int wrong = 0;
  for (std::size_t b = 0; b < 2; ++b)
    for (std::size_t h = 0; h < 4; ++h)
      for (std::size_t d = 0; d < 64; ++d) {
        wrong += mirror(b, h, 0, d) != 7.F;
        wrong += mirror(b, h, 1, d) != (d >= 8 && d < 48 ? expected.out[(b * 4 + h) * 40 + d - 8] : 7.F);
      }
  CHECK(wrong == 0);
}
