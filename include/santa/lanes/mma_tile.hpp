// The two tile products on CUDA tensor cores, for 2-byte elements in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/mma_sums.hpp>
#include <santa/lanes/panel_ring.hpp>

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

 public:
  using Element = T;
  /// Rows are asked for and taken in the course of `scores` and `settle`, not when they are drawn.
  static constexpr bool asynchronous = true;

  /// Scratch of the team.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) {
    return Query::shared_floats;
  }
  /// Scratch of each group: panels, and scores of a tile.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, int /*dim*/) {
    return Ring::scratch_floats + 32 * heads_max;
  }

  __device__ MmaTile(const Group& /*group*/, float* shared, float* scratch, int heads, int dim)
      : _query(shared, heads, dim), _scores(scratch + Ring::scratch_floats), _ring(scratch), _heads(heads), _dim(dim) {}

  /// Asks for the first rows of the first tile, ahead of `scores`.
  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    while (_ring.waiting() < Ring::slots && ask_keys(rows, first, step, count)) {
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
    const auto ask_next = [&] {
      return _keys_asked < 2 ? ask_keys(rows, first, step, count) : ask_keys(rows, coming.first, step, coming.count);
    };
#pragma unroll 1
    for (int half = 0;;) {
      while (_ring.waiting() < Ring::slots && (ask_values(drawn, Ring::rows) || ask_next())) {
      }
      if (half == 2) break;
      if ((_values & 1U) != 0) {
        drawn.take();
      } else {
        const std::uint32_t row = _ring.front() + row_place<row_bytes>(Group::lane() % 16);
        _query.products(pieces_on(row, MmaOperand<T>::lane_piece()), _scores + 16 * half * heads_max, [&] { pop(); });
        ++half;
      }
    }
    _keys_asked -= 2;
    Group::sync();
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? _scores[Group::lane() * heads_max + head] * _query.factor(head) : -infinity;
    Group::sync();
  }

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
  /// Asks for the next 16 rows of a tile, if it has any: always two panels a tile, as the second of a short one is
  /// empty but for a row.
  template <class Rows>
  __device__ __forceinline__ bool ask_keys(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    if (count <= 0 || _keys_asked == 4) return false;
    const int at = 16 * (_keys_asked % 2);
    const int left = count - at;
    const std::int64_t from = first + step * (left > 0 ? at : 0);
    _ring.ask([&](int i) { return rows[from + step * i]; }, left < 1 ? 1 : left, _dim * int{sizeof(T)});
    ++_keys_asked;
    return true;
  }

  /// Asks for drawn rows if at least so many wait.
  template <class DrawnRows>
  __device__ __forceinline__ bool ask_values(DrawnRows& drawn, int least) {
    const int waiting = drawn.unasked();
    if (waiting < least) return false;
    const int count = waiting < Ring::rows ? waiting : Ring::rows;
    _values |= 1U << _ring.waiting();
    _ring.ask([&](int i) { return drawn.unasked_row(i); }, count, _dim * int{sizeof(T)});
    drawn.asked(count);
    return true;
  }

  __device__ __forceinline__ void pop() {
    _ring.pop();
    _values >>= 1;
  }

  Query _query;
  float* _scores;  // [row of the tile][head]
  Ring _ring;
  std::uint32_t _values = 0;  // which panels of the ring are drawn rows, the oldest first
  int _keys_asked = 0;        // panels of this tile and the next
  int _heads;
  int _dim;
  Sums _sums;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
