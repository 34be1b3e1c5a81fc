// Several tokens a step: each sees its own keys, whatever the method.
#include "several_tokens/tokens_problem.hpp"
#include "support/runner.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Ragged, with requests shorter than the tokens, empty, and ending within a tile and at its end.
template <class Space, class T>
TokensProblem<Space, T> ragged(std::int64_t tokens, std::int64_t heads = 4, std::int64_t kv_heads = 2,
                               std::int64_t dim = 64) {
  TokensProblem<Space, T> problem(
      {.batch = 6, .heads = heads, .kv_heads = kv_heads, .length = 640, .dim = dim, .tokens = tokens});
  problem.fill(7).set_lengths({640, 0, 2, 333, 64, 545}).upload();
  return problem;
}

template <class Data, class Run>
void check(const Data& problem, Run& run, const SeenKeys& options) {
  const TokensReference expected = token_reference(problem, options);
  for (const bool by_parts : {false, true}) {
    CAPTURE(by_parts);
    const Result& result = by_parts ? run.run_by_parts() : run.run();
    CHECK(relative_error(result.out, expected.out) < 2e-5);
    bool same = true;
    for (std::size_t i = 0; i < expected.lse.size(); ++i)
      same = same && (std::isinf(expected.lse[i]) ? static_cast<double>(result.lse[i]) == expected.lse[i]
                                                  : std::fabs(result.lse[i] - expected.lse[i]) < 1e-4);
    CHECK(same);
  }
}

template <class Space, class T, class Modifier = Identity>
void check_exact(const TokensProblem<Space, T>& problem, const SeenKeys& options, const Modifier& modifier = {}) {
  const auto cache = problem.cache();
  TokensRun<Space, Exact, std::decay_t<decltype(cache)>, Modifier> run(problem, Exact{}, cache, options, modifier);
  check(problem, run, options);
}

/// Calls f(method) for every method, with a budget of so many rows.
template <class F>
void for_all_methods(std::int64_t rows, const F& f) {
  f(MassUnit{.rows = rows});
  f(MassUnitOf<Draws::joint_l2>{.rows = rows});
  f(MassUnitOf<Draws::separate>{.rows = rows});
  f(Systematic{.samples = rows});
  f(Stratified{.samples = rows});
  f(Multinomial{.samples = rows});
  f(FixedTileBudget{.samples = rows, .tile = 32});
  f(ProportionalTileBudget{.samples = rows, .tile = 32});
}

/// A tree of four tokens: two chains from the first, 0 - 1 - 3 and 0 - 2.
std::vector<std::uint32_t> forked(std::int64_t batch) {
  std::vector<std::uint32_t> trees;
  for (std::int64_t b = 0; b < batch; ++b) trees.insert(trees.end(), {0b0001, 0b0011, 0b0101, 0b1011});
  return trees;
}

}  // namespace

SANTA_SPACE_TEST_CASE("each_token_sees_the_keys_up_to_its_own") {
  for (const std::int64_t tokens : {1, 2, 4, 7, 16}) {
    CAPTURE(tokens);
    check_exact(ragged<Space, float>(tokens), {});
    check_exact(ragged<Space, bfloat16>(tokens), {});
  }
}

SANTA_SPACE_TEST_CASE("groups_and_slices_of_several_tokens") {
  check_exact(ragged<Space, float>(3, 6, 2), {});       // 9 rows a kv head
  check_exact(ragged<Space, float>(5, 14, 2, 24), {});  // 35: slices that cut tokens
  check_exact(ragged<Space, bfloat16>(4, 16, 1, 128), {});
}

SANTA_SPACE_TEST_CASE("windows_move_with_the_tokens") {
  for (const std::int64_t window : {0, 1, 3, 31, 64, 200}) {
    CAPTURE(window);
    check_exact(ragged<Space, float>(4), {.window = window}, Window{window});
  }
}

SANTA_SPACE_TEST_CASE("a_request_may_have_fewer_tokens") {
  check_exact(ragged<Space, float>(4), {.counts = {4, 4, 2, 1, 0, 3}});
  check_exact(ragged<Space, float>(4), {.window = 40, .counts = {1, 0, 1, 2, 4, 3}}, Window{40});
  // Numbers that no request can have are clamped.
  const auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  TokensRun<Space, Exact, std::decay_t<decltype(cache)>> clamped(
      problem, Exact{}, cache, {.counts = {9, 4, -1, std::numeric_limits<std::int32_t>::min(), 4, 3}});
  check(problem, clamped, {.counts = {4, 4, 0, 0, 4, 3}});
}

SANTA_SPACE_TEST_CASE("tokens_of_a_tree_see_their_ancestors") {
  const auto problem = ragged<Space, float>(4);
  check_exact(problem, {.trees = forked(6)});
  check_exact(problem, {.counts = {4, 4, 2, 1, 0, 3}, .trees = forked(6)});
  check_exact(problem, {.window = 100, .trees = forked(6)}, Window{100});
  // A chain said as a tree is the chain, to the bit.
  std::vector<std::uint32_t> chains;
  for (int i = 0; i < 6; ++i) chains.insert(chains.end(), {1U, 3U, 7U, 15U});
  const auto cache = problem.cache();
  using Run = TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>>;
  const MassUnit method{.rows = 60};
  Run chain(problem, method, cache), tree(problem, method, cache, {.trees = chains});
  CHECK(same_bits(chain.run().out, tree.run().out));
}

SANTA_SPACE_TEST_CASE("tokens_of_a_tree_may_not_see_the_first_one_wherever_its_key_lies") {
  std::vector<std::uint32_t> siblings;
  for (int i = 0; i < 6; ++i) siblings.insert(siblings.end(), {0b0001, 0b0010, 0b0100, 0b1000});
  // Own keys from the last, the first and the second of a tile on, and of requests with fewer tokens from the last one.
  const auto at = [](auto problem) {
    problem.set_lengths({35, 611, 36, 37, 33, 64}).upload();
    return problem;
  };
  const SeenKeys options{.counts = {4, 4, 4, 4, 2, 1}, .trees = siblings};
  const auto problem = at(ragged<Space, float>(4));
  check_exact(problem, {.trees = siblings});
  check_exact(problem, options);
  check_exact(at(ragged<Space, bfloat16>(4)), options);
  const std::vector<double> expected = token_reference(problem, options).out;
  const auto cache = problem.cache();
  for_all_methods(640, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    TokensRun<Space, M, std::decay_t<decltype(cache)>> run(problem, method, cache, options);
    CHECK(relative_error(run.run().out, expected) < 2e-5);
    CHECK(relative_error(run.without_bars().run().out, expected) < 2e-5);
  });
}

SANTA_SPACE_TEST_CASE("tokens_of_another_cache_see_all_keys") {
  check_exact(ragged<Space, float>(4), {.causal = false});
  check_exact(ragged<Space, float>(4), {.counts = {4, 1, 2, 0, 3, 4}, .causal = false});
}

SANTA_SPACE_TEST_CASE("biases_and_sinks_of_several_tokens") {
  const auto problem = ragged<Space, float>(4);
  const std::vector<float> slopes = {0.5F, 0.125F, 0.03F, 0.F};
  const auto in_space = to_space<Space>(slopes, "test::slopes");
  SeenKeys options{.slopes = {0.5, 0.125, 0.03, 0.}, .sinks = {1.F, -infinity, 3.F, 0.5F}};
  check_exact(problem, options, Alibi(in_space));
  options.counts = {4, 4, 2, 1, 0, 3};  // tokens that are not there have the sinks alone
  check_exact(problem, options, Alibi(in_space));
}

SANTA_SPACE_TEST_CASE("one_token_by_either_rank_has_the_same_bits") {
  const auto problem = ragged<Space, float>(1);
  const auto cache = problem.cache();
  for_all_methods(50, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    TokensRun<Space, M, std::decay_t<decltype(cache)>> run(problem, method, cache);
    const Result& given = run.run(5);
    Kokkos::View<float***, Kokkos::LayoutRight, typename Space::memory_space> out("test::out", 6, 4, 64);
    const DecodePlan plan(Space{}, method, problem.queries(), cache);
    plan.run(Space{}, problem.queries(), cache, out, {.seed = 5});
    CHECK(same_bits(given.out,
                    to_host<float>(Kokkos::View<float*, typename Space::memory_space>(out.data(), out.size()))));
  });
}

SANTA_SPACE_TEST_CASE("one_token_may_be_none_or_not_see_its_own_key") {
  const auto problem = ragged<Space, float>(1);
  const SeenKeys some{.counts = {1, 1, 1, 0, 1, 0}, .trees = {0, 1, 1, 1, 0, 1}};
  for (const SeenKeys& options : {SeenKeys{.counts = some.counts}, SeenKeys{.trees = some.trees}, some}) {
    check_exact(problem, options);
    check_exact(ragged<Space, bfloat16>(1), options);
  }
  SeenKeys near = some;
  near.window = 40;
  check_exact(problem, near, Window{40});
  const std::vector<double> expected = token_reference(problem, some).out;
  const auto cache = problem.cache();
  for_all_methods(640, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    TokensRun<Space, M, std::decay_t<decltype(cache)>> run(problem, method, cache, some);
    CHECK(relative_error(run.run().out, expected) < 2e-5);
    CHECK(relative_error(run.without_bars().run().out, expected) < 2e-5);
  });
  // One that sees its own key is as one without a tree, to the bit.
  const MassUnit method{.rows = 60};
  using Run = TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>>;
  Run alone(problem, method, cache), tree(problem, method, cache, {.trees = {1, 1, 1, 1, 1, 1}});
  CHECK(same_bits(alone.run().out, tree.run().out));
}

SANTA_SPACE_TEST_CASE("effective_sample_sizes_are_of_the_tokens_that_there_are") {
  const auto check = [](const auto& problem, const SeenKeys& options) {
    const auto cache = problem.cache();
    TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>> run(problem, MassUnit{.rows = 640}, cache, options);
    const Shape& step = problem.step;
    std::vector<double> expected(static_cast<std::size_t>(step.batch * step.kv_heads), HUGE_VAL);
    for (std::int64_t b = 0; b < step.batch; ++b)
      for (std::int64_t h = 0; h < step.heads; ++h)
        for (std::int64_t t = 0; t < step.tokens; ++t) {
          double largest = 0., sum = 0., squares = 0.;
          for (const double w : token_weights(problem, b, t, h, options, largest)) sum += w, squares += w * w;
          double& least = expected[static_cast<std::size_t>(b * step.kv_heads + h / step.group())];
          if (sum > 0.) least = std::fmin(least, sum * sum / squares);
        }
    for (const bool by_parts : {false, true}) {
      const Result& result = by_parts ? run.run_by_parts() : run.run();
      for (std::size_t i = 0; i < expected.size(); ++i)
        CHECK(result.statistics[i].effective_sample_size ==
              doctest::Approx(std::isinf(expected[i]) ? 0. : expected[i]).epsilon(1e-4));
    }
  };
  check(ragged<Space, float>(4), {.counts = {4, 4, 2, 1, 0, 3}});
  check(ragged<Space, float>(5, 14, 2, 24), {.counts = {1, 4, 2, 5, 0, 3}});  // a slice of tokens that are not there
}

SANTA_SPACE_TEST_CASE("statistics_say_that_there_is_no_bar_where_none_is_asked_for") {
  const auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  const auto check = [&](const auto& method, bool bars, float log_delta) {
    TokensRun<Space, std::decay_t<decltype(method)>, std::decay_t<decltype(cache)>> run(problem, method, cache);
    const auto state = run.state();
    set_log_delta<Space>(state, std::vector<float>(96, log_delta));
    if (!bars) run.without_bars();
    const std::vector<Statistics> all = run.run(1, state).statistics;
    for (std::size_t i = 0; i < all.size(); ++i) {
      const bool none = log_delta > 0.F && i / 2 != 1 && i / 2 != 2;  // no keys, and fewer than rows asked for
      CHECK((all[i].rows_read == 0) == (none || i / 2 == 1));
      CHECK(all[i].flags == (none ? Statistics::no_error_bar : 0U));
    }
  };
  for (const bool bars : {true, false})
    for (const float log_delta : {200.F, -100.F}) {
      CAPTURE(bars);
      CAPTURE(log_delta);
      check(MassUnit{.rows = 60}, bars, log_delta);
      check(MassUnitOf<Draws::separate>{.rows = 60}, bars, log_delta);
    }
}

SANTA_SPACE_TEST_CASE("budgets_that_cover_all_keys_are_exact_for_each_token") {
  const auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  const SeenKeys options{.counts = {4, 4, 2, 1, 0, 3}};
  const TokensReference expected = token_reference(problem, options);
  for_all_methods(640, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    TokensRun<Space, M, std::decay_t<decltype(cache)>> run(problem, method, cache, options);
    CHECK(relative_error(run.run().out, expected.out) < 2e-5);
  });
}

SANTA_SPACE_TEST_CASE("sampled_tokens_are_unbiased") {
  TokensProblem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 96, .dim = 8, .tokens = 3});
  problem.fill(11, 1.5F).set_lengths({94}).upload();
  const auto cache = problem.cache();
  const SeenKeys options{.window = 70, .trees = {0b001, 0b011, 0b101}};
  const std::vector<double> expected = token_reference(problem, options).out;
  for_all_methods(24, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    CAPTURE(std::string(detail::Recipe<M>::name));
    if (std::is_same_v<M, ProportionalTileBudget>) return;  // which is biased: see docs/estimators.md
    TokensRun<Space, M, std::decay_t<decltype(cache)>, Window> run(problem, method, cache, options, Window{70});
    MeanTest mean(expected);
    for (std::uint64_t seed = 0; seed < 1500; ++seed) mean.add(run.run(seed).out);
    CAPTURE(mean.largest_z());
    CHECK(mean.passes());
    const Result one = run.run(1);
    CHECK(relative_error(run.run(2).out, one.out) > 1e-3);  // there is chance in it
  });
}

SANTA_SPACE_TEST_CASE("all_tokens_of_a_kv_head_share_one_draw") {
  TokensProblem<Space, bfloat16> problem(
      {.batch = 2, .heads = 4, .kv_heads = 1, .length = 4096, .dim = 64, .tokens = 4});
  problem.fill(3).upload();
  const auto cache = problem.cache();
  using Cache = std::decay_t<decltype(cache)>;
  TokensRun<Space, MassUnit, Cache> joint(problem, MassUnit{.rows = 400}, cache);
  const auto state = joint.state();
  double rows = 0.;
  constexpr int steps = 12;
  for (std::uint32_t step = 0; step < steps; ++step)
    for (const Statistics& s : joint.run(1, state, step).statistics) rows += static_cast<double>(s.rows_read) / 2.;
  CHECK(rows / steps > 280.);
  CHECK(rows / steps < 560.);
}

SANTA_SPACE_TEST_CASE("a_target_error_is_met_where_a_request_has_fewer_tokens") {
  TokensProblem<Space, bfloat16> problem(
      {.batch = 2, .heads = 4, .kv_heads = 1, .length = 4096, .dim = 64, .tokens = 4});
  problem.fill(3).upload();
  const auto cache = problem.cache();
  using Cache = std::decay_t<decltype(cache)>;
  TokensRun<Space, MassUnit, Cache> run(problem, MassUnit{.rows = 150, .target_error = 0.05}, cache,
                                        {.counts = {2, 4}});
  const auto state = run.state();
  Result last;
  for (std::uint32_t step = 0; step < 3; ++step) last = run.run(1, state, step);
  CHECK(last.statistics[0].rows_read > 600);
  CHECK(last.statistics[1].rows_read > 600);
}

SANTA_SPACE_TEST_CASE("a_request_of_several_tokens_does_not_depend_on_its_mates") {
  auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  using Cache = std::decay_t<decltype(cache)>;
  for_all_methods(60, [&](const auto& method) {
    using M = std::decay_t<decltype(method)>;
    TokensRun<Space, M, Cache> run(problem, method, cache);
    const Result all = run.run(9);
    problem.replace_lengths({640, 512, 512, 333, 1, 3});
    const auto changed = problem.cache();
    TokensRun<Space, M, Cache> other(problem, method, changed);
    const Result mates = other.run(9);
    problem.replace_lengths({640, 0, 2, 333, 64, 545});
    const std::size_t request = 4 * 4 * 64;
    for (const std::size_t b : {std::size_t{0}, std::size_t{3}})
      CHECK(same_bits(std::vector<float>(all.out.begin() + static_cast<std::ptrdiff_t>(b * request),
                                         all.out.begin() + static_cast<std::ptrdiff_t>((b + 1) * request)),
                      std::vector<float>(mates.out.begin() + static_cast<std::ptrdiff_t>(b * request),
                                         mates.out.begin() + static_cast<std::ptrdiff_t>((b + 1) * request))));
  });
}

SANTA_SPACE_TEST_CASE("later_tokens_keys_that_are_nan_do_not_show_in_earlier_ones") {
  TokensProblem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 200, .dim = 64, .tokens = 4});
  problem.fill(13).upload();
  const auto cache = problem.cache();
  using Cache = std::decay_t<decltype(cache)>;
  TokensProblem<Space, float> broken({.batch = 1, .heads = 2, .kv_heads = 1, .length = 200, .dim = 64, .tokens = 4});
  broken.fill(13);
  broken.key(0, 198, 0, 5) = quiet_nan;  // the third token's
  broken.upload();
  TokensRun<Space, Exact, Cache> good(problem, Exact{}, cache), bad(broken, Exact{}, broken.cache());
  const Result expected = good.run(), given = bad.run();
  for (std::int64_t t = 0; t < 4; ++t)
    for (std::size_t i = problem.row(0, t, 0) * 64; i < problem.row(0, t, 1) * 64 + 64; ++i) {
      if (t < 2)
        REQUIRE(given.out[i] == expected.out[i]);
      else
        REQUIRE(std::isnan(given.out[i]));
    }
}
