// A problem's keys in shards, each of which is a rank's, in one process.
#pragma once

#include "support/data.hpp"
#include "support/outputs.hpp"
#include "support/runner.hpp"
#include <santa/ranks/one_process.hpp>
#include <santa/ranks/sharded_plan.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace santa::test {

/// Several steps of a whole, as one plan or as several ranks run them.
struct Steps {
  std::uint32_t count = 1;
  std::int64_t parts = 1;
  PlanOptions plan = {};
  bool with_state = false;
  std::uint64_t seed = 5;
};

template <class Space>
RunOptions<typename Space::memory_space> options_of(const Outputs<Space>& to, const Steps& steps, std::uint32_t step,
                                                    const DecodeState<typename Space::memory_space>& state) {
  RunOptions<typename Space::memory_space> options;
  options.seed = steps.seed;
  options.step = step;
  options.lse = to.lse;
  options.error = to.error;
  options.statistics = to.statistics;
  if (steps.with_state) options.state = state;
  return options;
}

/// Steps of one plan for all keys.
template <class Space, class M, class Cache, class Modifier = Identity>
std::vector<Result> run_whole(const M& method, const Problem<Space, float>& problem, const Cache& cache,
                              const Steps& steps, const Modifier& modifier = {}) {
  const DecodePlan plan(Space{}, method, problem.shape, cache_of<Cache>, steps.plan, modifier);
  const DecodeState<typename Space::memory_space> state(Space{}, problem.shape);
  std::vector<Result> results;
  for (std::uint32_t step = 0; step < steps.count; ++step) {
    const Outputs<Space> to(problem.shape);
    plan.run(Space{}, problem.queries(), cache, to.out, options_of(to, steps, step, state));
    results.push_back(to.result());
  }
  return results;
}

/// The same by one of the ranks: `ends` is where shards end, cache_of_shard(begin, end) makes its cache.
template <class Space, class Ranks, class M, class MakeCache, class Modifier = Identity>
std::vector<Result> run_rank(const Ranks& ranks, const M& method, const Problem<Space, float>& problem,
                             const std::vector<std::int64_t>& ends, const Steps& steps, const MakeCache& cache_of_shard,
                             const Modifier& modifier = {}) {
  const auto rank = static_cast<std::size_t>(ranks.rank());
  const std::int64_t begin = rank > 0 ? ends[rank - 1] : 0;
  const auto cache = cache_of_shard(begin, ends[rank]);
  Shape shape = problem.shape;
  shape.length = ends[rank] - begin;
  PlanOptions options = steps.plan;
  options.shard = {.first_row = begin, .length = problem.shape.length};
  const DecodePlan own(Space{}, method, shape, cache_of<std::decay_t<decltype(cache)>>, options, modifier);
  const ShardedPlan plan(Space{}, ranks, own, steps.parts);
  const DecodeState<typename Space::memory_space> state(Space{}, problem.shape);
  std::vector<Result> results;
  for (std::uint32_t step = 0; step < steps.count; ++step) {
    const Outputs<Space> to(problem.shape);
    plan.run(Space{}, ranks, problem.queries(), cache, to.out, options_of(to, steps, step, state),
             problem.length_view());
    Space{}.fence();
    results.push_back(to.result());
  }
  return results;
}

/// The same by all of them, in this process. Each rank's results, step by step.
template <class Space, class M, class MakeCache, class Modifier = Identity>
std::vector<std::vector<Result>> run_shards(const M& method, const Problem<Space, float>& problem,
                                            const std::vector<std::int64_t>& ends, const Steps& steps,
                                            const MakeCache& cache_of_shard, const Modifier& modifier = {}) {
  std::vector<std::vector<Result>> results(ends.size());
  run_ranks(static_cast<int>(ends.size()), [&](const ThreadRank& ranks) {
    results[static_cast<std::size_t>(ranks.rank())] =
        run_rank(ranks, method, problem, ends, steps, cache_of_shard, modifier);
  });
  return results;
}

/// Lengths of the keys [begin, end) of each request.
template <class Space>
auto lengths_of_shard(const std::vector<std::int64_t>& whole, std::int64_t begin, std::int64_t end) {
  std::vector<std::int64_t> lengths;
  for (const std::int64_t length : whole) lengths.push_back(std::clamp<std::int64_t>(length - begin, 0, end - begin));
  return to_space<Space>(lengths, "test::lengths");
}

/// Copies of the rows [begin, end) of a view, between rows of NaN: what is not the shard's shows.
template <class Space, class View>
auto rows_of_shard(const View& view, CacheLayout layout, std::int64_t begin, std::int64_t end) {
  constexpr std::size_t margin = 64;
  const auto count = static_cast<std::size_t>(end - begin);
  const auto first = static_cast<std::size_t>(begin);
  const bool by_token = layout == CacheLayout::token_major;
  const std::size_t extent[2] = {by_token ? count + 2 * margin : view.extent(1),
                                 by_token ? view.extent(2) : count + 2 * margin};
  using T = typename View::non_const_value_type;
  const Kokkos::View<T****, Kokkos::LayoutRight, typename Space::memory_space> all(
      "test::shard", view.extent(0), extent[0], extent[1], view.extent(3));
  Kokkos::deep_copy(all, T(quiet_nan));
  const auto inside = std::pair<std::size_t, std::size_t>(margin, margin + count);
  const auto from = std::pair<std::size_t, std::size_t>(first, first + count);
  const auto cut = [&](const auto& of, const auto& range) {
    using Rows = Kokkos::View<typename std::decay_t<decltype(of)>::value_type****, Kokkos::LayoutStride,
                              typename Space::memory_space>;
    return by_token ? Rows(Kokkos::subview(of, Kokkos::ALL, range, Kokkos::ALL, Kokkos::ALL))
                    : Rows(Kokkos::subview(of, Kokkos::ALL, Kokkos::ALL, range, Kokkos::ALL));
  };
  const auto own = cut(all, inside);
  Kokkos::deep_copy(own, cut(view, from));
  return own;
}

/// Makes the caches of a problem's shards, in memory of their own.
template <class Space>
auto shards_of(const Problem<Space, float>& problem) {
  return [&problem](std::int64_t begin, std::int64_t end) {
    return
        typename Problem<Space, float>::Cache(rows_of_shard<Space>(problem.key_view(), problem.layout(), begin, end),
                                              rows_of_shard<Space>(problem.value_view(), problem.layout(), begin, end),
                                              lengths_of_shard<Space>(problem.lengths, begin, end), problem.layout());
  };
}

/// Cuts of a length into so many shards, at multiples of 32 keys and of little else.
inline std::vector<std::int64_t> uneven_ends(std::int64_t length, int shards) {
  std::vector<std::int64_t> ends;
  for (int i = 1; i < shards; ++i) ends.push_back((length * i / shards + 37 * i) / 32 * 32);
  ends.push_back(length);
  return ends;
}
/// The same at multiples of some number.
inline std::vector<std::int64_t> even_ends(std::int64_t length, int shards, std::int64_t multiple) {
  std::vector<std::int64_t> ends;
  for (int i = 1; i < shards; ++i) ends.push_back(length * i / shards / multiple * multiple);
  ends.push_back(length);
  return ends;
}

/// That a rank's step is the whole's: the same rows, and numbers within the rounding of a few additions.
inline void check_same_draws(const Result& whole, const Result& own) {
  for (std::size_t i = 0; i < whole.statistics.size(); ++i) {
    CAPTURE(i);
    CHECK(own.statistics[i].rows_read == whole.statistics[i].rows_read);
    CHECK(own.statistics[i].samples == whole.statistics[i].samples);
    CHECK(own.statistics[i].flags == whole.statistics[i].flags);
    CHECK(own.statistics[i].effective_sample_size ==
          doctest::Approx(whole.statistics[i].effective_sample_size).epsilon(1e-4));
  }
  const auto near = [](const std::vector<float>& given, const std::vector<float>& expected, double tolerance) {
    REQUIRE(given.size() == expected.size());
    for (std::size_t i = 0; i < given.size(); ++i) {
      if (given[i] == expected[i] || (std::isnan(given[i]) && std::isnan(expected[i]))) continue;
      CAPTURE(i);
      CHECK(std::abs(static_cast<double>(given[i]) - static_cast<double>(expected[i])) <=
            tolerance * (1. + std::abs(static_cast<double>(expected[i]))));
    }
  };
  near(own.lse, whole.lse, 2e-6);
  near(own.out, whole.out, 1e-5);
  near(own.error, whole.error, 1e-3);
}

}  // namespace santa::test
