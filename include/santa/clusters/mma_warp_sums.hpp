// What a warp adds up of its heads' attention over clusters, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/clusters/mma_rows.hpp>
#include <santa/clusters/mma_scratch.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// Sums relative to 2^reference of each head: as ClusterSums has them, but for terms and their doubts. Those of
/// features lie in scratch as products leave them, those that are numbers in the lanes, each with a part of its own.
template <class Group, int Dim>
class MmaWarpSums {
 public:
  static constexpr int heads_max = Group::max_heads;
  using Scratch = MmaScratch<heads_max, Dim>;
  using Rows = MmaRows<heads_max, Dim>;
  using Weights = MmaWeights<heads_max>;
  using Codes = MmaCodeSums<heads_max, Dim>;

  __device__ __forceinline__ MmaWarpSums(const Scratch& scratch, bool with_rows) : _scratch(scratch) {
    if (with_rows)
      for (int i = lanes::warp_lane(); i < 2 * Scratch::sum_floats / 4; i += 32)
        scratch.sums(0)[i] = {0.F, 0.F, 0.F, 0.F};
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      _reference[head] = ClusterHead{}.reference;
      _mass[head] = _used[head] = _of_means[head] = _of_codes[head] = 0.F;
    }
    _codes.clear();
  }

  /// Sums of codes of the tile at hand.
  __device__ __forceinline__ Codes& codes() { return _codes; }
  /// A lane's part of Z, and of the masses by means and by codes.
  __device__ __forceinline__ void add_mass(int head, float weight) { _mass[head] += weight; }
  __device__ __forceinline__ void add_to_means(int head, float weight) { _of_means[head] += weight; }
  __device__ __forceinline__ void add_to_codes(int head, float weight) { _of_codes[head] += weight; }

  __device__ __forceinline__ float weight_of(float score, int head) const {
    return lanes::exp2_near(score - _reference[head]);
  }

  /// Takes references near scores that are far beyond those there are: rare. NaN changes nothing.
  __device__ __forceinline__ void raise(const float (&score)[heads_max]) {
    bool high = false;
#pragma unroll
    for (int head = 0; head < heads_max; ++head) high = high || score[head] > _reference[head] + 16.F;
    if (!Group::any(high)) return;
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float top = Group::max(score[head] != score[head] ? -lanes::infinity : score[head]);
      if (!(top > _reference[head] + 16.F)) continue;
      const float next = lanes::ceil(top);
      rescale(head, brought_to(next, _reference[head]));
      _reference[head] = next;
    }
    Group::sync();
  }

  /// Adds the first `count` of 16 rows, whose values are loaded if `with_values`, with weight w * by of their lanes,
  /// for `heads` heads. Of no cluster if `certain`.
  __device__ __forceinline__ void add_rows(const Rows& rows, int heads, int count, float by, bool with_values,
                                           bool certain) {
    const bool there = Group::lane() < count;
    float score[heads_max];
    rows.scores(_scratch.operands(), score);
#pragma unroll
    for (int head = 0; head < heads_max; ++head)
      if (!(there && head < heads)) score[head] = -lanes::infinity;
    raise(score);
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float weight = there ? weight_of(score[head], head) * by : 0.F;
      _mass[head] += weight;
      _used[head] += weight;
      _of_means[head] += certain ? weight : 0.F;
      _of_codes[head] += certain ? weight : 0.F;
      _scratch.weights()[head * Weights::stride + Group::lane()] = weight;
    }
    Group::sync();
    if (with_values) rows.add(_scratch.weights(), _scratch.sums(1));
    Group::sync();
  }

  /// Writes the group's sums to scratch; those of features if `with_rows`.
  __device__ void finish(bool with_rows) const {
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const ClusterHead of{_reference[head],
                           Group::sum(_mass[head]),
                           Group::sum(_used[head]),
                           0.F,
                           0.F,
                           Group::sum(_of_means[head]),
                           Group::sum(_of_codes[head]),
                           0.F};
      Group::single([&] { _scratch.result(head) = of; });
    }
    if (!with_rows) return Group::sync();
    // Both arrays of sums to a head's features in their order, and the sum of both for the first.
    float4 sum[2][steps];
#pragma unroll
    for (int which = 0; which < 2; ++which)
#pragma unroll
      for (int n = 0; n < steps; ++n) sum[which][n] = whole(_scratch.sums(which)[n * 32 + lanes::warp_lane()]);
    Group::sync();
    if (Weights::rounded())
#pragma unroll
      for (int n = 0; n < steps; ++n) {
        store(_scratch.kept(0, 0), Codes::feature_of(n), 32, sum[0][n]);
        store(_scratch.kept(1, 0), Rows::feature_of(n), 1, sum[1][n]);
      }
    Group::sync();
    for (int i = lanes::warp_lane(); i < heads_max * Dim; i += 32) _scratch.kept(0, 0)[i] += _scratch.kept(1, 0)[i];
    Group::sync();
  }

 private:
  static constexpr int steps = Dim / 16;

  __device__ void rescale(int head, float factor) {
    _mass[head] *= factor;
    _used[head] *= factor;
    _of_means[head] *= factor;
    _of_codes[head] *= factor;
    _codes.rescale(head, factor);
    _scratch.mean_weight(head)[Group::lane()] *= factor;
    const float by[2] = {Weights::head_of_sum(0) == head ? factor : 1.F,
                         Weights::head_of_sum(1) == head ? factor : 1.F};
#pragma unroll 1
    for (int n = 0; n < 2 * steps; ++n) {
      float4& sum = _scratch.sums(0)[n * 32 + lanes::warp_lane()];
      sum = {sum.x * by[0], sum.y * by[1], sum.z * by[0], sum.w * by[1]};
    }
  }

  /// A sum and, where heads are packed, its rest.
  __device__ static float4 whole(float4 sum) {
    if constexpr (!Weights::Columns::packed) return sum;
    return {sum.x + lanes::of_neighbour(sum.x, 2), sum.y + lanes::of_neighbour(sum.y, 2),
            sum.z + lanes::of_neighbour(sum.z, 2), sum.w + lanes::of_neighbour(sum.w, 2)};
  }
  __device__ static void store(float* to, int feature, int further, const float4& sum) {
    float* const first = to + Weights::head_of_sum(0) * Dim + feature;
    float* const second = to + Weights::head_of_sum(1) * Dim + feature;
    first[0] = sum.x;
    second[0] = sum.y;
    first[further] = sum.z;
    second[further] = sum.w;
  }

  const Scratch& _scratch;
  Codes _codes;
  float _reference[heads_max];
  float _mass[heads_max], _used[heads_max], _of_means[heads_max], _of_codes[heads_max];
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
