// 32 clusters of a chunk: their means, the clusters that are drawn, and the rows that are drawn of these.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/draw_scratch.hpp>
#include <santa/clusters/nibbles.hpp>
#include <santa/clusters/row_loads.hpp>
#include <santa/clusters/sums.hpp>
#include <santa/clusters/tile_draws.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What a lane group does with a tile of 32 clusters of one chunk. Lane i owns cluster i; of a block of 32 keys of
/// clusters that are drawn, key i; of a row, the features i, i + 32 and so on.
template <class Group, int pieces_at_most, class Keys, class Values>
class DrawTile {
 public:
  using Sums = ClusterSums<Group, pieces_at_most>;
  using Row = typename Sums::Row;
  using Float = typename Group::template Vector<float>;
  using Int = typename Group::template Vector<std::int32_t>;
  static constexpr int most_heads = Group::max_heads;
  using Scratch = DrawScratch<most_heads, 32 * pieces_at_most>;

  KOKKOS_FORCEINLINE_FUNCTION DrawTile(const Group& group, const ClusterArguments& a, const ClusterSlice& slice,
                                       const Scratch& scratch, const Keys& keys, const Values& values,
                                       ClusterCounts& counts)
      : _group(group),
        _a(a),
        _slice(slice),
        _scratch(scratch),
        _keys(keys),
        _values(values),
        _sums(group, slice.heads, a.clusters.width, a.with_error, scratch),
        _draws(group, a, slice, scratch, counts),
        _rows{group, a.dim, a.clusters.width} {}

  /// Works on what comes next.
  KOKKOS_FORCEINLINE_FUNCTION void work(const ClusterItem& item) {
    if (item.certain) {
      add_certain(item.begin, item.end);
      return;
    }
    _draws.open(item);
    _group.for_heads(_slice.heads, [&](int head) {
      _offset[head] = _rows.fold(_draws.at, _scratch.query(head), _scratch.folded(head));
    });
    _group.sync();
    score_means();
    if (_a.is_sighting()) return;
    const int keys = _draws.draw_clusters(_score);
    if (_a.rehearsal == 0 && _a.telescoping) add_means();
    int cluster = -1;
    for (int block = 0; 32 * block < keys; ++block) draw_block(block, keys, cluster);
    if (cluster >= 0) end_cluster(cluster);
  }

  /// Writes the group's sums to scratch.
  KOKKOS_FORCEINLINE_FUNCTION void finish() { _sums.finish(); }

 private:
  /// Rows that are read in any case, from `begin` to `end` - 1.
  KOKKOS_FORCEINLINE_FUNCTION void add_certain(std::int64_t begin, std::int64_t end) {
    const Row none = _rows.none();
    for (std::int64_t row = begin; row < end; ++row) add_certain(row, none);
    _group.for_heads(_slice.heads, [&](int head) { _sums.end_term(head, none, 0.F); });
    _draws.counts.certain += static_cast<float>(end - begin);
  }

  KOKKOS_FORCEINLINE_FUNCTION void add_certain(std::int64_t row, const Row& none) {
    Row value = none;
    if (_a.rehearsal == 0) _rows.load(_values[row], value);
    float score[most_heads];
    _rows.scores(
        _keys[row], [&](int head) { return _scratch.query(head); }, _slice.heads, score);
    _group.for_heads(_slice.heads, [&](int head) {
      _sums.raise(head, score[head]);
      const float weight = lanes::exp2(score[head] - _sums.reference(head));
      _sums.add_row(head, weight, value, 0.F, none, 0.F);
      _sums.add_to_means(head, weight);
      _sums.add_to_codes(head, weight);
    });
  }

  /// log2 scores of the means, to scratch.
  KOKKOS_FORCEINLINE_FUNCTION void score_means() {
    const ClusterChunk& at = _draws.at;
    const auto folded = [&](int head) { return _scratch.folded(head); };
    _group.template for_each_lane<most_heads>(_draws.count, _score, [&](int lane, float* out) {
      const int cluster = _draws.first + lane;
      float dot[most_heads];
      dot_nibbles<most_heads>(at.mean(0, cluster), folded, _slice.heads, _a.clusters.width, dot);
      const auto scale = static_cast<float>(at.mean_scales(0)[cluster]);
      SANTA_UNROLL(16)
      for (int head = 0; head < most_heads; ++head) out[head] = dot[head] * scale;
    });
    _draws.find_sizes();
    const auto there = _draws.size > Float(0.F);
    _group.for_heads(_slice.heads, [&](int head) {
      _score[head] = lanes::select(there, _score[head] + Float(_offset[head]), Float(-lanes::infinity));
      _group.store(_score[head], _scratch.score(head));
      raise(head, _score[head]);
      const Float mass = _draws.size * lanes::exp2(_score[head] - Float(_sums.reference(head)));
      _sums.add_to_means(head, _group.sum(lanes::select(there, mass, Float(0.F))));
    });
  }

  /// The first sum: every cluster by its mean.
  KOKKOS_FORCEINLINE_FUNCTION void add_means() {
    for (int i = 0; i < _draws.count; ++i) {
      const float size = _draws.size_of(i);
      if (!(size > 0.F)) continue;
      Row mean;
      _rows.load_mean(_draws.at, _draws.first + i, mean);
      _group.for_heads(_slice.heads, [&](int head) {
        const float mass = mass_of(head, i, size);
        _sums.add(head, mass, mean);
        _sums.add_mass(head, mass);
      });
    }
    const Row none = _rows.none();
    _group.for_heads(_slice.heads, [&](int head) { _sums.end_term(head, none, 0.F); });
  }

  /// 32 keys of the clusters that were drawn: their scores by codes, the rows that are drawn of them, what both add.
  /// `cluster` is the one whose term is at hand.
  KOKKOS_FORCEINLINE_FUNCTION void draw_block(int block, int keys, int& cluster) {
    const int count = keys - 32 * block < 32 ? keys - 32 * block : 32;
    _group.for_each(32, [&](int i) {
      const BlockKey key = _draws.key_at(32 * block + i, keys);
      _scratch.cluster_of()[i] = key.cluster;
      _scratch.slot()[i] = key.slot;
    });
    _group.sync();
    Float score[most_heads];
    score_codes(count, score);
    const auto there = _group.lanes_between(0, count);
    const Int cluster_of = _group.load(_scratch.cluster_of());
    const Float inverse = _group.gather(_scratch.inverse(), cluster_of);
    _group.for_heads(_slice.heads, [&](int head) {
      score[head] = lanes::select(there, score[head], Float(-lanes::infinity));
      raise(head, score[head]);
      const Float weight = lanes::exp2(score[head] - Float(_sums.reference(head))) * inverse;
      const Float kept = lanes::select(there, weight, Float(0.F));
      _sums.add_to_codes(head, _group.sum(kept));
      _group.store(kept, _scratch.weight(head));
    });
    const Sweep<Group> sweep = _draws.draw_rows(block, count, score, _group.gather(_scratch.log_pi(), cluster_of));
    if (_a.rehearsal != 0) return;
    _group.store(sweep.inverse, _scratch.row_inverse());
    _group.store(sweep.doubt, _scratch.row_doubt());
    _group.sync();
    for (int i = 0; i < count; ++i) {
      if (_scratch.cluster_of()[i] != cluster) {
        if (cluster >= 0) end_cluster(cluster);
        cluster = _scratch.cluster_of()[i];
        _rows.load_mean(_draws.at, _draws.first + cluster, _mean);
      }
      add_key(i, cluster, _group.holds(sweep.rows, i));
    }
    _group.sync();
  }

  KOKKOS_FORCEINLINE_FUNCTION void score_codes(int count, Float* score) const {
    const auto folded = [&](int head) { return _scratch.folded(head); };
    _group.template for_each_lane<most_heads>(count, score, [&](int lane, float* out) {
      const int slot = _scratch.slot()[lane];
      const int cluster = _scratch.cluster_of()[lane];
      float dot[most_heads];
      dot_nibbles<most_heads>(_draws.at.codes(0, slot), folded, _slice.heads, _a.clusters.width, dot);
      const auto scale = static_cast<float>(_draws.at.code_scales(0)[slot]);
      SANTA_UNROLL(16)
      for (int head = 0; head < most_heads; ++head)
        out[head] = head < _slice.heads ? lanes::fma(dot[head], scale, _scratch.score(head)[cluster]) : 0.F;
    });
  }

  /// A key of a cluster that was drawn; `drawn`: its row was too.
  KOKKOS_FORCEINLINE_FUNCTION void add_key(int i, int cluster, bool drawn) {
    const int slot = _scratch.slot()[i];
    const bool coded = _slice.value_codes;
    Row code, by_code = _mean, value;
    if (coded) {
      _rows.load_residual(_draws.at, slot, code);
      if (drawn) for_pieces<pieces_at_most>(_sums.pieces(), [&](int k) { by_code.of[k] = _mean.of[k] + code.of[k]; });
    }
    float score[most_heads];
    if (drawn) {
      const std::int64_t row = _draws.first_key + _draws.at.key_of()[slot];
      _rows.load(_values[row], value);
      _rows.scores(
          _keys[row], [&](int head) { return _scratch.query(head); }, _slice.heads, score);
    }
    const float row_inverse = _scratch.row_inverse()[i];
    const float inverse = _scratch.inverse()[cluster];
    _group.for_heads(_slice.heads, [&](int head) {
      if (drawn) _sums.raise(head, score[head]);
      const float by_codes = _a.telescoping ? _scratch.weight(head)[i] : 0.F;  // after a change of reference
      const float other = drawn ? by_codes * row_inverse : 0.F;
      _sums.add_mean(head, by_codes - other);
      if (coded) _sums.add(head, by_codes - other, code);
      if (!drawn) return;
      const float weight = lanes::exp2(score[head] - _sums.reference(head)) * inverse * row_inverse;
      // The row's part of the variance; what the clusters' draw adds is in the term's.
      _sums.add_row(head, weight, value, other, by_code, _scratch.row_doubt()[i] * (1.F - _scratch.doubt()[cluster]));
    });
  }

  KOKKOS_FORCEINLINE_FUNCTION void end_cluster(int cluster) {
    const float size = _draws.size_of(cluster);
    _group.for_heads(_slice.heads, [&](int head) {
      if (_a.telescoping) _sums.add_mean(head, -mass_of(head, cluster, size) * _scratch.inverse()[cluster]);
      _sums.end_term(head, _mean, _scratch.doubt()[cluster]);
    });
  }

  KOKKOS_FORCEINLINE_FUNCTION void raise(int head, const Float& score) {
    _sums.raise(head, _group.max(lanes::select(score != score, Float(-lanes::infinity), score)));
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float mass_of(int head, int cluster, float size) const {
    return size * lanes::exp2(_scratch.score(head)[cluster] - _sums.reference(head));
  }

  const Group& _group;
  const ClusterArguments& _a;
  const ClusterSlice& _slice;
  const Scratch& _scratch;
  const Keys& _keys;
  const Values& _values;
  Sums _sums;
  TileDraws<Group, Scratch> _draws;
  RowLoads<Group, pieces_at_most> _rows;
  float _offset[most_heads];
  Float _score[most_heads];
  Row _mean;  // of the values of the cluster at hand
};

}  // namespace santa::detail::inline SANTA_BUILD
