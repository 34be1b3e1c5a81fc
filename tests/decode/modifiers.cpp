// Windows and soft caps in whole decode steps.
#include "decode/set_scores.hpp"
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

using namespace santa;
using namespace santa::test;

namespace {

const std::vector<std::int64_t> lengths = {700, 0, 1, 45, 256, 513};

template <class Space>
Problem<Space, float> problem_of_lengths() {
  Problem<Space, float> problem({.batch = 6, .heads = 4, .kv_heads = 2, .length = 700, .dim = 40});
  return problem.fill(9, 3.F).set_lengths(lengths).upload();
}

template <class Runner, class Problem>
void check(Runner&& runner, const Problem& problem, const ReferenceOptions& options, double tolerance) {
  const Reference reference = exact_reference(problem, options);
  const Result& result = runner.run();
  CHECK(relative_error(result.out, reference.out) < tolerance);
  for (std::size_t i = 0; i < reference.lse.size(); ++i) {
    if (reference.lse[i] == -HUGE_VAL)
      CHECK(result.lse[i] == -infinity);
    else
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
  }
}

const std::vector<AnyMethod> methods = {Exact{}, MassUnit{.rows = 700}, MassUnitOf<Draws::separate>{.rows = 700},
                                        Systematic{.samples = 700}};

SANTA_SPACE_TEST_CASE("a_cap_within_a_window_matches_the_reference") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : methods) {
    const Then<SoftCap, Window> both{{4.F}, {77}};
    check(Runner<Space, float, float, float, Then<SoftCap, Window>>(problem, method, {}, both), problem,
          {.cap = 4., .window = 77}, 1e-5);
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("windows_of_any_size_match_the_reference") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : methods)
    for (const std::int64_t size : {0, 1, 2, 31, 32, 33, 44, 45, 46, 255, 256, 257, 300, 512, 699, 700, 701, 100000}) {
      CAPTURE(size);
      check(Runner<Space, float, float, float, Window>(problem, method, {}, Window{size}), problem, {.window = size},
            3e-6);
    }
}

SANTA_SPACE_TEST_CASE("an_empty_window_gives_zeros_and_reads_nothing") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : methods) {
    Runner<Space, float, float, float, Window> runner(problem, method, {}, Window{0});
    const Result& result = runner.run();
    for (const float x : result.out) CHECK(x == 0.F);
    for (const float x : result.lse) CHECK(x == -infinity);
    for (const float x : result.error) CHECK(x == 0.F);
    for (const Statistics& s : result.statistics) CHECK(s.rows_read == 0);
  }
}

SANTA_SPACE_TEST_CASE("windows_read_no_more_rows_than_they_show") {
  const auto problem = problem_of_lengths<Space>();
  Runner<Space, float, float, float, Window> runner(problem, Exact{}, {}, Window{50});
  const Result& result = runner.run();
  for (std::size_t b = 0; b < 6; ++b)
    CHECK(result.statistics[2 * b].rows_read == std::min<std::int64_t>(50, lengths[b]));
}

SANTA_SPACE_TEST_CASE("keys_and_values_outside_a_window_do_not_matter_even_if_nan") {
  auto problem = problem_of_lengths<Space>();
  std::vector<Result> before;
  const std::vector<AnyMethod> all = {Exact{}, MassUnit{.rows = 20}, Systematic{.samples = 20}};
  for (const AnyMethod& method : all)
    before.push_back(Runner<Space, float, float, float, Window>(problem, method, {}, Window{50}).run());
  for (std::int64_t b = 0; b < 6; ++b)
    for (std::int64_t i = 0; i < lengths[static_cast<std::size_t>(b)] - 50; ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv)
        for (std::int64_t d = 0; d < 40; ++d) problem.key(b, i, kv, d) = problem.value(b, i, kv, d) = quiet_nan;
  problem.upload();
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Result after = Runner<Space, float, float, float, Window>(problem, all[i], {}, Window{50}).run();
    CHECK(same_bits(before[i].out, after.out));
    CHECK(same_bits(before[i].lse, after.lse));
  }
}

SANTA_SPACE_TEST_CASE("soft_caps_match_the_reference") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : methods)
    for (const float cap : {1.F, 5.F, 50.F, 1e3F, 3e4F})
      check(Runner<Space, float, float, float, SoftCap>(problem, method, {}, SoftCap{cap}), problem,
            {.cap = static_cast<double>(cap)}, 1e-5);
}

SANTA_SPACE_TEST_CASE("one_cap_after_another_matches_the_reference") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : methods) {
    const Then<SoftCap, SoftCap> both{{4.F}, {3.F}};
    check(Runner<Space, float, float, float, Then<SoftCap, SoftCap>>(problem, method, {}, both), problem,
          {.cap = 4., .second_cap = 3.}, 1e-5);
  }
}

SANTA_SPACE_TEST_CASE("budgets_are_met_while_keys_come_and_a_window_moves") {
  // Of one key a step, over the places where strides and tiles change; two requests, one of them short.
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 1100, .dim = 64});
  set_scores(problem, 2.F, 0.F);
  const auto check = [&](auto& runner, const auto& visible) {
    const auto state = runner.state();
    for (std::uint32_t step = 0; step < 100; ++step) {
      problem.replace_lengths({1000 + std::int64_t{step}, 1 + std::int64_t{step}});
      const Result& result = runner.run({.step = step, .state = state});
      CHECK(std::abs(static_cast<double>(result.statistics[0].rows_read) - 0.2 * visible(1000 + step)) <
            0.25 * 0.2 * visible(1000 + step));
      // A few rows: by chance up to one a tile more or less.
      CHECK(static_cast<double>(result.statistics[2].rows_read) < 0.3 * visible(1 + step) + 4.);
      for (const float x : result.out) REQUIRE(std::isfinite(x));
    }
  };
  Runner<Space, float> whole(problem, MassUnit{.rows = share(0.2), .steered = true});
  check(whole, [](std::uint32_t length) { return static_cast<double>(length); });
  Runner<Space, float, float, float, Window> window(problem, MassUnit{.rows = share(0.2), .steered = true}, {},
                                                    Window{500});
  check(window, [](std::uint32_t length) { return length < 500 ? static_cast<double>(length) : 500.; });
}
