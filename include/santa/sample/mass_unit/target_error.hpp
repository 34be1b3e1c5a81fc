// From an error bar to the delta that keeps the next one below a target.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

// A head's squared bar is S times what its rows of chance have as |v - c|^2, S = sum_i (1 - pi_i) w_i^2 / pi_i / Z^2
// (its spread). S follows from the scores, so that a panel can foretell it for any delta; the rest, over |out|^2,
// hardly changes from step to step: it is carried (error_scale), from the bars that there were. Where nothing is known,
// it is NaN; -infinity is that of a head whose bar was 0, or of which the panel foretells no spread: one that sees
// nothing, say, or whose mass is one key's. Such a head asks for no rows, and holds up none that do.

/// The error of a step is below the target where its bar is below the target by this factor: 95 % of steps and heads,
/// or more. Heads that draw by themselves have fewer rows of chance each, and bars that are further off. Source:
/// measured on SmolLM2-135M, see docs/accuracy_on_demand.md.
KOKKOS_INLINE_FUNCTION float target_margin(bool separate) { return separate ? 2.F : 1.5F; }

/// What 2 log2 of a bar may be.
KOKKOS_INLINE_FUNCTION float log_squared_goal(const MassUnitArguments& a) {
  return 2.F * lanes::log2(a.target_error / target_margin(a.separate));
}

/// log2 of a head's scale, where this step's rows are to follow from it; else NaN.
KOKKOS_INLINE_FUNCTION float carried_error_scale(const MassUnitArguments& a, std::int64_t row) {
  return a.state != nullptr && a.target_error > 0.F ? a.carried_number(StateArray::error_scale, row)
                                                    : lanes::not_a_number;
}

/// Whether the rows of this step follow from the target and what is carried, for heads [begin, end), which draw
/// together: something is known of each, and one of them asks for rows.
KOKKOS_INLINE_FUNCTION bool rows_follow_error(const MassUnitArguments& a, const Unit& unit, int begin, int end) {
  if (a.asks_for_all(unit)) return false;
  bool asks = false;
  for (int head = begin; head < end; ++head) {
    const float scale = carried_error_scale(a, unit.head_row(a, head));
    if (!(scale < lanes::infinity)) return false;
    asks = asks || scale > -lanes::infinity;
  }
  return asks;
}
/// The same for all heads of a unit.
KOKKOS_INLINE_FUNCTION bool rows_follow_error(const MassUnitArguments& a, const Unit& unit) {
  return rows_follow_error(a, unit, 0, unit.heads);
}

/// The scale after a step whose squared bar over |out|^2 was `squared_bar`, where the panel foretold a spread of
/// 2^log_spread. A bar has chance in it: larger ones are believed by half, smaller ones by an eighth. Where there is no
/// bar although rows were left to chance, delta is too large to know: twice the scale, until some are drawn. A bar of 0
/// says as little of a scale that is known, as everything may have been read.
KOKKOS_INLINE_FUNCTION float next_error_scale(float scale, float squared_bar, float log_spread, bool no_bar) {
  if (no_bar) return scale + 1.F;
  const float now = lanes::log2(squared_bar) - log_spread;
  if (!is_finite(now)) return scale != scale && squared_bar < lanes::infinity ? -lanes::infinity : scale;
  if (!is_finite(scale)) return now;
  const float change = now - scale;
  return lanes::fma(change > 0.F ? 0.5F : 0.125F, change, scale);
}

/// Solves largest_h(scale_h + log2 S_h(lambda)) = goal for lambda, log2(delta / Z). `value(lambda)` gives the left
/// side, which rises by 1 to 2 with each 1 of lambda: a few steps of two thirds of what is missing.
template <class Value>
KOKKOS_FUNCTION float solve_log_delta_for(float goal, float start, const Value& value) {
  float low = -80.F;
  float high = 1.F;
  float lambda = start;
  SANTA_UNROLL(1)
  for (int i = 0; i < 24 && high - low > 1e-3F; ++i) {
    const float missing = goal - value(lambda);
    if (Kokkos::fabs(missing) < 1e-3F) break;
    (missing > 0.F ? low : high) = lambda;
    const float next = lanes::fma(2.F / 3.F, missing, lambda);
    lambda = next > low && next < high ? next : 0.5F * (low + high);
  }
  return lambda;
}

}  // namespace santa::detail::inline SANTA_BUILD
