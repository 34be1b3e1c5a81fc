// One decode step by a method that is chosen at run time.
#pragma once

#include "decode/methods.hpp"
#include "decode/scoring.hpp"
#include <santa/cache/contiguous.hpp>
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/low_rank_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/cache/sparse_keys.hpp>
#include <santa/clusters/clustered_keys.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/options.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <variant>

namespace santa::example {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Unmanaged = Kokkos::MemoryTraits<Kokkos::Unmanaged>;

// A request alone: the batch is 1.
template <class T>
using RowsView = Kokkos::View<const T****, Kokkos::LayoutRight, Memory, Unmanaged>;  // [1, visible, kv_heads, dim]
template <class T>
using Cache = ContiguousCache<RowsView<T>>;
// The same with all rows and the number of visible ones, as copies of keys have it.
using LengthView = Kokkos::View<const std::int64_t*, Memory, Unmanaged>;  // [1]
template <class T>
using WholeCache = ContiguousCache<RowsView<T>, RowsView<T>, LengthView>;
template <class T>
using AnyNarrowKeys = std::variant<std::monostate, NarrowKeys<std::int8_t, Memory>, NarrowKeys<float8, Memory>,
                                   NarrowKeys<int4x2, Memory>, LowRankKeys<T, Memory>, SparseKeys<Memory>>;
using QueryView = Kokkos::View<const float***, Kokkos::LayoutRight, Memory, Unmanaged>;  // [1, heads, dim]
using OutView = Kokkos::View<float***, Kokkos::LayoutRight, Memory, Unmanaged>;          // [1, heads, dim]

/// What a step attends to: the visible rows, and the same as the front of all rows, with copies of keys if there are
/// any.
template <class T>
struct Step {
  Cache<T> visible;
  WholeCache<T> whole;
  const AnyNarrowKeys<T>* narrow;
  const FeatureKeys<T, Memory>* features;
  const ClusteredKeys<Memory>* clusters;
};

/// A method bound to a plan.
template <class T>
class Decoder {
 public:
  Decoder() = default;
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;
  virtual ~Decoder() = default;

  virtual void run(const Space& space, const QueryView& query, const Step<T>& step, const OutView& out,
                   const RunOptions<Memory>& options) const = 0;

  /// Forgets what it carries from step to step, beside the state that a run is given.
  virtual void reset(const Space& /*space*/) const {}
  /// Bytes that the last run read, where the method says; nothing where they follow from the rows.
  [[nodiscard]] virtual std::optional<double> bytes_read() const { return std::nullopt; }

  /// Features of a key that scores of such a run read: the mean over kv heads; nothing where it reads them all.
  [[nodiscard]] virtual std::optional<double> features_read(const Space& /*space*/, const QueryView& /*query*/,
                                                            const Step<T>& /*step*/,
                                                            const RunOptions<Memory>& /*options*/) const {
    return std::nullopt;
  }
};

/// Errors: std::invalid_argument from the library.
template <class T>
std::unique_ptr<Decoder<T>> make_decoder(const Space& space, const AnyMethod& method, const Shape& shape, float scale);

/// The same on narrow keys, and on features of keys, for a method that takes copies.
template <class T>
std::unique_ptr<Decoder<T>> make_narrow_decoder(const Space& space, const AnyMethod& method, const Shape& shape,
                                                float scale, const Scoring& scoring);
template <class T>
std::unique_ptr<Decoder<T>> make_feature_decoder(const Space& space, const AnyMethod& method, const Shape& shape,
                                                 float scale, const Scoring& scoring);

/// The same on clusters of keys.
template <class T>
std::unique_ptr<Decoder<T>> make_cluster_decoder(const Space& space, const Shape& shape, float scale,
                                                 const Scoring& scoring);

}  // namespace santa::example
