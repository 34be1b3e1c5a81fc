// Ranks that disagree, or end: an error on all of them, and never a result.
#include "ranks/sharded_problem.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// What each of two ranks throws, by work(ranks).
template <class Work>
std::vector<std::string> errors_of(const Work& work, int size = 2) {
  std::vector<std::string> errors(static_cast<std::size_t>(size));
  run_ranks(size, [&](const ThreadRank& ranks) {
    try {
      work(ranks);
    } catch (const RankError& error) {
      errors[static_cast<std::size_t>(ranks.rank())] = error.what();
    }
  });
  return errors;
}
bool all_say(const std::vector<std::string>& errors, const std::string& text) {
  for (const std::string& error : errors)
    if (error.find(text) == std::string::npos) return false;
  return true;
}

template <class Space>
struct TwoShards {
  static constexpr std::int64_t half = 256;
  Problem<Space, float> problem{{.batch = 2, .heads = 2, .kv_heads = 1, .length = 2 * half, .dim = 32}};

  TwoShards() { problem.fill(2).upload(); }

  template <class M>
  auto plan(const M& method, const ThreadRank& ranks, PlanOptions options = {}, std::int64_t length = half) const {
    Shape shape = problem.shape;
    shape.length = length;
    options.shard = {.first_row = options.shard.first_row + half * ranks.rank(), .length = problem.shape.length};
    const DecodePlan own(Space{}, method, shape, cache_of<typename Problem<Space, float>::Cache>, options);
    return ShardedPlan(Space{}, ranks, own);
  }
  [[nodiscard]] auto cache(const ThreadRank& ranks) const {
    return shards_of(problem)(half * ranks.rank(), half * (ranks.rank() + 1));
  }
  template <class Plan, class Options>
  void run(const Plan& plan, const ThreadRank& ranks, const Outputs<Space>& to, const Options& options) const {
    plan.run(Space{}, ranks, problem.queries(), cache(ranks), to.out, options, problem.length_view());
    Space{}.fence();
  }
};

}  // namespace

SANTA_SPACE_TEST_CASE("plans_that_disagree_are_an_error_on_all_ranks") {
  const TwoShards<Space> two;
  const auto odd = [](const ThreadRank& ranks) { return ranks.rank() == 1; };
  CHECK(all_say(errors_of([&](const ThreadRank& ranks) { two.plan(MassUnit{.rows = odd(ranks) ? 10 : 20}, ranks); }),
                "ranks 0 and 1 disagree"));
  CHECK(
      all_say(errors_of([&](const ThreadRank& ranks) { two.plan(Systematic{.samples = odd(ranks) ? 10 : 20}, ranks); }),
              "ranks 0 and 1 disagree"));
  CHECK(
      all_say(errors_of([&](const ThreadRank& ranks) { two.plan(Exact{}, ranks, {.scale = odd(ranks) ? 1.F : 2.F}); }),
              "ranks 0 and 1 disagree"));
  CHECK(all_say(errors_of([&](const ThreadRank& ranks) { two.plan(Exact{}, ranks, {}, odd(ranks) ? 256 : 128); }),
                "rank 1's shard begins at row 256 of 512; expected: 128 of 512"));
  CHECK(all_say(errors_of([&](const ThreadRank& ranks) { two.plan(Exact{}, ranks, {}, odd(ranks) ? 128 : 256); }),
                "the shards end at row 384; expected: 512"));
}

SANTA_SPACE_TEST_CASE("runs_that_disagree_are_an_error_on_all_ranks") {
  const TwoShards<Space> two;
  using Options = RunOptions<typename Space::memory_space>;
  const auto check = [&](const auto& method, const auto& change) {
    const auto errors = errors_of([&](const ThreadRank& ranks) {
      const auto plan = two.plan(method, ranks);
      const Outputs<Space> to(two.problem.shape);
      Options options;
      if (ranks.rank() == 1) change(options, to);
      two.run(plan, ranks, to, options);
    });
    CHECK(all_say(errors, "ranks 0 and 1 disagree"));
  };
  check(Exact{}, [](Options& options, const auto&) { options.seed = 3; });
  check(Exact{}, [](Options& options, const auto&) { options.step = 3; });
  check(Exact{}, [](Options& options, const auto&) { options.stream = 3; });
  check(Systematic{.samples = 20}, [](Options& options, const auto& to) { options.error = to.error; });
  const DecodeState<typename Space::memory_space> state(Space{}, two.problem.shape);
  state.note_step();
  check(MassUnit{.rows = 20}, [&](Options& options, const auto&) { options.state = state; });
}

SANTA_SPACE_TEST_CASE("a_rank_that_ends_is_an_error_on_the_others") {
  const TwoShards<Space> two;
  const auto errors = errors_of([&](const ThreadRank& ranks) {
    const auto plan = two.plan(MassUnit{.rows = 20}, ranks);
    if (ranks.rank() == 1) return;
    const Outputs<Space> to(two.problem.shape);
    two.run(plan, ranks, to, RunOptions<typename Space::memory_space>{});
  });
  CHECK(errors[0].find("a rank has ended") != std::string::npos);
  CHECK_THROWS_WITH_AS(run_ranks(2,
                                 [&](const ThreadRank& ranks) {
                                   const auto plan = two.plan(Exact{}, ranks);
                                   if (ranks.rank() == 0) throw std::logic_error("of rank 0");
                                   const Outputs<Space> to(two.problem.shape);
                                   two.run(plan, ranks, to, RunOptions<typename Space::memory_space>{});
                                 }),
                       "of rank 0", std::logic_error);
}

TEST_CASE("what_ended_a_rank_is_told_and_not_that_others_waited_for_it") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  const auto exchange = [](const ThreadRank& ranks, std::uint64_t ticket) {
    std::uint64_t blocks[2] = {};
    ranks.all_gather(Host{}, blocks, sizeof(std::uint64_t), ticket);
  };
  for (const int ends : {0, 1})
    CHECK_THROWS_WITH_AS(run_ranks(2,
                                   [&](const ThreadRank& ranks) {
                                     if (ranks.rank() == ends) throw std::logic_error("the cause");
                                     exchange(ranks, 1);
                                   }),
                         "the cause", std::logic_error);
  CHECK_THROWS_WITH_AS(run_ranks(2,
                                 [&](const ThreadRank& ranks) {
                                   if (ranks.rank() == 0) exchange(ranks, 1);
                                 }),
                       "santa: a rank has ended before an exchange", RankError);
  CHECK_THROWS_WITH_AS(run_ranks(-1, [](const ThreadRank&) {}), "santa: size is -1; accepted: 0 or more",
                       std::invalid_argument);
}

TEST_CASE("ranks_go_on_after_an_error_that_all_were_told") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<std::string> told(3);
    std::vector<bool> right(3, false);
    run_ranks(3, [&](const ThreadRank& ranks) {
      const auto own = static_cast<std::size_t>(ranks.rank());
      std::uint64_t blocks[3] = {};
      try {
        ranks.all_gather(Host{}, blocks, sizeof(std::uint64_t), own == 1 ? 5 : 4);
      } catch (const RankError& error) {
        told[own] = error.what();
      }
      blocks[own] = 10 + own;
      ranks.all_gather(Host{}, blocks, sizeof(std::uint64_t), 4);
      right[own] = blocks[0] == 10 && blocks[1] == 11 && blocks[2] == 12;
    });
    REQUIRE(all_say(told, "ranks 0 and 1 disagree"));
    REQUIRE(right == std::vector<bool>(3, true));
  }
}

TEST_CASE("a_rank_that_has_ended_is_missed_by_every_exchange") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  int missed = 0;
  run_ranks(2, [&](const ThreadRank& ranks) {
    if (ranks.rank() == 1) return;
    for (int i = 0; i < 3; ++i) {
      std::uint64_t blocks[2] = {};
      try {
        ranks.all_gather(Host{}, blocks, sizeof(std::uint64_t), 1);
      } catch (const RankError& error) {
        missed += std::string(error.what()).find("a rank has ended") != std::string::npos ? 1 : 0;
      }
    }
  });
  CHECK(missed == 3);
}

SANTA_SPACE_TEST_CASE("what_differs_in_device_memory_gives_nan_and_says_so") {
  const TwoShards<Space> two;
  using Memory = typename Space::memory_space;
  const auto check = [&](const auto& change, bool one_request) {
    run_ranks(2, [&](const ThreadRank& ranks) {
      const auto plan = two.plan(MassUnit{.rows = 20}, ranks);
      const Outputs<Space> to(two.problem.shape);
      RunOptions<Memory> options;
      options.lse = to.lse;
      options.statistics = to.statistics;
      const Kokkos::View<std::uint64_t*, Memory> seeds("test::seeds", 2);
      const Kokkos::View<std::uint32_t*, Memory> requests("test::requests", 2);
      std::vector<std::int64_t> whole = two.problem.lengths;
      const auto cache = two.cache(ranks);
      if (ranks.rank() == 1) change(seeds, requests, whole);
      options.seed = seeds;
      options.requests = requests;
      plan.run(Space{}, ranks, two.problem.queries(), cache, to.out, options, to_space<Space>(whole, "test::whole"));
      Space{}.fence();
      const Result result = to.result();
      for (std::size_t b = 0; b < 2; ++b) {
        const bool refused = b == 1 || !one_request;
        CHECK(((result.statistics[b].flags & Statistics::shards_disagree) != 0) == refused);
        CHECK(std::isnan(result.lse[2 * b]) == refused);
        for (std::size_t i = 0; i < 64; ++i) CHECK(std::isnan(result.out[64 * b + i]) == refused);
      }
    });
  };
  const auto at_one = [](const auto& view) { return Kokkos::subview(view, std::size_t{1}); };
  check([&](const auto& seeds, const auto&, auto&) { Kokkos::deep_copy(at_one(seeds), std::uint64_t{7}); }, true);
  check([&](const auto& seeds, const auto&, auto&) { Kokkos::deep_copy(seeds, std::uint64_t{7}); }, false);
  check([&](const auto&, const auto& requests, auto&) { Kokkos::deep_copy(at_one(requests), std::uint32_t{7}); }, true);
  // Of another length than the other rank's, and than what is here says.
  check([&](const auto&, const auto&, auto& whole) { whole[1] = 500; }, true);
}

SANTA_SPACE_TEST_CASE("shards_of_a_plan_are_refused_where_they_can_not_be") {
  Problem<Space, float> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 256, .dim = 32});
  problem.fill(1).upload();
  const auto cache = problem.cache();
  const auto plan = [&](const auto& method, const Shard& shard) {
    return DecodePlan(Space{}, method, problem.shape, cache_of<std::decay_t<decltype(cache)>>, {.shard = shard});
  };
  CHECK_THROWS_WITH_AS(plan(Exact{}, {.first_row = 16, .length = 512}),
                       doctest::Contains("shard.first_row is 16; accepted: a multiple of 32"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(plan(Exact{}, {.first_row = 512, .length = 512}), doctest::Contains("shard.first_row is 512"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(plan(Exact{}, {.first_row = 32}), doctest::Contains("0 without a length of the whole"),
                       std::invalid_argument);
  const auto shard = plan(Exact{}, {.first_row = 256, .length = 512});
  const Outputs<Space> to(problem.shape);
  CHECK_THROWS_WITH_AS(shard.run(Space{}, problem.queries(), cache, to.out), doctest::Contains("is run by ShardedPlan"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(ShardedPlan(Space{}, OneRank{}, plan(Exact{}, {})), doctest::Contains("PlanOptions::shard"),
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(
      ShardedPlan(Space{}, OneRank{}, plan(FixedTileBudget{.samples = 64}, {.first_row = 32, .length = 512})),
      doctest::Contains("a multiple of the method's tile (256)"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ShardedPlan(Space{}, OneRank{}, shard), doctest::Contains("begins at row 256"), RankError);
}
