// The kernel that makes clusters of a chunk's keys, and codes of both.
#pragma once

#include <santa/clusters/layout.hpp>
#include <santa/clusters/nibbles.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What a team works in: centroids feature by feature, [width][columns], and each key's cluster.
struct ClusterWork {
  float* centroids;           // [places][width][columns]
  float* norms;               // [places][columns]: half of a centroid's square
  std::uint16_t* cluster_of;  // [places][chunk]
  std::int32_t columns;       // clusters, in whole eights
};

/// k-means of the keys of one chunk, by a team. Everything is done in one order, whatever the team's size, so that a
/// chunk's clusters depend on its keys alone. Source: Lloyd, "Least squares quantization in PCM" (1982).
template <class Member, class Rows>
class ChunkClusters {
 public:
  static constexpr int rounds = 6;

  KOKKOS_FUNCTION ChunkClusters(const Member& member, const ClusterArrays& arrays, const ClusterChunk& to,
                                const ClusterWork& work, const Rows& keys, std::int64_t first, int dim)
      : _member(member),
        _to(to),
        _keys(keys),
        _first(first),
        _dim(dim),
        _width(arrays.width),
        _clusters(arrays.clusters),
        _columns(work.columns),
        _skipped(first == 0 ? first_keys : 0),
        _chunk(arrays.chunk) {
    const std::int64_t place = member.league_rank();
    _centroids = work.centroids + place * _width * _columns;
    _norms = work.norms + place * _columns;
    _cluster_of = work.cluster_of + place * _chunk;
  }

  KOKKOS_FUNCTION void make() const {
    each(_clusters * _width, [&](int i) {
      const int cluster = i / _width;
      const int feature = i % _width;
      const int key = _skipped + static_cast<int>(std::int64_t{cluster} * (_chunk - _skipped) / _clusters);
      centroid(cluster, feature) = this->feature(_keys, key, feature);
    });
    for (int round = 0; round < rounds; ++round) {
      assign();
      sort();
      take_means(_keys);
    }
  }

  /// Codes of the clusters' means of `rows`, and of what each row lies from its cluster's; of = 0: keys, 1: values.
  KOKKOS_FUNCTION void encode(const Rows& rows, int of) const {
    take_means(rows);
    find_spread(rows, of);
    const float* center = _to.center(of);
    const float* spread = _to.spread(of);
    each(_clusters, [&](int cluster) {
      std::uint8_t* codes = _to.mean(of, cluster);
      const bool empty = _to.size(cluster) == 0;
      const bfloat16 scale = encode_nibbles(
          [&](int j) { return empty ? 0.F : (centroid(cluster, j) - center[j]) / spread[j]; }, _width, codes);
      _to.mean_scales(of)[cluster] = scale;
      for (int j = 0; j < _width; ++j)  // residuals are from the mean as it is coded
        centroid(cluster, j) = lanes::fma(spread[j], static_cast<float>(scale) * decode_nibble(codes, j), center[j]);
    });
    if (of == 1 && !_to.arrays.value_codes) return;
    each(_chunk - _skipped, [&](int slot) {
      const int key = _to.key_of()[slot];
      const int cluster = _cluster_of[key];
      _to.code_scales(of)[slot] =
          encode_nibbles([&](int j) { return (feature(rows, key, j) - centroid(cluster, j)) / spread[j]; }, _width,
                         _to.codes(of, slot));
    });
  }

 private:
  template <class F>
  KOKKOS_FUNCTION void each(int count, const F& f) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(_member, count), f);
    _member.team_barrier();
  }
  KOKKOS_FUNCTION float& centroid(int cluster, int feature) const {
    return _centroids[std::int64_t{feature} * _columns + cluster];
  }
  KOKKOS_FUNCTION float feature(const Rows& rows, int key, int j) const {
    return j < _dim ? static_cast<float>(rows[_first + key][j]) : 0.F;
  }

  /// Each key's nearest centroid, the first of equally near ones; the first of all where no distance is a number.
  KOKKOS_FUNCTION void assign() const {
    each(_columns, [&](int cluster) {
      float norm = 0.F;
      for (int j = 0; j < _dim && cluster < _clusters; ++j)
        norm = lanes::fma(0.5F * centroid(cluster, j), centroid(cluster, j), norm);
      _norms[cluster] = cluster < _clusters ? norm : lanes::infinity;
    });
    each(_chunk - _skipped, [&](int i) {
      const int key = i + _skipped;
      float nearest = lanes::infinity;
      int best = 0;
      for (int first = 0; first < _columns; first += 8) {
        float distance[8];
        for (int k = 0; k < 8; ++k) distance[k] = _norms[first + k];
        for (int j = 0; j < _dim; ++j) {
          const float x = -feature(_keys, key, j);
          const float* row = &centroid(first, j);
          for (int k = 0; k < 8; ++k) distance[k] = lanes::fma(x, row[k], distance[k]);
        }
        for (int k = 0; k < 8; ++k)
          if (distance[k] < nearest) {
            nearest = distance[k];
            best = first + k;
          }
      }
      _cluster_of[key] = static_cast<std::uint16_t>(best);
    });
  }

  /// The keys of each cluster side by side, in their own order.
  KOKKOS_FUNCTION void sort() const {
    each(_clusters, [&](int cluster) {
      int count = 0;
      for (int key = _skipped; key < _chunk; ++key) count += _cluster_of[key] == cluster ? 1 : 0;
      _to.first_slot()[cluster] = static_cast<std::uint16_t>(count);
    });
    Kokkos::single(Kokkos::PerTeam(_member), [&] {
      int sum = 0;
      for (int cluster = 0; cluster <= _clusters; ++cluster) {
        const int count = cluster < _clusters ? _to.first_slot()[cluster] : 0;
        _to.first_slot()[cluster] = static_cast<std::uint16_t>(sum);
        sum += count;
      }
    });
    _member.team_barrier();
    each(_clusters, [&](int cluster) {
      int slot = _to.first_slot()[cluster];
      for (int key = _skipped; key < _chunk; ++key)
        if (_cluster_of[key] == cluster) _to.key_of()[slot++] = static_cast<std::uint16_t>(key);
    });
  }

  /// Centroids become the means of their clusters' rows; that of an empty one stays where it is.
  KOKKOS_FUNCTION void take_means(const Rows& rows) const {
    each(_clusters * _width, [&](int i) {
      const int cluster = i / _width;
      const int j = i % _width;
      const int begin = _to.first_slot()[cluster];
      const int end = _to.first_slot()[cluster + 1];
      if (begin == end) return;
      float sum = 0.F;
      for (int slot = begin; slot < end; ++slot) sum += feature(rows, _to.key_of()[slot], j);
      centroid(cluster, j) = sum / static_cast<float>(end - begin);
    });
  }

  /// Mean and spread of each feature over the chunk, numbers that are not finite left out; a spread of 1 where all are
  /// the same.
  KOKKOS_FUNCTION void find_spread(const Rows& rows, int of) const {
    each(_width, [&](int j) {
      float sum = 0.F;
      float count = 0.F;
      for (int key = _skipped; key < _chunk; ++key) {
        const float x = feature(rows, key, j);
        sum += is_finite(x) ? x : 0.F;
        count += is_finite(x) ? 1.F : 0.F;
      }
      const float mean = count > 0.F && is_finite(sum) ? sum / count : 0.F;
      float squares = 0.F;
      for (int key = _skipped; key < _chunk; ++key) {
        const float x = feature(rows, key, j) - mean;
        squares = is_finite(x) ? lanes::fma(x, x, squares) : squares;
      }
      const float spread = count > 0.F ? Kokkos::sqrt(squares / count) : 0.F;
      _to.center(of)[j] = mean;
      _to.spread(of)[j] = is_finite(spread) && spread > 0x1p-60F ? spread : 1.F;
    });
  }

  const Member& _member;
  const ClusterChunk& _to;
  const Rows& _keys;
  std::int64_t _first;
  int _dim, _width, _clusters, _columns, _skipped, _chunk;
  float *_centroids, *_norms;
  std::uint16_t* _cluster_of;
};

/// Clusters one chunk a team: all chunks of a batch in turn, from `first_job` on; or, of each (request, kv head), the
/// one behind those that are clustered, where it is full.
template <class Addresses>
struct ChunkKernel {
  Addresses addresses;
  Lengths lengths;
  ClusterArrays arrays;
  ClusterWork work;
  std::int64_t length, first_job;  // storage
  std::int32_t dim;
  bool newest;

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const std::int64_t job = first_job + member.league_rank();
    const std::int64_t row = newest ? job : job / arrays.chunks;
    const std::int64_t batch = row / arrays.kv_heads;
    const std::int64_t kv_head = row % arrays.kv_heads;
    const std::int64_t chunk = newest ? arrays.clustered[batch] : job % arrays.chunks;
    const bool there = chunk >= 0 && chunk < arrays.chunks;
    if (!there || (chunk + 1) * arrays.chunk > lengths.clamped(batch, length)) return;
    const ClusterChunk to(arrays, batch, kv_head, chunk);
    const auto keys = addresses.keys(batch, kv_head);
    const auto values = addresses.values(batch, kv_head);
    const ChunkClusters clusters(member, arrays, to, work, keys, chunk * arrays.chunk, dim);
    clusters.make();
    clusters.encode(keys, 0);
    clusters.encode(values, 1);
  }
};

/// Counts the chunks that ChunkKernel has made: all that are full, or one more where that is full.
struct CountChunks {
  Lengths lengths;
  ClusterArrays arrays;
  std::int64_t length;
  bool newest;

  KOKKOS_FUNCTION void operator()(const std::int64_t batch) const {
    const std::int64_t most = lengths.clamped(batch, length) / arrays.chunk;
    const std::int64_t full = most < arrays.chunks ? most : arrays.chunks;
    std::int32_t& count = arrays.clustered[batch];
    if (newest && (count < 0 || count >= full)) return;
    count = newest ? count + 1 : static_cast<std::int32_t>(full);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
