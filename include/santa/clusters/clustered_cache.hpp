// A cache with clusters of its keys.
#pragma once

#include <santa/cache/addressed_cache.hpp>
#include <santa/clusters/clustered_keys.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <utility>

namespace santa {

namespace detail {

/// Errors: std::invalid_argument: a number of clustered keys is not what `accepted` ends with.
inline void require_clustered(std::string_view argument, std::int64_t given, std::int64_t right,
                              std::string_view accepted) {
  require(given == right, argument, given, Accepted{accepted, right, ")"});
}

}  // namespace detail

/// A cache, contiguous or in pages, and clusters of its keys: what a ClusterPlan decodes. It is an AddressedCache too,
/// the same as the cache alone, so that any other plan decodes it by its full rows.
/// Errors: std::invalid_argument from `shape`: clusters of another shape than the cache's.
template <AddressedCache Cache, class MemorySpace>
class ClusteredCache {
 public:
  using key_view = typename Cache::key_view;
  using value_view = typename Cache::value_view;
  using length_view = typename Cache::length_view;
  using Addresses = typename Cache::Addresses;
  static_assert(std::same_as<typename Addresses::Element, typename Addresses::ScoredElement>,
                "santa::clustered: the cache must have full keys alone, no narrow copy or features of them");
  static_assert(Element<typename Addresses::Element> &&
                    std::same_as<typename detail::ElementsOf<Addresses>::Values, typename Addresses::Element>,
                "santa::clustered: keys and values must be of one type, float or of 2 bytes");

  ClusteredCache(Cache cache, ClusteredKeys<MemorySpace> clusters)
      : _cache(std::move(cache)), _clusters(std::move(clusters)) {}

  [[nodiscard]] const Cache& full() const { return _cache; }
  [[nodiscard]] const ClusteredKeys<MemorySpace>& clusters() const { return _clusters; }
  [[nodiscard]] RequestLengths length_data() const { return _cache.length_data(); }

  [[nodiscard]] Shape shape() const {
    const Shape shape = _cache.shape();
    const Shape& given = _clusters.shape();
    detail::require_clustered("clustered keys' batch", given.batch, shape.batch, "that of the cache (");
    detail::require_clustered("clustered keys' kv_heads", given.kv_heads, shape.kv_heads, "that of the cache (");
    detail::require_clustered("clustered keys' length", given.length, shape.length, "that of the cache (");
    detail::require_clustered("clustered keys' dim", given.dim, shape.dim, "that of the cache (");
    return shape;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] Addresses addresses() const {
    return _cache.addresses();
  }

 private:
  Cache _cache;
  ClusteredKeys<MemorySpace> _clusters;
};

/// A cache with clusters of its keys, for a ClusterPlan.
template <class Cache, class MemorySpace>
[[nodiscard]] ClusteredCache<Cache, MemorySpace> clustered(const Cache& cache,
                                                           const ClusteredKeys<MemorySpace>& clusters) {
  return {cache, clusters};
}

}  // namespace santa
