// References and masses of a lane group's heads, in the order in which products leave scores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

namespace santa::detail::inline SANTA_BUILD {

/// What GroupState has of them elsewhere, of each of a lane's heads; references are raised as there. `Scores`:
/// ProductScores or JointScores.
template <class Group, class Scores>
class ProductMasses {
 public:
  static constexpr float headroom = 8.F;
  using Heads = typename Scores::Heads;

  KOKKOS_FUNCTION ProductMasses() {
    Scores::for_each_head([&](int b, int k) {
      _reference[b][k] = empty_reference;
      _mass[b][k] = 0.F;
    });
  }

  /// Raises the references that a score exceeds by too much, and calls rescale(factor) with what all that is in units
  /// of them is to be multiplied by.
  template <class Rescale>
  KOKKOS_FORCEINLINE_FUNCTION void follow(Scores& scores, const Rescale& rescale) {
    bool above = false;
    scores.for_each([&](float score, int, int b, int, int k) { above = above || score > _reference[b][k] + headroom; });
    if (Group::any(above)) raise(scores, rescale);
  }
  /// Turns scores into weights, and each of these into what take(weight, score, b, k) makes of it.
  template <class Take>
  KOKKOS_FORCEINLINE_FUNCTION void weigh(Scores& scores, const Take& take) {
    scores.for_each([&](float& score, int, int b, int, int k) {
      const float weight = lanes::exp2_near(score - _reference[b][k]);
      _mass[b][k] += weight;
      score = take(weight, score, b, k);
    });
  }

  /// Adds up over lanes what there is of each head.
  KOKKOS_FUNCTION static void sum(Heads& numbers) {
    Scores::for_each_head([&](int b, int k) {
      numbers[b][k] = Scores::over_lanes(numbers[b][k], [](float x, float y) { return x + y; });
    });
  }
  KOKKOS_FUNCTION void close() { sum(_mass); }

  [[nodiscard]] KOKKOS_FUNCTION float reference(int b, int k) const { return _reference[b][k]; }
  [[nodiscard]] KOKKOS_FUNCTION HeadState state(int b, int k) const {
    HeadState state;
    state.reference = state.mass_reference = _reference[b][k];
    state.mass = _mass[b][k];
    return state;
  }

 private:
  template <class Rescale>
  KOKKOS_FUNCTION void raise(Scores& scores, const Rescale& rescale) {
    Heads largest, factor;
    Scores::for_each_head([&](int b, int k) { largest[b][k] = empty_reference; });
    scores.for_each([&](float score, int, int b, int, int k) { largest[b][k] = lanes::max(largest[b][k], score); });
    Scores::for_each_head([&](int b, int k) {
      largest[b][k] = Scores::over_lanes(largest[b][k], [](float x, float y) { return lanes::max(x, y); });
      const float before = _reference[b][k];
      if (largest[b][k] > before + headroom) _reference[b][k] = lanes::ceil(largest[b][k]);
      factor[b][k] = before > empty_reference ? lanes::exp2(before - _reference[b][k]) : 1.F;
      _mass[b][k] *= factor[b][k];
    });
    rescale(factor);
  }

  Heads _reference, _mass;
};

/// Writes states of all heads, [heads][state_floats]: state_of(b, k) of each of a lane's heads, and the stage's sums.
template <class Scores, class Stage, class StateOf>
KOKKOS_FUNCTION void store_states(const Stage& stage, int heads, int dim, const StateOf& state_of, float* to) {
  Scores::for_each_head([&](int b, int k) {
    const int head = Scores::head(b, k);
    if (!Scores::writes() || head >= heads) return;
    *reinterpret_cast<HeadState*>(to + head * state_floats(dim)) = state_of(b, k);
  });
  stage.store_sums(to + head_state_floats, static_cast<int>(state_floats(dim)));
}

}  // namespace santa::detail::inline SANTA_BUILD
