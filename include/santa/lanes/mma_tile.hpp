// The two tile products on CUDA tensor cores, for 2-byte elements in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/panel_ring.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// Query fragments and running weighted sums of a warp's heads. `Dim` (64, 128 or 256) is what registers are laid out
/// for; rows may be shorter. With g = lane / 4, t = lane % 4:
///
/// Scores: 16 key rows are A, queries are B. Sums: 16 features of 16 value rows, transposed as they are loaded, are A,
/// the rows' weights are B. Both kinds of rows come through one ring of panels, asked for well before they are used:
/// the next keys as soon as there is room, unless enough drawn rows wait.
///
/// Queries and weights go in as a rounded part and its rest (twice the bits of T), so that only keys and values are
/// narrow: up to 4 heads as the two halves of B's 8 columns, more heads as two products.
template <class Group, class T, int Dim>
class MmaTile {
  static constexpr int heads_max = Group::max_heads;
  static constexpr bool packed = heads_max <= 4;
  static constexpr int blocks = packed ? 1 : heads_max / 8;  // of B's columns, for each of the two parts
  static constexpr int parts = packed ? 1 : 2;
  static constexpr int steps = Dim / 16;  // of 16 features
  static constexpr int fragments = blocks * parts * steps / 2;
  static constexpr int row_bytes = Dim * int{sizeof(T)};
  using Ring = PanelRing<row_bytes>;
  static_assert(packed || heads_max % 8 == 0);

 public:
  using Element = T;
  /// Rows are asked for and taken in the course of `scores` and `settle`, not when they are drawn.
  static constexpr bool asynchronous = true;
  /// Largest weight that a B operand takes: of half, with `weight_scale`.
  static constexpr float weight_scale = std::is_same_v<T, half> ? 0x1p7F : 1.F;

  /// Scratch of the team: query fragments, and a scale per head.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) {
    return fragments * 32 * 4 + 32;
  }
  /// Scratch of each group: panels, and scores of a tile.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, int /*dim*/) {
    return Ring::scratch_floats + 32 * heads_max;
  }

  __device__ MmaTile(const Group& /*group*/, float* shared, float* scratch, int heads, int dim)
      : _query(reinterpret_cast<uint4*>(shared)),
        _factor(shared + fragments * 32 * 4),
        _scores(scratch + Ring::scratch_floats),
        _ring(scratch),
        _heads(heads),
        _dim(dim) {}

  /// Asks for the first rows of the first tile, ahead of `scores`.
  template <class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t step, int count) {
    while (_ring.waiting() < Ring::slots && ask_keys(rows, first, step, count)) {
    }
  }

  /// Takes query rows of `heads` heads, whose scores are multiplied by `factor`, and clears the sums. All groups of the
  /// team take part. Calls `meanwhile()` while queries are on their way.
  template <class Meanwhile>
  __device__ __forceinline__ void begin(const AnyInput& query, std::int64_t offset, std::int64_t head_stride,
                                        float factor, const Meanwhile& meanwhile) {
    set_factors(query, offset, head_stride, factor);
    if (Group::rank() >= blocks * steps / 2) meanwhile();
    for (int i = Group::rank(); i < blocks * steps / 2; i += Group::groups_per_team) {
      const int block = i / (steps / 2);
      const int head = packed ? column() % 4 : block * 8 + column();
      float q[4][2] = {};
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        const int feature = i % (steps / 2) * 32 + 8 * k + 2 * quarter();
        if (head < _heads && feature < _dim) query.read(offset + head * head_stride + feature, 2, q[k]);
      }
      if (i == Group::rank()) meanwhile();
      std::uint32_t rounded[4], rest[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (std::is_same_v<T, half> && head < _heads)
          for (float& x : q[k]) x *= _factor[head];
        rounded[k] = pack<T>(q[k][0], q[k][1]);
        rest[k] = pack_rest<T>(q[k][0], q[k][1], rounded[k]);
      }
      const uint4 first = {rounded[0], rounded[1], rounded[2], rounded[3]};
      const uint4 second = {rest[0], rest[1], rest[2], rest[3]};
      if constexpr (packed) {
        _query[i * 32 + Group::lane()] = column() < 4 ? first : second;
      } else {
        _query[i * 32 + Group::lane()] = first;
        _query[(blocks * steps / 2 + i) * 32 + Group::lane()] = second;
      }
    }
    Group::team_barrier();
    if (std::is_same_v<T, half>) {
      if (Group::rank() == 0 && Group::lane() < _heads) _factor[Group::lane()] = factor / _factor[Group::lane()];
      Group::team_barrier();
    }
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) _sum[b][j][k] = 0.F;
  }

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
        product(16 * half);
        ++half;
      }
    }
    _keys_asked -= 2;
    Group::sync();
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? _scores[Group::lane() * heads_max + head] * _factor[head] : -infinity;
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
    std::uint32_t b[blocks * parts][2];
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
      const int head = packed ? column() % 4 : block * 8 + column();  // the queue has room for all of them
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int place = 2 * quarter() + 8 * k;
        const float2 both = *reinterpret_cast<const float2*>(weight + head * weight_stride + place);
        const float w[2] = {place < count ? both.x * weight_scale : 0.F,
                            place + 1 < count ? both.y * weight_scale : 0.F};
        const std::uint32_t rounded = pack<T>(w[0], w[1]);
        const std::uint32_t rest = pack_rest<T>(w[0], w[1], rounded);
        if constexpr (packed) {
          b[block][k] = column() < 4 ? rounded : rest;
        } else {
          b[2 * block][k] = rounded;
          b[2 * block + 1][k] = rest;
        }
      }
    }
    const int row = Group::lane() % 8 + Group::lane() / 16 * 8;
    const int piece = Group::lane() / 8 % 2;
    const std::uint32_t from = piece_address(_ring.front(), row, piece);
#pragma unroll
    for (int j = 0; j < steps; ++j) {
      std::uint32_t a[4];
      load_matrices<true>(step_address(from, j), a);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) mma<T>(_sum[k / parts][j], a, b[k][0], b[k][1]);
    }
    pop();
  }

  /// |row - center|^2, with center in natural order or null for 0; by all lanes together.
  __device__ float squared_distance(const T* row, const float* center) const {
    float total = 0.F;
    for (int d = Group::lane(); d < _dim; d += Group::size) {
      const float difference = static_cast<float>(row[d]) - (center != nullptr ? center[d] : 0.F);
      total = fma(difference, difference, total);
    }
    return Group::sum(total);
  }

  /// Multiplies the sum of a head; called with every head in turn known when compiled, or not: rare.
  __device__ void rescale(int head, float factor) {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int mine = packed ? (2 * quarter() + k) % 4 : b * 8 + 2 * quarter() + k;
        const float by = mine == head ? factor : 1.F;
#pragma unroll
        for (int j = 0; j < steps; ++j) {
          _sum[b][j][k] *= by;
          _sum[b][j][k + 2] *= by;
        }
      }
  }

  /// Writes the sums of all heads in natural order: to[head * head_stride + 0..dim).
  __device__ void store_sums(float* to, int head_stride) const {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          float value = _sum[b][j][k];
          if constexpr (packed) value += __shfl_xor_sync(Group::everyone, value, 2);  // the rounded part and its rest
          const int head = b * 8 + 2 * quarter() + k % 2;
          const int d = 16 * j + column() + k / 2 * 8;
          if (head < _heads && d < _dim) to[head * head_stride + d] = value * (1.F / weight_scale);
        }
  }

 private:
  __device__ static int column() { return Group::lane() / 4; }   // g
  __device__ static int quarter() { return Group::lane() % 4; }  // t

  /// The factors of scores. For half, first a power of two by head that brings its query into range.
  __device__ void set_factors(const AnyInput& query, std::int64_t offset, std::int64_t head_stride, float factor) {
    if constexpr (std::is_same_v<T, half>) {
      for (int head = Group::rank(); head < _heads; head += Group::groups_per_team) {
        float largest = 0.F;
        for (int d = Group::lane(); d < _dim; d += Group::size) {
          float q = 0.F;
          query.read(offset + head * head_stride + d, 1, &q);
          q = Kokkos::fabs(q);
          largest = q > largest && q < infinity ? q : largest;
        }
        largest = Group::max(largest);
        const int exponent = largest > 0.F ? ilogbf(largest) : 0;
        if (Group::lane() == 0) _factor[head] = exp2(static_cast<float>(exponent > 100 ? -100 : -exponent));
      }
      Group::team_barrier();
    } else if (Group::rank() == 0 && Group::lane() < _heads) {
      _factor[Group::lane()] = factor;
    }
  }

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

  /// Where a piece of a panel's row lies, and the one 2 * step pieces further on.
  __device__ static std::uint32_t piece_address(std::uint32_t panel, int row, int piece) {
    return panel + static_cast<std::uint32_t>(row * row_bytes + (piece ^ (row % 8)) * 16);
  }
  __device__ static std::uint32_t step_address(std::uint32_t first, int step) {
    return (first ^ static_cast<std::uint32_t>(2 * step % 8 * 16)) + static_cast<std::uint32_t>(step / 4 * 128);
  }

  /// Scores of the oldest panel to scratch, from row `at` of the tile on.
  __device__ __forceinline__ void product(int at) {
    const int row = Group::lane() % 16;
    const std::uint32_t from = piece_address(_ring.front(), row, Group::lane() / 16);
    float c[blocks][4] = {};
#pragma unroll
    for (int i = 0; i < steps; i += 2) {
      std::uint32_t a[2][4];
      load_matrices<false>(step_address(from, i), a[0]);
      load_matrices<false>(step_address(from, i + 1), a[1]);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) {
        const int part = k % parts;
        const uint4 q = load_shared(_query + ((part * blocks + k / parts) * steps / 2 + i / 2) * 32 + Group::lane());
        mma<T>(c[k / parts], a[0], q.x, q.y);
        mma<T>(c[k / parts], a[1], q.z, q.w);
      }
    }
    pop();
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      if constexpr (packed)
#pragma unroll
        for (int k = 0; k < 4; ++k) c[b][k] += __shfl_xor_sync(Group::everyone, c[b][k], 2);
      const int head = b * 8 + 2 * quarter();
      if (head < heads_max) {
        *reinterpret_cast<float2*>(_scores + (at + column()) * heads_max + head) = make_float2(c[b][0], c[b][1]);
        *reinterpret_cast<float2*>(_scores + (at + column() + 8) * heads_max + head) = make_float2(c[b][2], c[b][3]);
      }
    }
  }

  uint4* _query;   // [part][block of heads][two steps][lane]
  float* _factor;  // [head]
  float* _scores;  // [row of the tile][head]
  Ring _ring;
  std::uint32_t _values = 0;  // which panels of the ring are drawn rows, the oldest first
  int _keys_asked = 0;        // panels of this tile and the next
  int _heads;
  int _dim;
  float _sum[blocks][steps][4];
};

}  // namespace santa::lanes

#endif
