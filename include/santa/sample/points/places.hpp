// Where points lie in a cumulative sum of integer masses.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

// A place is a fixed-point number: the upper word counts points (or strata), the lower is the part of the next one.

/// Places of positions in a mass that is cut into equal parts: position * parts / mass + offset. In each lane its own.
template <class Group>
struct EqualPlaces {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Double = Vector<double>;
  using Mass = Vector<std::uint64_t>;

  Double density;  // parts / mass in units of 2^-32, 0 where there is no mass
  Double all;      // all parts, in the same units
  Mass mass;
  Mass offset;  // less than one part

  KOKKOS_FORCEINLINE_FUNCTION EqualPlaces(const Double& parts, const Mass& whole, const Mass& shift = Mass(0U))
      : all(parts * Double(0x1p32)), mass(whole), offset(shift) {
    const auto some = whole > Mass(0U);
    const Double size = lanes::convert<double>(lanes::select(some, whole, Mass(1U)));
    density = lanes::select(some, all / size, Double(0.));
  }

  /// Monotone; at the end of the mass all parts and the offset.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Mass at(const Mass& position) const {
    const Double place = lanes::convert<double>(position) * density;
    const Double limited = lanes::select(place < all, place, all);
    return lanes::convert<std::uint64_t>(lanes::select(position < mass, limited, all)) + offset;
  }
};

/// Places within a tile: a straight line over the tile's own mass, in 32 bits, from where the tile begins to where it
/// ends. Products of integers: all backends agree, and a row's part of the line is in proportion to its mass to 2^-31.
template <class Mass, class Word>
struct PlaceLine {
  Mass begin, ratio;
  Word mass, shift;

  /// The line from place `first` to place `last` over a mass of at most 2^31.
  KOKKOS_FORCEINLINE_FUNCTION static PlaceLine between(const Mass& first, const Mass& last, const Word& whole) {
    const auto width = lanes::convert<double>(last - first);
    using Double = std::remove_const_t<decltype(width)>;
    const Double slope = width / lanes::convert<double>(lanes::select(whole > Word(0U), whole, Word(1U)));
    // Scaled by 2^shift, the slope has 32 bits before the point: `exponent` is the one in its representation.
    const Mass exponent = lanes::bit_cast<std::uint64_t>(slope) >> 52;
    const Mass wanted = lanes::select(exponent < Mass(1054U), Mass(1054U) - exponent, Mass(0U));
    const Mass shift = lanes::select(wanted < Mass(63U), wanted, Mass(63U));
    const auto scale = lanes::bit_cast<double>((shift + Mass(1023U)) << 52);
    return {first, lanes::convert<std::uint64_t>(slope * scale), whole, lanes::convert<std::uint32_t>(shift)};
  }
};

/// Places of masses `sum`, by lane, on one line; those at the end of the tile are not told.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto places_on(const PlaceLine<std::uint64_t, std::uint32_t>& line,
                                           const typename Group::template Vector<std::uint32_t>& sum) {
  using Mass = typename Group::template Vector<std::uint64_t>;
  return Mass(line.begin) + ((lanes::convert<std::uint64_t>(sum) * Mass(line.ratio)) >> static_cast<int>(line.shift));
}

/// The whole points (or strata) below places, and the part of the next one that lies below them, in units of 2^-32.
template <class Mass>
KOKKOS_FORCEINLINE_FUNCTION auto whole_part(const Mass& place) {
  return lanes::convert<std::int32_t>(place >> 32);
}
template <class Mass>
KOKKOS_FORCEINLINE_FUNCTION auto rest_part(const Mass& place) {
  return lanes::convert<std::uint32_t>(place);
}

}  // namespace santa::detail::inline SANTA_BUILD
