// Element types of one byte that caches may be kept in, beside those of queries and outputs.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/core/narrow.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace santa {

/// An 8-bit float with 4 bits of exponent and 3 of fraction as engines keep caches in (OCP e4m3, torch.float8_e4m3fn):
/// largest number 448, no infinity, NaN is 0x7f and 0xff. Conversion from float rounds to nearest even; what is larger
/// than 448 becomes 448, infinity too; NaN stays NaN. (santa::float8 has the same numbers, but no NaN: narrow copies of
/// keys have another place for that.)
struct e4m3 {
  std::uint8_t bits = 0;

  e4m3() = default;
  KOKKOS_FUNCTION explicit e4m3(float value)
      : bits(static_cast<std::uint8_t>(float8(value).bits | (value == value ? 0U : not_a_number))) {}
  KOKKOS_FUNCTION explicit operator float() const {
    if ((bits & not_a_number) == not_a_number) return Kokkos::Experimental::quiet_NaN_v<float>;
    return static_cast<float>(Kokkos::bit_cast<float8>(bits));
  }

 private:
  static constexpr std::uint32_t not_a_number = 0x7f;
};

namespace detail {

/// std::int8_t as an element of rows. Conversion from float rounds to the nearest of -127 to 127; NaN, which integers
/// don't have, becomes 0.
struct Integer8 {
  std::int8_t bits = 0;

  Integer8() = default;
  KOKKOS_FUNCTION explicit Integer8(float value)
      : bits(static_cast<std::int8_t>(value == value ? nearest_integer(value, 127.F) : 0)) {}
  KOKKOS_FUNCTION explicit operator float() const { return static_cast<float>(bits); }
};

/// The library's type for an element of a cache; no member for types that are none.
template <class T>
struct CacheStorage : Storage<T> {};
template <>
struct CacheStorage<e4m3> {
  using type = e4m3;
};
template <>
struct CacheStorage<std::int8_t> {
  using type = Integer8;
};

/// The largest magnitude that a row of T is scaled to where it has a scale of its own.
template <class T>
inline constexpr float largest_scaled = 1.F;
template <>
inline constexpr float largest_scaled<e4m3> = 448.F;
template <>
inline constexpr float largest_scaled<Integer8> = 127.F;

}  // namespace detail

/// Types that keys and values of a cache may have: those of queries, and e4m3 and std::int8_t.
template <class T>
concept CacheElement = requires {
  typename detail::CacheStorage<std::remove_const_t<T>>::type;
};

/// The library's type with the bits of T.
template <CacheElement T>
using cache_storage_t = typename detail::CacheStorage<std::remove_const_t<T>>::type;

}  // namespace santa
