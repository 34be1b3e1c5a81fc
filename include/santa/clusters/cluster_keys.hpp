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
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Working memory of `places` chunks.
template <class MemorySpace>
struct ClusterMemory {
  ClusterMemory() = default;
  template <class Space>
  ClusterMemory(const Space& space, const ClusterArrays& arrays, std::int64_t places)
      : columns((arrays.clusters + 7) / 8 * 8) {
    norms_at = places * columns * arrays.width;
    sums_at = norms_at + places * columns;
    const std::int64_t sums = places * 3 * ClusterWork::blocks * arrays.width;
    numbers = allocate<decltype(numbers), Fresh::unset>(space, "santa::cluster_keys", sums_at + sums);
    counts = allocate<decltype(counts), Fresh::unset>(space, "santa::cluster_keys::counts", places * columns);
    cluster_of = allocate<decltype(cluster_of), Fresh::unset>(space, "santa::cluster_keys::cluster_of",
                                                              places * std::int64_t{arrays.chunk});
  }
  [[nodiscard]] ClusterWork work() const {
    return {numbers.data(), numbers.data() + norms_at, numbers.data() + sums_at,
            counts.data(),  cluster_of.data(),         columns};
  }

  Kokkos::View<float*, MemorySpace> numbers;
  Kokkos::View<std::int32_t*, MemorySpace> counts;
  Kokkos::View<std::uint16_t*, MemorySpace> cluster_of;
  std::int64_t norms_at = 0, sums_at = 0;
  std::int32_t columns = 0;
};

/// Chunks that are clustered at once, at most, and teams that share one.
inline constexpr std::int64_t most_chunks_at_once = 1024;
inline constexpr std::int32_t most_teams_of_chunk = 16;

/// As many teams of a chunk as a device's many threads ask for, where there are few chunks.
template <class Space>
std::int32_t teams_of_chunk(const Space& space, std::int64_t chunks) {
  const std::int64_t wanted = space.concurrency() / 256 / (chunks > 0 ? chunks : 1);
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(wanted, 1, most_teams_of_chunk));
}
template <class Space>
auto chunk_policy(const Space& space, std::int64_t teams) {
  return Kokkos::TeamPolicy<Space>(space, static_cast<int>(teams), Kokkos::AUTO, lanes::is_host_space<Space> ? 1 : 16);
}

template <class Space, class Cache, class MemorySpace>
auto chunk_kernel(const Space& space, const ClusteredCache<Cache, MemorySpace>& cache,
                  const ClusterMemory<MemorySpace>& memory, std::int64_t chunks, std::int32_t pieces) {
  using Addresses = typename Cache::Addresses;
  const Shape shape = cache.shape();
  return ChunkKernel<Addresses>{cache.addresses(),
                                cache.length_data(),
                                cache.clusters().arrays(),
                                memory.work(),
                                {pieces},
                                shape.length,
                                0,
                                static_cast<std::int32_t>(shape.dim),
                                teams_of_chunk(space, chunks),
                                0};
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
  const std::int64_t at_once = std::min(jobs, detail::most_chunks_at_once);
  const detail::ClusterMemory<MemorySpace> memory(space, arrays, at_once);
  auto kernel = detail::chunk_kernel(space, cache, memory, at_once, 1);
  for (; kernel.first_job < jobs; kernel.first_job += at_once)
    for (kernel.phase = 0; kernel.phase < kernel.phases.all(); ++kernel.phase)
      Kokkos::parallel_for("santa::cluster_keys",
                           detail::chunk_policy(space, std::min(jobs - kernel.first_job, at_once) * kernel.parts),
                           kernel);
  Kokkos::parallel_for("santa::cluster_keys::count", detail::Range<Space>(space, 0, shape.batch),
                       detail::CountChunks{cache.length_data(), arrays, cache.clusters().begun(), shape.length});
  space.fence("santa::cluster_keys: working memory goes");
}

/// Clusters a request's chunk once its newest token has filled it, for batches of one shape: called after each append
/// (or after every few), each call does a part of the work. All is decided on the device: calls neither fence, allocate
/// nor read back, and can be captured. Until its clusters are there a chunk is read as it is. For the keys that it was
/// made for; where a call does all of a chunk's work, for others of their shape and layout as well.
/// Calls:  `calls` of them cluster a chunk, at most one of each request at a time; 1: a call does all of it. If chunks
///         fill faster, ever more keys are in no cluster.
/// Memory: a row of float a cluster and (request, kv head), and 96 rows besides.
template <class MemorySpace>
class NewestClusters {
 public:
  /// Errors: std::invalid_argument: name, given, accepted; AllocationError.
  template <class Space, class Build = lanes::Build>
  NewestClusters(const Space& space, const ClusteredKeys<MemorySpace>& keys, std::int64_t calls = 96)
      : _shape(keys.shape()),
        _layout(keys.layout()),
        _begun(keys.begun()),
        _memory(space, keys.arrays(), _shape.batch * _shape.kv_heads) {
    detail::require(calls >= 1, "calls", calls, "1 or more, for a chunk to be clustered");
    const auto phases = [](std::int32_t pieces) { return std::int64_t{detail::ChunkPhases{pieces}.all()}; };
    while (_pieces < 16 && phases(2 * _pieces) <= calls) _pieces *= 2;
    _phases_of_call = static_cast<std::int32_t>((phases(_pieces) + calls - 1) / calls);
    _progress =
        detail::allocate<Progress>(space, "santa::newest_clusters::progress", std::int64_t{2}, keys.shape().batch);
  }

  /// Errors: std::invalid_argument: name, given, accepted.
  template <class Space, class Cache, class Build = lanes::Build>
  void run(const Space& space, const ClusteredCache<Cache, MemorySpace>& cache) const {
    lanes::require_launchable(space);
    const Shape shape = cache.shape();  // its clusters' too
    require_keys(shape, cache.clusters());
    const std::int64_t jobs = shape.batch * shape.kv_heads;
    if (jobs == 0) return;
    const detail::NewestChunkKernel<typename Cache::Addresses> kernel{
        detail::chunk_kernel(space, cache, _memory, jobs, _pieces),
        {cache.clusters().begun(), _progress.data(), _progress.data() + _progress.extent(1)}};
    for (int n = 0; n < _phases_of_call; ++n)
      Kokkos::parallel_for("santa::newest_clusters", detail::chunk_policy(space, jobs * kernel.all.parts), kernel);
  }

 private:
  using Progress = Kokkos::View<std::int32_t**, Kokkos::LayoutRight, MemorySpace>;

  /// The memory is for chunks of one layout, and what a call leaves to the next for one cache's.
  void require_keys(const Shape& shape, const ClusteredKeys<MemorySpace>& given) const {
    constexpr const char* own = "that of those that NewestClusters was made for (";
    detail::require_clustered("clustered keys' batch", shape.batch, _shape.batch, own);
    detail::require_clustered("clustered keys' kv_heads", shape.kv_heads, _shape.kv_heads, own);
    detail::require_clustered("clustered keys' dim", shape.dim, _shape.dim, own);
    detail::require_clustered("clustered keys' chunk", given.layout().chunk, _layout.chunk, own);
    detail::require_clustered("clustered keys' clusters of a chunk", given.layout().clusters(), _layout.clusters(),
                              own);
    if (given.begun() != _begun && _phases_of_call < detail::ChunkPhases{_pieces}.all())
      detail::reject("clustered keys", "others than NewestClusters was made for",
                     "those, where several calls cluster a chunk");
  }

  // Of the keys that it was made for.
  Shape _shape;
  ClusterLayout _layout;
  const std::int32_t* _begun;
  std::int32_t _pieces = 1, _phases_of_call = 1;
  detail::ClusterMemory<MemorySpace> _memory;
  Progress _progress;  // [2][batch]: phases that are done, teams that have arrived
};

}  // namespace santa
