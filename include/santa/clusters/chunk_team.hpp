// A team's part of clustering a chunk: k-means of its keys, and codes of keys and values.
#pragma once

#include <santa/clusters/chunk_phases.hpp>
#include <santa/clusters/layout.hpp>
#include <santa/clusters/nibbles.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A team's part of one phase for one chunk: k-means of its keys, then codes. Everything is done in one order, whatever
/// the teams and their sizes, so that a chunk's clusters depend on its keys alone. Source: Lloyd, "Least squares
/// quantization in PCM" (1982).
template <class Member, class Rows>
class ChunkTeam {
 public:
  KOKKOS_FUNCTION ChunkTeam(const Member& member, const ChunkPart& part, const ClusterArrays& arrays,
                            const ClusterChunk& to, const ClusterWork& work, std::int64_t place, const Rows& keys,
                            const Rows& values, std::int64_t first, int dim)
      : _member(member),
        _part(part),
        _to(to),
        _keys(keys),
        _values(values),
        _first(first),
        _dim(dim),
        _width(arrays.width),
        _clusters(arrays.clusters),
        _columns(work.columns),
        _skipped(first == 0 ? first_keys : 0),
        _chunk(arrays.chunk),
        _centroids(work.centroids + place * _width * _columns),
        _norms(work.norms + place * _columns),
        _sums(work.sums + place * 3 * ClusterWork::blocks * _width),
        _counts(work.counts + place * _columns),
        _cluster_of(work.cluster_of + place * _chunk) {}

  KOKKOS_FUNCTION void work(const ChunkPhases& phases, int number) const {
    const ChunkPhases::Phase phase = phases.at(number);
    switch (phase.kind) {
      case ChunkPhases::start: return start();
      case ChunkPhases::assign: return assign(phase.piece, phases.pieces);
      case ChunkPhases::count: return count();
      case ChunkPhases::sort: return sort();
      case ChunkPhases::means: return take_means(phase.of == 0 ? _keys : _values);
      case ChunkPhases::sums: return add_features(phase.of == 0 ? _keys : _values);
      case ChunkPhases::squares: return add_squares(phase.of == 0 ? _keys : _values);
      case ChunkPhases::spread: return find_spread(phase.of);
      case ChunkPhases::mean_codes: return encode_means(phase.of);
      case ChunkPhases::codes: return encode(phase.of == 0 ? _keys : _values, phase, phases.pieces);
    }
  }

 private:
  template <class F>
  KOKKOS_FUNCTION void each(int begin, int end, const F& f) const {
    Kokkos::parallel_for(Kokkos::TeamVectorRange(_member, begin, end), f);
    _member.team_barrier();
  }
  /// The team's share of [0, count), or of one piece of it.
  template <class F>
  KOKKOS_FUNCTION void share(int count, const F& f, int piece = 0, int pieces = 1) const {
    each(_part.begin(count, 0, piece, pieces), _part.begin(count, 1, piece, pieces), f);
  }
  /// The same of f(i) by a thread each, whose lanes f shares out.
  template <class F>
  KOKKOS_FUNCTION void share_threads(int count, const F& f, int piece = 0, int pieces = 1) const {
    Kokkos::parallel_for(
        Kokkos::TeamThreadRange(_member, _part.begin(count, 0, piece, pieces), _part.begin(count, 1, piece, pieces)),
        f);
    _member.team_barrier();
  }
  KOKKOS_FUNCTION float& centroid(int cluster, int feature) const {
    return _centroids[std::int64_t{feature} * _columns + cluster];
  }
  KOKKOS_FUNCTION float feature(const Rows& rows, int key, int j) const {
    return j < _dim ? static_cast<float>(rows[_first + key][j]) : 0.F;
  }
  KOKKOS_FUNCTION float& sum(int which, int block, int j) const {
    return _sums[(which * ClusterWork::blocks + block) * _width + j];
  }

  /// Calls f(begin, end) with whole clusters that the team has, and half of their centroids' squares after it.
  template <class F>
  KOKKOS_FUNCTION void with_clusters(const F& f) const {
    const int begin = _part.begin(_columns, 0, 0, 1);
    const int end = _part.begin(_columns, 1, 0, 1);
    f(begin, end < _clusters ? end : _clusters);
    each(begin, end, [&](int cluster) {
      float norm = 0.F;
      for (int j = 0; j < _dim && cluster < _clusters; ++j)
        norm = lanes::fma(0.5F * centroid(cluster, j), centroid(cluster, j), norm);
      _norms[cluster] = cluster < _clusters ? norm : lanes::infinity;
    });
  }

  /// Centroids begin as keys, evenly spaced.
  KOKKOS_FUNCTION void start() const {
    with_clusters([&](int begin, int end) {
      each(begin * _width, end * _width, [&](int i) {
        const int cluster = i / _width;
        const int key = _skipped + static_cast<int>(std::int64_t{cluster} * (_chunk - _skipped) / _clusters);
        centroid(cluster, i % _width) = feature(_keys, key, i % _width);
      });
    });
  }

  /// Each key's nearest centroid, the first of equally near ones; the first of all where no distance is a number. A
  /// thread has a key, its lanes 8 centroids each.
  KOKKOS_FUNCTION void assign(int piece, int pieces) const {
    share_threads(
        _chunk - _skipped,
        [&](int i) {
          const int key = i + _skipped;
          Nearest best;
          Kokkos::parallel_reduce(
              Kokkos::ThreadVectorRange(_member, _columns / 8),
              [&](int group, Nearest& nearest) { nearest += nearest_of(key, 8 * group); }, best);
          Kokkos::single(Kokkos::PerThread(_member),
                         [&] { _cluster_of[key] = static_cast<std::uint16_t>(best.cluster); });
        },
        piece, pieces);
  }
  KOKKOS_FUNCTION Nearest nearest_of(int key, int first) const {
    struct alignas(32) Eight {
      float of[8];
    };
    const auto* const key_row = _keys[_first + key];
    const float* const column = _centroids + first;
    Eight distance = *reinterpret_cast<const Eight*>(_norms + first);
    SANTA_UNROLL(8)
    for (int j = 0; j < _dim; ++j) {
      const float x = -static_cast<float>(key_row[j]);
      const Eight row = *reinterpret_cast<const Eight*>(column + std::int64_t{j} * _columns);
      for (int k = 0; k < 8; ++k) distance.of[k] = lanes::fma(x, row.of[k], distance.of[k]);
    }
    Nearest result;
    for (int k = 0; k < 8; ++k) result += Nearest{distance.of[k], first + k};
    return result;
  }

  /// How many keys each cluster has, a cluster a thread.
  KOKKOS_FUNCTION void count() const {
    share_threads(_clusters, [&](int cluster) {
      int keys = 0;
      Kokkos::parallel_reduce(
          Kokkos::ThreadVectorRange(_member, _chunk - _skipped),
          [&](int i, int& so_far) { so_far += _cluster_of[_skipped + i] == cluster ? 1 : 0; }, keys);
      Kokkos::single(Kokkos::PerThread(_member), [&] { _counts[cluster] = keys; });
    });
  }
  /// The keys of each cluster side by side, in their own order.
  KOKKOS_FUNCTION void sort() const {
    share_threads(_clusters, [&](int cluster) {
      int begin = 0;
      Kokkos::parallel_reduce(
          Kokkos::ThreadVectorRange(_member, cluster), [&](int i, int& so_far) { so_far += _counts[i]; }, begin);
      Kokkos::single(Kokkos::PerThread(_member), [&] {
        _to.first_slot()[cluster] = static_cast<std::uint16_t>(begin);
        if (cluster == _clusters - 1)
          _to.first_slot()[_clusters] = static_cast<std::uint16_t>(begin + _counts[cluster]);
      });
      Kokkos::parallel_scan(Kokkos::ThreadVectorRange(_member, _chunk - _skipped),
                            [&](int i, int& before, const bool last) {
                              const bool own = _cluster_of[_skipped + i] == cluster;
                              if (last && own) _to.key_of()[begin + before] = static_cast<std::uint16_t>(_skipped + i);
                              before += own ? 1 : 0;
                            });
    });
  }

  /// Centroids become the means of their clusters' rows; that of an empty one stays where it is.
  KOKKOS_FUNCTION void take_means(const Rows& rows) const {
    with_clusters([&](int first, int last) {
      each(first * _width, last * _width, [&](int i) {
        const int cluster = i / _width;
        const int begin = _to.first_slot()[cluster];
        const int end = _to.first_slot()[cluster + 1];
        if (begin == end) return;
        float total = 0.F;
        for (int slot = begin; slot < end; ++slot) total += feature(rows, _to.key_of()[slot], i % _width);
        centroid(cluster, i % _width) = total / static_cast<float>(end - begin);
      });
    });
  }

  /// Calls f(block, feature, first key, the one after its last) for the team's share of sums.
  template <class F>
  KOKKOS_FUNCTION void for_blocks(const F& f) const {
    share(ClusterWork::blocks * _width, [&](int i) {
      const int block = i / _width;
      const auto at = [&](int n) {
        return _skipped + static_cast<int>(std::int64_t{n} * (_chunk - _skipped) / ClusterWork::blocks);
      };
      f(block, i % _width, at(block), at(block + 1));
    });
  }
  /// Mean of a feature over the chunk, numbers that are not finite left out.
  KOKKOS_FUNCTION float mean_of(int j) const {
    float total = 0.F;
    float number = 0.F;
    for (int block = 0; block < ClusterWork::blocks; ++block) {
      number += sum(0, block, j);
      total += sum(1, block, j);
    }
    return number > 0.F && is_finite(total) ? total / number : 0.F;
  }
  KOKKOS_FUNCTION void add_features(const Rows& rows) const {
    for_blocks([&](int block, int j, int begin, int end) {
      float total = 0.F;
      float number = 0.F;
      for (int key = begin; key < end; ++key) {
        const float x = feature(rows, key, j);
        total += is_finite(x) ? x : 0.F;
        number += is_finite(x) ? 1.F : 0.F;
      }
      sum(0, block, j) = number;
      sum(1, block, j) = total;
    });
  }
  KOKKOS_FUNCTION void add_squares(const Rows& rows) const {
    for_blocks([&](int block, int j, int begin, int end) {
      const float mean = mean_of(j);
      float squares = 0.F;
      for (int key = begin; key < end; ++key) {
        const float x = feature(rows, key, j) - mean;
        squares = is_finite(x) ? lanes::fma(x, x, squares) : squares;
      }
      sum(2, block, j) = squares;
    });
  }
  /// Mean and spread of each feature; a spread of 1 where all are the same.
  KOKKOS_FUNCTION void find_spread(int of) const {
    share(_width, [&](int j) {
      float squares = 0.F;
      float number = 0.F;
      for (int block = 0; block < ClusterWork::blocks; ++block) {
        squares += sum(2, block, j);
        number += sum(0, block, j);
      }
      const float spread = number > 0.F ? Kokkos::sqrt(squares / number) : 0.F;
      _to.center(of)[j] = mean_of(j);
      _to.spread(of)[j] = is_finite(spread) && spread > 0x1p-60F ? spread : 1.F;
    });
  }

  /// Codes of the clusters' means.
  KOKKOS_FUNCTION void encode_means(int of) const {
    const float* center = _to.center(of);
    const float* spread = _to.spread(of);
    share(_clusters, [&](int cluster) {
      std::uint8_t* codes = _to.mean(of, cluster);
      const bool empty = _to.size(cluster) == 0;
      const bfloat16 scale = encode_nibbles(
          [&](int j) { return empty ? 0.F : (centroid(cluster, j) - center[j]) / spread[j]; }, _width, codes);
      _to.mean_scales(of)[cluster] = scale;
      for (int j = 0; j < _width; ++j)  // residuals are from the mean as it is coded
        centroid(cluster, j) = lanes::fma(spread[j], static_cast<float>(scale) * decode_nibble(codes, j), center[j]);
    });
  }
  /// Codes of what each row lies from its cluster's mean.
  KOKKOS_FUNCTION void encode(const Rows& rows, const ChunkPhases::Phase& phase, int pieces) const {
    const int of = phase.of;
    if (of == 1 && !_to.arrays.value_codes) return;
    const float* spread = _to.spread(of);
    share(
        _chunk - _skipped,
        [&](int slot) {
          const int key = _to.key_of()[slot];
          const int cluster = _cluster_of[key];
          _to.code_scales(of)[slot] =
              encode_nibbles([&](int j) { return (feature(rows, key, j) - centroid(cluster, j)) / spread[j]; }, _width,
                             _to.codes(of, slot));
        },
        phase.piece, pieces);
  }

  const Member& _member;
  ChunkPart _part;
  const ClusterChunk& _to;
  const Rows& _keys;
  const Rows& _values;
  std::int64_t _first;
  int _dim, _width, _clusters, _columns, _skipped, _chunk;
  float *_centroids, *_norms, *_sums;
  std::int32_t* _counts;
  std::uint16_t* _cluster_of;
};

}  // namespace santa::detail::inline SANTA_BUILD
