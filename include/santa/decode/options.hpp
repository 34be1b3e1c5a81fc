// Options of a plan and of a run.
#pragma once

#include <santa/core/shape.hpp>
#include <santa/core/shard.hpp>
#include <santa/core/statistics.hpp>
#include <santa/core/whole_number.hpp>
#include <santa/decode/head_view.hpp>
#include <santa/decode/schedule.hpp>
#include <santa/decode/workspace_memory.hpp>
#include <santa/sample/mass_unit/state.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>

namespace santa {

/// A number given as a value of any integer type, or as a view of T that kernels read when they run: a captured graph
/// replayed with a new number there draws anew. A view of rank 0 is for all requests, one of rank 1 has a number for
/// each: [batch].
template <class T, class MemorySpace>
class RunScalar {
 public:
  using View = Kokkos::View<const T, MemorySpace>;
  using Each = Kokkos::View<const T*, MemorySpace>;

  RunScalar() = default;
  template <std::integral I>
  RunScalar(I value) : _value(value) {}  // NOLINT(google-explicit-constructor)
  template <class... Properties>
  RunScalar(const Kokkos::View<T, Properties...>& view) : _view(view) {}  // NOLINT(google-explicit-constructor)
  template <class... Properties>
  RunScalar(const Kokkos::View<const T, Properties...>& view) : _view(view) {}  // NOLINT(google-explicit-constructor)

  template <class... Properties>
  RunScalar(const Kokkos::View<T*, Properties...>& each) : _each(each) {}  // NOLINT(google-explicit-constructor)
  template <class... Properties>
  RunScalar(const Kokkos::View<const T*, Properties...>& each) : _each(each) {}  // NOLINT(google-explicit-constructor)

  /// For kernels: where the number, or the numbers, lie; null where it is a value.
  [[nodiscard]] const T* where() const { return each() ? _each.data() : _view.data(); }
  /// Whether there is one for each request.
  [[nodiscard]] bool each() const { return _each.data() != nullptr; }
  /// How many, where there is one for each request.
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(_each.extent(0)); }
  /// Errors: std::invalid_argument for a value that no T is: negative or too large.
  [[nodiscard]] T value(std::string_view name) const { return _value.template as<T>(name); }

 private:
  View _view;
  Each _each;
  WholeNumber _value;
};

/// Options of a plan.
struct PlanOptions {
  /// Factor of <q, k> in natural units; 0 means 1 / sqrt(dim).
  float scale = 0.F;
  /// Keys a unit of work takes, a multiple of 256; 0 lets the plan choose: a device by the plan's shape and, with
  /// lengths, the request's own, a host by the request's alone. Its output doesn't depend on its batch mates.
  std::int64_t keys_per_split = 0;
  /// Bytes for the plan to work in; none: it allocates its own.
  WorkspaceMemory workspace = {};
  /// Of several tokens a step: the last keys of a request are their own, and token j of t sees length - t + j + 1 keys
  /// (or what a tree says, see RunOptions). If not, each sees all keys, as of a prefix that requests share.
  bool causal = true;
  /// Where the plan's caches lie in a whole that ranks share: for ShardedPlan (ranks/), which alone runs such a plan.
  Shard shard = {};
};

/// Options of a run; all views are optional.
template <class MemorySpace>
struct RunOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  RunScalar<std::uint64_t, MemorySpace> seed = {};  // names the random numbers, with step, stream and request
  RunScalar<std::uint32_t, MemorySpace> step = {};  // decode step, 0 to 2^32 - 1: longer sequences take another seed
  WholeNumber stream = 0;                           // usually the layer, 0 to 65535: streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  // [heads]: logits of sinks, natural, beside the scores as modifiers leave them: a head's output is N / (Z + e^sink).
  // -infinity is no sink, infinity makes the output 0. Read when the kernels run.
  Kokkos::View<const float*, MemorySpace> sinks = {};
  // [batch, heads], or [batch, tokens, heads], out: natural log-sum-exp of the scores, and of the sink where there is
  // one
  HeadView<MemorySpace> lse = {};
  // The same extents, out: estimated L2 norm of the error of `out`, as if rows were drawn independently: near the RMS
  // error where `center` is near the mean value row, up to 1.5 times it where that is far. One step's bar has chance in
  // it. NaN where rows were left to chance and none of them was read; 0 where all were read.
  HeadView<MemorySpace> error = {};
  View<Statistics**> statistics = {};   // [batch, kv_heads] out
  View<const float***> center = {};     // [batch, kv_heads, dim]: control variate, fixed before the draw
  DecodeState<MemorySpace> state = {};  // carried from step to step by MassUnit
  Schedule<MemorySpace> schedule = {};  // of the cache's lengths; default: the plan's own, which costs a kernel
  // [batch]: in place of the `rows` of MassUnit, and as those: rows where they are, shares where they are shares. One
  // that covers a request's visible keys makes that request exact: infinity, or a share of 1 or more. Where a number is
  // not positive, or NaN, the method's own counts. Other methods refuse it.
  Kokkos::View<const float*, MemorySpace> budgets = {};
  // [batch]: tokens of a request, where they are fewer than the plan's: outputs of those beyond are 0, their lse
  // -infinity, or with sinks these, as of any that see no key. Read when the kernels run; clamped to 0 and the plan's.
  // `run_shared` refuses it: outputs of tokens that a request has not mean nothing there.
  Kokkos::View<const std::int32_t*, MemorySpace> tokens = {};
  // [batch, tokens]: the tokens of a request are a tree, not a chain. Bit i says whether the token sees token i's key;
  // all see the keys before the tokens' own. At most 32 tokens. Windows and biases go by positions in the cache.
  View<const std::uint32_t**> trees = {};
};

}  // namespace santa
