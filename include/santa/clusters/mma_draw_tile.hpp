// 32 clusters of a chunk on CUDA's tensor cores: the clusters that are drawn, and which rows are drawn of these.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/clusters/mma_scratch.hpp>
#include <santa/clusters/mma_warp_sums.hpp>
#include <santa/clusters/tile_draws.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/lanes/product_lanes.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// The same as DrawTile but for scores of means, which it is given, and for rows, which it leaves to another kernel;
/// without error bars, for rows of `Dim` features, by a warp whose lanes are in ProductOrder. As no term is asked for
/// by itself, N is a sum of rows of codes, of means and of the cache, each by one weight:
///   means       m_p (1 - [p drawn] / pi_p), and of its keys the residuals' weights
///   residuals   wc_i / pi_p (1 - [i drawn] / rho_i)
///   rows        w_i / (pi_p rho_i)
template <class Group, int Dim>
class MmaDrawTile {
 public:
  static constexpr int heads_max = Group::max_heads;
  using Scratch = MmaScratch<heads_max, Dim>;

  __device__ __forceinline__ MmaDrawTile(const Group& group, const ClusterArguments& a, const ClusterSlice& slice,
                                         const Scratch& scratch, ClusterCounts& counts)
      : _a(a), _slice(slice), _scratch(scratch), _draws(group, a, slice, scratch, counts), _sums(scratch) {}

  __device__ __forceinline__ void work(const ClusterItem& item) {
    _draws.open(item);
    const std::int64_t tile = _slice.row * _a.all_tiles() + _draws.tile;
    load_scores(item.chunk, tile);
    const int keys = _draws.draw_clusters(_score);
    list_drawn();
    _sums.codes().clear();
    _rows = 0;
    if (keys > 0) draw_blocks(keys);
    if (_a.rehearsal != 0) return;
    if (_a.telescoping) add_means();
    const auto begin = static_cast<std::uint32_t>(_draws.first_key + _begin);
    Group::single([&] { _a.parts.of_tiles[tile] = {begin, static_cast<std::uint32_t>(_rows)}; });
  }

  /// Writes the group's sums to scratch.
  __device__ void finish() const { _sums.finish(); }

 private:
  using Weights = MmaWeights<heads_max>;
  using Codes = lanes::NibbleRows<Dim>;
  using Folded = MmaFolded<heads_max, Dim>;

  /// log2 scores of the means, a cluster a lane, and what else is known of them.
  __device__ __forceinline__ void load_scores(std::int64_t chunk, std::int64_t tile) {
    const float* const from = _a.parts.scores + tile * _a.slice_heads * 32 + Group::thread();
    const std::int64_t at = _slice.row * _a.clusters.chunks + chunk;
    const auto* const folded = reinterpret_cast<const uint4*>(_a.parts.folded + at * ClusterParts::folded_words(Dim));
#pragma unroll
    for (int n = 0; n < Scratch::folded_pieces; ++n) {
      _scratch.folded()[n * 32 + Group::thread()] = folded[n * 32 + Group::thread()];
    }
    const std::uint16_t* const slots = _draws.at.first_slot() + _draws.first;
    const int own = Group::lane() < _draws.count ? Group::lane() : _draws.count - 1;
    _slot = slots[own];
    const int end = slots[own + 1];
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      _score[head] = head < _slice.heads ? from[32 * head] : -lanes::infinity;
    _begin = Group::value_of(_slot, 0);
    _draws.size = Group::lane() < _draws.count ? static_cast<float>(end - _slot) : 0.F;
    _sums.raise(_score);
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      _scratch.mean_weights(Group::thread())[head] = 0.F;
    }
    _sums.add_to_means(
        [&](int head) { return _draws.size > 0.F ? _draws.size * _sums.weight_of(_score[head], head) : 0.F; });
  }

  /// Lists the clusters that were drawn, in the order of lanes.
  __device__ __forceinline__ void list_drawn() {
    const int lane = Group::lane();
    const std::uint32_t after = _scratch.prefix()[lane];
    const std::uint32_t before = lane > 0 ? _scratch.prefix()[lane - 1] : 0;
    const bool drawn = after != before;
    _rank = Group::rank_in(Group::ballot(drawn));
    _start = drawn ? static_cast<int>(before) : -1;
    if (drawn) {
      _scratch.drawn()[_rank] = {_slot - _start, _scratch.inverse()[lane], _scratch.log_pi()[lane], 0};
#pragma unroll
      for (int head = 0; head < heads_max; ++head) _scratch.scores(_rank)[head] = _score[head];
    }
    Group::sync();
  }

  /// What a lane knows of its key of a block of 32.
  struct Own {
    std::uint32_t starts;  // of the block's keys, those that are the first of their cluster
    int drawn;             // its cluster's place among those drawn
    int slot;
    float scale[2];  // of the codes of its key and of its value
    int place;       // of the key in its chunk
  };
  /// Lanes beyond `keys` have the last one's.
  __device__ __forceinline__ Own own_key(int block, int keys) const {
    Own own;
    const int from = _start - 32 * block;
    const bool drawn = _start >= 0;
    own.starts = Group::any_bits(drawn && from >= 0 && from < 32 ? 1U << from : 0U);
    const int lane = Group::lane();
    own.drawn = __popc(Group::ballot(drawn && from < 0)) + __popc(own.starts << (31 - lane)) - 1;
    const int number = 32 * block + lane;
    own.slot = _scratch.drawn()[own.drawn].slot + (number < keys ? number : keys - 1);
    own.scale[0] = static_cast<float>(_draws.at.code_scales(0)[own.slot]);
    own.scale[1] = coded() ? static_cast<float>(_draws.at.code_scales(1)[own.slot]) : 0.F;
    own.place = _draws.at.key_of()[own.slot];
    return own;
  }
  [[nodiscard]] __device__ bool coded() const { return _slice.value_codes && _a.rehearsal == 0; }

  /// All keys of the clusters that were drawn, the codes of a block on their way while the one before is worked on.
  __device__ __forceinline__ void draw_blocks(int keys) {
    Codes key_rows;
    lanes::NibbleColumns<Dim> value_rows;
    const auto load_keys = [&](const Own& own) {
      key_rows.load([&](int i) { return _draws.at.codes(0, Group::value_of(own.slot, i)); });
    };
    const auto load_values = [&](const Own& own) {
      if (coded()) value_rows.load([&](int i) { return _draws.at.codes(1, Group::value_of(own.slot, i)); });
    };
    Own own = own_key(0, keys);
    load_keys(own);
    load_values(own);
    std::uint32_t phases = 0;
#pragma unroll 1
    for (int block = 0;; ++block) {
      const bool more = 32 * (block + 1) < keys;
      if (block % 32 == 0)
        phases = _draws.numbers.of_rows(_draws.tile, _draws.first_key + _begin, block + Group::thread());
      const std::uint32_t phase = __shfl_sync(Group::everyone, phases, block % 32);
      float score[heads_max];
      Folded::products(
          key_rows,
          [&](int w, int part) {
            const int n = w * Weights::parts + part;
            return lanes::load_shared(_scratch.folded() + n * 32 + Group::thread());
          },
          score);
      Own next = own;
      if (more) {
        next = own_key(block + 1, keys);
        load_keys(next);
      }
      draw_block(keys - 32 * block, phase, own, score);
      if (coded()) {
        _sums.codes().add(value_rows, _scratch.weights());
        Group::sync();
        if (more) load_values(next);
      }
      if (!more) return;
      own = next;
    }
  }

  /// Draws rows of a block, of which `left` keys are there; leaves weights of the residuals of its values in scratch.
  __device__ __forceinline__ void draw_block(int left, std::uint32_t phase, const Own& own, float (&score)[heads_max]) {
    const int here = left < 32 ? left : 32;
    const bool there = Group::lane() < here;
    const DrawnCluster cluster = _scratch.drawn()[own.drawn];
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      score[head] = there && head < _slice.heads
                        ? lanes::fma(score[head], own.scale[0], _scratch.scores(own.drawn)[head])
                        : -lanes::infinity;
    _sums.raise(score);
    const auto sweep = _draws.draw_rows_by(phase, here, score, cluster.log_pi);
    const bool drawn = Group::lanes_of(sweep.rows);
    float weight[heads_max];
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      weight[head] = there ? _sums.weight_of(score[head], head) * cluster.inverse : 0.F;
      _sums.add_to_codes(head, weight[head]);
      if (drawn) weight[head] -= weight[head] * sweep.inverse;
    }
    if (_a.rehearsal != 0) return;
    if (_a.telescoping) add_to_means(own, here, weight);
    if (coded())
#pragma unroll
      for (int head = 0; head < heads_max; ++head)
        _scratch.weights()[head * Weights::stride + Group::lane()] = there ? weight[head] * own.scale[1] : 0.F;
    if (drawn) {
      const std::int64_t rows = _slice.row * _a.clusters.chunks * _a.clusters.chunk + _draws.first_key + _begin + _rows;
      _a.parts.rows[rows + __popc(sweep.rows & ((1U << Group::thread()) - 1U))] = {
          static_cast<std::uint32_t>(_draws.first_key + own.place), cluster.inverse * sweep.inverse};
    }
    _rows += __popc(sweep.rows);
    Group::sync();
  }

  /// Adds the weights of each cluster's keys, which lie side by side, to that of its mean, in one order.
  __device__ __forceinline__ void add_to_means(const Own& own, int here, const float (&weight)[heads_max]) const {
    const int lane = Group::lane();
    const std::uint32_t up_to = own.starts << (31 - lane);
    const int before = up_to != 0 ? __clz(static_cast<int>(up_to)) : lane;  // of the same cluster, in this block
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
    const bool last = lane == here - 1 || (lane < here && (own.starts >> lane & 2U) != 0);
    if (last)
#pragma unroll
      for (int head = 0; head < heads_max; ++head) _scratch.mean_weights(own.drawn)[head] += sum[head];
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
    const bool drawn = _start >= 0;
    const float kept = drawn ? 1.F - _scratch.inverse()[lane] : 1.F;
    float mass[heads_max];
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float by_mean = _draws.size * _sums.weight_of(_score[head], head) * kept;
      const float beside = drawn ? _scratch.mean_weights(_rank)[head] : 0.F;
      const float weight = there ? by_mean + beside : 0.F;
      mass[head] = Group::sum(weight);
      _scratch.weights()[head * Weights::stride + lane] = there ? weight * scale : 0.F;
    }
    _sums.add_mass(mass);
    Group::sync();
    _sums.codes().add(rows, _scratch.weights());
    _sums.codes().flush(at, mass, _scratch.sums());
    Group::sync();
  }

  const ClusterArguments& _a;
  const ClusterSlice& _slice;
  const Scratch& _scratch;
  TileDraws<Group, Scratch> _draws;
  MmaWarpSums<Group, Dim, Scratch> _sums;
  float _score[heads_max];
  int _slot = 0, _begin = 0;   // first slots: of the own cluster, of the tile
  int _start = -1, _rank = 0;  // of the own cluster, if it is drawn: its first key and its place among those drawn
  int _rows = 0;               // that are drawn
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
