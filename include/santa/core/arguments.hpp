// What every kernel of a decode step is given: plain pointers, strides and numbers.
#pragma once

#include <santa/core/balance.hpp>
#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/element.hpp>
#include <santa/core/head_state.hpp>
#include <santa/core/least_keys.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/matrix.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/shard.hpp>
#include <santa/core/statistics.hpp>
#include <santa/core/token_rows.hpp>

#include <cstdint>

namespace santa::detail {

/// What the kernels of all methods have in common; methods that need more derive their own from it. What kernels look
/// at first comes first: each 64 bytes of a kernel's arguments have to be waited for.
struct Arguments {
  [[gnu::always_inline]] Arguments() = default;  // not shared by units for different processors

  // Shape, and how it is cut into units of work: see schedule/. Heads are those of all tokens: see TokenRows.
  std::int32_t batch = 0, heads = 0, dim = 0;  // dim: of value rows, and what is summed and written
  Divisor kv_heads, slices, slice_heads;       // a kv head's heads, in slices that a lane group works on
  Divisor splits;
  std::uint16_t split_step = split_keys;  // even shares are multiples of so many keys
  LeastKeys least_share;                  // keys of an even share at least
  std::uint16_t key_dim = 0;              // of key rows and queries
  bool balanced = false;                  // by lengths: `balance` says how
  bool keeps_states = false;              // they are not merged, but kept for others: see PartKernel
  bool separate = false;                  // heads draw by themselves
  bool with_spread = false;               // error-bar sums are made: for `error`, or a target error
  bool sharded = false;                   // the cache is a shard of a whole: `shard` says where
  Lengths lengths;
  std::int64_t storage = 0;
  std::int64_t window = every_key;  // of the last keys, which are visible
  std::int64_t keys_per_split = 0;  // 0: visible keys are shared out evenly, in multiples of split_step
  AnyInput query;
  std::int64_t query_stride[2] = {0, 0};  // of requests and heads
  float score_factor = 0.F;               // scale * log2(e): scores are in log2 units inside the kernels
  Chance chance;

  // Memory of the plan.
  float* states = nullptr;          // [states][slice heads][state_floats]: HeadState and N; see schedule/
  UnitCounts* counts = nullptr;     // [states]
  std::int32_t* arrived = nullptr;  // [batch][kv heads]: units that have finished; zero between runs
  std::int32_t most_merged = 0;     // states of a slice that its last unit merges; more have a kernel of their own
  std::int32_t most_splits = 1;     // of a request, by either schedule
  Balance balance;
  std::int32_t* taken = nullptr;  // units that teams took from a balanced schedule; zero between kernels

  // Outputs and optional inputs; every pointer but `out` may be null.
  AnyOutput out;
  std::int64_t out_stride[2] = {0, 0};
  HeadNumbers lse, error;
  Matrix<Statistics> statistics;
  Matrix<const float> center;    // the row of (batch, kv head), contiguous
  const float* sinks = nullptr;  // [heads], in natural units
  std::int64_t equal_draws = 0;  // draws of one weight that error bars are of; 0: rows have weights of their own
  TokenRows token_rows;
  std::int64_t query_token_stride = 0, out_token_stride = 0;
  ShardKeys shard;

  /// Requests times kv heads times slices.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t slice_rows() const { return std::int64_t{batch} * kv_heads * slices; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t head_rows() const { return std::int64_t{batch} * heads; }
  /// What is merged is part of a whole, which alone says what is carried to the next step.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool keeps_part() const { return sharded && keeps_states; }
  [[nodiscard]] KOKKOS_FUNCTION RowDims row_dims() const { return {key_dim, dim}; }

  /// Calls take(pointer, extents...) for each array of the plan's memory that kernels of any method use.
  template <class Take>
  void take_memory(const Take& take) {
    const std::int64_t units = slice_rows() * most_splits;
    take(arrived, std::int64_t{batch} * kv_heads);
    take(taken, std::int64_t{1});
    take(states, units, std::int64_t{slice_heads}, state_floats(dim));
    take(counts, units);
  }
};

/// Notes a shape's batch, heads and features, and cuts a kv head's heads into slices of equal size, of at most
/// `most_heads`.
inline void set_heads(Arguments& a, const Shape& shape, int most_heads) {
  a.batch = static_cast<std::int32_t>(shape.batch);
  a.heads = static_cast<std::int32_t>(shape.query_rows());
  a.token_rows.tokens = static_cast<std::int32_t>(shape.tokens);
  a.token_rows.group = static_cast<std::int32_t>(shape.group());
  a.kv_heads = static_cast<std::int32_t>(shape.kv_heads);
  a.dim = static_cast<std::int32_t>(shape.values());
  a.key_dim = static_cast<std::uint16_t>(shape.dim);
  const auto together = static_cast<std::int32_t>(shape.group() * shape.tokens);
  a.slices = (together + most_heads - 1) / most_heads;
  a.slice_heads = (together + a.slices - 1) / a.slices;
}

}  // namespace santa::detail
