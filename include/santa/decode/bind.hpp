// Notes what a step is given in what its kernels are given, and checks it.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/matrix.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/shard.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/options.hpp>
#include <santa/merge/attention_states.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace santa::detail::inline SANTA_BUILD {

/// Checks query or output against the batch of a cache and the plan: of rank 3 where there is one token, else of rank
/// 4.
inline void require_query_extents(const Array& view, std::int64_t batch, const Shape& plan, std::int64_t dim) {
  require_extent(view, 0, batch, "the batch of keys");
  const int heads = view.rank - 2;
  if (heads == 2)
    require_extent(view, 1, plan.tokens, "the plan's tokens");
  else
    require(plan.tokens == 1, std::string(view.name) + "'s rank", view.rank,
            {"4, [batch, tokens, heads, dim]: the plan is for ", plan.tokens, " tokens"});
  require_extent(view, heads, plan.heads, "the plan's heads");
  require_extent(view, heads + 1, dim, dim == plan.dim ? "the plan's dim" : "the plan's value_dim");
  require_rows(view);
}
/// Notes the strides of requests, heads and tokens, of a view so checked.
inline void take_strides(const Array& view, std::int64_t (&stride)[2], std::int64_t& of_tokens) {
  stride[0] = view.stride[0];
  stride[1] = view.stride[view.rank - 2];
  of_tokens = view.rank == 4 ? view.stride[1] : 0;
}

/// Checks and notes where so many rows lie in a whole. Returns the rows of that. Errors: std::invalid_argument: name,
/// given, accepted.
inline std::int64_t lay_out_shard(Arguments& a, const Shard& shard, std::int64_t rows) {
  require(shard.length >= 0 && shard.length <= most_rows, "shard.length", shard.length, "0 to 2^36");
  require(shard.length > 0 || shard.first_row == 0, "shard.first_row", shard.first_row,
          "0 without a length of the whole");
  a.sharded = shard.length > 0;
  const std::int64_t last = shard.length - rows;
  if (a.sharded && !(shard.first_row >= 0 && shard.first_row % tile_keys == 0 && shard.first_row <= last))
    reject("shard.first_row", shard.first_row,
           "a multiple of 32, so that the shard's " + std::to_string(rows) + " rows end within the whole's " +
               std::to_string(shard.length));
  a.shard.first_row = a.shard.begin = shard.first_row;
  a.shard.end = shard.first_row + rows;
  a.shard.storage = shard.length;
  return a.sharded ? shard.length : rows;
}
inline void require_whole(const Arguments& a) {
  if (a.sharded) reject("the plan", "one of a shard", "one of a whole: a shard's is run by ShardedPlan");
}

/// Checks that a step of this shape fits a plan of that one.
inline void require_fit(const Shape& given, const Shape& plan) {
  const auto at_most = [](std::string_view name, std::int64_t value, std::int64_t most) {
    if (value > most) reject(name, value, {"at most the plan's ", most, ""});
  };
  const auto equal = [](std::string_view name, std::int64_t value, std::int64_t expected) {
    if (value != expected) reject(name, value, {"the plan's ", expected, ""});
  };
  at_most("batch", given.batch, plan.batch);
  at_most("length", given.length, plan.length);
  equal("kv_heads", given.kv_heads, plan.kv_heads);
  equal("dim", given.dim, plan.dim);
  equal("value_dim", given.values(), plan.values());
}

/// Query and shape of a step. Errors: std::invalid_argument: name, given, accepted.
inline void bind_step(Arguments& a, const Shape& plan, const Shape& given, const Array& query, ElementType type) {
  require_query_extents(query, given.batch, plan, plan.dim);
  require_fit(given, plan);
  a.batch = static_cast<std::int32_t>(given.batch);
  a.storage = given.length;
  a.query = {query.data, type};
  take_strides(query, a.query_stride, a.query_token_stride);
}
/// The output of a step of the shape's batch.
inline void bind_out(Arguments& a, const Shape& shape, const Array& out, void* to, ElementType type) {
  require_query_extents(out, a.batch, shape, shape.values());
  a.out = {to, type};
  take_strides(out, a.out_stride, a.out_token_stride);
}

/// What states that are merged later take of a step's options.
inline void bind_part_options(Arguments& a, bool error_bars) {
  if (a.sinks != nullptr) reject("sinks", "given", "none: merge adds them, once");
  a.with_spread = a.with_spread || error_bars;
}

/// That a part of `states` has room for a step's heads, whose bars it may want.
template <class MemorySpace>
void bind_part(Arguments& a, const Shape& plan, const AttentionStates<MemorySpace>& states) {
  require_whole(a);
  const Shape& shape = states.shape();
  const auto require_equal = [](std::string_view name, std::int64_t value, std::int64_t expected) {
    if (value != expected) reject(name, value, {"the plan's ", expected, ""});
  };
  require(shape.batch >= a.batch, "states.shape().batch", shape.batch, {"the batch (", a.batch, ") or more"});
  require_equal("states.shape().heads", shape.heads, plan.heads);
  require_equal("states.shape().kv_heads", shape.kv_heads, plan.kv_heads);
  require_equal(shape.value_dim == 0 ? "states.shape().dim" : "states.shape().value_dim", shape.values(),
                plan.values());
  require_equal("states.shape().tokens", shape.tokens, plan.tokens);
  bind_part_options(a, states.error_bars());
}

/// Query and shape of a step of requests that share keys: `cache` is the shape of the cache of those.
template <class MemorySpace>
void bind_shared(Arguments& a, const Shape& plan, const Shape& cache, const Array& query,
                 const Kokkos::View<const std::int32_t*, MemorySpace>& sharers,
                 const AttentionStates<MemorySpace>& states) {
  if (a.token_rows.causal) reject("the plan's causal", "true", "false: its keys are not those of the tokens");
  require(a.window == every_key, "the plan's window", a.window, "none: the queries' positions are not known");
  const Shape& requests = states.shape();
  const auto equal = [](std::string_view name, std::int64_t given, std::int64_t expected) {
    require(given == expected, name, given, {"the plan's ", expected, ""});
  };
  equal("states.shape().heads", requests.heads, plan.heads);
  equal("states.shape().kv_heads", requests.kv_heads, plan.kv_heads);
  equal("states.shape().dim", requests.dim, plan.dim);
  equal("states.shape().value_dim", requests.values(), plan.values());
  require(plan.tokens % requests.tokens == 0, "states.shape().tokens", requests.tokens,
          {"a divisor of the plan's (", plan.tokens, ")"});
  require_query_extents(query, requests.batch, requests, requests.dim);
  require_fit(cache, plan);
  if (query.rank == 4 && requests.tokens > 1)
    require(query.stride[0] == requests.tokens * query.stride[1], "query.stride(0)", query.stride[0],
            "tokens * query.stride(1): requests follow each other");
  require(static_cast<std::int64_t>(sharers.extent(0)) > cache.batch, "sharers.extent(0)",
          static_cast<std::int64_t>(sharers.extent(0)), {"the prefixes and one (", cache.batch + 1, ") or more"});
  require_pointer(sharers.data(), "sharers.data()");
  a.batch = requests.batch > 0 ? static_cast<std::int32_t>(cache.batch) : 0;
  a.storage = cache.length;
  a.token_rows.shared = {sharers.data(), static_cast<std::int32_t>(requests.batch),
                         static_cast<std::int32_t>(requests.tokens)};
  a.query_stride[0] = query.stride[0];
  a.query_stride[1] = query.stride[query.rank - 2];
  // Tokens are those of all requests, one after another.
  a.query_token_stride = query.stride[query.rank == 4 && requests.tokens > 1 ? 1 : 0];
}

/// Checks the first two extents of an optional view; false for one without data, which is absent.
inline bool is_given(const Array& view, std::int64_t rows, std::int64_t columns) {
  if (view.data == nullptr) return false;
  if (view.extent[0] < rows)
    reject_extent(view, 0, ".extent(", view.extent[0], "the batch (" + std::to_string(rows) + ") or more");
  require_extent(view, 1, columns);
  return true;
}
/// The same as a matrix.
template <class View>
auto optional_matrix(std::string_view name, const View& view, std::int64_t rows, std::int64_t columns) {
  Matrix<typename View::value_type> result;
  const Array array = array_of(name, view);
  if (is_given(array, rows, columns)) result = {view.data(), {array.stride[0], array.stride[1]}};
  return result;
}

/// Sink logits of a plan's heads, or null where none are given.
template <class View>
const float* bind_sinks(const View& sinks, std::int64_t heads) {
  if (sinks.data() != nullptr) require_extent(array_of("sinks", sinks), 0, heads, "the plan's heads");
  return sinks.data();
}

/// Budgets of a step's requests, or null where none are given.
template <class View>
const float* bind_budgets(const View& budgets, std::int64_t batch) {
  const auto given = static_cast<std::int64_t>(budgets.extent(0));
  if (budgets.data() != nullptr)
    require(given >= batch, "budgets.extent(0)", given, {"the batch (", batch, ") or more"});
  return budgets.data();
}

/// The outputs beside `out`, and what they depend on besides the states. Errors: std::invalid_argument: name, given,
/// accepted.
template <class Options>
void bind_outputs(Arguments& a, const Shape& plan, const Options& options) {
  a.sinks = bind_sinks(options.sinks, plan.heads);
  a.lse = bind_head_numbers("lse", options.lse, a.batch, plan);
  a.error = bind_head_numbers("error", options.error, a.batch, plan);
  a.with_spread = static_cast<bool>(a.error);
  a.statistics = optional_matrix("statistics", options.statistics, a.batch, plan.kv_heads);
  if (options.center.data() == nullptr) return;
  const Array center = array_of("center", options.center);
  require_extent(center, 2, plan.values(), plan.values() == plan.dim ? "dim" : "value_dim");
  if (center.stride[2] != 1) reject_extent(center, 2, ".stride(", center.stride[2], "1");
  a.center = optional_matrix("center", options.center, a.batch, plan.kv_heads);
}
/// Which of its tokens a request has, and what they see.
template <class MemorySpace>
void bind_tokens(TokenRows& rows, std::int64_t batch, const RunOptions<MemorySpace>& options) {
  if (options.tokens.data() != nullptr) {
    if (rows.shared.given()) reject("tokens", "given", "none: all tokens of a request attend to the keys it shares");
    const auto given = static_cast<std::int64_t>(options.tokens.extent(0));
    require(given >= batch, "tokens.extent(0)", given, {"the batch (", batch, ") or more"});
    rows.counts = options.tokens.data();
  }
  const Array trees = array_of("trees", options.trees);
  if (!is_given(trees, batch, rows.tokens)) return;
  require(rows.tokens <= tree_tokens, "trees.extent(1)", rows.tokens, "32 or less: a bit for each token");
  if (!rows.causal) reject("trees", "given", "none: the plan is not causal");
  rows.trees = options.trees.data();
  for (int i = 0; i < 2; ++i) rows.tree_stride[i] = trees.stride[i];
}

/// The options of a run that all methods have. Errors: std::invalid_argument: name, given, accepted.
template <class MemorySpace>
void bind_options(Arguments& a, const Shape& plan, const RunOptions<MemorySpace>& options) {
  a.chance = bind_chance(options, a.batch);
  bind_tokens(a.token_rows, a.batch, options);
  options.state.require_kept();
  is_given(array_of("state", options.state.log_ratio), a.batch, plan.query_rows());
  bind_outputs(a, plan, options);
}

}  // namespace santa::detail::inline SANTA_BUILD
