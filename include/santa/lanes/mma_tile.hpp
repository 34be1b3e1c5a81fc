// The two tile products on CUDA tensor cores, for 2-byte elements in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// Query fragments and running weighted sums of a warp's heads. `Dim` (64, 128 or 256) is what registers are laid out
/// for; rows may be shorter. With g = lane / 4, t = lane % 4:
///
/// Scores: keys are A, 16 rows at a time, queries are B. A product over features may take them in any order, so each
/// lane loads plain 16-byte pieces t, t + 4, ... of rows g and g + 8, which are the operand as they are, and queries
/// are laid out to match. Sums: columns of value rows are A, queued rows the summed index, weights B; each lane loads
/// pieces of four rows, and byte permutes pair them.
///
/// Queries and weights go in as a rounded part and its rest (twice the bits of T), so that only keys and values are
/// narrow: up to 4 heads as the two halves of B's 8 columns, more heads as two products.
template <class Group, class T, int Dim>
class MmaTile {
  static constexpr int heads_max = Group::max_heads;
  static constexpr bool packed = heads_max <= 4;
  static constexpr int blocks = packed ? 1 : heads_max / 8;  // of B's columns, for each of the two parts
  static constexpr int parts = packed ? 1 : 2;
  static constexpr int steps = Dim / 32;   // 32 features each: a piece of 8 in each of 4 lanes
  static constexpr int pieces = Dim / 64;  // of a value row in one lane
  static constexpr int fragments = blocks * parts * steps;
  static_assert(packed || heads_max % 8 == 0);

 public:
  using Element = T;
  /// Largest weight that a B operand takes: of half, with `weight_scale`.
  static constexpr float weight_scale = std::is_same_v<T, half> ? 0x1p7F : 1.F;

  /// Scratch of the team: query fragments, and a scale per head.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int /*heads*/, int /*dim*/) {
    return fragments * 32 * 4 + heads_max;
  }
  /// Scratch of each group: scores of a tile.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, int /*dim*/) { return 32 * heads_max; }

  __device__ MmaTile(float* shared, float* scratch, int heads, int dim)
      : _query(reinterpret_cast<uint4*>(shared)),
        _factor(shared + fragments * 32 * 4),
        _scores(scratch),
        _heads(heads),
        _dim(dim) {}

  /// Takes query rows of `heads` heads, whose scores are multiplied by `factor`, and clears the sums. All groups of the
  /// team take part.
  __device__ void begin(const AnyInput& query, std::int64_t offset, std::int64_t head_stride, float factor) {
    set_factors(query, offset, head_stride, factor);
    for (int i = Group::rank(); i < blocks * steps; i += Group::groups_per_team) {
      const int step = i % steps;
      const int block = i / steps;
      const int head = packed ? column() % 4 : block * 8 + column();
      const int feature = (quarter() + 4 * step) * 8;
      float q[8] = {};
      if (head < _heads && feature < _dim) query.read(offset + head * head_stride + feature, 8, q);
      if (std::is_same_v<T, half> && head < _heads)
        for (float& x : q) x *= _factor[head];
      std::uint32_t rounded[4], rest[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        rounded[k] = pack<T>(q[2 * k], q[2 * k + 1]);
        rest[k] = pack_rest<T>(q[2 * k], q[2 * k + 1], rounded[k]);
      }
      const uint4 first = {rounded[0], rounded[1], rounded[2], rounded[3]};
      const uint4 second = {rest[0], rest[1], rest[2], rest[3]};
      if constexpr (packed) {
        _query[i * 32 + Group::lane()] = column() < 4 ? first : second;
      } else {
        _query[i * 32 + Group::lane()] = first;
        _query[(blocks * steps + i) * 32 + Group::lane()] = second;
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
      for (int j = 0; j < 4 * pieces; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) _sum[b][j][k] = 0.F;
  }

  /// Lane i of scores[head] = factor <query of head, rows[first + i * step]> for i < count; other lanes are undefined.
  /// `coming` names the group's next tile, whose first rows are loaded while this one is worked on.
  template <class Rows, class Coming>
  __device__ __forceinline__ void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                                         const Coming& coming, float* scores) {
    uint4 second_half[2][steps];
    if (!_loaded) load(rows, first, step, 0, count, _ahead);
    load(rows, first, step, 16, count, second_half);
    product(_ahead, 0);
    _loaded = coming.count > 0;
    if (_loaded) load(rows, coming.first, step, 0, coming.count, _ahead);
    product(second_half, 16);
    Group::sync();
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      scores[head] = head < _heads ? _scores[Group::lane() * heads_max + head] * _factor[head] : -infinity;
    Group::sync();
  }

  /// sum[head] += weight[head * weight_stride + i] * rows[first + index[i]] over i < count <= 16.
  template <class Rows, class Ahead>
  __device__ __forceinline__ void add_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                                           const Ahead& /*ahead*/, const float* weight, int weight_stride) {
    const T* from[4];
    int place[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      place[k] = 2 * quarter() + (k & 1) + 8 * (k >> 1);
      from[k] = rows[first + index[place[k] < count ? place[k] : 0]];
    }
    std::uint32_t b[blocks * parts][2];
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
      const int head = packed ? column() % 4 : block * 8 + column();  // the queue has room for all of them
      float w[4];
#pragma unroll
      for (int k = 0; k < 4; ++k)
        w[k] = place[k] < count ? weight[head * weight_stride + place[k]] * weight_scale : 0.F;
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const std::uint32_t rounded = pack<T>(w[2 * k], w[2 * k + 1]);
        const std::uint32_t rest = pack_rest<T>(w[2 * k], w[2 * k + 1], rounded);
        if constexpr (packed) {
          b[block][k] = column() < 4 ? rounded : rest;
        } else {
          b[2 * block][k] = rounded;
          b[2 * block + 1][k] = rest;
        }
      }
    }
#pragma unroll
    for (int p = 0; p < pieces; ++p) {
      const int column_begin = (column() * pieces + p) * 8;
      const bool inside = column_begin < _dim;
      uint4 v[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) v[k] = inside ? load_piece(from[k] + column_begin) : uint4{0, 0, 0, 0};
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const std::uint32_t a0 = __byte_perm(word(v[0], j), word(v[1], j), 0x5410);
        const std::uint32_t a1 = __byte_perm(word(v[0], j), word(v[1], j), 0x7632);
        const std::uint32_t a2 = __byte_perm(word(v[2], j), word(v[3], j), 0x5410);
        const std::uint32_t a3 = __byte_perm(word(v[2], j), word(v[3], j), 0x7632);
#pragma unroll
        for (int k = 0; k < blocks * parts; ++k) mma<T>(_sum[k / parts][4 * p + j], a0, a1, a2, a3, b[k][0], b[k][1]);
      }
    }
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
        for (int j = 0; j < 4 * pieces; ++j) {
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
      for (int j = 0; j < 4 * pieces; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          float value = _sum[b][j][k];
          if constexpr (packed) value += __shfl_xor_sync(Group::everyone, value, 2);  // the rounded part and its rest
          const int head = b * 8 + 2 * quarter() + k % 2;
          const int d = (column() * pieces + j / 4) * 8 + j % 4 * 2 + k / 2;
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

  /// Loads pieces of rows `from` + g and + g + 8 of a tile; rows beyond `count` repeat the last one.
  template <class Rows>
  __device__ __forceinline__ void load(const Rows& rows, std::int64_t first, std::int64_t step, int from, int count,
                                       uint4 (&to)[2][steps]) const {
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      const int row = from + column() + 8 * r;
      const T* address = rows[first + step * (row < count ? row : count - 1)] + quarter() * 8;
#pragma unroll
      for (int i = 0; i < steps; ++i)
        to[r][i] = quarter() * 8 + 32 * i < _dim ? load_piece(address + 32 * i) : uint4{0, 0, 0, 0};
    }
  }

  /// Scores of 16 rows to scratch, from row `at` of the tile on.
  __device__ __forceinline__ void product(const uint4 (&rows)[2][steps], int at) {
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      float c[4] = {0.F, 0.F, 0.F, 0.F};
#pragma unroll
      for (int part = 0; part < parts; ++part)
#pragma unroll
        for (int i = 0; i < steps; ++i) {
          const uint4 q = load_shared(_query + ((part * blocks + b) * steps + i) * 32 + Group::lane());
          mma<T>(c, rows[0][i].x, rows[1][i].x, rows[0][i].y, rows[1][i].y, q.x, q.y);
          mma<T>(c, rows[0][i].z, rows[1][i].z, rows[0][i].w, rows[1][i].w, q.z, q.w);
        }
      if constexpr (packed)
#pragma unroll
        for (int k = 0; k < 4; ++k) c[k] += __shfl_xor_sync(Group::everyone, c[k], 2);
      const int head = b * 8 + 2 * quarter();
      if (head < heads_max) {
        *reinterpret_cast<float2*>(_scores + (at + column()) * heads_max + head) = make_float2(c[0], c[1]);
        *reinterpret_cast<float2*>(_scores + (at + column() + 8) * heads_max + head) = make_float2(c[2], c[3]);
      }
    }
  }

  uint4* _query;   // [part][block of heads][step][lane]
  float* _factor;  // [head]
  float* _scores;  // [row of the tile][head]
  int _heads;
  int _dim;
  bool _loaded = false;
  uint4 _ahead[2][steps];  // the first 16 rows of the next tile
  float _sum[blocks][4 * pieces][4];
};

}  // namespace santa::lanes

#endif
