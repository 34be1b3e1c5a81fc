// The queries of a warp's heads as integers, and their products with rows of integer codes on the tensor cores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/scalar.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// How 16 rows of codes become the product's first operand, 32 features at a time, without a conversion.
///   load(from, i, a)      the operand of the i-th 32 features
///   feature(i, word, byte, t)  which feature the byte of b0 or b1 of the i-th 32 is for, in lane (g, t)
///   zero                  what is to be taken from each code
template <class Code>
struct MmaIntOperand;

template <>
struct MmaIntOperand<std::int8_t> {
  static constexpr int zero = 0;

  __device__ static int lane_piece() { return warp_lane() / 16; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[4]) {
    load_matrices<false>(pieces_on(from, 2 * i), a);
  }
  __device__ static int feature(int i, int word, int byte, int t) { return 32 * i + 16 * word + 4 * t + byte; }
};

/// A lane's word holds 8 of a row's 32 features: the even ones in low nibbles, the odd ones in high.
template <>
struct MmaIntOperand<int4x2> {
  static constexpr int zero = 8;

  __device__ static int lane_piece() { return 0; }
  __device__ __forceinline__ static void load(std::uint32_t from, int i, std::uint32_t (&a)[4]) {
    std::uint32_t word[2];
    load_two_matrices(pieces_on(from, i), word);
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      a[row] = word[row] & 0x0f0f0f0fU;
      a[row + 2] = (word[row] >> 4) & 0x0f0f0f0fU;
    }
  }
  __device__ static int feature(int i, int word, int byte, int t) { return 32 * i + 8 * t + 2 * byte + word; }
};

/// Query fragments for rows of codes, of 16 bits in two parts: 256 * high + low. The same members as MmaQuery.
template <class Group, class Code, int Dim, class Operand = MmaIntOperand<Code>>
class MmaIntQuery {
  using Columns = MmaColumns<Group::max_heads>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 32;  // of 32 features
  static constexpr int fragments = blocks * parts * steps;
  static constexpr float largest = 32512.F;  // 127 * 256

 public:
  /// Scratch of the team: fragments, a scale and an offset per head.
  static constexpr std::size_t shared_floats = fragments * 32 * 2 + 32;

  __device__ MmaIntQuery(float* shared, int heads, int dim)
      : _query(reinterpret_cast<uint2*>(shared)), _factor(shared + fragments * 32 * 2), _heads(heads), _dim(dim) {}

  template <class Query, class Meanwhile>
  __device__ __forceinline__ void begin(const Query& query, float factor, const Meanwhile& meanwhile) {
    set_factors(query, factor, meanwhile);
    for (int i = Group::rank(); i < blocks * steps; i += Group::groups_per_team) take(query, i);
    Group::team_barrier();
    find_zeros();
    if (Group::rank() == 0 && warp_lane() < _heads) _factor[warp_lane()] = factor / _factor[warp_lane()];
    Group::team_barrier();
  }

  [[nodiscard]] __device__ float factor(int head) const { return _factor[head]; }
  [[nodiscard]] __device__ float offset(int head) const { return _factor[16 + head]; }

  /// Products of 16 rows: c[block of heads], as a product leaves them; of up to 4 heads in two parts that the lanes of
  /// a column have, exactly. `from` is what Operand loads rows from. `done()` is called when rows have been read.
  template <class From, class Done>
  __device__ __forceinline__ void products(const From& from, float (&c)[blocks][4], const Done& done) const {
    products_of<1>(&from, &c, done);
  }
  /// The same of twice as many rows.
  template <class From>
  __device__ __forceinline__ void products(const From (&from)[2], float (&c)[2][blocks][4]) const {
    products_of<2>(from, c, [] {});
  }
  /// The same, to scores[row][head].
  template <class Done>
  __device__ __forceinline__ void products(std::uint32_t from, float* scores, const Done& done) const {
    float c[blocks][4];
    products(from, c, done);
    store_products<Group>(c, scores);
  }

 private:
  __device__ static int column() { return warp_lane() / 4; }   // g
  __device__ static int quarter() { return warp_lane() % 4; }  // t
  /// Where a lane's words of accumulator k (its block and part) lie.
  __device__ static int fragment(int k, int i) {
    return ((k % parts * blocks + k / parts) * steps + i) * 32 + warp_lane();
  }

  template <int count, class From, class Done>
  __device__ __forceinline__ void products_of(const From* from, float (*c)[blocks][4], const Done& done) const {
    std::int32_t sum[count][blocks * parts][4];
#pragma unroll
    for (int n = 0; n < count; ++n)
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k)
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[n][k][j] = _zero[k][j % 2];
#pragma unroll
    for (int i = 0; i < steps; ++i) {
      std::uint32_t a[count][4];
#pragma unroll
      for (int n = 0; n < count; ++n) Operand::load(from[n], i, a[n]);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) {
        const uint2 q = load_shared(_query + fragment(k, i));
#pragma unroll
        for (int n = 0; n < count; ++n) mma_int<(Operand::zero != 0)>(sum[n][k], a[n], q.x, q.y);
      }
    }
    done();
    const int by = packed && quarter() >= 2 ? 1 : 256;
#pragma unroll
    for (int n = 0; n < count; ++n)
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          const std::int32_t low = packed ? 0 : sum[n][b * parts + parts - 1][j];
          c[n][b][j] = static_cast<float>(by * sum[n][b * parts][j] + low);
        }
  }

  /// Makes the i-th fragments, of 32 features.
  template <class Query>
  __device__ __forceinline__ void take(const Query& query, int i) const {
    const QueryFeatures<Query> features{query, packed ? column() % 4 : i / steps * 8 + column(), _heads, _dim};
    const float inverse = features.present() ? _factor[features.head] : 0.F;
    const auto feature = [&](int k) { return Operand::feature(i % steps, k / 4, k % 4, quarter()); };
    typename Query::Feature loaded[8];
#pragma unroll
    for (int k = 0; k < 8; ++k) loaded[k] = features.load(feature(k));
    std::uint32_t high[2] = {}, low[2] = {};
#pragma unroll
    for (int k = 0; k < 8; ++k) {
      const int whole = __float2int_rn(features.value(loaded[k], feature(k)) * inverse);
      const int upper = (whole + 128) >> 8;
      high[k / 4] |= (static_cast<std::uint32_t>(upper) & 0xffU) << (8 * (k % 4));
      low[k / 4] |= (static_cast<std::uint32_t>(whole - 256 * upper) & 0xffU) << (8 * (k % 4));
    }
    const uint2 first = {high[0], high[1]};
    const uint2 second = {low[0], low[1]};
    if constexpr (packed) {
      _query[i * 32 + warp_lane()] = column() < 4 ? first : second;
    } else {
      _query[i * 32 + warp_lane()] = first;
      _query[(blocks * steps + i) * 32 + warp_lane()] = second;
    }
  }

  /// How many units the largest feature of a head is, and what all scores of the head have in common.
  template <class Query, class Meanwhile>
  __device__ __forceinline__ void set_factors(const Query& query, float factor, const Meanwhile& meanwhile) {
    for_own_heads<Group, Dim>(query, _heads, _dim, meanwhile, [&](int head, const auto& row) {
      float most = 0.F;
      float offset = 0.F;
      row.for_each([&](const auto& feature) {
        const float q = Kokkos::fabs(query.value(feature));
        most = q > most && q < infinity ? q : most;
        offset += query.offset_part(feature);
      });
      most = Group::max(most);
      offset = Group::sum(offset) * factor;
      if (warp_lane() == 0) {
        _factor[head] = most > 0.F ? largest / most : 1.F;
        _factor[16 + head] = offset;
      }
    });
    Group::team_barrier();
  }

  /// What accumulators begin with: less the zero of the codes, times the sum of the query.
  __device__ void find_zeros() {
#pragma unroll
    for (int k = 0; k < blocks * parts; ++k) {
      if constexpr (Operand::zero == 0) {
        _zero[k][0] = _zero[k][1] = 0;
      } else {
        std::int32_t sum = 0;
#pragma unroll
        for (int i = 0; i < steps; ++i) {
          const uint2 q = load_shared(_query + fragment(k, i));
          sum = __dp4a(static_cast<int>(q.x), 0x01010101, sum);
          sum = __dp4a(static_cast<int>(q.y), 0x01010101, sum);
        }
        sum += __shfl_xor_sync(Group::everyone, sum, 1);
        sum += __shfl_xor_sync(Group::everyone, sum, 2);
#pragma unroll
        for (int j = 0; j < 2; ++j)
          _zero[k][j] = -Operand::zero * __shfl_sync(Group::everyone, sum, 4 * (2 * quarter() + j));
      }
    }
  }

  uint2* _query;   // [part][block of heads][32 features][lane]
  float* _factor;  // [head], and offsets of scores from the 16th on
  int _heads;
  int _dim;
  std::int32_t _zero[blocks * parts][2];  // of the columns 2t, 2t + 1
};

/// The query for rows of codes.
template <class Group, class Code, int Dim>
struct CodeQueryOf {
  using Type = MmaIntQuery<Group, Code, Dim>;
  using Operand = MmaIntOperand<Code>;
};
template <class Group, int Dim>
struct CodeQueryOf<Group, float8, Dim> {
  using Type = MmaQuery<Group, float8, Dim>;
  using Operand = MmaOperand<float8>;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
