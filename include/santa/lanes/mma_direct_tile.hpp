// The tile products on CUDA tensor cores where heads draw together by rows of a byte or less an element.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/direct_operand.hpp>
#include <santa/lanes/joint_scores.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/mma_sums.hpp>
#include <santa/lanes/panel_ring.hpp>
#include <santa/lanes/weight_queue.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// What kernels take from MmaTile and MmaCopyTile elsewhere, of those that draw jointly: rows that are scored (keys, or
/// a copy of them) go straight to registers, a tile ahead; drawn values, and keys where drawn rows are scored again
/// (`rescored`), come through the ring, a batch of 16 at a time, which is asked for when a tile is scored and taken
/// before the next is. `scaled`: value rows have scales of their own, which come with them.
template <class Group, class K, class Scored, int KeyDim, bool rescored, class V, int ValueDim, bool scaled>
class MmaDirectTile {
  static constexpr int heads_max = Group::max_heads;
  static constexpr int batch = 16;
  static constexpr int key_bytes = padded_row_bytes<K, KeyDim>;
  static constexpr int value_bytes = padded_row_bytes<V, ValueDim>;
  using Ring = PanelRing<batch*(rescored&& key_bytes > value_bytes ? key_bytes : value_bytes), scaled ? 32 : 0>;
  static constexpr int batches = rescored ? 1 : Ring::slots;  // that may be on their way
  using Query = typename DirectQueryOf<Group, Scored, KeyDim>::Type;
  using KeyQuery = MmaQuery<Group, K, KeyDim, MmaOperand<K>, false>;
  using Sums = MmaSums<Group, V, ValueDim, scaled>;
  using RowDims = santa::detail::RowDims;
  static constexpr int blocks = MmaColumns<heads_max>::blocks;

 public:
  static constexpr bool asynchronous = true;
  static constexpr bool draws_jointly = true;
  /// What a lane has of a tile's scores, and of the weights of drawn rows: room for a batch on its way, one that isn't
  /// full, and a tile's rows.
  using Joint = JointScores<heads_max>;
  using Queue = WeightQueue<heads_max, 64>;

  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, RowDims /*dims*/) {
    return Query::shared_floats + (rescored ? KeyQuery::shared_floats : 0);
  }
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, RowDims /*dims*/) {
    return Ring::scratch_floats;
  }

  __device__ MmaDirectTile(const Group& /*group*/, float* shared, float* scratch, int heads, RowDims dims)
      : _query(shared, heads, dims.keys),
        _keys(shared + Query::shared_floats, heads, dims.keys),
        _ring(scratch),
        _heads(heads),
        _dims(dims) {}

  /// Has the first tile's rows loaded.
  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t /*step*/, int count) {
    if (count > 0) load(rows, first, count);
  }

  template <class QueryRows, class Meanwhile>
  __device__ __forceinline__ void begin(const QueryRows& query, float factor, const Meanwhile& meanwhile) {
    _query.begin(query, factor, meanwhile);
    if constexpr (rescored) _keys.begin(static_cast<const santa::detail::QueryRows&>(query), factor, [] {});
    Joint::for_each_head([&](int b, int k) {
      const int head = Joint::head(b, k);
      _factor[b][k] = head < _heads ? _query.factor(head) : 0.F;
      _offset[b][k] = head < _heads ? _query.offset(head) : 0.F;
    });
  }
  __device__ __forceinline__ void clear() { _sums.clear(); }

  /// What scores of one of a lane's heads have in common, besides the products.
  [[nodiscard]] __device__ float offset(int b, int k) const { return _offset[b][k]; }

  /// Products of a tile's rows, times their factors.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/,
                                         const Coming& coming, Joint& scores, DrawnRows& drawn) {
#pragma unroll 1
    do {
      if (_ring.waiting() > 0) drawn.take();
      ask_drawn(drawn, batch);
    } while (drawn.size() > most_waiting);
    float half[2][blocks][4];
    const HalfOf<Words> halves[2] = {{_words, 0}, {_words, 1}};
    _query.products(halves, half);
    if (coming.count > 0) load(rows, coming.first, coming.count);
    scores.take(half[0], half[1]);
    scores.for_each([&](float& score, int, int b, int, int k) { score *= _factor[b][k]; });
  }

  /// Scores of the drawn rows whose keys are the oldest panel, times their factors.
  template <class Scores>
  __device__ __forceinline__ void scores_of_panel(Scores& scores) {
    const std::uint32_t row = _ring.front() + row_place<key_bytes>(warp_lane() % batch);
    float products[blocks][4];
    _keys.products(pieces_on(row, KeyQuery::lane_piece()), products, [&] { _ring.pop(); });
    scores.take(0, products);
    scores.for_each([&](float& score, int, int b, int, int k) {
      const int head = Joint::head(b, k);
      score *= head < _heads ? _keys.factor(head) : 0.F;
    });
  }
  /// Adds up the rows of the panel that is the oldest, at these weights.
  __device__ __forceinline__ void add_weighed(typename Queue::Weights& weights) {
    const std::uint32_t panel = _ring.front();
    if constexpr (scaled)
      weights.for_each([&](float& weight, int half, int, int r, int) {
        weight *= load_float(Ring::numbers_of(panel) + 4U * static_cast<std::uint32_t>(weights.row(half, r)));
      });
    _by.fit(weights, _sums);
    std::uint32_t operands[Queue::Weights::operands][2];
    weights.template weigh_rows<typename Sums::Factor>(0, _by, operands);
    _sums.add(pieces_on(panel + row_place<value_bytes>(Sums::lane_row()), Sums::lane_piece()), operands);
    _ring.pop();
  }

  template <class DrawnRows>
  __device__ __forceinline__ void settle(DrawnRows& drawn, int most) {
#pragma unroll 1
    for (;;) {
      while (ask_drawn(drawn, most > 0 ? int{batch} : 1)) {
      }
      if (drawn.size() <= most || _ring.waiting() == 0) break;
      drawn.take();
    }
    if (most == 0) _by.close(_sums);  // these were the last
  }

  __device__ void rescale_heads(const typename Joint::Heads& factor) { _sums.rescale_heads(factor); }
  __device__ float squared_distance(const V* row, const float* center, float scale) const {
    return squared_distance_of<Group>(row, center, _dims.values, scale);
  }
  __device__ void store_sums(float* to, int head_stride, float scale) const {
    _sums.store(to, head_stride, _heads, _dims.values, scale);
  }

 private:
  using Operand = DirectOperand<Scored, KeyDim>;
  using Words = typename Operand::Words;

  /// Drawn rows that may wait while a tile is drawn, which adds up to 32.
  static constexpr int most_waiting = Queue::capacity - 32;

  template <class Rows>
  __device__ __forceinline__ void load(const Rows& rows, std::int64_t first, int count) {
    _words.load(rows, first, count, _dims.keys / santa::detail::features_per_element<Scored>);
  }

  /// Asks for a batch of drawn rows if at least so many wait and there is room.
  template <class DrawnRows>
  __device__ __forceinline__ bool ask_drawn(DrawnRows& drawn, int least) {
    const int waiting = drawn.unasked();
    if (waiting < least || _ring.waiting() >= batches) return false;
    const int count = waiting < batch ? waiting : batch;
    if constexpr (rescored) ask_panel<K, key_bytes>([&](int i) { return drawn.unasked_key(i); }, count, _dims.keys);
    if constexpr (scaled) ask_scale(drawn.unasked_row(own_row(warp_lane(), count)), count);
    ask_panel<V, value_bytes>([&](int i) { return place_of(drawn.unasked_row(i)); }, count, _dims.values);
    drawn.asked(count);
    return true;
  }
  template <class T, int row_bytes, class RowAt>
  __device__ __forceinline__ void ask_panel(const RowAt& row_at, int count, int features) {
    const T* from[batch / Ring::row_step];
#pragma unroll
    for (int j = 0; j < batch / Ring::row_step; ++j)
      from[j] = row_at(own_row(Ring::lane_row() + Ring::row_step * j, count));
    _ring.template ask<row_bytes>(from, count, features * int{sizeof(T)});
  }
  template <class Row>
  __device__ __forceinline__ void ask_scale(const Row& at, int count) {
    if (warp_lane() < batch) _ring.ask_number(warp_lane(), at.scale, warp_lane() < count);
  }
  __device__ static int own_row(int row, int count) { return row < count ? row : 0; }
  template <class Row>
  __device__ static const V* place_of(const Row& row) {
    if constexpr (scaled)
      return row.row;
    else
      return row;
  }

  Query _query;
  KeyQuery _keys;
  Words _words;  // of the tile that is scored next
  Ring _ring;
  typename Joint::Heads _factor, _offset;
  int _heads;
  RowDims _dims;
  typename Sums::template RowScale<true> _by;
  Sums _sums;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
