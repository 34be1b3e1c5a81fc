// Equal strata of a head's cumulative sum, and the random points in them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/places.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Places of which the whole part is a stratum, one of `strata` equal parts of the head's mass. A point of the stratum
/// lies below a place where its random word is below the rest.
template <class Group>
class StratumPlaces {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;

 public:
  KOKKOS_FUNCTION StratumPlaces(const PointArguments& arguments, const Unit& unit, double strata)
      : _arguments(arguments), _unit(unit), _strata(strata) {}

  KOKKOS_FUNCTION void places(int head, const Vector<std::int32_t>& /*tile*/, const Mass& before, const Mass& after,
                              Mass& begin, Mass& end) const {
    const EqualPlaces<Group> places(_strata, _arguments.total[_unit.head_row(_arguments, head)]);
    begin = places.at(before);
    end = places.at(after);
  }

 protected:
  const PointArguments& _arguments;
  const Unit& _unit;

 private:
  double _strata;
};

/// The random words of points, by lane: word point % 4 of the number at index point / 4.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto point_words(const StreamKey& key, std::uint16_t head,
                                             const typename Group::template Vector<std::uint32_t>& point) {
  using Word = typename Group::template Vector<std::uint32_t>;
  Word random[4];
  key.draw(head, point >> 2, random);
  const auto odd = (point & Word(1U)) != Word(0U);
  const auto upper = (point & Word(2U)) != Word(0U);
  return lanes::select(upper, lanes::select(odd, random[3], random[2]), lanes::select(odd, random[1], random[0]));
}

}  // namespace santa::detail::inline SANTA_BUILD
