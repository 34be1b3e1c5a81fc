// MassUnit: rows drawn with probability weight / delta in one pass, once for a group of heads or head by head.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/draws.hpp>
#include <santa/sample/mass_unit/joint_draw.hpp>
#include <santa/sample/mass_unit/step_delta.hpp>
#include <santa/sample/mass_unit/sweep.hpp>
#include <santa/sample/row_budget.hpp>

#include <cstdint>
#include <limits>

namespace santa {

/// Draws rows in proportion to their weight, in one pass over the keys and without a sort.
/// Computes: rows read and weight w_h / pi, with pi = min(1, max_h w_h / delta_h), or as `form` says; delta_h is fixed
///           before the draw, from a strided subset of the keys at the first step, from the last step afterwards.
/// Units:    rows is the number of distinct value rows to read per (batch, kv head), or a share of the visible length;
///           with separate draws, per query head.
///           steered: with a state, steps after the first score a panel of 256 keys before they draw, by a kernel of
///           its own; 97 % of the steps of real sequences then read 0.8 to 1.25 of a tenth of the rows. Else the rows
///           of a step scatter (30 % of the steps are that near); their mean does not. target_error, if not 0, is the
///           error of a head's output relative to its norm, in place of rows: as many rows are read as keep it below
///           that in 95 % of steps and heads, by the error bars of the steps before (docs/accuracy_on_demand.md). That
///           takes a state; `rows` is what its first step reads, and a run without. It is always steered.
/// Requires: rows as RowBudget has it. A budget that covers the visible length reads every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Bytes:    all keys, about `rows` value rows, the subset's keys at a first step, the panel's where steered,
///           `center` where given.
/// Random:   one 26-bit integer a tile of 32 keys, key (seed; step, stream, request, head, tile):
///           the query head, or the first one of heads that draw together.
/// Unbiased for any delta: a wrong one costs rows or variance only.
template <Draws form = Draws::joint>
struct MassUnitOf {
  static constexpr Draws draws = form;

  RowBudget rows = share(0.1);
  double target_error = 0.;
  bool steered = false;

  void check() const {
    // Kernels get a float: not one that is none, or 1.
    constexpr auto least = static_cast<double>(std::numeric_limits<float>::min());
    if (target_error != 0. && !(target_error >= least && target_error < 1. && static_cast<float>(target_error) < 1.F))
      detail::reject("MassUnit.target_error", detail::text_of(target_error), "0 (none), or 2^-126 to less than 1");
    rows.check("MassUnit.rows");
  }
};
/// MassUnit as it is unless a program says otherwise: one draw for all heads, by the largest ratio.
using MassUnit = MassUnitOf<>;

namespace detail::inline SANTA_BUILD {

/// The rule of MassUnit for one unit of work.
template <class Group, Draws draws>
class MassUnitRule {
  template <class T>
  using Vector = typename Group::template Vector<T>;

 public:
  /// The same for scores that are in the order of products.
  template <class Scores>
  using InProducts = JointDraw<Group, Scores>;

  KOKKOS_FUNCTION MassUnitRule(const Group& group, const MassUnitArguments& arguments, const Unit& unit)
      : _group(group),
        _key(stream_key(arguments, unit)),
        _first_head(static_cast<std::uint16_t>(unit.first_head)),
        _given(group, arguments, unit) {
    _group.for_all_heads(unit.heads, [&](int head) {
      _certain[head] = 0;
      _uncertain[head] = 0;
    });
  }
  /// What the constructor has loaded is looked at here.
  KOKKOS_FUNCTION void open(const MassUnitArguments& arguments, const Unit& unit) {
    _given.find(_group, arguments, unit, draws != Draws::separate, _log_delta);
  }

  KOKKOS_FUNCTION static float initial_reference(int /*head*/) { return empty_reference; }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    drawn.rows = 0;
    if constexpr (draws != Draws::separate) {
      const auto rows = Inclusion<Group>::template of_heads<draws>(_group, tile.heads,
                                                                   [&](int head) { return log_ratio(tile, head); });
      const Sweep<Group> sweep = this->sweep(tile, rows, 0);
      _group.for_all_heads(tile.heads, [&](int head) { give_weights(tile, sweep, head, with_spread, drawn); });
      drawn.rows = sweep.rows;
    } else {
      _group.for_all_heads(tile.heads, [&](int head) {
        const Sweep<Group> sweep = this->sweep(
            tile, Inclusion<Group>(lanes::max(Vector<float>(-lanes::infinity), log_ratio(tile, head))), head);
        give_weights(tile, sweep, head, with_spread, drawn);
        const auto chosen = _group.lanes_of(sweep.rows);
        drawn.weight[head] = lanes::select(chosen, drawn.weight[head], Vector<float>(0.F));
        drawn.spread[head] = lanes::select(chosen, drawn.spread[head], Vector<float>(0.F));
        drawn.rows |= sweep.rows;
        _samples += static_cast<std::uint32_t>(Kokkos::popcount(sweep.rows));
      });
    }
  }

  [[nodiscard]] KOKKOS_FUNCTION ExpectedRows expected_rows(int head) const {
    const int draw = draws == Draws::separate ? head : 0;
    return expected_rows_of(_certain[draw], _uncertain[draw]);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t rows) const {
    return draws == Draws::separate ? _samples : rows;
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION Vector<float> log_ratio(const ScoredTile<Group>& tile, int head) const {
    return tile.score[head] - Vector<float>(_log_delta[head]);
  }

  KOKKOS_FORCEINLINE_FUNCTION Sweep<Group> sweep(const ScoredTile<Group>& tile, const Inclusion<Group>& rows_in,
                                                 int head) {
    const auto stream = static_cast<std::uint16_t>(_first_head + head);
    const std::uint32_t phase = _phase[head].get(
        tile.number, [&](const auto& numbers) { return _key.integer(stream, numbers, probability_bits); });
    const Sweep<Group> sweep(_group, rows_in, phase);
    _certain[head] += static_cast<std::uint32_t>(Kokkos::popcount(sweep.certain));
    _uncertain[head] += sweep.uncertain;
    return sweep;
  }

  KOKKOS_FORCEINLINE_FUNCTION static void give_weights(const ScoredTile<Group>& tile, const Sweep<Group>& sweep,
                                                       int head, bool with_spread, Drawn<Group>& drawn) {
    const Vector<float> weight = tile.weight[head] * sweep.inverse;
    drawn.weight[head] = weight;
    if (with_spread) drawn.spread[head] = sweep.doubt * weight * weight;
  }

  const Group& _group;
  StreamKey _key;
  std::uint16_t _first_head;
  StepDeltas<Group> _given;
  typename Group::template PerTile<std::uint32_t> _phase[Group::max_heads];
  std::uint32_t _samples = 0;
  float _log_delta[Group::max_heads];
  std::uint32_t _certain[Group::max_heads];
  std::uint64_t _uncertain[Group::max_heads];
};

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
