// 32 clusters of a chunk on CUDA's tensor cores: their means, the clusters that are drawn, and the rows of these.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/clusters/mma_rows.hpp>
#include <santa/clusters/mma_scratch.hpp>
#include <santa/clusters/mma_warp_sums.hpp>
#include <santa/clusters/tile_draws.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// The same as DrawTile, without error bars, for rows of `Dim` bfloat16, by a warp whose lanes are in ProductOrder. As
/// no term is asked for by itself, N is a sum of rows of codes, of means and of the cache, each by one weight:
///   means       m_p (1 - [p drawn] / pi_p), and of its keys the residuals' weights
///   residuals   wc_i / pi_p (1 - [i drawn] / rho_i)
///   rows        w_i / (pi_p rho_i)
template <class Group, int Dim, class Keys, class Values>
class MmaDrawTile {
 public:
  static constexpr int heads_max = Group::max_heads;
  using Scratch = MmaScratch<heads_max, Dim>;

  __device__ __forceinline__ MmaDrawTile(const Group& group, const ClusterArguments& a, const ClusterSlice& slice,
                                         const Scratch& scratch, const Keys& keys, const Values& values,
                                         ClusterCounts& counts)
      : _a(a),
        _slice(slice),
        _scratch(scratch),
        _keys(keys),
        _values(values),
        _draws(group, a, slice, scratch, counts),
        _sums(scratch, !a.is_sighting()) {
    if (!a.is_sighting())
      Rows::arrange([&](int head) { return scratch.query(head); }, Group::rank(), Group::groups_per_team,
                    scratch.operands());
    Group::team_barrier();
  }

  /// Works on what comes next. Rows that wait are gathered in one place: where there are too many, and behind what is
  /// `last`.
  __device__ __forceinline__ void work(const ClusterItem& item, bool last) {
    int keys = 0;
    if (item.certain) {
      queue_certain(item);
    } else {
      _draws.open(item);
      score_means();
      if (_a.is_sighting()) return;
      keys = _draws.draw_clusters(_score);
      _sums.codes().clear();
    }
#pragma unroll 1
    for (int block = 0;;) {
      if (32 * block < keys) block = draw_run(block, keys);
      const bool done = 32 * block >= keys;
      if (done && !item.certain && _a.rehearsal == 0 && _a.telescoping) add_means();
      const int most = !done ? most_waiting : last || item.certain ? 0 : 15;
#pragma unroll 1
      while (_waiting > most) gather_queue(item.certain);
      if (done) return;
    }
  }

  /// Writes the group's sums to scratch.
  __device__ void finish() const { _sums.finish(!_a.is_sighting()); }

 private:
  using Rows = MmaRows<heads_max, Dim>;
  using Weights = MmaWeights<heads_max>;
  static constexpr int most_waiting = Scratch::queue_capacity - 32;

  /// log2 scores of the means, a cluster a lane.
  __device__ __forceinline__ void score_means() {
    const ClusterChunk& at = _draws.at;
    lanes::NibbleRows<Dim> rows;
    rows.load([&](int i) { return at.mean(0, _draws.first + (i < _draws.count ? i : _draws.count - 1)); });
    _draws.find_sizes();
    const int own = Group::lane() < _draws.count ? Group::lane() : _draws.count - 1;
    const auto scale = static_cast<float>(at.mean_scales(0)[_draws.first + own]);
    float offset[heads_max];
    _folded.fold(
        at, [&](int head) { return _scratch.query(head); }, offset);
    _folded.scores(rows, _score);
    const bool there = _draws.size > 0.F;
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      _score[head] = there && head < _slice.heads ? lanes::fma(_score[head], scale, offset[head]) : -lanes::infinity;
    _sums.raise(_score);
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      _scratch.score(head)[Group::lane()] = _score[head];
      _scratch.mean_weight(head)[Group::lane()] = 0.F;
      _sums.add_to_means(head, there ? _draws.size * _sums.weight_of(_score[head], head) : 0.F);
    }
  }

  /// What a lane knows of its key of a block.
  struct Own {
    BlockKey key;
    float scale[2];  // of the codes of its key and of its value
    int place;       // of the key in its chunk
  };
  __device__ __forceinline__ Own own_key(int block, int keys) const {
    Own own;
    own.key = _draws.key_at(32 * block + Group::lane(), keys);
    own.scale[0] = static_cast<float>(_draws.at.code_scales(0)[own.key.slot]);
    own.scale[1] = coded() ? static_cast<float>(_draws.at.code_scales(1)[own.key.slot]) : 0.F;
    own.place = _draws.at.key_of()[own.key.slot];
    return own;
  }
  [[nodiscard]] __device__ bool coded() const { return _slice.value_codes && _a.rehearsal == 0; }

  /// Blocks from one on until rows have to be gathered, the codes of one on their way while another is worked on;
  /// returns the one after the last.
  __device__ __forceinline__ int draw_run(int block, int keys) {
    lanes::NibbleRows<Dim> key_rows;
    lanes::NibbleColumns<Dim> value_rows;
    const auto load_keys = [&](const Own& own) {
      key_rows.load([&](int i) { return _draws.at.codes(0, Group::value_of(own.key.slot, i)); });
    };
    const auto load_values = [&](const Own& own) {
      if (coded()) value_rows.load([&](int i) { return _draws.at.codes(1, Group::value_of(own.key.slot, i)); });
    };
    Own own = own_key(block, keys);
    load_keys(own);
    load_values(own);
#pragma unroll 1
    for (;;) {
      const bool more = 32 * (block + 1) < keys;
      float score[heads_max];
      _folded.scores(key_rows, score);
      Own next = own;
      if (more) {
        next = own_key(block + 1, keys);
        load_keys(next);
      }
      draw_block(block, keys, own, score);
      if (coded()) {
        _sums.codes().add(value_rows, _scratch.weights());
        Group::sync();
        if (more) load_values(next);
      }
      own = next;
      ++block;
      if (!more || _waiting > most_waiting) return block;
    }
  }

  /// Draws rows of a block; leaves weights of the residuals of its values in scratch.
  __device__ __forceinline__ void draw_block(int block, int keys, const Own& own, float (&score)[heads_max]) {
    const int here = keys - 32 * block < 32 ? keys - 32 * block : 32;
    const bool there = Group::lane() < here;
    const int cluster = own.key.cluster;
    const float inverse = _scratch.inverse()[cluster];
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      score[head] = there && head < _slice.heads ? lanes::fma(score[head], own.scale[0], _scratch.score(head)[cluster])
                                                 : -lanes::infinity;
    _sums.raise(score);
    const auto sweep = _draws.draw_rows(block, here, score, _scratch.log_pi()[cluster]);
    const bool drawn = Group::lanes_of(sweep.rows);
    float weight[heads_max];
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      weight[head] = there ? _sums.weight_of(score[head], head) * inverse : 0.F;
      _sums.add_to_codes(head, weight[head]);
      if (drawn) weight[head] -= weight[head] * sweep.inverse;
    }
    if (_a.rehearsal != 0) return;
    if (_a.telescoping) add_to_means(own.key, here, weight);
    if (coded())
#pragma unroll
      for (int head = 0; head < heads_max; ++head)
        _scratch.weights()[head * Weights::stride + Group::lane()] = there ? weight[head] * own.scale[1] : 0.F;
    const int place = _waiting + __popc(sweep.rows & ((1U << lanes::warp_lane()) - 1U));
    if (drawn) {
      _scratch.queue()[place] = static_cast<std::uint32_t>(_draws.first_key + own.place);
      _scratch.queue_inverse()[place] = inverse * sweep.inverse;
    }
    _waiting += __popc(sweep.rows);
    Group::sync();
  }

  /// Adds the weights of each cluster's keys, which lie side by side, to that of its mean, in one order.
  __device__ __forceinline__ void add_to_means(const BlockKey& key, int here, const float (&weight)[heads_max]) const {
    const int lane = Group::lane();
    const int before = key.before < lane ? key.before : lane;  // of the same cluster, in this block
    float sum[heads_max];
#pragma unroll
    for (int head = 0; head < heads_max; ++head) sum[head] = weight[head];
#pragma unroll
    for (int step = 1; step < 32; step *= 2)
#pragma unroll
      for (int head = 0; head < heads_max; ++head) {
        const float below = Group::value_of(sum[head], lane >= step ? lane - step : lane);
        if (step <= before) sum[head] += below;
      }
    const int next = Group::value_of(key.cluster, lane < 31 ? lane + 1 : lane);
    const bool last = lane < here && (lane == here - 1 || next != key.cluster);
    if (last)
#pragma unroll
      for (int head = 0; head < heads_max; ++head) _scratch.mean_weight(head)[key.cluster] += sum[head];
  }

  /// Every cluster's mean by its weight, and the tile's sums to those of the warp.
  __device__ __forceinline__ void add_means() {
    const ClusterChunk& at = _draws.at;
    lanes::NibbleColumns<Dim> rows;
    rows.load([&](int i) { return at.mean(1, _draws.first + (i < _draws.count ? i : _draws.count - 1)); });
    const int lane = Group::lane();
    const int own = lane < _draws.count ? lane : _draws.count - 1;
    const auto scale = static_cast<float>(at.mean_scales(1)[_draws.first + own]);
    const bool there = _draws.size > 0.F;
    const std::uint32_t before = lane > 0 ? _scratch.prefix()[lane - 1] : 0;
    const bool drawn = _scratch.prefix()[lane] != before;
    const float kept = drawn ? 1.F - _scratch.inverse()[lane] : 1.F;
    float mass[heads_max];
    Group::sync();  // weights have been read
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float by_mean = _draws.size * _sums.weight_of(_scratch.score(head)[lane], head) * kept;
      const float weight = there ? by_mean + _scratch.mean_weight(head)[lane] : 0.F;
      _sums.add_mass(head, weight);
      mass[head] = Group::sum(weight);
      _scratch.weights()[head * Weights::stride + lane] = there ? weight * scale : 0.F;
    }
    Group::sync();
    _sums.codes().add(rows, _scratch.weights());
    _sums.codes().flush(at, mass, _scratch.sums(0));
    Group::sync();
  }

  __device__ __forceinline__ void queue_certain(const ClusterItem& item) {
    const auto count = static_cast<int>(item.end - item.begin);
    if (lanes::warp_lane() < count) {
      _scratch.queue()[lanes::warp_lane()] = static_cast<std::uint32_t>(item.begin) + lanes::warp_lane();
      _scratch.queue_inverse()[lanes::warp_lane()] = 1.F;
    }
    _waiting = count;
    _draws.counts.certain += static_cast<float>(count);
    Group::sync();
  }

  /// Reads and adds up to 16 of the rows that wait, the last ones.
  __device__ __forceinline__ void gather_queue(bool certain) {
    const int count = _waiting < 16 ? _waiting : 16;
    const int first = _waiting - count;
    const auto row = [&](int i) { return std::int64_t{_scratch.queue()[first + (i < count ? i : count - 1)]}; };
    const bool with_values = _a.rehearsal == 0;
    Rows rows;
    rows.load_keys([&](int i) { return _keys[row(i)]; });
    if (with_values) rows.load_values([&](int i) { return _values[row(i)]; });
    const float by = _scratch.queue_inverse()[first + (Group::lane() < count ? Group::lane() : 0)];
    _sums.add_rows(rows, _slice.heads, count, by, with_values, certain);
    _waiting = first;
  }

  const ClusterArguments& _a;
  const ClusterSlice& _slice;
  const Scratch& _scratch;
  const Keys& _keys;
  const Values& _values;
  TileDraws<Group, Scratch> _draws;
  MmaFolded<heads_max, Dim> _folded;
  MmaWarpSums<Group, Dim> _sums;
  int _waiting = 0;  // rows of the queue
  float _score[heads_max];
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
