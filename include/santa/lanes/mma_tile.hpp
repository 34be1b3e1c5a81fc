// The two tile products on CUDA tensor cores, for elements of 1 or 2 bytes in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/direct_operand.hpp>
#include <santa/lanes/joint_scores.hpp>
#include <santa/lanes/mma_attend.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/mma_sums.hpp>
#include <santa/lanes/operand_queue.hpp>
#include <santa/lanes/panel_ring.hpp>
#include <santa/lanes/product_lanes.hpp>
#include <santa/lanes/tile_rows.hpp>
#include <santa/lanes/tile_runs.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Queries and running weighted sums of a warp's heads. Key rows and value rows come through one ring of panels, asked
/// for well before they are used: the next keys as soon as there is room, unless enough drawn rows wait.
/// `scaled`: value rows have scales of their own, which come with them.
template <class Group, class K, int KeyDim, class V = K, int ValueDim = KeyDim, bool scaled = false>
class MmaTile {
  using Panels = MmaPanels<K, KeyDim, V, ValueDim>;
  static constexpr int heads_max = Group::max_heads;
  static constexpr int key_bytes = Panels::key_bytes, value_bytes = Panels::value_bytes;
  static constexpr int key_rows = Panels::key_rows, value_rows = 16;
  using Ring = PanelRing<Panels::bytes, scaled ? 32 : 0>;
  using Query = MmaQuery<Group, K, KeyDim>;
  using Sums = MmaSums<Group, V, ValueDim, scaled>;
  using RowDims = santa::detail::RowDims;
  static constexpr int blocks = MmaColumns<heads_max>::blocks;

 public:
  /// Rows are asked for and taken in the course of `scores` and `settle`, not when they are drawn.
  static constexpr bool asynchronous = true;

  /// Scratch of the team.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, RowDims /*dims*/) {
    return Query::shared_floats;
  }
  /// Scratch of each group: panels.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, RowDims /*dims*/) {
    return Ring::scratch_floats;
  }

  __device__ MmaTile(const Group& /*group*/, float* shared, float* scratch, int heads, RowDims dims)
      : _query(shared, heads, dims.keys), _ring(scratch), _heads(heads), _dims(dims) {}

  /// Asks for the first rows of the first tile, ahead of `scores`.
  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    while (_keys_asked < 2 && ask_keys(rows, first, step, count)) {
    }
  }

  /// Takes query rows of `heads` heads, whose scores are multiplied by `factor`: before scores. All groups of the team
  /// take part. Calls `meanwhile()` while queries are on their way.
  template <class QueryRows, class Meanwhile>
  __device__ __forceinline__ void begin(const QueryRows& query, float factor, const Meanwhile& meanwhile) {
    _query.begin(query, factor, meanwhile);
  }
  __device__ __forceinline__ void clear() { _sums.clear(); }  // before rows are added

  /// Lane i of scores[head] = factor <query of head, rows[first + i * step]> for i < count; other lanes are undefined.
  /// `coming` names the group's next tile, which is asked for while this one is worked on. `drawn` hands out the rows
  /// that wait to be gathered, and is told to take them when they are here.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                         const Coming& coming, float* scores, DrawnRows& drawn) {
    Products half;
    products(rows, first, step, count, coming, half, drawn);
    float own[heads_max];
    take_own_row(half[1], half[0], own);
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? own[head] * _query.factor(head) : -infinity;
  }
  /// What a lane has of a tile's scores where heads draw together, and of the weights of drawn rows, which may be any.
  using Joint = JointScores<heads_max>;
  using Queue = OperandQueue<heads_max, typename Sums::Factor, Group::queue_capacity>;
  static constexpr bool draws_jointly = goes_direct<K, heads_max, KeyDim, ValueDim> || (Sums::any_weight && !scaled);
  using Runs = TileRuns<heads_max>;  // how a lane sees scores that are stored

  /// The same in this order.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                         const Coming& coming, Joint& scores, DrawnRows& drawn) {
    Products half;
    products(rows, first, step, count, coming, half, drawn);
    scores.take(half[1], half[0]);
    scores.for_each([&](float& score, int, int b, int, int k) { score *= _query.factor(Joint::head(b, k)); });
  }
  [[nodiscard]] __device__ static float offset(int, int) { return 0.F; }
  /// Adds up the rows of the panel that is the oldest, at these weights.
  __device__ __forceinline__ void add_weighed(const typename Queue::Weights& weights) {
    _sums.add(pieces_on(_ring.front() + row_place<value_bytes>(Sums::lane_row()), Sums::lane_piece()), weights);
    pop();
  }

  /// What a lane has of a tile's scores in `attend`.
  using Scores = ProductScores<heads_max>;
  static constexpr bool scores_alone = key_rows == 16;  // a panel for each half of a tile
  /// See MmaAttend. Ahead of it, the first tile's keys may have been asked for.
  template <bool alone = false, class Keys, class Values, class OfKeys, class OfValues, class Weigh>
  __device__ __forceinline__ void attend(const Keys& keys, const Values& values, const OfKeys& of_keys,
                                         const OfValues& of_values, std::int64_t first, std::int64_t turn,
                                         std::int64_t start, std::int64_t end, const Weigh& weigh) {
    MmaAttend<Panels, Query, Ring, Sums, alone>{_query, _ring, _sums, _dims}.run(
        keys, values, TileScales<OfKeys, OfValues>(of_keys, of_values), first, turn, start, end, weigh);
  }
  __device__ void rescale_heads(const typename Scores::Heads& factor) { _sums.rescale_heads(factor); }

  /// Has drawn rows asked for and taken until at most `most` are left; the last ones asked for may be fewer than a
  /// panel if `most` is 0. No keys may be on their way.
  template <class DrawnRows>
  __device__ __forceinline__ void settle(DrawnRows& drawn, int most) {
    const int least = most > 0 ? int{value_rows} : 1;
#pragma unroll 1
    for (;;) {
      while (_ring.waiting() < Ring::slots && ask_values(drawn, least)) {
      }
      if (drawn.size() <= most || (_values & 1U) == 0) break;
      drawn.take();
    }
  }

  /// sum[head] += weight[head * weight_stride + i] * row i of the panel that is the oldest, over i < count <= 16.
  template <class Rows, class Ahead>
  __device__ __forceinline__ void add_rows(const Rows& /*rows*/, std::int64_t /*first*/, const std::int32_t* /*index*/,
                                           int count, const Ahead& /*ahead*/, const float* weight, int weight_stride) {
    const std::uint32_t panel = _ring.front();
    const std::uint32_t row = panel + row_place<value_bytes>(Sums::lane_row());
    _sums.add(pieces_on(row, Sums::lane_piece()), count, weight, weight_stride, Ring::numbers_of(panel));
    pop();
  }

  /// |row - center|^2, with center in natural order or null for 0; by all lanes together.
  __device__ float squared_distance(const V* row, const float* center, float scale) const {
    return squared_distance_of<Group>(row, center, _dims.values, scale);
  }
  __device__ void rescale(int head, float factor) { _sums.rescale(head, factor); }
  /// Writes the sums of all heads in natural order: to[head * head_stride + 0..dim).
  __device__ void store_sums(float* to, int head_stride, float scale) const {
    _sums.store(to, head_stride, _heads, _dims.values, scale);
  }

 private:
  /// Where the rows lie of which a lane asks for pieces.
  using OwnKeys = const K * [key_rows / Ring::row_step];
  using OwnValues = const V * [value_rows / Ring::row_step];

  /// Rows of keys and of values are alike, but perhaps for their number of features.
  static constexpr bool alike = std::is_same_v<K, V> && KeyDim == ValueDim && key_rows == value_rows && !scaled;
  using Products = float[2][blocks][4];  // of a tile's rows, the newest half first

  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void products(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           const Coming& coming, Products& half, DrawnRows& drawn) {
#pragma unroll 1
    for (int done = 0;;) {
      while (_ring.waiting() < Ring::slots && ask_next(rows, first, step, count, coming, drawn)) {
      }
      if (done == 2 && (key_rows == 16 || drawn.size() <= most_waiting)) break;
      if ((_values & 1U) != 0) {
        drawn.take();
        continue;
      }
      const std::uint32_t row = _ring.front() + row_place<key_bytes>(warp_lane() % 16);
      const std::uint32_t piece = pieces_on(row, MmaOperand<K>::lane_piece());
      if constexpr (key_rows == 32) {
        _query.products(piece, half[1], [] {});
        _query.products(piece + 16U * key_bytes, half[0], [&] { pop(); });
        done = 2;
      } else {
#pragma unroll
        for (int b = 0; b < blocks; ++b)
#pragma unroll
          for (int k = 0; k < 4; ++k) half[1][b][k] = half[0][b][k];
        _query.products(piece, half[0], [&] { pop(); });
        ++done;
      }
    }
    _keys_asked -= 2;
  }

  /// Drawn rows that may wait while a tile is drawn, which adds up to 32. (With panels of 16 keys no more ever do.)
  static constexpr int most_waiting = Group::queue_capacity - 32;
  /// Panels of 16 keys that may be on their way: as few tiles as fill the ring.
  static constexpr int most_asked = key_rows == 32 ? 6 : 4;

  /// Asks for what comes next: drawn rows if a panel of them waits, else keys.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ bool ask_next(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           const Coming& coming, DrawnRows& drawn) {
    if constexpr (alike) {  // one place that copies
      OwnKeys from;
      int present = value_rows;
      int bytes = _dims.values;
      if (drawn.unasked() >= value_rows) {
        find_values(drawn, present, from);
      } else {
        const bool here = _keys_asked < 2;
        present = find_keys(rows, here ? first : coming.first, step, here ? count : coming.count, from);
        if (present == 0) return false;
        bytes = _dims.keys;
      }
      _ring.template ask<key_bytes>(from, present, bytes * int{sizeof(K)});
      return true;
    } else {
      if (ask_values(drawn, value_rows)) return true;
      const int tile = _keys_asked / 2;
      return ask_keys(rows, tile == 0 ? first : coming.first_of(tile), step, tile == 0 ? count : coming.count_of(tile));
    }
  }

  template <class Rows>
  __device__ __forceinline__ bool ask_keys(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    OwnKeys from;
    const int present = find_keys(rows, first, step, count, from);
    if (present > 0) _ring.template ask<key_bytes>(from, present, _dims.keys * int{sizeof(K)});
    return present > 0;
  }

  /// The next 16 rows of a tile: always two panels a tile, as the second of a short one is empty but for a row. Returns
  /// how many there are; none where two tiles are on their way.
  template <class Rows>
  __device__ __forceinline__ int find_keys(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           OwnKeys& from) {
    if (count <= 0 || _keys_asked == most_asked) return 0;
    const int at = key_rows == 32 ? 0 : 16 * (_keys_asked % 2);
    const int present = count - at > 0 ? count - at : 1;
    const std::int64_t begin = first + step * (count > at ? at : 0);
    constexpr int turn = Group::groups_per_team * Group::size;  // to the tile that likely comes next
    const std::int64_t next = at + key_rows < 32 ? begin + key_rows : first + turn;
    find_rows(rows, begin, step, present, _key_pages, next, from);
    _keys_asked += key_rows / 16;
    return present;
  }

  /// The next `count` drawn rows.
  template <class DrawnRows>
  __device__ __forceinline__ void find_values(DrawnRows& drawn, int count, OwnValues& from) {
#pragma unroll
    for (int j = 0; j < value_rows / Ring::row_step; ++j) {
      const int row = Ring::lane_row() + Ring::row_step * j;
      from[j] = place_of(drawn.unasked_row(row < count ? row : 0));
    }
    if constexpr (scaled) {
      const int row = warp_lane() % value_rows;
      const auto at = drawn.unasked_row(row < count ? row : 0);
      if constexpr (requires { at.scale; })
        if (warp_lane() < value_rows) _ring.ask_number(row, at.scale, row < count);
    }
    _values |= 1U << _ring.waiting();
    drawn.asked(count);
  }
  /// Where a drawn row lies; of NoDrawnRows there are none.
  template <class Row>
  __device__ static const V* place_of(const Row& row) {
    if constexpr (requires { row.scale; })
      return row.row;
    else
      return static_cast<const V*>(row);
  }
  /// Asks for them if at least so many wait.
  template <class DrawnRows>
  __device__ __forceinline__ bool ask_values(DrawnRows& drawn, int least) {
    if (drawn.unasked() < least) return false;
    const int count = drawn.unasked() < value_rows ? drawn.unasked() : int{value_rows};
    OwnValues from;
    find_values(drawn, count, from);
    _ring.template ask<value_bytes>(from, count, _dims.values * int{sizeof(V)});
    return true;
  }

  __device__ __forceinline__ void pop() {
    _ring.pop();
    _values >>= 1;
  }

  Query _query;
  Ring _ring;
  std::uint32_t _values = 0;  // which panels of the ring are drawn rows, the oldest first
  PanelPages<key_rows> _key_pages;
  int _keys_asked = 0;  // in 16s, of this tile and those that follow
  int _heads;
  RowDims _dims;
  Sums _sums;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
