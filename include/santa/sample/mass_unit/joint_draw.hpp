// The rule of MassUnit where a group's heads draw together, by scores in the order of products.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/step_delta.hpp>
#include <santa/sample/mass_unit/sweep.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Draws what MassUnitRule draws. `Scores`: JointScores, of which each lane owns a row.
template <class Group, class Scores>
class JointDraw {
 public:
  KOKKOS_FUNCTION JointDraw(const Group& group, const MassUnitArguments& arguments, const Unit& unit)
      : _group(group),
        _key(stream_key(arguments, unit)),
        _first_head(static_cast<std::uint16_t>(unit.first_head)),
        _given(group, arguments, unit) {}
  /// What the constructor has loaded is looked at here.
  KOKKOS_FUNCTION void open(const MassUnitArguments& arguments, const Unit& unit) {
    const float own = _given.own(_group, arguments, unit, true);
    Scores::for_each_head([&](int b, int k) {
      const int head = Scores::head(b, k);
      const float of_head = _group.value_of(own, head);
      _log_delta[b][k] = head < unit.heads ? of_head : lanes::infinity;  // a head that is none draws nothing
    });
  }

  /// log2(w / delta) of the row that a lane owns, the largest of its heads.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float ratio(Scores& scores) const {
    float largest[Scores::halves][2];
    Scores::for_each_row([&](int half, int r) { largest[half][r] = -lanes::infinity; });
    scores.for_each([&](float score, int half, int b, int r, int k) {
      largest[half][r] = lanes::max(largest[half][r], score - _log_delta[b][k]);
    });
    return Scores::largest_of_own(largest);
  }

  /// Draws from the tile of this number.
  KOKKOS_FORCEINLINE_FUNCTION Sweep<Group> draw(std::uint32_t number, float ratio) {
    const std::uint32_t phase =
        _phase.get(number, [&](const auto& numbers) { return _key.integer(_first_head, numbers, probability_bits); });
    const Sweep<Group> sweep(_group, Inclusion<Group>(ratio), phase);
    _certain += static_cast<std::uint32_t>(Kokkos::popcount(sweep.certain));
    _uncertain += sweep.uncertain;
    return sweep;
  }

  [[nodiscard]] KOKKOS_FUNCTION ExpectedRows expected_rows(int /*head*/) const {
    return expected_rows_of(_certain, _uncertain);
  }
  [[nodiscard]] KOKKOS_FUNCTION static std::uint32_t samples(std::uint32_t rows) { return rows; }

 private:
  const Group& _group;
  StreamKey _key;
  std::uint16_t _first_head;
  StepDeltas<Group> _given;
  typename Group::template PerTile<std::uint32_t> _phase;
  typename Scores::Heads _log_delta;
  std::uint32_t _certain = 0;
  std::uint64_t _uncertain = 0;
};

}  // namespace santa::detail::inline SANTA_BUILD
