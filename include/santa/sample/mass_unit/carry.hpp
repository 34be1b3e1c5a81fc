// What a step hands to the next.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/core/head_state.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/outputs.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>
#include <santa/sample/mass_unit/step_delta.hpp>
#include <santa/sample/mass_unit/target_error.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// By how much log2(delta) missed the rows asked for, from the inclusion probabilities of its step: the uncertain rows'
/// sum goes as 1 / delta. At most a factor 4.
KOKKOS_INLINE_FUNCTION float correct_log_delta(const ExpectedRows& expected, double rows) {
  const auto room = static_cast<float>(rows - static_cast<double>(expected.certain));
  constexpr float most = 2.F;
  if (!(room > 0.F)) return expected.uncertain > 0.F || expected.certain > 0.F ? most : 0.F;
  if (!(expected.uncertain > 0.F)) return -most;
  const float change = lanes::log2(expected.uncertain) - lanes::log2(room);
  return change > most ? most : (change < -most ? -most : change);
}

/// How much of a miss the next step makes up for. What is left after a panel is mostly chance, which comes anew in
/// every step, over a constant part, what this panel always misses: a fifth of it. Beyond chance: all of it.
KOKKOS_INLINE_FUNCTION float damped(float miss) {
  constexpr float chance = 0.5F;
  constexpr float part = 0.2F;
  const float within = miss > chance ? chance : (miss < -chance ? -chance : miss);
  return lanes::fma(part, within, miss - within);
}

/// Hands a head's delta to the next step, relative to this step's Z and corrected by the rows that it gave, and the
/// panel's delta, to see how that moves. Delta by a first step's subset is not handed on, as the panel's is what moves:
/// it starts from its own. With a target error, hands on what it takes besides. After a step that read everything, the
/// next starts anew.
class DeltaCarry {
 public:
  /// What this step's delta follows from is on its way from here on.
  KOKKOS_FUNCTION DeltaCarry(const MassUnitArguments& a, const Unit& unit, int head)
      : _arguments(a), _unit(unit), _row(unit.head_row(a, head)), _given(a, _row) {}

  [[nodiscard]] KOKKOS_FUNCTION bool wants_norm() const { return _arguments.target_error > 0.F; }

  KOKKOS_FUNCTION void note(const HeadState& total, float log2_sum, float relative_squared_bar, bool no_bar) const {
    const MassUnitArguments& a = _arguments;
    if (a.state == nullptr || a.keeps_part()) return;
    const float log_delta = _given.log_delta(a, _unit);
    const float panel = a.steered ? a.panel_log_delta(_row) : lanes::not_a_number;
    if (a.model.given()) return note_rows(total, log2_sum, log_delta, panel);
    const bool by_subset = !a.carried && !is_finite(carried_log_delta(a, _row)) && is_finite(panel);
    const float miss = correct_log_delta({total.certain, total.uncertain}, a.rows_of(_unit));
    const float next = by_subset ? panel : log_delta + (is_finite(panel) ? damped(miss) : miss);
    a.carried_number(StateArray::log_ratio, _row) = is_finite(log_delta) ? next - log2_sum : anew();
    a.carried_number(StateArray::log2_sum, _row) = log2_sum;
    a.carried_number(StateArray::panel, _row) = panel;
    if (!wants_norm()) return;
    float& scale = a.carried_number(StateArray::error_scale, _row);
    scale = next_error_scale(scale, relative_squared_bar, a.panel_log_spread(_row), no_bar);
  }

 private:
  /// Of a ModelBudget, which alone changes delta / Z: what was read by it. A head that has none yet says with which it
  /// ran. Heads that draw together read the same rows: each has its part of them. Where all rows were read there is
  /// nothing to mend.
  KOKKOS_FUNCTION void note_rows(const HeadState& total, float log2_sum, float log_delta, float panel) const {
    const MassUnitArguments& a = _arguments;
    const bool whole = !is_finite(log_delta);
    const bool joins = !is_finite(carried_log_delta(a, _row));
    if (joins) a.carried_number(StateArray::log_ratio, _row) = whole ? anew() : log_delta - log2_sum;
    a.carried_number(StateArray::log2_sum, _row) = log2_sum;
    // The panel of one that joins a batch has chosen a delta: it is no sum.
    a.carried_number(StateArray::panel, _row) = joins && a.carried ? lanes::not_a_number : panel;
    const float part = 1.F / static_cast<float>(a.separate ? 1 : _unit.heads);
    a.carried_number(StateArray::certain, _row) = total.certain * part;
    a.carried_number(StateArray::uncertain, _row) = total.uncertain * part;
    a.carried_number(StateArray::asked, _row) = whole ? 0.F : static_cast<float>(a.rows_of(_unit)) * part;
    if (!whole)
      a.model.add(_unit.batch, (total.certain + total.uncertain) * part, a.carried_number(StateArray::expected, _row));
  }
  /// Without a panel to start from, a delta that gives at most the rows asked for; after a step that was asked to read
  /// everything, those of the method.
  [[nodiscard]] KOKKOS_FUNCTION float anew() const {
    const double rows = _arguments.asks_for_all(_unit) ? _arguments.method_rows_of(_unit) : _arguments.rows_of(_unit);
    return _arguments.steered ? lanes::not_a_number : lanes::log2(static_cast<float>(_unit.heads / rows));
  }

  const MassUnitArguments& _arguments;
  const Unit& _unit;
  std::int64_t _row;
  GivenDelta _given;
};

KOKKOS_INLINE_FUNCTION DeltaCarry carry_of(const MassUnitArguments& a, const Unit& unit, int head) {
  return {a, unit, head};
}

}  // namespace santa::detail::inline SANTA_BUILD
