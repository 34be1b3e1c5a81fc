// What a warp adds up of its heads' attention over clusters, on CUDA's tensor cores.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

/// References of a warp's heads: the same in all lanes.
template <class Group>
class MmaReferences {
 public:
  static constexpr int heads_max = Group::max_heads;

  __device__ __forceinline__ MmaReferences() {
#pragma unroll
    for (float& reference : _reference) reference = ClusterHead{}.reference;
  }
  [[nodiscard]] __device__ float of(int head) const { return _reference[head]; }
  [[nodiscard]] __device__ __forceinline__ float weight_of(float score, int head) const {
    return lanes::exp2_near(score - _reference[head]);
  }
  /// Takes references near scores that are far beyond those there are: rare. Calls rescale(head, factor) for what is
  /// relative to them. NaN changes nothing.
  template <class Rescale>
  __device__ __forceinline__ void raise(const float (&score)[heads_max], const Rescale& rescale) {
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

 private:
  float _reference[heads_max];
};

/// A sum and, where heads are packed, its rest.
template <class Weights>
__device__ __forceinline__ float4 whole_sum(float4 sum) {
  if constexpr (!Weights::Columns::packed) return sum;
  return {sum.x + lanes::of_neighbour(sum.x, 2), sum.y + lanes::of_neighbour(sum.y, 2),
          sum.z + lanes::of_neighbour(sum.z, 2), sum.w + lanes::of_neighbour(sum.w, 2)};
}
/// Stores it among sums of heads, [heads][Dim]: of features `feature` and so much further.
template <class Weights, int Dim>
__device__ __forceinline__ void store_sum(float* to, int feature, int further, const float4& sum) {
  float* const first = to + Weights::head_of_sum(0) * Dim + feature;
  float* const second = to + Weights::head_of_sum(1) * Dim + feature;
  first[0] = sum.x;
  second[0] = sum.y;
  first[further] = sum.z;
  second[further] = sum.w;
}

/// Sums over means and codes relative to 2^reference of each head: as ClusterSums has them, but for terms and their
/// doubts. Those of features lie in scratch as products leave them.
template <class Group, int Dim, class Scratch>
class MmaWarpSums {
 public:
  static constexpr int heads_max = Group::max_heads;
  using Weights = MmaWeights<heads_max>;
  using Codes = MmaCodeSums<heads_max, Dim>;

  __device__ __forceinline__ explicit MmaWarpSums(const Scratch& scratch) : _scratch(scratch) {
#pragma unroll
    for (int n = 0; n < steps; ++n) scratch.sums()[n * 32 + lanes::warp_lane()] = {0.F, 0.F, 0.F, 0.F};
#pragma unroll
    for (int head = 0; head < heads_max; ++head) _of_codes[head] = 0.F;
    if (Group::thread() < heads_max) scratch.result(Group::thread()) = {};
    Group::sync();
    _codes.clear();
  }

  /// Sums of codes of the tile at hand.
  __device__ __forceinline__ Codes& codes() { return _codes; }
  /// Adds to Z.
  __device__ __forceinline__ void add_mass(const float (&mass)[heads_max]) {
#pragma unroll
    for (int head = 0; head < heads_max; ++head) Group::single([&] { _scratch.result(head).mass += mass[head]; });
  }
  /// Adds weight(head) of all lanes to the masses by means, and a lane's to those by codes.
  template <class Weight>
  __device__ __forceinline__ void add_to_means(const Weight& weight) {
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float mass = Group::sum(weight(head));
      Group::single([&] { _scratch.result(head).means += mass; });
    }
  }
  __device__ __forceinline__ void add_to_codes(int head, float weight) { _of_codes[head] += weight; }

  __device__ __forceinline__ float weight_of(float score, int head) const { return _references.weight_of(score, head); }
  __device__ __forceinline__ void raise(const float (&score)[heads_max]) {
    _references.raise(score, [&](int head, float factor) { rescale(head, factor); });
  }

  /// Writes the group's sums to scratch.
  __device__ void finish() const {
#pragma unroll
    for (int head = 0; head < heads_max; ++head) {
      const float codes = Group::sum(_of_codes[head]);
      Group::single([&] {
        _scratch.result(head).reference = _references.of(head);
        _scratch.result(head).codes = codes;
      });
    }
    float4 sum[steps];
#pragma unroll
    for (int n = 0; n < steps; ++n) sum[n] = whole_sum<Weights>(_scratch.sums()[n * 32 + lanes::warp_lane()]);
    Group::sync();
    if (Weights::rounded())
#pragma unroll
      for (int n = 0; n < steps; ++n) store_sum<Weights, Dim>(_scratch.kept(0, 0), Codes::feature_of(n), 32, sum[n]);
    Group::sync();
  }

 private:
  static constexpr int steps = Dim / 16;

  __device__ void rescale(int head, float factor) {
    Group::single([&] {
      _scratch.result(head).mass *= factor;
      _scratch.result(head).means *= factor;
    });
    _of_codes[head] *= factor;
    _codes.rescale(head, factor);
    _scratch.mean_weights(Group::thread())[head] *= factor;
    const float by[2] = {Weights::head_of_sum(0) == head ? factor : 1.F,
                         Weights::head_of_sum(1) == head ? factor : 1.F};
#pragma unroll 1
    for (int n = 0; n < steps; ++n) {
      float4& sum = _scratch.sums()[n * 32 + lanes::warp_lane()];
      sum = {sum.x * by[0], sum.y * by[1], sum.z * by[0], sum.w * by[1]};
    }
  }

  const Scratch& _scratch;
  Codes _codes;
  MmaReferences<Group> _references;
  float _of_codes[heads_max];
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
