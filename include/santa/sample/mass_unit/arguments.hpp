// What MassUnit's kernels are given.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/sample/mass_unit/model_rows.hpp>
#include <santa/sample/mass_unit/panel.hpp>
#include <santa/sample/mass_unit/subset.hpp>
#include <santa/schedule/unit.hpp>

#include <cstdint>

namespace santa::detail {

/// The arrays of a DecodeState, in the order in which they lie in memory.
enum class StateArray : std::uint8_t {
  log_ratio,
  log2_sum,
  panel,
  error_scale,
  count_alone,  // of a state by itself; a ModelBudget's have more
  // Rows that a head read in the last token, and that were asked for; 0: none were, or the ModelBudget has used them.
  certain = count_alone,
  uncertain,
  asked,
  // Running means with the model's ratio, and what is expected with the head's own.
  mean_certain,
  mean_uncertain,
  expected,
  count
};

struct MassUnitArguments : Arguments {
  bool carried = false;            // a step before this one has left its state
  bool steered = false;            // by a panel of keys, scored before the step draws
  float target_error = 0.F;        // relative, in place of rows once a state knows what they cost; 0: none
  double rows = 0.;                // to read; or
  double share = 0.;               // of the visible keys, where that is positive
  std::int64_t tiles = 0;          // of the plan's storage
  const float* budgets = nullptr;  // [batch], in place of rows or share where positive

  float* state = nullptr;         // [StateArray][batch][heads]; see DecodeState
  std::int64_t state_stride = 0;  // of the first extent
  float* log_delta = nullptr;     // [3][batch][heads], log2: delta; it by the panel alone; the panel's spread
  float* subset = nullptr;        // [slice rows][slice heads][Subset::capacity]: scores of the first step's subset
  float* panel = nullptr;         // [slice rows][slice heads][Panel keys]: scores of the panel, of shards alone
  ModelRows model;                // of a ModelBudget, which says what delta / Z is then; else each kv head has its own

  // Inlined: not shared by units for different processors.
  /// Rows to read by the method's own budget.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION double method_rows_of(const Unit& unit) const {
    return share > 0. ? share * static_cast<double>(unit.visible()) : rows;
  }
  /// Rows to read for a unit's request.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION double rows_of(const Unit& unit) const {
    if (budgets == nullptr || !(budgets[unit.batch] > 0.F)) return method_rows_of(unit);
    const auto given = static_cast<double>(budgets[unit.batch]);
    if (!(share > 0.)) return given;
    return (given < 1. ? given : 1.) *  // infinity times no key is no number
           static_cast<double>(unit.visible());
  }
  /// Whether the request's own budget says that all its keys are read, whatever error is aimed at.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool asks_for_all(const Unit& unit) const {
    return budgets != nullptr && budgets[unit.batch] > 0.F && rows_of(unit) >= static_cast<double>(unit.visible());
  }
  [[nodiscard]] KOKKOS_FUNCTION float& carried_number(StateArray array, std::int64_t head_row) const {
    return state[static_cast<std::int64_t>(array) * state_stride + head_row];
  }
  /// log2 of delta as the panel has it.
  [[nodiscard]] KOKKOS_FUNCTION float& panel_log_delta(std::int64_t head_row) const {
    return log_delta[head_rows() + head_row];
  }
  /// log2 of the spread that the panel expects of the delta in use; see PanelScores.
  [[nodiscard]] KOKKOS_FUNCTION float& panel_log_spread(std::int64_t head_row) const {
    return log_delta[2 * head_rows() + head_row];
  }

  template <class Take>
  void take_memory(const Take& take) {
    Arguments::take_memory(take);
    take(log_delta, std::int64_t{3}, head_rows());
    take(subset, slice_rows(), std::int64_t{slice_heads}, Subset::capacity(tiles));
    if (sharded) take(panel, slice_rows(), std::int64_t{slice_heads}, std::int64_t{Panel::keys});
  }
};

}  // namespace santa::detail
