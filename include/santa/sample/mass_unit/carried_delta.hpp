// What the last step left of delta.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A head's delta as the last step left it; no finite numbers where it left none.
struct CarriedDelta {
  float log_ratio;  // log2(delta / Z)
  float log2_sum;   // log2(Z)

  [[nodiscard]] KOKKOS_FUNCTION float log_delta() const { return log_ratio + log2_sum; }
};
/// Requires a state.
KOKKOS_INLINE_FUNCTION CarriedDelta carried_delta(const MassUnitArguments& a, std::int64_t row) {
  return {a.carried_number(StateArray::log_ratio, row), a.carried_number(StateArray::log2_sum, row)};
}
KOKKOS_INLINE_FUNCTION float carried_log_delta(const MassUnitArguments& a, std::int64_t row) {
  return carried_delta(a, row).log_delta();
}

/// Heads that draw together get one delta / Z, the mean of what was carried: log2 of it, or no finite number. What a
/// few keys say of Z misjudges one head's by more than another's, and would stay apart for good, so that one head pays
/// for the rows of another (seen: 2.6 times the error). Heads that had no mass, of absent tokens, have no part in it.
template <class Group, class Carried>
KOKKOS_FUNCTION float shared_log_ratio(const Group& group, int heads, const Carried& carried_of) {
  float sum = 0.F;
  int count = 0;
  bool all = true;  // no head is read whole
  group.for_heads(heads, [&](int head) {
    const CarriedDelta carried = carried_of(head);
    if (carried.log2_sum == -lanes::infinity) return;
    all = all && is_finite(carried.log_delta());
    sum += carried.log_ratio;
    ++count;
  });
  return all && count > 0 ? sum / static_cast<float>(count) : lanes::not_a_number;
}
template <class Group>
KOKKOS_FUNCTION float shared_log_ratio(const Group& group, const MassUnitArguments& a, const Unit& unit) {
  return shared_log_ratio(group, unit.heads, [&](int head) { return carried_delta(a, unit.head_row(a, head)); });
}
/// The carried delta of a head with the ratio that its group shares, where there is one.
KOKKOS_INLINE_FUNCTION float shared_log_delta(const MassUnitArguments& a, std::int64_t row, float shared_ratio) {
  const float shared = shared_ratio + a.carried_number(StateArray::log2_sum, row);
  return is_finite(shared) ? shared : carried_log_delta(a, row);
}

/// log2 of a head's delta in this step, `panel` being the panel's: what the last step left (`carried`), moved by as
/// much as the panel's has moved since, so that scores that have shifted or have another shape are met in the step
/// itself. The panel's own where nothing was left, or a target error is aimed at; everything is read (-infinity) where
/// it has none.
KOKKOS_INLINE_FUNCTION float steered_log_delta(const MassUnitArguments& a, std::int64_t row, float panel,
                                               float carried) {
  if (a.target_error > 0.F || !is_finite(carried)) return is_finite(panel) ? panel : -lanes::infinity;
  const float moved = panel - a.carried_number(StateArray::panel, row);
  return is_finite(moved) ? carried + moved : carried;
}
/// The carried delta of a head for a step that a panel may move: part of the way towards what its group shares. All of
/// it at once would trust the panel with each head's change of Z, of which it knows less than of Z itself (seen: 93 %
/// of the steps near the budget, not 96 %). Without a panel there is nothing else to go by: all of the way.
KOKKOS_INLINE_FUNCTION float evened_log_delta(const MassUnitArguments& a, std::int64_t row, float shared_ratio) {
  const float part = a.steered ? 0.2F : 1.F;
  const float carried = carried_log_delta(a, row);
  const float shared = shared_log_delta(a, row, shared_ratio);
  return is_finite(shared) && is_finite(carried) ? lanes::fma(part, shared - carried, carried) : carried;
}

}  // namespace santa::detail::inline SANTA_BUILD
