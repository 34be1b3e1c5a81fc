// Equal strata of a head's cumulative sum, and the random points in them.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Where positions lie among `strata` equal parts of an integer mass. A point of the stratum lies below the position
/// where its random word is below `threshold`.
template <class Group>
struct StratumPlace {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  Vector<std::int32_t> stratum;     // `strata` at the end of the mass
  Vector<std::uint32_t> threshold;  // the part of the stratum below the position, in units of 2^-32

  /// Monotone in the position: the stratum by one rounded product, the rest of it by one fma.
  KOKKOS_FORCEINLINE_FUNCTION StratumPlace(const Vector<std::uint64_t>& position, std::uint64_t mass, double strata) {
    using Double = Vector<double>;
    const auto end = position >= Vector<std::uint64_t>(mass);
    const Double density = mass > 0 ? strata / static_cast<double>(mass) : 0.;
    const Double place = lanes::convert<double>(position);
    const Double number = lanes::select(end, Double(strata), place * Double(density));
    stratum = lanes::convert<std::int32_t>(number);
    const Double rest =
        lanes::fma(place, Double(density), Double(0.) - lanes::convert<double>(stratum)) * Double(0x1p32);
    const Double inside = lanes::select(rest > Double(0.), rest, Double(0.));
    const Double below = lanes::select(inside < Double(0x1p32 - 1.), inside, Double(0x1p32 - 1.));
    threshold = lanes::convert<std::uint32_t>(lanes::select(end, Double(0.), below));
  }
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

}  // namespace santa::detail
