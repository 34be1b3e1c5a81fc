// Making clusters of a cache's keys.
#pragma once

#include <santa/cache/addressed_cache.hpp>
#include <santa/cache/allocate.hpp>
#include <santa/clusters/chunk_kernel.hpp>
#include <santa/clusters/clustered_cache.hpp>
#include <santa/clusters/clustered_keys.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Working memory of `places` teams.
template <class MemorySpace>
struct ClusterMemory {
  ClusterMemory() = default;
  template <class Space>
  ClusterMemory(const Space& space, const ClusterArrays& arrays, std::int64_t places)
      : columns((arrays.clusters + 7) / 8 * 8) {
    const auto floats = places * columns * (std::int64_t{arrays.width} + 1);
    numbers = allocate<decltype(numbers), Fresh::unset>(space, "santa::cluster_keys", floats);
    cluster_of = allocate<decltype(cluster_of), Fresh::unset>(space, "santa::cluster_keys::cluster_of",
                                                              places * std::int64_t{arrays.chunk});
    norms_at = places * columns * arrays.width;
  }
  [[nodiscard]] ClusterWork work() const {
    return {numbers.data(), numbers.data() + norms_at, cluster_of.data(), columns};
  }

  Kokkos::View<float*, MemorySpace> numbers;
  Kokkos::View<std::uint16_t*, MemorySpace> cluster_of;
  std::int64_t norms_at = 0;
  std::int32_t columns = 0;
};

/// Teams that cluster chunks at once, at most: as many as working memory is made for.
inline constexpr std::int64_t most_cluster_teams = 1024;

template <class Space, class Cache, class MemorySpace>
void make_clusters(const Space& space, const ClusteredCache<Cache, MemorySpace>& cache,
                   const ClusterMemory<MemorySpace>& memory, std::int64_t jobs, bool newest) {
  using Addresses = typename Cache::Addresses;
  const Shape shape = cache.shape();
  const ClusterArrays arrays = cache.clusters().arrays();
  const ClusterWork work = memory.work();
  for (std::int64_t first = 0; first < jobs; first += most_cluster_teams) {
    const std::int64_t count = std::min(jobs - first, most_cluster_teams);
    Kokkos::parallel_for("santa::cluster_keys", Kokkos::TeamPolicy<Space>(space, static_cast<int>(count), Kokkos::AUTO),
                         ChunkKernel<Addresses>{cache.addresses(), cache.length_data(), arrays, work, shape.length,
                                                first, static_cast<std::int32_t>(shape.dim), newest});
  }
  Kokkos::parallel_for("santa::cluster_keys::count", Range<Space>(space, 0, shape.batch),
                       CountChunks{cache.length_data(), arrays, shape.length, newest});
}

}  // namespace detail::inline SANTA_BUILD

/// Clusters all full chunks of every request of a cache: six rounds of k-means a chunk.
/// Memory: while it runs, a row of float a cluster for up to 1024 chunks. Does not fence but by freeing that.
/// Bytes:  all keys and values several times; 0.4 GFLOP a chunk of 2048 keys of 128.
/// Errors: std::invalid_argument: name, given, accepted; AllocationError.
template <class Space, class Cache, class MemorySpace, class Build = lanes::Build>
void cluster_keys(const Space& space, const ClusteredCache<Cache, MemorySpace>& cache) {
  lanes::require_launchable(space);
  const Shape shape = cache.shape();
  const detail::ClusterArrays arrays = cache.clusters().arrays();
  const std::int64_t jobs = shape.batch * shape.kv_heads * arrays.chunks;
  const detail::ClusterMemory<MemorySpace> memory(space, arrays, std::min(jobs, detail::most_cluster_teams));
  detail::make_clusters(space, cache, memory, jobs, false);
  space.fence("santa::cluster_keys: working memory goes");
}

/// Clusters a request's chunk when its newest token fills it, for batches of one shape: called after each append (or
/// after every few), it makes at most one chunk a (request, kv head). All is decided on the device: calls neither
/// fence, allocate nor read back, and can be captured.
template <class MemorySpace>
class NewestClusters {
 public:
  template <class Space, class Build = lanes::Build>
  NewestClusters(const Space& space, const ClusteredKeys<MemorySpace>& keys)
      : _jobs(keys.shape().batch * keys.shape().kv_heads),
        _memory(space, keys.arrays(), std::min(_jobs, detail::most_cluster_teams)) {}

  /// Errors: std::invalid_argument: name, given, accepted.
  template <class Space, class Cache, class Build = lanes::Build>
  void run(const Space& space, const ClusteredCache<Cache, MemorySpace>& cache) const {
    lanes::require_launchable(space);
    const Shape shape = cache.shape();
    detail::require(shape.batch * shape.kv_heads == _jobs, "batch * kv_heads of the cache",
                    shape.batch * shape.kv_heads, "that of the clustered keys (" + std::to_string(_jobs) + ")");
    detail::make_clusters(space, cache, _memory, _jobs, true);
  }

 private:
  std::int64_t _jobs;
  detail::ClusterMemory<MemorySpace> _memory;
};

}  // namespace santa
