// The queries of a warp's heads as operands of the tensor cores, and their products with rows of scratch.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/query_features.hpp>
#include <santa/lanes/scalar.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

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
  const int column = warp_lane() / 4;
  const int quarter = warp_lane() % 4;
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
/// With g = lane / 4, t = lane % 4: 16 rows are A, queries are B. `Operand` says how rows become A; `keep`: whether
/// few fragments stay in registers, where there are some to spare.
template <class Group, class Key, int Dim, class Operand = MmaOperand<Key>, bool keep = true>
class MmaQuery {
  using Factor = typename Operand::Factor;
  using Columns = MmaColumns<Group::max_heads>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 16;             // of 16 features
  static constexpr int shares = blocks * steps / 2;  // of 32 features of a block of heads
  static constexpr int fragments = parts * shares;
  /// Few fragments stay in registers; many would push out what is on its way.
  static constexpr bool held = keep && fragments <= 4;
  /// Halves have little range: the query is first brought into it.
  static constexpr bool scaled = std::is_same_v<Factor, half>;

 public:
  static constexpr int heads_max = Group::max_heads;
  /// The first piece of a row whose address a lane gives.
  __device__ static int lane_piece() { return Operand::lane_piece(); }

  /// Scratch of the team: fragments, a scale and an offset per head.
  static constexpr std::size_t shared_floats = fragments * 32 * 4 + 32;

  __device__ MmaQuery(float* shared, int heads, int dim)
      : _query(reinterpret_cast<uint4*>(shared)), _factor(shared + fragments * 32 * 4), _heads(heads), _dim(dim) {}

  /// Takes query rows, whose scores are multiplied by `factor`. All groups of the team take part. Calls `meanwhile()`
  /// while queries are on their way: rows that are asked for first would have them wait.
  template <class Query, class Meanwhile>
  __device__ __forceinline__ void begin(const Query& query, float factor, const Meanwhile& meanwhile) {
    if constexpr (requires { query.template holds<Factor>(); }) _has_rest = !query.template holds<Factor>();
    int i = Group::rank();
    Loaded<Query> loaded = load(query, i);
    set_factors(query, factor, meanwhile);
    while (i < shares) {
      take(query, i, loaded);
      i += Group::groups_per_team;
      if (i < shares) loaded = load(query, i);
    }
    _plain_factor = factor;
    Group::team_barrier();
    if constexpr (held)
#pragma unroll
      for (int k = 0; k < fragments; ++k) _own[k] = _query[k * 32 + warp_lane()];
    if (scaled) {
      if (Group::rank() == 0 && warp_lane() < _heads)
        _factor[warp_lane()] = factor * Operand::unit / _factor[warp_lane()];
      Group::team_barrier();
    }
  }

  /// What products of a head are multiplied by, and what is added to its scores.
  [[nodiscard]] __device__ float factor(int head) const { return scaled ? _factor[head] : _plain_factor; }
  [[nodiscard]] __device__ float offset(int head) const { return _factor[16 + head]; }

  /// Products of 16 rows: c[block of heads], as a product leaves them. `from` is what Operand loads them from: of
  /// MmaOperand where piece lane_piece() of row lane % 16 lies. `done()` is called when rows have been read.
  template <class From, class Done>
  __device__ __forceinline__ void products(const From& from, float (&c)[blocks][4], const Done& done) const {
    products_of_some<1>(&from, &c, done);
  }
  /// The same of twice as many rows.
  template <class From>
  __device__ __forceinline__ void products(const From (&from)[2], float (&c)[2][blocks][4]) const {
    products_of_some<2>(from, c, [] {});
  }
  /// The same, to scores[row][head].
  template <class Done>
  __device__ __forceinline__ void products(std::uint32_t from, float* scores, const Done& done) const {
    float c[blocks][4];
    products(from, c, done);
    store_products<Group>(c, scores);
  }

 private:
  template <int count, class From, class Done>
  __device__ __forceinline__ void products_of_some(const From* from, float (*c)[blocks][4], const Done& done) const {
    if (parts == 1 || _has_rest)
      products_of<parts, count>(from, c, done);
    else
      products_of<1, count>(from, c, done);
  }
  /// By so many parts of the queries.
  template <int used, int count, class From, class Done>
  __device__ __forceinline__ void products_of(const From* from, float (*c)[blocks][4], const Done& done) const {
    // Sums that don't wait for each other: of every other 16 features, where there is but one of a block.
    float odd[blocks][4] = {};
#pragma unroll
    for (int n = 0; n < count; ++n)
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (float& sum : c[n][b]) sum = 0.F;
#pragma unroll
    for (int i = 0; i < steps / 2; ++i) {
      std::uint32_t a[count][2][4];
#pragma unroll
      for (int n = 0; n < count; ++n) Operand::load(from[n], i, a[n]);
#pragma unroll
      for (int k = 0; k < blocks * used; ++k) {
        const uint4 q = fragment((k % used * blocks + k / used) * steps / 2 + i);
#pragma unroll
        for (int n = 0; n < count; ++n) {
          mma<Factor>(c[n][k / used], a[n][0], q.x, q.y);
          mma<Factor>(count == 1 ? odd[k / used] : c[n][k / used], a[n][1], q.z, q.w);
        }
      }
    }
    done();
    if constexpr (count == 1)
#pragma unroll
      for (int b = 0; b < blocks; ++b)
#pragma unroll
        for (int k = 0; k < 4; ++k) c[0][b][k] += odd[b][k];
  }

  __device__ static int column() { return warp_lane() / 4; }   // g
  __device__ static int quarter() { return warp_lane() % 4; }  // t

  [[nodiscard]] __device__ __forceinline__ uint4 fragment(int k) const {
    if constexpr (held) return _own[k];
    return load_shared(_query + k * 32 + warp_lane());
  }

  /// What a lane holds of 32 features, in pairs.
  template <class Query>
  struct Loaded {
    typename Query::Feature pair[4][2];
  };
  __device__ static int head_of(int i) { return packed ? column() % 4 : i / (steps / 2) * 8 + column(); }
  __device__ static int feature_of(int i, int k, int e) { return Operand::feature(i % (steps / 2), k, e, quarter()); }

  template <class Query>
  __device__ __forceinline__ Loaded<Query> load(const Query& query, int i) const {
    const QueryFeatures<Query> features{query, head_of(i), _heads, _dim};
    Loaded<Query> loaded;
#pragma unroll
    for (int k = 0; k < 4; ++k)
#pragma unroll
      for (int e = 0; e < 2; ++e) loaded.pair[k][e] = features.load(feature_of(i, k, e));
    return loaded;
  }

  /// Makes the i-th fragments.
  template <class Query>
  __device__ __forceinline__ void take(const Query& query, int i, const Loaded<Query>& loaded) const {
    const QueryFeatures<Query> features{query, head_of(i), _heads, _dim};
    const float by = scaled && features.present() ? _factor[head_of(i)] : 1.F;
    std::uint32_t rounded[4], rest[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      float q[2];
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        q[e] = features.value(loaded.pair[k][e], feature_of(i, k, e));
        if (scaled) q[e] *= by;
      }
      rounded[k] = pack<Factor>(q[0], q[1]);
      rest[k] = pack_rest<Factor>(q[0], q[1], rounded[k]);
    }
    const uint4 first = {rounded[0], rounded[1], rounded[2], rounded[3]};
    const uint4 second = {rest[0], rest[1], rest[2], rest[3]};
    if constexpr (packed) {
      _query[i * 32 + warp_lane()] = column() < 4 ? first : second;
    } else {
      _query[i * 32 + warp_lane()] = first;
      _query[(shares + i) * 32 + warp_lane()] = second;
    }
  }

  /// Queries for narrow rows: all scores of a head have something in common.
  template <class Query>
  static constexpr bool has_offset = requires(const Query& query, const typename Query::Feature& feature) {
    query.offset_part(feature);
  };

  /// The factors of scores, first of all a power of two by head that brings its query into range where that is needed;
  /// and for narrow rows what all scores of a head have in common.
  template <class Query, class Meanwhile>
  __device__ __forceinline__ void set_factors(const Query& query, float factor, const Meanwhile& meanwhile) {
    if constexpr (!scaled) {
      meanwhile();
      if (Group::rank() == 0 && warp_lane() < _heads) _factor[warp_lane()] = factor;
    } else {
      for_own_heads<Group, Dim>(query, _heads, _dim, meanwhile, [&](int head, const auto& row) {
        float largest = 0.F;
        float offset = 0.F;
        row.for_each([&](const auto& feature) {
          const float q = Kokkos::fabs(query.value(feature));
          largest = q > largest && q < infinity ? q : largest;
          if constexpr (has_offset<Query>) offset += query.offset_part(feature);
        });
        largest = Group::max(largest);
        constexpr int most = 100;  // what powers of two may be, there and back
        const int raised = largest > 0.F ? ilogbf(largest) : 0;
        const int exponent = raised > most ? most : (raised < -most ? -most : raised);
        if constexpr (has_offset<Query>) offset = Group::sum(offset) * factor;
        if (warp_lane() == 0) {
          _factor[head] = exp2(static_cast<float>(-exponent));
          _factor[16 + head] = offset;
        }
      });
      Group::team_barrier();
    }
  }

  uint4* _query;  // [part][block of heads][two steps][lane]
  uint4 _own[held ? fragments : 1];
  float* _factor;             // [head], and offsets of scores from the 16th on
  float _plain_factor = 0.F;  // of all heads, where queries need not be brought into range
  bool _has_rest = true;      // queries have bits that their rounded parts have not
  int _heads;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
