// Shards of caches of other kinds, of windows and biases, and the bits of what they merge into.
#include "paged/paged_problem.hpp"
#include "ranks/sharded_problem.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
Problem<Space, float> problem_of(std::int64_t length, const std::vector<std::int64_t>& lengths,
                                 Arrangement where = Arrangement::token_major) {
  Problem<Space, float> problem(
      {.batch = static_cast<std::int64_t>(lengths.size()), .heads = 6, .kv_heads = 2, .length = length, .dim = 64},
      where);
  return problem.fill(11, 2.F).set_lengths(lengths).upload();
}

/// A shard of a paged problem: its part of the table, and lengths of its own.
template <class Space>
auto pages_of(const Problem<Space, float>& problem, const PagedProblem<Space, float>& paged) {
  return [&](std::int64_t begin, std::int64_t end) {
    const auto table = paged.table().table();
    const auto first = static_cast<std::size_t>(begin / paged.page_size);
    const auto last =
        std::min(static_cast<std::size_t>((end + paged.page_size - 1) / paged.page_size), table.extent(1));
    typename PagedProblem<Space, float>::Entries entries =
        Kokkos::subview(table, Kokkos::ALL, std::pair<std::size_t, std::size_t>(first, last));
    const Kokkos::View<const std::int64_t*, typename Space::memory_space> lengths =
        lengths_of_shard<Space>(problem.lengths, begin, end);
    return PagedCache(paged.keys(), paged.values(), PageTable{entries, lengths});
  };
}

template <class M>
void check_ranks(const std::vector<Result>& whole, const std::vector<std::vector<Result>>& of_ranks) {
  CAPTURE(std::string(detail::Recipe<M>::name));
  for (std::size_t step = 0; step < whole.size(); ++step)
    for (const auto& rank : of_ranks) check_same_draws(whole[step], rank[step]);
}

}  // namespace

SANTA_SPACE_TEST_CASE("shards_of_whole_units_merge_into_the_bits_of_one_plan") {
  for (const auto& lengths : {std::vector<std::int64_t>{3072, 3072}, std::vector<std::int64_t>{3072, 1000}}) {
    const auto problem = problem_of<Space>(3072, lengths);
    const auto check = [&](const auto& m, bool with_state) {
      using M = std::decay_t<decltype(m)>;
      CAPTURE(std::string(detail::Recipe<M>::name));
      Steps steps{.count = 3, .plan = {.keys_per_split = 256}, .with_state = with_state};
      const auto whole = run_whole(m, problem, problem.cache(), steps);
      for (const int shards : {1, 2, 3, 4}) {
        CAPTURE(shards);
        steps.parts = 12 / shards;
        const auto of_ranks = run_shards(m, problem, even_ends(3072, shards, 256), steps, shards_of(problem));
        for (const auto& rank : of_ranks)
          for (std::size_t step = 0; step < whole.size(); ++step) {
            CHECK(same_bits(rank[step].out, whole[step].out));
            CHECK(same_bits(rank[step].lse, whole[step].lse));
            CHECK(same_bits(rank[step].error, whole[step].error));
          }
      }
    };
    check(Exact{}, false);
    check(MassUnit{.rows = 200}, true);
    check(MassUnit{.rows = 200, .steered = true}, true);
    check(Systematic{.samples = 200}, false);
    check(FixedTileBudget{.samples = 300}, false);
  }
}

SANTA_SPACE_TEST_CASE("parts_of_several_units_have_the_same_bits_on_any_number_of_ranks") {
  const auto problem = problem_of<Space>(6144, {6144, 3500});
  std::vector<Result> first;
  for (const int shards : {1, 2, 3, 4}) {
    CAPTURE(shards);
    const Steps steps{.count = 2, .parts = 12 / shards, .plan = {.keys_per_split = 256}, .with_state = true};
    const auto of_ranks =
        run_shards(MassUnit{.rows = share(0.1)}, problem, even_ends(6144, shards, 512), steps, shards_of(problem));
    if (first.empty()) first = of_ranks[0];
    for (const auto& rank : of_ranks)
      for (std::size_t step = 0; step < first.size(); ++step) CHECK(same_bits(rank[step].out, first[step].out));
  }
}

SANTA_SPACE_TEST_CASE("parts_are_cut_by_their_own_keys_whatever_else_a_rank_has") {
  // Hosts cut long requests otherwise than short ones: of 30000 keys the last of two ranks has 11568.
  const auto check = [](std::int64_t length, const std::vector<std::int64_t>& lengths, const auto& modifier) {
    Problem<Space, float> problem({.batch = 2, .heads = 2, .kv_heads = 1, .length = length, .dim = 16});
    problem.fill(11, 2.F).set_lengths(lengths).upload();
    const std::int64_t keys_per_split = lanes::is_host_space<Space> ? 0 : 256;
    std::vector<Result> first;
    for (const int shards : {1, 2, 3, 4}) {
      CAPTURE(shards);
      const Steps steps{
          .count = 2, .parts = 12 / shards, .plan = {.keys_per_split = keys_per_split}, .with_state = true};
      const auto of_ranks = run_shards(MassUnit{.rows = share(0.1)}, problem, even_ends(length, shards, length / 12),
                                       steps, shards_of(problem), modifier);
      if (first.empty()) first = of_ranks[0];
      for (const auto& rank : of_ranks)
        for (std::size_t step = 0; step < first.size(); ++step) CHECK(same_bits(rank[step].out, first[step].out));
    }
  };
  check(36864, {30000, 100}, Identity{});
  check(6144, {6144, 3500}, Window{2000});
}

SANTA_SPACE_TEST_CASE("shards_see_the_window_and_the_biases_of_the_whole") {
  const auto problem = problem_of<Space>(2048, {2048, 1700, 500, 3});
  const auto slopes = to_space<Space>(std::vector<float>{0.5F, 0.25F, 0.1F, 0.05F, 0.02F, 0.01F}, "test::slopes");
  const Alibi alibi{slopes};
  const auto check = [&](const auto& m, const auto& modifier) {
    const Steps steps{.count = 2, .with_state = true};
    const auto whole = run_whole(m, problem, problem.cache(), steps, modifier);
    for (const int shards : {2, 4})
      check_ranks<std::decay_t<decltype(m)>>(
          whole, run_shards(m, problem, uneven_ends(2048, shards), steps, shards_of(problem), modifier));
  };
  for (const std::int64_t window : {std::int64_t{1}, std::int64_t{700}, std::int64_t{1500}}) {
    CAPTURE(window);
    check(Exact{}, Window{window});
    check(MassUnit{.rows = 100}, Window{window});
    check(MassUnit{.rows = 100, .steered = true}, Window{window});
    check(Systematic{.samples = 100}, Window{window});
    check(ProportionalTileBudget{.samples = 100}, Window{window});
  }
  check(Exact{}, alibi);
  check(MassUnit{.rows = 100}, alibi);
}

SANTA_SPACE_TEST_CASE("shards_of_a_paged_cache_draw_the_rows_of_the_whole") {
  const auto problem = problem_of<Space>(1536, {1536, 1001, 64, 0});
  for (const std::int64_t page_size : {16, 48}) {
    CAPTURE(page_size);
    const PagedProblem<Space, float> paged(problem, page_size);
    const PagedCache cache(paged.keys(), paged.values(), paged.table());
    const auto check = [&](const auto& m) {
      const Steps steps{.count = 2, .with_state = true};
      const auto whole = run_whole(m, problem, cache, steps);
      for (const int shards : {2, 3, 4})
        check_ranks<std::decay_t<decltype(m)>>(
            whole, run_shards(m, problem, even_ends(1536, shards, 96), steps, pages_of(problem, paged)));
    };
    check(Exact{});
    check(MassUnit{.rows = 100});
    check(Multinomial{.samples = 100});
  }
}

SANTA_SPACE_TEST_CASE("shards_of_narrow_keys_are_scored_again_like_the_whole") {
  using Memory = typename Space::memory_space;
  using Narrow = NarrowKeys<int4x2, Memory>;
  const auto problem = problem_of<Space>(1536, {1536, 1536});
  const auto full = problem.cache();
  const Narrow narrow(Space{}, full.shape());
  calibrate(Space{}, full, narrow);
  encode_keys(Space{}, full, narrow);
  // A shard's channels are those of the whole, by which its codes were made.
  const auto shards = shards_of(problem);
  const auto narrow_shard = [&](std::int64_t begin, std::int64_t end) {
    const auto own = shards(begin, end);
    const Narrow copy(Space{}, own.shape());
    Kokkos::deep_copy(copy.center, narrow.center);
    Kokkos::deep_copy(copy.spread, narrow.spread);
    encode_keys(Space{}, own, copy);
    return rescored(NarrowCache{own, copy});
  };
  const auto check = [&](const auto& m) {
    const Steps steps{.count = 3, .with_state = true};
    const auto whole = run_whole(m, problem, rescored(NarrowCache{full, narrow}), steps);
    for (const int ranks : {2, 3})
      check_ranks<std::decay_t<decltype(m)>>(whole,
                                             run_shards(m, problem, uneven_ends(1536, ranks), steps, narrow_shard));
  };
  check(Exact{});
  check(MassUnit{.rows = 150});
  check(MassUnit{.rows = 150, .steered = true});
  check(Systematic{.samples = 150});
}

SANTA_SPACE_TEST_CASE("shards_have_the_scales_of_their_own_rows") {
  const auto problem = problem_of<Space>(1536, {1536, 1001});
  std::vector<float> numbers;
  for (std::int64_t i = 0; i < 2 * 1536 * 2; ++i) numbers.push_back(0.5F + 0.25F * static_cast<float>(i % 7));
  const auto there = to_space<Space>(numbers, "test::scales");
  const Kokkos::View<const float***, Kokkos::LayoutStride, typename Space::memory_space> scales(
      there.data(), Kokkos::LayoutStride(2, 1536 * 2, 1536, 2, 2, 1));
  const auto cut = [&](std::int64_t begin, std::int64_t end) {
    const Kokkos::View<const float***, Kokkos::LayoutStride, typename Space::memory_space> own =
        Kokkos::subview(scales, Kokkos::ALL, std::pair<std::size_t, std::size_t>(begin, end), Kokkos::ALL);
    return ContiguousCache(
        Scaled{rows_of_shard<Space>(problem.key_view(), problem.layout(), begin, end), TokenScales{own}},
        Scaled{rows_of_shard<Space>(problem.value_view(), problem.layout(), begin, end), TokenScales{own}},
        lengths_of_shard<Space>(problem.lengths, begin, end));
  };
  const auto check = [&](const auto& m) {
    const Steps steps{.count = 2, .with_state = true};
    const auto whole = run_whole(m, problem, cut(0, 1536), steps);
    for (const int shards : {2, 3})
      check_ranks<std::decay_t<decltype(m)>>(whole, run_shards(m, problem, uneven_ends(1536, shards), steps, cut));
  };
  check(Exact{});
  check(MassUnit{.rows = 100});
}

SANTA_SPACE_TEST_CASE("shards_serve_steps_of_several_tokens") {
  using Memory = typename Space::memory_space;
  const auto problem = problem_of<Space>(1536, {1536, 1001});
  constexpr std::int64_t tokens = 3;
  // The queries of six heads, as those of three tokens of two heads.
  const auto queries = to_host<float>(Kokkos::View<const float*, Memory>(problem.queries().data(), 2 * 6 * 64));
  const auto query_there = to_space<Space>(queries, "test::queries");
  const Kokkos::View<const float****, Kokkos::LayoutRight, Memory> query(query_there.data(), 2, tokens, 2, 64);
  Shape shape = problem.shape;
  shape.heads = 2;
  shape.tokens = tokens;
  using Out = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
  const auto flat = [](const Out& out) { return to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())); };
  const auto check = [&](const auto& m) {
    const auto cache = problem.cache();
    const Out whole("test::out", 2, tokens, 2, 64);
    const DecodePlan plan(Space{}, m, shape, cache_of<std::decay_t<decltype(cache)>>);
    plan.run(Space{}, query, cache, whole, {.seed = 3});
    Space{}.fence();
    const auto expected = flat(whole);
    run_ranks(3, [&](const ThreadRank& ranks) {
      const std::int64_t begin = 512 * ranks.rank();
      const auto own = shards_of(problem)(begin, begin + 512);
      Shape part = shape;
      part.length = 512;
      const DecodePlan of_shard(Space{}, m, part, cache_of<std::decay_t<decltype(own)>>,
                                {.shard = {.first_row = begin, .length = 1536}});
      const ShardedPlan sharded(Space{}, ranks, of_shard);
      const Out out("test::out", 2, tokens, 2, 64);
      sharded.run(Space{}, ranks, query, own, out, {.seed = 3}, problem.length_view());
      Space{}.fence();
      const auto given = flat(out);
      for (std::size_t i = 0; i < given.size(); ++i) CHECK(given[i] == doctest::Approx(expected[i]).epsilon(1e-5));
    });
  };
  check(Exact{});
  check(MassUnit{.rows = 100});
  check(Systematic{.samples = 100});
}
