// Narrow element types: what keys may be kept as beside the cache, 8 or 4 bits a feature.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace santa {

/// Two features of 4 bits in a byte, the even one in the low half; a nibble n is the number n - 8, of -7 to 7 in use.
struct int4x2 {
  std::uint8_t bits = 0x88;

  int4x2() = default;
  /// From two integers; what is outside -8 to 7 becomes the nearer of these.
  KOKKOS_FUNCTION int4x2(int even, int odd) : bits(static_cast<std::uint8_t>(nibble(even) | (nibble(odd) << 4))) {}
  /// The even feature.
  [[nodiscard]] KOKKOS_FUNCTION int even() const { return (bits & 15) - 8; }
  /// The odd one.
  [[nodiscard]] KOKKOS_FUNCTION int odd() const { return (bits >> 4) - 8; }
  bool operator==(const int4x2&) const = default;

 private:
  KOKKOS_FUNCTION static int nibble(int number) { return number < -8 ? 0 : (number > 7 ? 15 : number + 8); }
};

/// An 8-bit float with 4 bits of exponent and 3 of fraction (e4m3: largest number 448, no infinity). Conversion from
/// float rounds to nearest even; what is larger than 448 becomes 448, infinity and NaN too. The NaN of the format
/// (0x7f, 0xff) is not used: it reads as 480.
struct float8 {
  std::uint8_t bits = 0;

  float8() = default;
  KOKKOS_FUNCTION explicit float8(float value) {
    const auto word = Kokkos::bit_cast<std::uint32_t>(value);
    const std::uint32_t magnitude = word & 0x7fffffffU;
    bits = static_cast<std::uint8_t>(((word >> 24) & 0x80U) | magnitude_bits(magnitude));
  }
  KOKKOS_FUNCTION explicit operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x80U) << 24;
    const std::uint32_t rest = bits & 0x7fU;
    if (rest < 8) {  // zero or subnormal: multiples of 2^-9
      const float value = static_cast<float>(rest) * 0x1p-9F;
      return sign != 0 ? -value : value;
    }
    return Kokkos::bit_cast<float>(sign | ((rest << 20) + (120U << 23)));
  }
  bool operator==(const float8&) const = default;

 private:
  KOKKOS_FUNCTION static std::uint32_t magnitude_bits(std::uint32_t magnitude) {
    if (magnitude >= 0x43e00000U) return 0x7eU;  // 448 and above, NaN too
    if (magnitude < 0x3c800000U) {               // below 2^-6: let the float adder round to multiples of 2^-9
      const float shifted = Kokkos::bit_cast<float>(magnitude) + 0x1p14F;
      return Kokkos::bit_cast<std::uint32_t>(shifted) - Kokkos::bit_cast<std::uint32_t>(0x1p14F);
    }
    return (magnitude - (120U << 23) + 0x7ffffU + ((magnitude >> 20) & 1U)) >> 20;
  }
};

/// Types that narrow keys may be kept as.
template <class T>
concept NarrowElement = std::same_as<T, std::int8_t> || std::same_as<T, int4x2> || std::same_as<T, float8>;

namespace detail::inline SANTA_BUILD {

/// The nearest integer of -limit to limit; the limit for NaN, which codes do not have.
KOKKOS_INLINE_FUNCTION int nearest_integer(float x, float limit) {
  return static_cast<int>(Kokkos::round(x < limit ? (x > -limit ? x : -limit) : limit));
}

/// Of a narrow type: features an element holds, the largest number it has, and how numbers become elements and back.
/// Numbers beyond the largest become it, with their sign.
template <class T>
struct NarrowTraits;

template <>
struct NarrowTraits<std::int8_t> {
  static constexpr const char* name = "int8";
  static constexpr int features = 1;
  static constexpr float largest = 127.F;
  KOKKOS_FUNCTION static std::int8_t encode(const float* x) {
    return static_cast<std::int8_t>(nearest_integer(x[0], largest));
  }
  KOKKOS_FUNCTION static void decode(std::int8_t code, float* to) { to[0] = static_cast<float>(code); }
};

template <>
struct NarrowTraits<float8> {
  static constexpr const char* name = "fp8";
  static constexpr int features = 1;
  static constexpr float largest = 448.F;
  KOKKOS_FUNCTION static float8 encode(const float* x) { return float8(x[0]); }
  KOKKOS_FUNCTION static void decode(float8 code, float* to) { to[0] = static_cast<float>(code); }
};

template <>
struct NarrowTraits<int4x2> {
  static constexpr const char* name = "int4";
  static constexpr int features = 2;
  static constexpr float largest = 7.F;
  KOKKOS_FUNCTION static int4x2 encode(const float* x) {
    return {nearest_integer(x[0], largest), nearest_integer(x[1], largest)};
  }
  KOKKOS_FUNCTION static void decode(int4x2 code, float* to) {
    to[0] = static_cast<float>(code.even());
    to[1] = static_cast<float>(code.odd());
  }
};

/// Features that an element of a row holds: 1, but for int4x2.
template <class T>
inline constexpr int features_per_element = 1;
template <>
inline constexpr int features_per_element<int4x2> = 2;

/// `count` features of a row from feature `first` on, both even, as floats.
template <class T>
KOKKOS_FORCEINLINE_FUNCTION void read_features(const T* row, int first, int count, float* to) {
  if constexpr (NarrowElement<T>) {
    using Traits = NarrowTraits<T>;
    for (int i = 0; i < count; i += Traits::features) Traits::decode(row[(first + i) / Traits::features], to + i);
  } else {
    for (int i = 0; i < count; ++i) to[i] = static_cast<float>(row[first + i]);
  }
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
