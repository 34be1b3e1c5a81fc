// What a lane group adds up of a head's attention over clusters.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/draw_scratch.hpp>
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
/// In scratch: kept(0, head) is N, kept(1, head) is S, the sum of W v, kept(2, head) is E, that of doubt B A;
/// weight(head) are numbers of the block at hand that are relative to the reference as well.
template <class Group, int pieces_at_most>
class ClusterSums {
 public:
  using Float = typename Group::template Vector<float>;
  using Row = Features<Group, pieces_at_most>;
  static constexpr int most_heads = Group::max_heads;
  using Scratch = DrawScratch<most_heads, 32 * pieces_at_most>;

  KOKKOS_FORCEINLINE_FUNCTION ClusterSums(const Group& group, int heads, int width, bool with_error,
                                          const Scratch& scratch)
      : _group(group), _heads(heads), _width(width), _with_error(with_error), _scratch(scratch) {
    group.for_heads(most_heads, [&](int head) {
      _reference[head] = ClusterHead{}.reference;
      _mass[head] = 0.F;
      _used.set(head, 0.F);
      _doubt_of_mass.set(head, 0.F);
      _means.set(head, 0.F);
      _codes.set(head, 0.F);
      _spread[head] = 0.F;
      _mean_weight[head] = _row_mass[head] = 0.F;
      group.for_each(width, [&](int j) { at(0, head)[j] = at(1, head)[j] = at(2, head)[j] = 0.F; });
      for_pieces<pieces_at_most>(pieces_at_most, [&](int k) { _pending[head].of[k] = 0.F; });
    });
    group.sync();
  }

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION int pieces() const { return _width / 32; }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float reference(int head) const { return _reference[head]; }
  /// Adds to the mass by means, and by codes.
  KOKKOS_FORCEINLINE_FUNCTION void add_to_means(int head, float mass) { _means.set(head, _means.get(head) + mass); }
  KOKKOS_FORCEINLINE_FUNCTION void add_to_codes(int head, float mass) { _codes.set(head, _codes.get(head) + mass); }

  /// Takes a reference near a score that is far beyond the one there is. NaN changes nothing.
  KOKKOS_FORCEINLINE_FUNCTION void raise(int head, float score) {
    if (!(score > _reference[head] + 16.F)) return;
    const float next = lanes::ceil(score);
    const float factor = brought_to(next, _reference[head]);
    _reference[head] = next;
    _mass[head] *= factor;
    _mean_weight[head] *= factor;
    _row_mass[head] *= factor;
    _used.set(head, _used.get(head) * factor);
    _means.set(head, _means.get(head) * factor);
    _codes.set(head, _codes.get(head) * factor);
    _doubt_of_mass.set(head, _doubt_of_mass.get(head) * factor * factor);
    _spread[head] = _spread[head] * Float(factor * factor);
    for_pieces<pieces_at_most>(pieces(), [&](int k) { _pending[head].of[k] = _pending[head].of[k] * Float(factor); });
    _group.sync();
    _group.for_each(_width, [&](int j) {
      at(0, head)[j] *= factor;
      at(1, head)[j] *= factor;
      at(2, head)[j] *= factor * factor;
    });
    _group.for_each(32, [&](int i) { _scratch.weight(head)[i] *= factor; });
    _group.sync();
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
  KOKKOS_FORCEINLINE_FUNCTION void add_row(int head, float weight, const Row& row, float other_weight, const Row& other,
                                           float doubt) {
    add(head, weight, row);
    _row_mass[head] += weight;
    _used.set(head, _used.get(head) + weight);
    add_to(1, head, weight, row);
    if (_with_error && doubt > 0.F) {
      Row difference;
      for_pieces<pieces_at_most>(
          pieces(), [&](int k) { difference.of[k] = Float(weight) * row.of[k] - Float(other_weight) * other.of[k]; });
      add_doubt(head, doubt, difference, weight - other_weight);
    }
  }

  /// Ends the term: A = what was added + the counted weights of the mean, B = their sum and the rows'.
  KOKKOS_FORCEINLINE_FUNCTION void end_term(int head, const Row& mean, float doubt) {
    const float weight = _mean_weight[head];
    add(head, weight, mean);
    const float mass = weight + _row_mass[head];
    add_to(0, head, 1.F, _pending[head]);
    _mass[head] += mass;
    if (_with_error && doubt > 0.F) add_doubt(head, doubt, _pending[head], mass);
    for_pieces<pieces_at_most>(pieces(), [&](int k) { _pending[head].of[k] = 0.F; });
    _mean_weight[head] = _row_mass[head] = 0.F;
  }

  /// Writes the group's sums of each head to scratch.
  KOKKOS_FORCEINLINE_FUNCTION void finish() {
    _group.for_heads(_heads, [&](int head) {
      const ClusterHead of{_reference[head],         _mass[head],      _used.get(head),  _group.sum(_spread[head]),
                           _doubt_of_mass.get(head), _means.get(head), _codes.get(head), 0.F};
      _group.single([&] { _scratch.result(head) = of; });
    });
    _group.sync();
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION float* at(int which, int head) const { return _scratch.kept(which, head); }

  KOKKOS_FORCEINLINE_FUNCTION void add_to(int which, int head, float weight, const Row& row) const {
    float* const to = at(which, head);
    for_pieces<pieces_at_most>(pieces(), [&](int k) {
      _group.store(lanes::fma(Float(weight), row.of[k], _group.load(to + 32 * k)), to + 32 * k);
    });
  }
  KOKKOS_FORCEINLINE_FUNCTION void add_doubt(int head, float doubt, const Row& row, float mass) {
    for_pieces<pieces_at_most>(
        pieces(), [&](int k) { _spread[head] = lanes::fma(Float(doubt) * row.of[k], row.of[k], _spread[head]); });
    add_to(2, head, doubt * mass, row);
    _doubt_of_mass.set(head, lanes::fma(doubt * mass, mass, _doubt_of_mass.get(head)));
  }

  const Group& _group;
  int _heads, _width;
  bool _with_error;
  const Scratch& _scratch;
  typename Group::template PerHead<float> _used, _doubt_of_mass, _means, _codes;
  float _reference[most_heads], _mass[most_heads];
  Float _spread[most_heads];
  float _mean_weight[most_heads], _row_mass[most_heads];
  Row _pending[most_heads];
};

}  // namespace santa::detail::inline SANTA_BUILD
