// The running state of a lane group that takes every row of its unit.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Weights, masses and references where no row is left out: what GroupState is elsewhere, in the order in which
/// products leave scores. No row waits anywhere, so that nothing is queued. References are raised as GroupState's are.
///
/// `Scores`: ProductScores; `Stage`: one that can `attend`.
template <class Group, class Stage, class Scores>
class AllRows {
 public:
  static constexpr bool rescored = false;
  static constexpr float headroom = 8.F;
  /// What `close` leaves to `store` is the state itself.
  struct Heads {};

  KOKKOS_FUNCTION AllRows(Stage& stage, const Arguments& arguments, const Unit& unit)
      : _stage(stage), _unit(unit), _dim(arguments.dim) {
    Scores::for_each_head([&](int b, int k) {
      _reference[b][k] = empty_reference;
      _mass[b][k] = _squares[b][k] = 0.F;
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t rows() const { return _rows; }

  /// Turns a tile's scores, of `count` rows, into weights.
  KOKKOS_FORCEINLINE_FUNCTION void weigh(Scores& scores, std::uint32_t count) {
    _rows += count;
    bool above = false;
    scores.for_each([&](float score, int, int b, int, int k) { above = above || score > _reference[b][k] + headroom; });
    if (Group::any(above)) raise(scores);
    scores.for_each([&](float& score, int, int b, int, int k) {
      score = lanes::exp2_near(score - _reference[b][k]);
      _mass[b][k] += score;
      _squares[b][k] = lanes::fma(score, score, _squares[b][k]);
    });
  }

  /// Adds up over lanes.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& /*rule*/, Heads& /*heads*/) {
    const auto sum = [](float a, float b) { return a + b; };
    Scores::for_each_head([&](int b, int k) {
      _mass[b][k] = Scores::over_lanes(_mass[b][k], sum);
      _squares[b][k] = Scores::over_lanes(_squares[b][k], sum);
    });
  }

  /// Writes the state of all heads: [heads][state_floats].
  KOKKOS_FUNCTION void store(const Heads& /*heads*/, float* to) const {
    Scores::for_each_head([&](int b, int k) {
      const int head = Scores::head(b, k);
      if (!Scores::writes() || head >= _unit.heads) return;
      HeadState state;
      state.reference = state.mass_reference = _reference[b][k];
      state.mass = state.used = _mass[b][k];
      state.squares = _squares[b][k];
      *reinterpret_cast<HeadState*>(to + head * state_floats(_dim)) = state;
    });
    _stage.store_sums(to + head_state_floats, static_cast<int>(state_floats(_dim)));
  }

 private:
  /// Raises the references that a score exceeds by too much, and brings what there is to them.
  KOKKOS_FUNCTION void raise(Scores& scores) {
    typename Scores::Heads largest, factor;
    Scores::for_each_head([&](int b, int k) { largest[b][k] = empty_reference; });
    scores.for_each([&](float score, int, int b, int, int k) { largest[b][k] = lanes::max(largest[b][k], score); });
    Scores::for_each_head([&](int b, int k) {
      largest[b][k] = Scores::over_lanes(largest[b][k], [](float x, float y) { return lanes::max(x, y); });
      const float before = _reference[b][k];
      if (largest[b][k] > before + headroom) _reference[b][k] = lanes::ceil(largest[b][k]);
      factor[b][k] = before > empty_reference ? lanes::exp2(before - _reference[b][k]) : 1.F;
      _mass[b][k] *= factor[b][k];
      _squares[b][k] *= factor[b][k] * factor[b][k];
    });
    _stage.rescale_heads(factor);
  }

  Stage& _stage;
  const Unit& _unit;
  int _dim;
  std::uint32_t _rows = 0;
  typename Scores::Heads _reference, _mass, _squares;
};

}  // namespace santa::detail::inline SANTA_BUILD
