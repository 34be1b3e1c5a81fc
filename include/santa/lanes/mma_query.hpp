// The queries of a warp's heads as operands of the tensor cores, and their products with rows of scratch.
#pragma once

#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/scalar.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// How a warp's heads fill the 8 columns of an operand, in two parts: numbers go in as a rounded part and its rest
/// (twice the bits), up to 4 heads as the two halves of the columns, more heads as two products.
template <int heads>
struct MmaColumns {
  static constexpr bool packed = heads <= 4;
  static constexpr int blocks = packed ? 1 : heads / 8;  // of columns, for each of the two parts
  static constexpr int parts = packed ? 1 : 2;
  static_assert(packed || heads % 8 == 0);
};

/// Stores products of 16 rows, to scores[row][head].
template <class Group, int blocks>
__device__ __forceinline__ void store_products(float (&c)[blocks][4], float* scores) {
  const int column = Group::lane() / 4;
  const int quarter = Group::lane() % 4;
#pragma unroll
  for (int b = 0; b < blocks; ++b) {
    if constexpr (MmaColumns<Group::max_heads>::packed)
#pragma unroll
      for (int k = 0; k < 4; ++k) c[b][k] += __shfl_xor_sync(Group::everyone, c[b][k], 2);
    const int head = b * 8 + 2 * quarter;
    if (head < Group::max_heads) {
      float* to = scores + column * Group::max_heads + head;
      *reinterpret_cast<float2*>(to) = make_float2(c[b][0], c[b][1]);
      *reinterpret_cast<float2*>(to + 8 * Group::max_heads) = make_float2(c[b][2], c[b][3]);
    }
  }
}

/// Query fragments for rows of Key. `Dim` (64, 128 or 256) is what registers are laid out for; rows may be shorter.
/// With g = lane / 4, t = lane % 4: 16 rows are A, queries are B.
template <class Group, class Key, int Dim>
class MmaQuery {
  using Operand = MmaOperand<Key>;
  using Factor = typename Operand::Factor;
  using Columns = MmaColumns<Group::max_heads>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 16;  // of 16 features
  static constexpr int fragments = blocks * parts * steps / 2;
  /// Halves have little range: the query is first brought into it.
  static constexpr bool scaled = std::is_same_v<Factor, half>;

 public:
  /// Scratch of the team: fragments, a scale and an offset per head.
  static constexpr std::size_t shared_floats = fragments * 32 * 4 + 32;

  __device__ MmaQuery(float* shared, int heads, int dim)
      : _query(reinterpret_cast<uint4*>(shared)), _factor(shared + fragments * 32 * 4), _heads(heads), _dim(dim) {}

  /// Takes query rows, whose scores are multiplied by `factor`. All groups of the team take part. Calls `meanwhile()`
  /// while queries are on their way.
  template <class Query, class Meanwhile>
  __device__ __forceinline__ void begin(const Query& query, float factor, const Meanwhile& meanwhile) {
    set_factors(query, factor);
    if (Group::rank() >= blocks * steps / 2) meanwhile();
    for (int i = Group::rank(); i < blocks * steps / 2; i += Group::groups_per_team) {
      const int block = i / (steps / 2);
      const int head = packed ? column() % 4 : block * 8 + column();
      float q[4][2] = {};
#pragma unroll
      for (int k = 0; k < 4; ++k) read_pair(query, head, i % (steps / 2) * 32, k, q[k]);
      if (i == Group::rank()) meanwhile();
      std::uint32_t rounded[4], rest[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        if (scaled && head < _heads)
          for (float& x : q[k]) x *= _factor[head];
        rounded[k] = pack<Factor>(q[k][0], q[k][1]);
        rest[k] = pack_rest<Factor>(q[k][0], q[k][1], rounded[k]);
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
    if (scaled) {
      if (Group::rank() == 0 && Group::lane() < _heads)
        _factor[Group::lane()] = factor * Operand::unit / _factor[Group::lane()];
      Group::team_barrier();
    }
  }

  /// What products of a head are multiplied by, and what is added to its scores.
  [[nodiscard]] __device__ float factor(int head) const { return _factor[head]; }
  [[nodiscard]] __device__ float offset(int head) const { return _factor[16 + head]; }

  /// Products of 16 rows, to scores[row][head]; `from` is where piece Operand::lane_piece() of row lane % 16 lies.
  /// `done()` is called when rows have been read.
  template <class Done>
  __device__ __forceinline__ void products(std::uint32_t from, float* scores, const Done& done) const {
    float c[blocks][4] = {};
#pragma unroll
    for (int i = 0; i < steps / 2; ++i) {
      std::uint32_t a[2][4];
      Operand::load(from, i, a);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) {
        const int part = k % parts;
        const uint4 q = load_shared(_query + ((part * blocks + k / parts) * steps / 2 + i) * 32 + Group::lane());
        mma<Factor>(c[k / parts], a[0], q.x, q.y);
        mma<Factor>(c[k / parts], a[1], q.z, q.w);
      }
    }
    done();
    store_products<Group>(c, scores);
  }

 private:
  __device__ static int column() { return Group::lane() / 4; }   // g
  __device__ static int quarter() { return Group::lane() % 4; }  // t

  /// The pair k of 32 features from `first` on; 0 beyond the row.
  template <class Query>
  __device__ __forceinline__ void read_pair(const Query& query, int head, int first, int k, float (&q)[2]) const {
    const int feature = first + Operand::feature(k, 0, quarter());
    if constexpr (std::is_same_v<Factor, Key>) {
      if (head < _heads && feature < _dim) query.read(head, feature, 2, q);
    } else {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int each = first + Operand::feature(k, e, quarter());
        if (head < _heads && each < _dim) query.read(head, each, 1, &q[e]);
      }
    }
  }

  /// The factors of scores, first of all a power of two by head that brings its query into range where that is needed;
  /// and for narrow rows what all scores of a head have in common.
  template <class Query>
  __device__ void set_factors(const Query& query, float factor) {
    if constexpr (scaled) {
      for (int head = Group::rank(); head < _heads; head += Group::groups_per_team) {
        float largest = 0.F;
        float offset = 0.F;
        for (int d = Group::lane(); d < _dim; d += Group::size) {
          float q = 0.F;
          query.read(head, d, 1, &q);
          q = Kokkos::fabs(q);
          largest = q > largest && q < infinity ? q : largest;
          if constexpr (!std::is_same_v<Factor, Key>) offset += query.offset_part(head, d, 1);
        }
        largest = Group::max(largest);
        constexpr int most = 100;  // what powers of two may be, there and back
        const int raised = largest > 0.F ? ilogbf(largest) : 0;
        const int exponent = raised > most ? most : (raised < -most ? -most : raised);
        if constexpr (!std::is_same_v<Factor, Key>) offset = Group::sum(offset) * factor;
        if (Group::lane() == 0) {
          _factor[head] = exp2(static_cast<float>(-exponent));
          _factor[16 + head] = offset;
        }
      }
      Group::team_barrier();
    } else if (Group::rank() == 0 && Group::lane() < _heads) {
      _factor[Group::lane()] = factor;
    }
  }

  uint4* _query;   // [part][block of heads][two steps][lane]
  float* _factor;  // [head], and offsets of scores from the 16th on
  int _heads;
  int _dim;
};

}  // namespace santa::lanes

#endif
