// The tile products on CUDA tensor cores where keys are scored by a copy of them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/direct_operand.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/mma_sums.hpp>
#include <santa/lanes/unit_ring.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// As MmaTile: panels of the copy, drawn values and, where drawn rows are scored again (`rescored`), drawn keys come
/// through one ring. As a copy's panels are small, several tiles of them are asked for ahead. What a copy's panels are
/// and how they become scores is what `Scores` knows: MmaCodeScores, MmaFeatureScores.
template <class Group, class K, template <class, class, int, int> class Scores, class Code, int KeyDim, bool rescored,
          class V = K, int ValueDim = KeyDim>
class MmaCopyTile {
  static constexpr int heads_max = Group::max_heads;
  static constexpr int drawn_rows = 16;
  static constexpr int key_bytes = KeyDim * int{sizeof(K)};
  static constexpr int value_bytes = ValueDim * int{sizeof(V)};
  static constexpr int unit_bytes = drawn_rows / 2 * (key_bytes > value_bytes ? key_bytes : value_bytes);
  using Ring = UnitRing<unit_bytes>;
  using CopyScores = Scores<Group, Code, KeyDim, unit_bytes>;
  static constexpr int panels = CopyScores::panels;  // of a tile
  using KeyQuery = MmaQuery<Group, K, KeyDim>;
  using Sums = MmaSums<Group, V, ValueDim>;
  using RowDims = santa::detail::RowDims;

 public:
  static constexpr bool asynchronous = true;
  /// Kernels that do have MmaDirectTile.
  static constexpr bool draws_jointly = goes_direct<Code, heads_max, KeyDim, ValueDim>;

  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, RowDims /*dims*/) {
    return CopyScores::shared_floats + (rescored ? KeyQuery::shared_floats : 0);
  }
  /// Panels, scores of a tile, and of drawn rows.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, RowDims /*dims*/) {
    return Ring::scratch_floats + (32 + (rescored ? drawn_rows : 0)) * heads_max;
  }

  __device__ MmaCopyTile(const Group& group, float* shared, float* scratch, int heads, RowDims dims)
      : _copy(group, shared, shared + shared_floats(heads, dims), heads, dims.keys),
        _keys(shared + CopyScores::shared_floats, heads, dims.keys),
        _scores(scratch + Ring::scratch_floats),
        _ring(scratch),
        _heads(heads),
        _dims(dims) {}

  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    while (count > 0 && _asked < panels) ask_copy(rows, first, step, count);
  }

  template <class QueryRows, class Meanwhile>
  __device__ __forceinline__ void begin(const QueryRows& query, float factor, const Meanwhile& meanwhile) {
    // Of the first group, meanwhile. In this form as nvcc warns of 0 <= what is unsigned.
    static_assert(scratch_floats(heads_max, KeyDim) + 1 > CopyScores::working_floats);
    _copy.begin(query, factor, meanwhile);
    if constexpr (rescored) _keys.begin(static_cast<const santa::detail::QueryRows&>(query), factor, [] {});
  }
  __device__ __forceinline__ void clear() { _sums.clear(); }

  /// What scores of a head have in common, besides the products.
  [[nodiscard]] __device__ float offset(int head) const { return head < _heads ? _copy.offset(head) : 0.F; }

  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                         const Coming& coming, float* scores, DrawnRows& drawn) {
    int let_go = 0;  // panels of the copy, to be asked for again
#pragma unroll 1
    for (int panel = 0;;) {
      while (let_go > 0 ? ask_drawn(drawn, drawn_rows) : ask_next(rows, first, step, count, coming, drawn)) {
      }
      if (panel == panels && drawn.size() <= most_waiting && (let_go == 0 || _ring.waiting() == 0)) break;
      if (kind() != copy) {
        take(drawn);
      } else if (panel < panels) {
        _ring.wait();
        _copy.products(_ring, panel, _scores, [&] { pop(_copy.units()); });
        ++panel;
      } else {
        // After tiles of which nearly all rows were drawn: panels of later tiles are in the way of theirs.
        _ring.wait();
        pop(_copy.units());
        ++let_go;
      }
    }
    _asked -= panels + let_go;
    Group::sync();
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? _copy.score(head, _scores[Group::lane() * heads_max + head]) : -infinity;
    Group::sync();
  }

  template <class DrawnRows>
  __device__ __forceinline__ void settle(DrawnRows& drawn, int most) {
    const int least = most > 0 ? drawn_rows : 1;
#pragma unroll 1
    for (;;) {
      while (ask_drawn(drawn, least)) {
      }
      if (drawn.size() <= most || _ring.waiting() == 0) break;
      take(drawn);
    }
  }

  /// Lane i of scores[head] = factor <query of head, row i of the panel that is the oldest>, i < count.
  template <class Rows>
  __device__ __forceinline__ void scores_of(const Rows& /*rows*/, std::int64_t /*first*/, const std::int32_t* /*index*/,
                                            int count, float* scores) {
    _ring.wait();
    const std::uint32_t row = _ring.template row<key_bytes>(warp_lane() % 16);
    float* to = _scores + 32 * heads_max;
    _keys.products(pieces_on(row, MmaOperand<K>::lane_piece()), to,
                   [&] { pop(Ring::units_of(drawn_rows, key_bytes)); });
    Group::sync();
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads && Group::lane() < count ? to[Group::lane() * heads_max + head] * _keys.factor(head)
                                                            : -infinity;
  }

  template <class Rows, class Ahead>
  __device__ __forceinline__ void add_rows(const Rows& /*rows*/, std::int64_t /*first*/, const std::int32_t* /*index*/,
                                           int count, const Ahead& /*ahead*/, const float* weight, int weight_stride) {
    _ring.wait();
    const std::uint32_t row = _ring.template row<value_bytes>(Sums::lane_row());
    _sums.add(pieces_on(row, Sums::lane_piece()), count, weight, weight_stride);
    pop(Ring::units_of(drawn_rows, value_bytes));
  }

  __device__ float squared_distance(const V* row, const float* center, float scale) const {
    return squared_distance_of<Group>(row, center, _dims.values, scale);
  }
  __device__ void rescale(int head, float factor) { _sums.rescale(head, factor); }
  __device__ void store_sums(float* to, int head_stride, float scale) const {
    _sums.store(to, head_stride, _heads, _dims.values, scale);
  }

 private:
  enum Kind : std::uint32_t { copy, drawn_keys, drawn_values };  // of a panel

  /// Drawn rows that may wait while a tile is drawn, which adds up to 32.
  static constexpr int most_waiting = Group::queue_capacity - 32;

  [[nodiscard]] __device__ std::uint32_t kind() const { return _kinds & 3U; }

  /// Asks for what comes next, if there is room: the copy's panels of this tile and the next as long as their rows will
  /// find room in the queue; drawn rows; panels of more tiles.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ bool ask_next(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           const Coming& coming, DrawnRows& drawn) {
    if (_ring.room() < _copy.units()) return false;
    const int tile = _asked / panels;
    const bool soon = tile == 0 || (tile == 1 && drawn.size() <= most_waiting);
    if (!soon && wants_drawn(drawn, drawn_rows)) return ask_drawn(drawn, drawn_rows);
    if (!soon && tile == 1) return false;
    const std::int64_t from = tile == 0 ? first : coming.first_of(tile);
    const int left = tile == 0 ? count : coming.count_of(tile);
    if (left <= 0) return false;
    ask_copy(rows, from, step, left);
    return true;
  }

  /// Asks for the next panel of a tile of the copy.
  template <class Rows>
  __device__ __forceinline__ void ask_copy(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    note(copy);
    _copy.ask(_ring, rows, first, step, count, _asked % panels);
    ++_asked;
  }

  template <class DrawnRows>
  [[nodiscard]] __device__ __forceinline__ bool wants_drawn(const DrawnRows& drawn, int least) const {
    return (rescored && _batch > 0) || drawn.unasked() >= least;
  }
  /// Asks for a batch of drawn rows if at least so many wait and there is room: its keys, and the next time its values.
  template <class DrawnRows>
  __device__ __forceinline__ bool ask_drawn(DrawnRows& drawn, int least) {
    if (_ring.room() < 2 || !wants_drawn(drawn, least)) return false;
    const int waiting = drawn.unasked();
    const int count = rescored && _batch > 0 ? _batch : (waiting < drawn_rows ? waiting : drawn_rows);
    const bool values = !rescored || _batch > 0;
    note(values ? drawn_values : drawn_keys);
    if (values)
      _ring.template ask<drawn_rows, value_bytes>([&](int i) { return drawn.unasked_row(i); }, count,
                                                  _dims.values * int{sizeof(V)});
    else if constexpr (rescored)
      _ring.template ask<drawn_rows, key_bytes>([&](int i) { return drawn.unasked_key(i); }, count,
                                                _dims.keys * int{sizeof(K)});
    if (values) drawn.asked(count);
    _batch = values ? 0 : count;
    return true;
  }

  /// Uses the oldest panel, of drawn rows.
  template <class DrawnRows>
  __device__ __forceinline__ void take(DrawnRows& drawn) {
    if constexpr (rescored)
      if (kind() == drawn_keys) return drawn.rescore_front();
    drawn.take();
  }

  __device__ __forceinline__ void note(std::uint32_t kind) { _kinds |= kind << (2 * _ring.waiting()); }
  __device__ __forceinline__ void pop(int units) {
    _ring.pop(units);
    _kinds >>= 2;
  }

  CopyScores _copy;
  KeyQuery _keys;
  float* _scores;  // [row of the tile, then drawn row][head]
  Ring _ring;
  std::uint32_t _kinds = 0;  // of the ring's panels, the oldest first, two bits each
  int _asked = 0;            // panels of the copy, of this tile and those that follow
  int _batch = 0;            // drawn rows whose keys were asked for, but not yet their values
  int _heads;
  RowDims _dims;
  Sums _sums;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
