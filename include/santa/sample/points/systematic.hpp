// Systematic: S equally spaced points in each head's cumulative distribution, with one random offset.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/rule.hpp>
#include <santa/schedule/unit.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head at the points (k + 1 - u) / samples of the softmax distribution's cumulative
/// sum. Computes: counts c_i, floor or ceil of samples * a_i, that sum to samples; weight c_i / samples. Unbiased.
/// Requires: 1 <= samples <= 2^30. Samples that cover the visible length read every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two: scores, or masses (4 bytes a key and head), are written, masses summed, then rows drawn and gathered.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn.
/// Random:   one 32-bit uniform per query head, key (seed; step, stream, request, head, 0).
/// Source:   S2ANTA, arXiv 2605.01910.
struct Systematic {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Systematic.samples", samples, "1 to 2^30");
  }
};

namespace detail::inline SANTA_BUILD {

/// Systematic's points.
template <class Group>
class SystematicPoints {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;

 public:
  KOKKOS_FUNCTION SystematicPoints(const Group& /*group*/, const PointArguments& arguments, const Unit& unit)
      : _arguments(arguments), _unit(unit), _key(stream_key(arguments, unit)) {}

  /// Where positions of a head lie, whichever the tile.
  [[nodiscard]] KOKKOS_FUNCTION EqualPlaces<Group> of_head(int head) const {
    return {static_cast<double>(_arguments.samples), _arguments.total[_unit.head_row(_arguments, head)],
            std::uint64_t{_key.integer(static_cast<std::uint16_t>(_unit.first_head + head), std::uint32_t{0}, 32)}};
  }
  KOKKOS_FUNCTION void places(int head, const Vector<std::int32_t>& /*tile*/, const Mass& before, const Mass& after,
                              Mass& begin, Mass& end) const {
    const EqualPlaces<Group> places = of_head(head);
    begin = places.at(before);
    end = places.at(after);
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static Vector<std::int32_t> below(int /*head*/, const Mass& place) {
    return whole_part(place);
  }

 private:
  const PointArguments& _arguments;
  const Unit& _unit;
  StreamKey _key;
};

template <class Group>
using SystematicRule = PointRule<Group, SystematicPoints>;

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
