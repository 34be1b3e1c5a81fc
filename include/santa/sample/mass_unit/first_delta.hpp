// Whether a first step has a delta to choose, and by which scores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>
#include <santa/sample/mass_unit/step_delta.hpp>
#include <santa/sample/mass_unit/subset.hpp>
#include <santa/sample/mass_unit/target_error.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where the scores of a first step's subset are kept.
struct KeptScores {
  float* first;
  std::int64_t capacity;

  KOKKOS_FUNCTION KeptScores(const MassUnitArguments& a, const Unit& unit)
      : first(a.subset + unit.slice_row(a) * a.slice_heads * Subset::capacity(a.tiles)),
        capacity(Subset::capacity(a.tiles)) {}
  KOKKOS_FUNCTION float* operator()(int head, std::int64_t slot) const { return first + head * capacity + slot; }
};

/// Whether the budget covers the visible keys, and no error is aimed at instead.
KOKKOS_INLINE_FUNCTION bool reads_all(const MassUnitArguments& a, const Unit& unit) {
  return covers_all(a, unit) && !rows_follow_error(a, unit);
}
/// Whether nothing is to be chosen by the subset: everything is read, or the state has what it takes.
KOKKOS_INLINE_FUNCTION bool delta_is_settled(const MassUnitArguments& a, const Unit& unit) {
  if (reads_all(a, unit)) return true;
  if (a.state == nullptr) return false;
  if (a.target_error > 0.F) return true;
  for (int head = 0; head < unit.heads; ++head)
    if (!is_finite(carried_log_delta(a, unit.head_row(a, head)))) return false;
  return true;
}
/// Whether all heads of a unit have a delta / Z of a ModelBudget, or none has one yet, as this is a first step.
KOKKOS_INLINE_FUNCTION bool has_common_ratio(const MassUnitArguments& a, const Unit& unit) {
  if (!a.model.given()) return false;
  for (int head = 0; head < unit.heads && a.carried; ++head)
    if (!is_finite(carried_log_delta(a, unit.head_row(a, head)))) return false;
  return true;
}

}  // namespace santa::detail::inline SANTA_BUILD
