// The running state of a lane group that takes every row of its unit.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/gather/product_masses.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Weights, masses and references where no row is left out: what GroupState is elsewhere. No row waits anywhere, so
/// that nothing is queued.
///
/// `Scores`: ProductScores; `Stage`: one that can `attend`.
template <class Group, class Stage, class Scores>
class AllRows {
 public:
  static constexpr bool rescored = false;
  /// What `close` leaves to `store` is the state itself.
  struct Heads {};

  KOKKOS_FUNCTION AllRows(Stage& stage, const Arguments& arguments, const Unit& unit)
      : _stage(stage), _unit(unit), _dim(arguments.dim) {
    Scores::for_each_head([&](int b, int k) { _squares[b][k] = 0.F; });
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t rows() const { return _rows; }

  /// Turns a tile's scores, of `count` rows, into weights.
  KOKKOS_FORCEINLINE_FUNCTION void weigh(Scores& scores, std::uint32_t count) {
    _rows += count;
    _masses.follow(scores, [&](const auto& factor) {
      Scores::for_each_head([&](int b, int k) { _squares[b][k] *= factor[b][k] * factor[b][k]; });
      _stage.rescale_heads(factor);
    });
    _masses.weigh(scores, [&](float weight, float, int b, int k) {
      _squares[b][k] = lanes::fma(weight, weight, _squares[b][k]);
      return weight;
    });
  }

  /// Adds up over lanes.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& /*rule*/, Heads& /*heads*/) {
    _masses.close();
    _masses.sum(_squares);
  }

  /// Writes the state of all heads: [heads][state_floats].
  KOKKOS_FUNCTION void store(const Heads& /*heads*/, float* to) const {
    store_states<Scores>(
        _stage, _unit.heads, _dim,
        [&](int b, int k) {
          HeadState state = _masses.state(b, k);
          state.used = state.mass;
          state.squares = _squares[b][k];
          return state;
        },
        to);
  }

 private:
  Stage& _stage;
  const Unit& _unit;
  int _dim;
  std::uint32_t _rows = 0;
  ProductMasses<Group, Scores> _masses;
  typename Scores::Heads _squares;
};

}  // namespace santa::detail::inline SANTA_BUILD
