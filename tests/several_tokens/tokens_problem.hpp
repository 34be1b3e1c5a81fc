// Steps of several tokens, and their attention in double precision.
#pragma once

#include "support/data.hpp"
#include "support/runner.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace santa::test {

/// What tokens see, and what happens to their scores.
struct SeenKeys {
  std::int64_t window = -1;               // -1: none
  std::vector<std::int32_t> counts = {};  // [batch]; none: all
  std::vector<std::uint32_t> trees = {};  // [batch][tokens]; none: a chain
  std::vector<double> slopes = {};        // [heads]
  std::vector<float> sinks = {};          // [heads]
  bool causal = true;
  std::int64_t keys_per_split = 0;  // of the plan
};

/// A problem of which each request has `tokens` queries of `heads` heads: the problem's heads are those of all tokens,
/// token by token.
template <class Space, class T>
struct TokensProblem : Problem<Space, T> {
  using Base = Problem<Space, T>;
  using Memory = typename Space::memory_space;
  using Queries = Kokkos::View<const float****, Kokkos::LayoutRight, Memory>;

  Shape step;  // of the step: with its heads and tokens

  explicit TokensProblem(const Shape& of_step, Arrangement where = Arrangement::token_major)
      : Base(rows_as_heads(of_step), where), step(of_step) {}

  [[nodiscard]] Queries queries_of_tokens() const {
    const auto n = [](std::int64_t i) { return static_cast<std::size_t>(i); };
    return Queries(this->queries().data(), n(step.batch), n(step.tokens), n(step.heads), n(step.dim));
  }
  [[nodiscard]] std::size_t row(std::int64_t b, std::int64_t t, std::int64_t h) const {
    return static_cast<std::size_t>((b * step.tokens + t) * step.heads + h);
  }

 private:
  static Shape rows_as_heads(Shape rows) {
    rows.heads *= rows.tokens;
    rows.tokens = 1;
    return rows;
  }
};

/// Weights of the keys that a token sees, not normalised but for their largest, which is 1; `largest` is its log.
template <class Data>
std::vector<double> token_weights(const Data& problem, std::int64_t b, std::int64_t t, std::int64_t h,
                                  const SeenKeys& options, double& largest) {
  const Shape& step = problem.step;
  const std::int64_t length = problem.lengths[static_cast<std::size_t>(b)];
  const std::int64_t count = options.counts.empty() ? step.tokens : options.counts[static_cast<std::size_t>(b)];
  const std::int64_t own = length - count;  // the key of the first token
  const std::int64_t after = options.causal ? own + t + 1 : length;
  std::vector<double> weights(static_cast<std::size_t>(length), 0.);
  std::vector<double> scores(weights.size(), -HUGE_VAL);
  largest = -HUGE_VAL;
  for (std::int64_t i = 0; i < length && t < count; ++i) {
    const bool tree = !options.trees.empty();
    if (!tree && i >= after) continue;
    if (tree && i >= own && ((options.trees[static_cast<std::size_t>(b * step.tokens + t)] >> (i - own)) & 1U) == 0)
      continue;
    if (options.window >= 0 && i < after - options.window) continue;
    double dot = 0.;
    for (std::int64_t d = 0; d < step.dim; ++d)
      dot += static_cast<double>(problem.query(b, t * step.heads + h, d)) *
             static_cast<double>(problem.key(b, i, h / step.group(), d));
    double score = dot / std::sqrt(static_cast<double>(step.dim));
    if (!options.slopes.empty())
      score += options.slopes[static_cast<std::size_t>(h)] * static_cast<double>(i + 1 - after);
    scores[static_cast<std::size_t>(i)] = score;
    largest = std::fmax(largest, score);
  }
  for (std::size_t i = 0; i < weights.size(); ++i)
    weights[i] = scores[i] > -HUGE_VAL ? std::exp(scores[i] - largest) : 0.;
  return weights;
}

/// out [batch][tokens][heads][dim] and lse [batch][tokens][heads] in double precision.
struct TokensReference {
  std::vector<double> out, lse;
};
template <class Data>
TokensReference token_reference(const Data& problem, const SeenKeys& options = {}) {
  const Shape& step = problem.step;
  TokensReference result;
  for (std::int64_t b = 0; b < step.batch; ++b)
    for (std::int64_t t = 0; t < step.tokens; ++t)
      for (std::int64_t h = 0; h < step.heads; ++h) {
        double largest = 0.;
        const std::vector<double> weights = token_weights(problem, b, t, h, options, largest);
        double sum = options.sinks.empty() || largest == -HUGE_VAL
                         ? 0.
                         : std::exp(static_cast<double>(options.sinks[static_cast<std::size_t>(h)]) - largest);
        for (const double w : weights) sum += w;
        const bool sink_alone = largest == -HUGE_VAL && !options.sinks.empty();
        result.lse.push_back(sink_alone ? static_cast<double>(options.sinks[static_cast<std::size_t>(h)])
                             : sum > 0. ? largest + std::log(sum)
                                        : -HUGE_VAL);
        for (std::int64_t d = 0; d < step.dim; ++d) {
          double total = 0.;
          for (std::size_t i = 0; i < weights.size(); ++i)
            if (weights[i] > 0.)
              total +=
                  weights[i] * static_cast<double>(problem.value(b, static_cast<std::int64_t>(i), h / step.group(), d));
          result.out.push_back(sum > 0. ? total / sum : 0.);
        }
      }
  return result;
}

/// A plan for a step of several tokens and its outputs, on the host.
template <class Space, class M, class Cache, class Modifier = Identity>
class TokensRun {
 public:
  using Memory = typename Space::memory_space;
  using Run = RunOptions<Memory>;
  using State = DecodeState<Memory>;
  template <class D>
  using Array = Kokkos::View<D, Kokkos::LayoutRight, Memory>;

  template <class Data>
  TokensRun(const Data& problem, const M& method, const Cache& cache, const SeenKeys& options = {},
            const Modifier& modifier = {})
      : _query(problem.queries_of_tokens()),
        _cache(cache),
        _plan(Space{}, method, _query, cache,
              PlanOptions{.keys_per_split = options.keys_per_split, .causal = options.causal}, modifier),
        _out("test::out", _query.extent(0), _query.extent(1), _query.extent(2), _query.extent(3)),
        _lse("test::lse", _query.extent(0), _query.extent(1), _query.extent(2)),
        _error("test::error", _query.extent(0), _query.extent(1), _query.extent(2)),
        _statistics("test::statistics", _query.extent(0), cache.shape().kv_heads) {
    if (!options.counts.empty()) _given.tokens = to_space<Space>(options.counts, "test::tokens");
    if (!options.sinks.empty()) _given.sinks = to_space<Space>(options.sinks, "test::sinks");
    if (!options.trees.empty()) {
      const auto trees = to_space<Space>(options.trees, "test::trees");
      _trees = trees;
      _given.trees = Kokkos::View<const std::uint32_t**, Kokkos::LayoutStride, Memory>(
          trees.data(), Kokkos::LayoutStride(_query.extent(0), _query.extent(1), _query.extent(1), 1));
    }
  }

  /// Runs without error bars from here on: devices have kernels of their own for it.
  TokensRun& without_bars() {
    _error = {};
    return *this;
  }
  const Result& run(std::uint64_t seed = 1, const State& state = {}, std::uint32_t step = 0) {
    Kokkos::deep_copy(_out, quiet_nan);
    Kokkos::deep_copy(_lse, quiet_nan);
    Run options = _given;
    options.seed = seed;
    options.step = step;
    options.state = state;
    options.lse = _lse;
    options.error = _error;
    options.statistics = _statistics;
    _plan.run(Space{}, _query, _cache, _out, options);
    return fetch();
  }
  /// The same by parts, of which this one is all.
  const Result& run_by_parts(std::uint64_t seed = 1) {
    Run options = _given;
    options.seed = seed;
    const auto sinks = options.sinks;
    options.sinks = {};
    const AttentionStates<Memory> states(Space{}, _plan.shape(), 2, true);
    _plan.run_partial(Space{}, _query, _cache, states, 1, options);
    merge(Space{}, states, _out, {.sinks = sinks, .lse = _lse, .error = _error, .statistics = _statistics});
    return fetch();
  }
  [[nodiscard]] State state() const { return State(Space{}, _plan.shape()); }
  [[nodiscard]] const auto& plan() const { return _plan; }

 private:
  const Result& fetch() {
    Space{}.fence();
    const auto flat = [](const auto& view) {
      using Value = typename std::decay_t<decltype(view)>::non_const_value_type;
      return Kokkos::View<Value*, Memory>(view.data(), view.size());
    };
    _result.out = to_host<float>(flat(_out));
    _result.lse = to_host<float>(flat(_lse));
    _result.error = to_host<float>(flat(_error));
    _result.statistics = to_host<Statistics>(flat(_statistics));
    return _result;
  }

  Kokkos::View<const float****, Kokkos::LayoutRight, Memory> _query;
  Cache _cache;
  DecodePlan<Space, M, Cache, Modifier> _plan;
  Array<float****> _out;
  Array<float***> _lse, _error;
  Array<Statistics**> _statistics;
  Kokkos::View<std::uint32_t*, Memory> _trees;
  Run _given;
  Result _result;
};

}  // namespace santa::test
