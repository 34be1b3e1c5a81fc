// Clusters of a cache's keys, kept beside it.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/clusters/layout.hpp>
#include <santa/core/check.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {

/// Clusters of the keys of each (request, kv head), beside any cache, contiguous or in pages: every full chunk of
/// `layout.chunk` consecutive keys in clusters of alike ones, with 4-bit means of their keys and values and 4-bit
/// residuals of each key and, if asked for, value. The first 4 keys of a request and those behind its last full chunk
/// are in no cluster.
/// Made by: `cluster_keys`, and a `NewestClusters` after each token (clusters/cluster_keys.hpp).
/// Memory:  `bytes(shape, layout)`, in one array; 28 % of a cache of 2-byte elements at dim 128, 15 % without codes of
///          values; `NewestClusters` has its own.
/// Errors:  std::invalid_argument: name, given, accepted; AllocationError.
template <class MemorySpace>
class ClusteredKeys {
 public:
  using memory_space = MemorySpace;

  ClusteredKeys() = default;
  /// Allocates for `shape` (heads is not looked at), with no chunk clustered.
  template <class Space, class Build = lanes::Build>
  ClusteredKeys(const Space& space, const Shape& shape, const ClusterLayout& layout = {})
      : _shape{shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim}, _layout(layout) {
    detail::ClusterArrays arrays = detail::cluster_arrays(shape, layout);
    const std::int64_t records = shape.batch * shape.kv_heads * arrays.chunks;
    _records = detail::allocate<Bytes>(space, "santa::clustered_keys", records, arrays.record);
    _clustered = detail::allocate<Counts>(space, "santa::clustered_keys::clustered", shape.batch);
    _begun = detail::allocate<Counts>(space, "santa::clustered_keys::begun", shape.batch);
  }

  /// Bytes that clusters of a cache take. Errors: std::invalid_argument: name, given, accepted.
  static std::int64_t bytes(const Shape& shape, const ClusterLayout& layout = {}) {
    const detail::ClusterArrays arrays = detail::cluster_arrays(shape, layout);
    return detail::bytes_of("clustered keys", {shape.batch, shape.kv_heads, arrays.chunks, arrays.record}) +
           2 * shape.batch * static_cast<std::int64_t>(sizeof(std::int32_t));
  }

  /// Extents; `heads` is kv_heads. Errors: std::invalid_argument if moved from.
  [[nodiscard]] const Shape& shape() const {
    _kept.require("clustered keys");
    return _shape;
  }
  [[nodiscard]] const ClusterLayout& layout() const { return _layout; }
  /// [batch]: chunks of each request that are clustered. May be set by the caller: smaller where a request was cut.
  /// Clusters do not move: where requests change places, `reset`, and they are made again.
  [[nodiscard]] const Kokkos::View<std::int32_t*, MemorySpace>& clustered() const { return _clustered; }

  /// Forgets the clusters of a request, those in the making too, for another that takes its place. Neither fences nor
  /// allocates.
  /// Errors: std::invalid_argument for a request that is not below the batch.
  template <class Space>
  void reset(const Space& space, std::int64_t request) const {
    lanes::require_launchable(space);
    detail::require(request >= 0 && request < shape().batch, "request", request,
                    "0 to less than the batch (" + std::to_string(_shape.batch) + ")");
    for (const Counts& counts : {_clustered, _begun})
      Kokkos::deep_copy(space, Kokkos::subview(counts, static_cast<std::size_t>(request)), 0);
  }

  /// For kernels.
  [[nodiscard]] detail::ClusterArrays arrays() const {
    detail::ClusterArrays result = detail::cluster_arrays(shape(), _layout);
    result.data = _records.data();
    result.clustered = _clustered.data();
    return result;
  }
  /// For kernels. [batch]: the chunk of each request that NewestClusters is at, counted from 1; 0: none.
  [[nodiscard]] std::int32_t* begun() const { return _begun.data(); }

 private:
  using Bytes = Kokkos::View<std::byte**, Kokkos::LayoutRight, MemorySpace>;
  using Counts = Kokkos::View<std::int32_t*, MemorySpace>;

  Shape _shape;
  ClusterLayout _layout;
  Bytes _records;
  Counts _clustered, _begun;
  detail::Kept _kept;
};

}  // namespace santa
