// Delta of this step: found by a kernel before, or carried.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/arguments.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Whether the budget covers the visible keys.
KOKKOS_INLINE_FUNCTION bool covers_all(const MassUnitArguments& a, const Unit& unit) {
  return a.rows_of(unit) >= static_cast<double>(unit.visible());
}

/// What a head's delta in this step follows from: loaded where it is made, looked at later.
class GivenDelta {
 public:
  KOKKOS_FUNCTION GivenDelta(const MassUnitArguments& a, std::int64_t row) : _found(a.log_delta != nullptr) {
    if (_found)
      _carried.log_ratio = a.log_delta[row];
    else if (a.state != nullptr)
      _carried = carried_delta(a, row);
  }

  /// log2 of delta: what a kernel before has left, or else what the last step left. Everything is read where the budget
  /// covers the visible keys or nothing was left.
  [[nodiscard]] KOKKOS_FUNCTION float log_delta(const MassUnitArguments& a, const Unit& unit) const {
    if (_found) return _carried.log_ratio;
    if (covers_all(a, unit)) return -lanes::infinity;
    return is_finite(_carried.log_delta()) ? _carried.log_delta() : -lanes::infinity;
  }

 private:
  bool _found;  // by a kernel before
  CarriedDelta _carried{};
};

/// The deltas of a unit's heads in this step. What they follow from is loaded where this is made and looked at when
/// they are asked for, so that other things are waited for at the same time.
template <class Group>
class StepDeltas {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FUNCTION StepDeltas(const Group& group, const MassUnitArguments& a, const Unit& unit)
      : _found(a.log_delta != nullptr) {
    const std::int64_t row = unit.head_row(a, 0);
    const auto load = [&](StateArray array) {
      return group.load(_found ? a.log_delta + row : &a.carried_number(array, row), unit.heads, 0.F);
    };
    _first = load(StateArray::log_ratio);
    _second = load(StateArray::log2_sum);
  }

  /// log2 of delta of the head that a lane has, where a lane has one number (head i in lane i): as `find` has it.
  [[nodiscard]] KOKKOS_FUNCTION float own(const Group& group, const MassUnitArguments& a, const Unit& unit,
                                          bool together) const {
    if (_found) return _first;
    return settled({_first, _second}, shared_ratio(group, unit, together), covers_all(a, unit));
  }

  /// log2 of each head's delta: as GivenDelta has it; of heads that draw together with one delta / Z.
  KOKKOS_FUNCTION void find(const Group& group, const MassUnitArguments& a, const Unit& unit, bool together,
                            float* log_delta) const {
    if (_found)
      return group.for_all_heads(unit.heads, [&](int head) { log_delta[head] = carried(group, head).log_ratio; });
    const bool all_rows = covers_all(a, unit);
    const float shared = shared_ratio(group, unit, together);
    group.for_all_heads(unit.heads,
                        [&](int head) { log_delta[head] = settled(carried(group, head), shared, all_rows); });
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION CarriedDelta carried(const Group& group, int head) const {
    return {group.value_of(_first, head), group.value_of(_second, head)};
  }
  /// log2 of the delta / Z that heads share which draw together, or no number.
  [[nodiscard]] KOKKOS_FUNCTION float shared_ratio(const Group& group, const Unit& unit, bool together) const {
    if (!together) return lanes::not_a_number;
    return shared_log_ratio(group, unit.heads, [&](int head) { return carried(group, head); });
  }
  /// From what a head carries; everything is read where that is no number.
  [[nodiscard]] KOKKOS_FUNCTION static float settled(CarriedDelta own, float shared, bool all_rows) {
    if (is_finite(shared)) own.log_ratio = shared;
    return !all_rows && is_finite(own.log_delta()) ? own.log_delta() : -lanes::infinity;
  }

  bool _found;    // by a kernel before
  Float _first;   // log2(delta) if found, or what is carried of log2(delta / Z), head i in lane i
  Float _second;  // what is carried of log2(Z)
};

}  // namespace santa::detail::inline SANTA_BUILD
