// The two tile products on CUDA tensor cores, for 2-byte elements in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/mma_sums.hpp>
#include <santa/lanes/panel_ring.hpp>
#include <santa/lanes/product_lanes.hpp>
#include <santa/lanes/product_scores.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Queries and running weighted sums of a warp's heads. Key rows and value rows come through one ring of panels, asked
/// for well before they are used: the next keys as soon as there is room, unless enough drawn rows wait.
template <class Group, class T, int Dim>
class MmaTile {
  static constexpr int heads_max = Group::max_heads;
  static constexpr int row_bytes = Dim * int{sizeof(T)};
  using Ring = PanelRing<row_bytes>;
  using Query = MmaQuery<Group, T, Dim>;
  using Sums = MmaSums<Group, T, Dim>;
  static constexpr int blocks = MmaColumns<heads_max>::blocks;

 public:
  using Element = T;
  /// Rows are asked for and taken in the course of `scores` and `settle`, not when they are drawn.
  static constexpr bool asynchronous = true;

  /// Scratch of the team.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) {
    return Query::shared_floats;
  }
  /// Scratch of each group: panels.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, int /*dim*/) {
    return Ring::scratch_floats;
  }

  __device__ MmaTile(const Group& /*group*/, float* shared, float* scratch, int heads, int dim)
      : _query(shared, heads, dim), _ring(scratch), _heads(heads), _dim(dim) {}

  /// Asks for the first rows of the first tile, ahead of `scores`.
  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    OwnRows from;
    while (_ring.waiting() < Ring::slots) {
      const int present = find_keys(rows, first, step, count, from);
      if (present == 0) break;
      _ring.ask(from, present, _dim * int{sizeof(T)});
    }
  }

  /// Takes query rows of `heads` heads, whose scores are multiplied by `factor`: before scores. All groups of the team
  /// take part. Calls `meanwhile()` while queries are on their way.
  template <class QueryRows, class Meanwhile>
  __device__ __forceinline__ void begin(const QueryRows& query, float factor, const Meanwhile& meanwhile) {
    _query.begin(query, factor, meanwhile);
  }
  /// Clears the sums: before rows are added.
  __device__ __forceinline__ void clear() { _sums.clear(); }

  /// Lane i of scores[head] = factor <query of head, rows[first + i * step]> for i < count; other lanes are undefined.
  /// `coming` names the group's next tile, which is asked for while this one is worked on. `drawn` hands out the rows
  /// that wait to be gathered, and is told to take them when they are here.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                         const Coming& coming, float* scores, DrawnRows& drawn) {
    float half[2][blocks][4];  // products of the tile's rows, the newest half first
#pragma unroll 1
    for (int done = 0;;) {
      while (_ring.waiting() < Ring::slots && ask_next(rows, first, step, count, coming, drawn)) {
      }
      if (done == 2) break;
      if ((_values & 1U) != 0) {
        drawn.take();
        continue;
      }
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int k = 0; k < 4; ++k) half[1][b][k] = half[0][b][k];
      const std::uint32_t row = _ring.front() + row_place<row_bytes>(warp_lane() % 16);
      _query.products(pieces_on(row, MmaOperand<T>::lane_piece()), half[0], [&] { pop(); });
      ++done;
    }
    _keys_asked -= 2;
    float own[heads_max];
    take_own_row(half[1], half[0], own);
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? own[head] * _query.factor(head) : -infinity;
  }

  /// What a lane has of a tile's scores in `attend`.
  using Scores = ProductScores<heads_max>;

  /// Adds up all rows of the tiles that begin at first, first + turn, ... of keys up to `end`, each read once: keys and
  /// values of a tile in turn. Calls weigh(first, products) for each, which makes weights of them, 0 for rows before
  /// `start` and from `end` on. Ahead of it, the first tile's keys may have been asked for.
  template <class Keys, class Values, class Weigh>
  __device__ __forceinline__ void attend(const Keys& keys, const Values& values, std::int64_t first, std::int64_t turn,
                                         std::int64_t start, std::int64_t end, const Weigh& weigh) {
    std::int64_t asked = first;
    int part = _ring.waiting();  // of the tile: halves of its keys, then of its values
    const auto ask_next = [&] {
      if (asked >= end) return;
      OwnRows from;
      const std::int64_t half = asked + 16 * (part % 2);
      const int present =
          part < 2 ? find_rows(keys, half, start, end, from) : find_rows(values, half, start, end, from);
      _ring.ask(from, present, _dim * int{sizeof(T)});
      part = (part + 1) % 4;
      asked += part == 0 ? turn : 0;
    };
    const auto take = [&] {
      pop();
      ask_next();
    };
    while (_ring.waiting() < Ring::slots && asked < end) ask_next();
#pragma unroll 1
    for (std::int64_t at = first; at < end; at += turn) {
      Scores scores;
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float c[blocks][4];
        const std::uint32_t row = _ring.front() + row_place<row_bytes>(warp_lane() % 16);
        _query.products(pieces_on(row, MmaOperand<T>::lane_piece()), c, take);
        scores.take(half, c);
      }
      weigh(at, scores);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        std::uint32_t weights[Scores::operands][2];
        scores.template weigh_rows<T>(half, Sums::first_scale, weights);
        const std::uint32_t row = _ring.front() + row_place<row_bytes>(Sums::lane_row());
        _sums.add(pieces_on(row, Sums::lane_piece()), weights);
        take();
      }
    }
  }
  __device__ float factor(int head) const { return _query.factor(head); }
  __device__ void rescale_heads(const typename Scores::Heads& factor) { _sums.rescale_heads(factor); }

  /// Has drawn rows asked for and taken until at most `most` are left; the last ones asked for may be fewer than a
  /// panel if `most` is 0. No keys may be on their way.
  template <class DrawnRows>
  __device__ __forceinline__ void settle(DrawnRows& drawn, int most) {
    const int least = most > 0 ? int{Ring::rows} : 1;
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
    const std::uint32_t row = _ring.front() + row_place<row_bytes>(Sums::lane_row());
    _sums.add(pieces_on(row, Sums::lane_piece()), count, weight, weight_stride);
    pop();
  }

  /// |row - center|^2, with center in natural order or null for 0; by all lanes together.
  __device__ float squared_distance(const T* row, const float* center) const {
    return squared_distance_of<Group>(row, center, _dim);
  }
  __device__ void rescale(int head, float factor) { _sums.rescale(head, factor); }
  /// Writes the sums of all heads in natural order: to[head * head_stride + 0..dim).
  __device__ void store_sums(float* to, int head_stride) const { _sums.store(to, head_stride, _heads, _dim); }

 private:
  /// Where the rows lie of which a lane asks for pieces.
  using OwnRows = const T * [Ring::own_rows];

  /// 16 rows from `first` on. Those before `start` and from `end` on are others of between: they count for nothing, but
  /// what they hold is multiplied. Returns how many lie before `end`, or 1.
  template <class Rows>
  __device__ __forceinline__ static int find_rows(const Rows& rows, std::int64_t first, std::int64_t start,
                                                  std::int64_t end, OwnRows& from) {
    const bool whole = first >= start && first + Ring::rows <= end;
#pragma unroll
    for (int j = 0; j < Ring::own_rows; ++j) {
      const std::int64_t row = first + Ring::lane_row() + Ring::row_step * j;
      if constexpr (requires { rows.stride; }) {
        if (whole) {
          from[j] = rows[first + Ring::lane_row()] + j * Ring::row_step * rows.stride;
          continue;
        }
      }
      from[j] = rows[row < start ? start : (row < end ? row : end - 1)];
    }
    return whole || first + Ring::rows <= end ? Ring::rows : (first < end ? static_cast<int>(end - first) : 1);
  }

  /// Asks for what comes next: drawn rows if a panel of them waits, else keys.
  template <class Rows, class Coming, class DrawnRows>
  __device__ __forceinline__ bool ask_next(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           const Coming& coming, DrawnRows& drawn) {
    OwnRows from;
    int present = Ring::rows;
    if (drawn.unasked() >= Ring::rows) {
      find_values(drawn, present, from);
    } else {
      const bool here = _keys_asked < 2;
      present = find_keys(rows, here ? first : coming.first, step, here ? count : coming.count, from);
      if (present == 0) return false;
    }
    _ring.ask(from, present, _dim * int{sizeof(T)});
    return true;
  }

  /// The next 16 rows of a tile: always two panels a tile, as the second of a short one is empty but for a row. Returns
  /// how many there are; none where two tiles are on their way.
  template <class Rows>
  __device__ __forceinline__ int find_keys(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                           OwnRows& from) {
    if (count <= 0 || _keys_asked == 4) return 0;
    const int at = 16 * (_keys_asked % 2);
    const int present = count - at > 0 ? count - at : 1;
    const std::int64_t begin = first + step * (count > at ? at : 0);
#pragma unroll
    for (int j = 0; j < Ring::own_rows; ++j) {
      const int row = Ring::lane_row() + Ring::row_step * j;
      if constexpr (requires { rows.stride; })
        from[j] = rows[begin + step * Ring::lane_row()] + j * Ring::row_step * step * rows.stride;
      else
        from[j] = rows[begin + step * (row < present ? row : 0)];
    }
    ++_keys_asked;
    return present;
  }

  /// The next `count` drawn rows.
  template <class DrawnRows>
  __device__ __forceinline__ void find_values(DrawnRows& drawn, int count, OwnRows& from) {
#pragma unroll
    for (int j = 0; j < Ring::own_rows; ++j) {
      const int row = Ring::lane_row() + Ring::row_step * j;
      from[j] = static_cast<const T*>(drawn.unasked_row(row < count ? row : 0));
    }
    _values |= 1U << _ring.waiting();
    drawn.asked(count);
  }
  /// Asks for drawn rows if at least so many wait.
  template <class DrawnRows>
  __device__ __forceinline__ bool ask_values(DrawnRows& drawn, int least) {
    if (drawn.unasked() < least) return false;
    const int count = drawn.unasked() < Ring::rows ? drawn.unasked() : int{Ring::rows};
    OwnRows from;
    find_values(drawn, count, from);
    _ring.ask(from, count, _dim * int{sizeof(T)});
    return true;
  }

  __device__ __forceinline__ void pop() {
    _ring.pop();
    _values >>= 1;
  }

  Query _query;
  Ring _ring;
  std::uint32_t _values = 0;  // which panels of the ring are drawn rows, the oldest first
  int _keys_asked = 0;        // panels of this tile and the next
  int _heads;
  int _dim;
  Sums _sums;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
