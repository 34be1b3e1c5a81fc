// A problem's keys in shards, each of which is a rank's, in one process.
#pragma once

#include "support/data.hpp"
#include "support/runner.hpp"
#include <santa/ranks/one_process.hpp>
#include <santa/ranks/sharded_plan.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
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

/// Views of the outputs of a step in a space's memory.
template <class Space, class T = float>
struct Outputs {
  using Memory = typename Space::memory_space;
  Kokkos::View<T***, Kokkos::LayoutRight, Memory> out;
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse, error;
  Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics;

  explicit Outputs(const Shape& shape)
      : out("test::out", size(shape.batch), size(shape.heads), size(shape.dim)),
        lse("test::lse", size(shape.batch), size(shape.heads)),
        error("test::error", size(shape.batch), size(shape.heads)),
        statistics("test::statistics", size(shape.batch), size(shape.kv_heads)) {}

  [[nodiscard]] Result result() const { return {flat(out), flat(lse), flat(error), flat(statistics)}; }

 private:
  static std::size_t size(std::int64_t extent) { return static_cast<std::size_t>(extent); }
  template <class View>
  static auto flat(const View& view) {
    using V = typename View::value_type;
    return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
  }
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

/// The same by a rank for each of `ends`, where shards end; cache_of_shard(begin, end) makes its cache. Each rank's
/// results, step by step.
template <class Space, class M, class MakeCache, class Modifier = Identity>
std::vector<std::vector<Result>> run_shards(const M& method, const Problem<Space, float>& problem,
                                            const std::vector<std::int64_t>& ends, const Steps& steps,
                                            const MakeCache& cache_of_shard, const Modifier& modifier = {}) {
  std::vector<std::vector<Result>> results(ends.size());
  run_ranks(static_cast<int>(ends.size()), [&](const ThreadRank& ranks) {
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
    for (std::uint32_t step = 0; step < steps.count; ++step) {
      const Outputs<Space> to(problem.shape);
      plan.run(Space{}, ranks, problem.queries(), cache, to.out, options_of(to, steps, step, state),
               problem.length_view());
      Space{}.fence();
      results[rank].push_back(to.result());
    }
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

/// Makes the caches of a problem's shards: views of its own rows.
template <class Space>
auto shards_of(const Problem<Space, float>& problem) {
  return [&problem](std::int64_t begin, std::int64_t end) {
    const auto range = std::pair<std::size_t, std::size_t>(begin, end);
    const std::size_t row = problem.layout() == CacheLayout::head_major ? 2 : 1;
    const auto rows = [&](const auto& view) {
      return row == 1 ? typename Problem<Space, float>::Rows(
                            Kokkos::subview(view, Kokkos::ALL, range, Kokkos::ALL, Kokkos::ALL))
                      : typename Problem<Space, float>::Rows(
                            Kokkos::subview(view, Kokkos::ALL, Kokkos::ALL, range, Kokkos::ALL));
    };
    return typename Problem<Space, float>::Cache(rows(problem.key_view()), rows(problem.value_view()),
                                                 lengths_of_shard<Space>(problem.lengths, begin, end),
                                                 problem.layout());
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

}  // namespace santa::test
