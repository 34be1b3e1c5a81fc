// Scores by codes of 4 bits, and weighted sums of codes, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/layout.hpp>
#include <santa/clusters/nibbles.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma_nibbles.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/product_lanes.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// Weights of up to 32 rows, [head][stride], as operands B of 16 rows each: in two parts, as MmaColumns has them.
template <int Heads>
struct MmaWeights {
  using Columns = lanes::MmaColumns<Heads>;
  static constexpr int parts = Columns::parts;
  static constexpr int stride = 40;  // lanes that load together meet different banks
  static_assert(Columns::blocks == 1);

  /// Column of a lane as an operand's, the head that it is of.
  __device__ static int column() { return lanes::warp_lane() / 4; }
  __device__ static int head() { return Columns::packed ? column() % 4 : column(); }
  /// Heads of the two columns that a lane has of a sum; the rests of packed heads are theirs again.
  __device__ static int head_of_sum(int k) { return lanes::warp_lane() % 4 * 2 % Heads + k % 2; }
  /// Whether a lane has the rounded part of a sum: what is added to a sum goes there.
  __device__ static bool rounded() { return !Columns::packed || lanes::warp_lane() % 4 < 2; }

  __device__ __forceinline__ static void part(float first, float second, std::uint32_t (&b)[parts]) {
    const std::uint32_t whole = lanes::pack<bfloat16>(first, second);
    const std::uint32_t rest = lanes::pack_rest<bfloat16>(first, second, whole);
    if constexpr (Columns::packed) {
      b[0] = column() < 4 ? whole : rest;
    } else {
      b[0] = whole;
      b[1] = rest;
    }
  }
  /// Of rows 16 half on.
  __device__ __forceinline__ static void load(const float* weights, int half, std::uint32_t (&b)[2][parts]) {
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      const int row = 16 * half + lanes::warp_lane() % 4 * 2 + 8 * k;
      const float2 both = *reinterpret_cast<const float2*>(weights + head() * stride + row);
      part(both.x, both.y, b[k]);
    }
  }
};

/// A warp's queries in the coordinates of a chunk's codes of keys.
template <int Heads, int Dim>
class MmaFolded {
  using Rows = lanes::NibbleRows<Dim>;
  using Weights = MmaWeights<Heads>;

 public:
  /// query(head): [Dim] in log2 units. offset[head]: what the chunk's center adds to all scores.
  template <class Query>
  __device__ __forceinline__ void fold(const ClusterChunk& at, const Query& query, float (&offset)[Heads]) {
    const float* const own = query(Weights::head());
    float sum = 0.F;
#pragma unroll
    for (int w = 0; w < Rows::words; ++w) {
      float low[4], high[4];
      const int feature = low_feature(lanes::warp_lane() % 4 * (Dim / 8) + 4 * w);
      take(at, own, feature, low, sum);
      take(at, own, feature + 32, high, sum);
#pragma unroll
      for (int step = 0; step < 2; ++step) {
        Weights::part(low[step], low[step + 2], _b[w][step][0]);
        Weights::part(high[step], high[step + 2], _b[w][step][1]);
      }
    }
    sum += lanes::of_neighbour(sum, 1);
    sum += lanes::of_neighbour(sum, 2);
#pragma unroll
    for (int head = 0; head < Heads; ++head) offset[head] = __shfl_sync(0xffffffffU, sum, 4 * head);
  }

  /// To memory: [folded_words / 4].
  __device__ __forceinline__ void store(std::uint32_t* to) const {
#pragma unroll
    for (int w = 0; w < Rows::words; ++w)
#pragma unroll
      for (int part = 0; part < Weights::parts; ++part)
        reinterpret_cast<uint4*>(to)[(w * Weights::parts + part) * 32 + lanes::warp_lane()] = operand(w, part);
  }

  /// Products of 32 rows of codes with the queries, a row a lane in ProductOrder, in units of the codes' scales.
  __device__ __forceinline__ void scores(const Rows& rows, float (&score)[Heads]) const {
    products(
        rows, [&](int w, int part) { return operand(w, part); }, score);
  }
  /// The same by operands that operand(word, part) gives, as `store` leaves them.
  template <class Operand>
  __device__ __forceinline__ static void products(const Rows& rows, const Operand& operand, float (&score)[Heads]) {
    float c[2][1][4] = {};
    float odd[2][4] = {};  // sums that don't wait for each other
#pragma unroll
    for (int w = 0; w < Rows::words; ++w) {
      uint4 b[Weights::parts];
#pragma unroll
      for (int part = 0; part < Weights::parts; ++part) b[part] = operand(w, part);
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        std::uint32_t first[4], second[4];
        rows.operand(half, w, 0, first);
        rows.operand(half, w, 1, second);
#pragma unroll
        for (int part = 0; part < Weights::parts; ++part) {
          lanes::mma<bfloat16>(c[half][0], first, b[part].x, b[part].y);
          lanes::mma<bfloat16>(odd[half], second, b[part].z, b[part].w);
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half)
#pragma unroll
      for (int k = 0; k < 4; ++k) c[half][0][k] += odd[half][k];
    lanes::take_own_row(c[0], c[1], score);
  }

 private:
  __device__ __forceinline__ uint4 operand(int w, int part) const {
    return {_b[w][0][0][part], _b[w][0][1][part], _b[w][1][0][part], _b[w][1][1][part]};
  }
  __device__ __forceinline__ static void take(const ClusterChunk& at, const float* query, int feature,
                                              float (&folded)[4], float& sum) {
    const float4 q = *reinterpret_cast<const float4*>(query + feature);
    const float4 spread = *reinterpret_cast<const float4*>(at.spread(0) + feature);
    const float4 center = *reinterpret_cast<const float4*>(at.center(0) + feature);
    sum =
        lanes::fma(q.x, center.x, lanes::fma(q.y, center.y, lanes::fma(q.z, center.z, lanes::fma(q.w, center.w, sum))));
    folded[0] = q.x * spread.x;
    folded[1] = q.y * spread.y;
    folded[2] = q.z * spread.z;
    folded[3] = q.w * spread.w;
  }

  std::uint32_t _b[Rows::words][2][2][Weights::parts];
};

/// Weighted sums of rows of codes of values, in units of a chunk's spread; and of what they come to, in scratch.
template <int Heads, int Dim>
class MmaCodeSums {
  using Columns = lanes::NibbleColumns<Dim>;
  using Weights = MmaWeights<Heads>;

 public:
  static constexpr int steps = Columns::steps;

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int n = 0; n < steps; ++n)
#pragma unroll
      for (float& sum : _sum[n]) sum = 0.F;
  }
  /// sum[head] += weights[head][i] * row i: no weight may be of a row that isn't there but 0.
  __device__ __forceinline__ void add(const Columns& rows, const float* weights) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      std::uint32_t b[2][Weights::parts];
      Weights::load(weights, half, b);
#pragma unroll
      for (int n = 0; n < steps; ++n) {
        std::uint32_t a[4];
        rows.operand(half, n, a);
#pragma unroll
        for (int part = 0; part < Weights::parts; ++part) lanes::mma<bfloat16>(_sum[n], a, b[0][part], b[1][part]);
      }
    }
  }
  __device__ void rescale(int head, float factor) {
#pragma unroll
    for (int n = 0; n < steps; ++n)
#pragma unroll
      for (int k = 0; k < 4; ++k) _sum[n][k] *= Weights::head_of_sum(k) == head ? factor : 1.F;
  }
  /// Adds them to the sums of a warp, [steps][lane], in natural units: of `mass`[head] in all, with the chunk's center.
  __device__ __forceinline__ void flush(const ClusterChunk& at, const float (&mass)[Heads], float4* to) const {
    float own[2];
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      own[k] = 0.F;
#pragma unroll
      for (int head = 0; head < Heads; ++head)
        if (Weights::rounded() && Weights::head_of_sum(k) == head) own[k] = mass[head];
    }
#pragma unroll
    for (int n = 0; n < steps; ++n) {
      const int feature = feature_of(n);
      float4& kept = to[n * 32 + lanes::warp_lane()];
      float4 sum = kept;
      sum.x = lanes::fma(_sum[n][0], at.spread(1)[feature], lanes::fma(own[0], at.center(1)[feature], sum.x));
      sum.y = lanes::fma(_sum[n][1], at.spread(1)[feature], lanes::fma(own[1], at.center(1)[feature], sum.y));
      sum.z = lanes::fma(_sum[n][2], at.spread(1)[feature + 32], lanes::fma(own[0], at.center(1)[feature + 32], sum.z));
      sum.w = lanes::fma(_sum[n][3], at.spread(1)[feature + 32], lanes::fma(own[1], at.center(1)[feature + 32], sum.w));
      kept = sum;
    }
  }
  /// The feature of a lane's first two sums of step n; that of the others is 32 further on.
  __device__ static int feature_of(int n) { return low_feature(Columns::byte(n)); }

 private:
  float _sum[steps][4];
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
