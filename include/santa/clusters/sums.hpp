// What a lane group adds up of a head's attention over clusters.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Vectors of features as lanes have them: feature 32 k + lane in number k.
template <class Group, int most>
struct Features {
  typename Group::template Vector<float> of[most];
};

/// Calls f(k) for the `count` numbers of a row of features; unrolled on a device.
template <int most, class F>
KOKKOS_FORCEINLINE_FUNCTION void for_pieces(int count, const F& f) {
  SANTA_UNROLL(8)
  for (int k = 0; k < most; ++k)
    if (k < count) f(k);
}

/// The sums of a lane group, for each of its heads, relative to 2^reference. A *term* is what one cluster that was
/// drawn adds, a vector A to N and a number B to Z; of each, doubt (1 - inclusion probability) times its square is an
/// unbiased part of the variance. As the output is not known yet, |A - B out|^2 is kept as |A|^2, the vector B A and
/// B^2.
///   kept     scratch, [3][heads][width]: N; S, the sum of W v; E, that of doubt B A
///   weights  scratch, [heads][32]: numbers of the block at hand that are relative to the reference as well
template <class Group, int pieces_at_most>
class ClusterSums {
 public:
  using Float = typename Group::template Vector<float>;
  using Row = Features<Group, pieces_at_most>;
  static constexpr int most_heads = Group::max_heads;

  KOKKOS_FUNCTION ClusterSums(const Group& group, int heads, int width, bool with_error, float* kept, float* weights)
      : _group(group), _heads(heads), _width(width), _with_error(with_error), _kept(kept), _weights(weights) {
    group.for_each(3 * heads * width, [&](int i) { kept[i] = 0.F; });
    for (int head = 0; head < most_heads; ++head) {
      _of[head] = {};
      _spread[head] = 0.F;
      _mean_weight[head] = _row_mass[head] = 0.F;
      for (int k = 0; k < pieces_at_most; ++k) _pending[head].of[k] = 0.F;
    }
    group.sync();
  }

  [[nodiscard]] KOKKOS_FUNCTION int pieces() const { return _width / 32; }
  [[nodiscard]] KOKKOS_FUNCTION float reference(int head) const { return _of[head].reference; }
  [[nodiscard]] KOKKOS_FUNCTION ClusterHead& of(int head) { return _of[head]; }

  /// Takes a reference near a score that is far beyond the one there is. NaN changes nothing.
  KOKKOS_FUNCTION void raise(int head, float score) {
    ClusterHead& of = _of[head];
    if (!(score > of.reference + 16.F)) return;
    const float next = lanes::ceil(score);
    const float down = of.reference - next;
    const float factor = down < -126.F ? 0.F : lanes::exp2(down);
    for (float* sum : {&of.mass, &of.used, &of.means, &of.codes, &_mean_weight[head], &_row_mass[head]}) *sum *= factor;
    of.doubt_of_mass *= factor * factor;
    _spread[head] = _spread[head] * Float(factor * factor);
    for_pieces<pieces_at_most>(pieces(), [&](int k) { _pending[head].of[k] = _pending[head].of[k] * Float(factor); });
    _group.sync();
    _group.for_each(_width, [&](int j) {
      at(0, head)[j] *= factor;
      at(1, head)[j] *= factor;
      at(2, head)[j] *= factor * factor;
    });
    _group.for_each(32, [&](int i) { _weights[head * 32 + i] *= factor; });
    _group.sync();
    of.reference = next;
  }

  // Of the term at hand:
  /// Adds weight * row.
  KOKKOS_FORCEINLINE_FUNCTION void add(int head, float weight, const Row& row) {
    for_pieces<pieces_at_most>(
        pieces(), [&](int k) { _pending[head].of[k] = lanes::fma(Float(weight), row.of[k], _pending[head].of[k]); });
  }
  /// Adds weight to B alone.
  KOKKOS_FORCEINLINE_FUNCTION void add_mass(int head, float weight) { _row_mass[head] += weight; }
  /// Counts `weight` of the cluster's mean, which is added when the term ends.
  KOKKOS_FORCEINLINE_FUNCTION void add_mean(int head, float weight) { _mean_weight[head] += weight; }

  /// A row that was read: weight W, and in the place of `other`, of weight Wc; both relative to the reference. `doubt`
  /// is that of the row alone.
  KOKKOS_FUNCTION void add_row(int head, float weight, const Row& row, float other_weight, const Row& other,
                               float doubt) {
    add(head, weight, row);
    _row_mass[head] += weight;
    _of[head].used += weight;
    add_to(1, head, weight, row);
    if (_with_error && doubt > 0.F) {
      Row difference;
      for_pieces<pieces_at_most>(
          pieces(), [&](int k) { difference.of[k] = Float(weight) * row.of[k] - Float(other_weight) * other.of[k]; });
      add_doubt(head, doubt, difference, weight - other_weight);
    }
  }

  /// Ends the term: A = what was added + the counted weights of the mean, B = their sum and the rows'.
  KOKKOS_FUNCTION void end_term(int head, const Row& mean, float doubt) {
    const float weight = _mean_weight[head];
    add(head, weight, mean);
    const float mass = weight + _row_mass[head];
    add_to(0, head, 1.F, _pending[head]);
    _of[head].mass += mass;
    if (_with_error && doubt > 0.F) add_doubt(head, doubt, _pending[head], mass);
    for_pieces<pieces_at_most>(pieces(), [&](int k) { _pending[head].of[k] = 0.F; });
    _mean_weight[head] = _row_mass[head] = 0.F;
  }

  /// Writes the group's sums: ClusterHead of each head at heads[head].
  KOKKOS_FUNCTION void finish(ClusterHead* heads) {
    _group.for_heads(_heads, [&](int head) {
      ClusterHead of = _of[head];
      of.doubt = _group.sum(_spread[head]);
      _group.single([&] { heads[head] = of; });
    });
    _group.sync();
  }

 private:
  KOKKOS_FUNCTION float* at(int which, int head) const { return _kept + (which * _heads + head) * _width; }

  KOKKOS_FUNCTION void add_to(int which, int head, float weight, const Row& row) const {
    float* const to = at(which, head);
    for_pieces<pieces_at_most>(pieces(), [&](int k) {
      _group.store(lanes::fma(Float(weight), row.of[k], _group.load(to + 32 * k)), to + 32 * k);
    });
  }
  KOKKOS_FUNCTION void add_doubt(int head, float doubt, const Row& row, float mass) {
    for_pieces<pieces_at_most>(
        pieces(), [&](int k) { _spread[head] = lanes::fma(Float(doubt) * row.of[k], row.of[k], _spread[head]); });
    add_to(2, head, doubt * mass, row);
    _of[head].doubt_of_mass = lanes::fma(doubt * mass, mass, _of[head].doubt_of_mass);
  }

  const Group& _group;
  int _heads, _width;
  bool _with_error;
  float *_kept, *_weights;
  ClusterHead _of[most_heads];
  Float _spread[most_heads];
  float _mean_weight[most_heads], _row_mass[most_heads];
  Row _pending[most_heads];
};

}  // namespace santa::detail::inline SANTA_BUILD
