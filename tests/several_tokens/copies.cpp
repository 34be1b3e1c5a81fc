// Several tokens a step with narrow keys, pages and carried state.
#include "limits/message.hpp"
#include "paged/paged_problem.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space, class T>
TokensProblem<Space, T> ragged(std::int64_t tokens) {
  TokensProblem<Space, T> problem({.batch = 4, .heads = 4, .kv_heads = 2, .length = 700, .dim = 64, .tokens = tokens});
  problem.fill(5).set_lengths({700, 0, 333, 96}).upload();
  return problem;
}

}  // namespace

SANTA_SPACE_TEST_CASE("several_tokens_on_pages_have_the_bits_of_a_contiguous_cache") {
  const auto problem = ragged<Space, float>(4);
  for (const std::int64_t size : {1, 7, 16}) {
    const PagedProblem paged(static_cast<const Problem<Space, float>&>(problem), size);
    const auto contiguous = problem.cache();
    const auto pages = paged.by_table();
    const MassUnit method{.rows = 70};
    TokensRun<Space, MassUnit, std::decay_t<decltype(contiguous)>> expected(problem, method, contiguous);
    TokensRun<Space, MassUnit, std::decay_t<decltype(pages)>> given(problem, method, pages);
    CHECK(same_bits(given.run(3).out, expected.run(3).out));
  }
}

SANTA_SPACE_TEST_CASE("rescored_rows_of_several_tokens_are_weighed_by_what_each_sees") {
  using Memory = typename Space::memory_space;
  TokensProblem<Space, bfloat16> problem(
      {.batch = 2, .heads = 2, .kv_heads = 1, .length = 160, .dim = 64, .tokens = 4});
  problem.fill(17).set_lengths({150, 77}).upload();
  const auto cache = problem.cache();
  const SeenKeys options{.window = 60};
  const TokensReference exact = token_reference(problem, options);
  const NarrowKeys<std::int8_t, Memory> keys(Space{}, problem.step);
  calibrate(Space{}, cache, keys);
  encode_keys(Space{}, cache, keys);
  const auto narrow = rescored(NarrowCache{cache, keys});
  using Narrow = std::decay_t<decltype(narrow)>;
  // All rows: exact by full keys, for each token.
  TokensRun<Space, MassUnit, Narrow, Window> all(problem, MassUnit{.rows = 160}, narrow, options, Window{60});
  CHECK(relative_error(all.run().out, exact.out) < 2e-5);
  TokensRun<Space, Exact, Narrow, Window> same(problem, Exact{}, narrow, options, Window{60});
  CHECK(relative_error(same.run().out, exact.out) < 2e-5);
  const FixedTileBudget budget{.samples = 160, .tile = 32};
  TokensRun<Space, FixedTileBudget, Narrow, Window> tiles(problem, budget, narrow, options, Window{60});
  CHECK(relative_error(tiles.run().out, exact.out) < 2e-5);
  // Some: near it, and nearer by the mean of many.
  TokensRun<Space, MassUnit, Narrow, Window> some(problem, MassUnit{.rows = 30}, narrow, options, Window{60});
  std::vector<double> mean(exact.out.size(), 0.);
  constexpr int seeds = 300;
  double single = 0.;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Result& result = some.run(seed);
    single += relative_error(result.out, exact.out) / seeds;
    for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += static_cast<double>(result.out[i]) / seeds;
  }
  CHECK(single > 0.05);
  CHECK(relative_error(mean, exact.out) < 0.2 * single);
}

SANTA_SPACE_TEST_CASE("states_of_several_tokens_are_carried") {
  const auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  const SeenKeys options{.counts = {4, 4, 2, 3}};
  const std::vector<double> expected = token_reference(problem, options).out;
  for (const MassUnit& method :
       {MassUnit{.rows = 80}, MassUnit{.rows = 80, .steered = true}, MassUnit{.rows = 80, .target_error = 0.2}}) {
    TokensRun<Space, MassUnit, std::decay_t<decltype(cache)>> run(problem, method, cache, options);
    const auto state = run.state();
    MeanTest mean(expected);
    for (std::uint32_t step = 0; step < 400; ++step) {
      const Result& result = run.run(4, state, step);
      if (step >= 20) mean.add(result.out);
    }
    CHECK(mean.largest_z(4e-3) <= mean.bound());  // the ratio's own bias, O(1 / rows)
  }
}

SANTA_SPACE_TEST_CASE("what_tokens_may_be_is_said_before_a_launch") {
  using Memory = typename Space::memory_space;
  const auto problem = ragged<Space, float>(4);
  const auto cache = problem.cache();
  const DecodePlan plan(Space{}, Exact{}, problem.queries_of_tokens(), cache);
  const auto n = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> out("test::out", n(4), n(4), n(4), n(64));
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> three("test::out", n(4), n(3), n(4), n(64));
  using Run = RunOptions<Memory>;
  const auto message = [&](const auto& query, const auto& to, const Run& options) {
    return message_of([&] { plan.run(Space{}, query, cache, to, options); });
  };
  CHECK(message(problem.queries_of_tokens(), three, {}) ==
        "santa: out.extent(1) is 3; accepted: the plan's tokens (4)");
  Run lse;
  lse.lse = Kokkos::View<float**, Memory>("test::lse", 4, 16);
  CHECK(message(problem.queries_of_tokens(), out, lse) ==
        "santa: lse's rank is 2; accepted: 3, [batch, tokens, heads]: the plan is for 4 tokens");
  Run few;
  few.tokens = Kokkos::View<const std::int32_t*, Memory>(Kokkos::View<std::int32_t*, Memory>("test::tokens", 3));
  CHECK(message(problem.queries_of_tokens(), out, few) ==
        "santa: tokens.extent(0) is 3; accepted: the batch (4) or more");
  Run trees;
  trees.trees = Kokkos::View<std::uint32_t**, Memory>("test::trees", 4, 3);
  CHECK(message(problem.queries_of_tokens(), out, trees).find("trees.extent(1) is 3") != std::string::npos);
  const DecodePlan prefix(Space{}, Exact{}, problem.queries_of_tokens(), cache, {.causal = false});
  trees.trees = Kokkos::View<std::uint32_t**, Memory>("test::trees", 4, 4);
  CHECK(message_of([&] { prefix.run(Space{}, problem.queries_of_tokens(), cache, out, trees); }) ==
        "santa: trees is given; accepted: none: the plan is not causal");
  CHECK(message_of([&] {
          const DecodePlan none(Space{}, Exact{}, Shape{.heads = 4, .kv_heads = 2, .length = 9, .dim = 64, .tokens = 0},
                                cache_of<std::decay_t<decltype(cache)>>);
        }) == "santa: tokens is 0; accepted: 1 to 65535");
}
