// Element types of queries, keys, values and outputs, and their conversion to and from float.
#pragma once

#include <santa/core/supported.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif

namespace santa {

/// bfloat16 storage: the upper 16 bits of a float. On a host-only Kokkos `bhalf_t` is a plain float, hence this type.
/// Conversion from float rounds to nearest even and keeps NaN a NaN.
struct bfloat16 {
  std::uint16_t bits = 0;

  bfloat16() = default;
  KOKKOS_FUNCTION explicit bfloat16(float value) {
    const auto word = Kokkos::bit_cast<std::uint32_t>(value);
    const bool is_nan = (word & 0x7fffffffU) > 0x7f800000U;
    const std::uint32_t rounded = word + 0x7fffU + ((word >> 16) & 1U);
    bits = static_cast<std::uint16_t>((is_nan ? word | 0x400000U : rounded) >> 16);
  }
  KOKKOS_FUNCTION explicit operator float() const {
    return Kokkos::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16);
  }
};

/// IEEE binary16 storage. Conversion from float rounds to nearest even; what is too large becomes infinity.
struct half {
  std::uint16_t bits = 0;

  half() = default;
  KOKKOS_FUNCTION explicit half(float value) {
    const auto word = Kokkos::bit_cast<std::uint32_t>(value);
    const std::uint32_t sign = (word >> 16) & 0x8000U;
    const std::uint32_t magnitude = word & 0x7fffffffU;
    bits = static_cast<std::uint16_t>(sign | magnitude_bits(magnitude));
  }
  KOKKOS_FUNCTION explicit operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000U) << 16;
    const std::uint32_t exponent = (bits >> 10) & 0x1fU;
    const std::uint32_t fraction = bits & 0x3ffU;
    if (exponent == 0) {  // zero or subnormal: fraction * 2^-24, exact in float
      const float value = static_cast<float>(fraction) * 0x1p-24F;
      return sign != 0 ? -value : value;
    }
    const std::uint32_t wide = exponent == 31 ? 0xffU : exponent + 112U;
    return Kokkos::bit_cast<float>(sign | (wide << 23) | (fraction << 13));
  }

 private:
  KOKKOS_FUNCTION static std::uint32_t magnitude_bits(std::uint32_t magnitude) {
    if (magnitude > 0x7f800000U) return 0x7e00U;   // NaN
    if (magnitude >= 0x477ff000U) return 0x7c00U;  // 65520 and above round to infinity
    if (magnitude < 0x38800000U) {                 // below 2^-14: subnormal, let the float adder round
      const float shifted = Kokkos::bit_cast<float>(magnitude) + 0.5F;
      return Kokkos::bit_cast<std::uint32_t>(shifted) - 0x3f000000U;
    }
    return (magnitude - 0x38000000U + 0xfffU + ((magnitude >> 13) & 1U)) >> 13;
  }
};

namespace detail {

// Maps a type to the library's own type with the same bits; no member for types that are not elements.
template <class T>
struct Storage {};
template <>
struct Storage<float> {
  using type = float;
};
template <>
struct Storage<half> {
  using type = half;
};
template <>
struct Storage<bfloat16> {
  using type = bfloat16;
};
// On a host-only Kokkos these two are plain float, which is covered above.
template <class T>
  requires(sizeof(T) == 2 &&
           (std::same_as<T, Kokkos::Experimental::half_t> || std::same_as<T, Kokkos::Experimental::bhalf_t>))
struct Storage<T> {
  using type = std::conditional_t<std::same_as<T, Kokkos::Experimental::half_t>, half, bfloat16>;
};
#if defined(KOKKOS_ENABLE_CUDA)
template <>
struct Storage<__half> {
  using type = half;
};
template <>
struct Storage<__nv_bfloat16> {
  using type = bfloat16;
};
#endif

}  // namespace detail

/// Types that queries, keys, values and outputs may have: float, the library's own 2-byte types, and Kokkos' and CUDA's
/// 2-byte types, which have the same bits.
template <class T>
concept Element = requires {
  typename detail::Storage<std::remove_const_t<T>>::type;
};

/// The library's type with the bits of T.
template <Element T>
using storage_t = typename detail::Storage<std::remove_const_t<T>>::type;

namespace detail {

KOKKOS_INLINE_FUNCTION bool is_finite(float x) { return Kokkos::fabs(x) < Kokkos::Experimental::infinity_v<float>; }

/// A finite number for what may have overflowed to infinity; NaN stays NaN.
KOKKOS_INLINE_FUNCTION float saturated(float x) {
  constexpr float most = Kokkos::Experimental::finite_max_v<float>;
  return x > most ? most : (x < -most ? -most : x);
}

/// The nearest number that T has, however large x is: what conversion alone would round to infinity becomes the largest
/// of T. NaN where x is no finite number.
template <Element T>
KOKKOS_INLINE_FUNCTION storage_t<T> finite_or_nan(float x) {
  if (!is_finite(x)) return storage_t<T>(Kokkos::Experimental::quiet_NaN_v<float>);
  storage_t<T> nearest(x);
  if constexpr (!std::same_as<storage_t<T>, float>) {
    constexpr unsigned infinity = std::same_as<storage_t<T>, half> ? 0x7c00U : 0x7f80U;
    if ((nearest.bits & 0x7fffU) == infinity) --nearest.bits;
  }
  return nearest;
}

}  // namespace detail

/// Names keys that lie feature by feature, each a row over all keys, where scores are made from such a copy.
template <class T>
struct FeatureMajor {};

/// Run-time name of an element type, for data that is touched once a head (queries, outputs) and not worth a kernel
/// each.
enum class ElementType : std::uint8_t { float32, float16, bfloat16 };

/// The ElementType of an element.
template <Element T>
inline constexpr ElementType element_type_of = std::same_as<storage_t<T>, float>  ? ElementType::float32
                                               : std::same_as<storage_t<T>, half> ? ElementType::float16
                                                                                  : ElementType::bfloat16;

/// A read-only array of any element type, read as float.
struct AnyInput {
  const void* data = nullptr;
  ElementType type = ElementType::float32;

  /// The bits of an element. They need not be here before `value` looks at them, so that several can be on their way.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t load(std::int64_t offset) const {
    return type == ElementType::float32 ? static_cast<const std::uint32_t*>(data)[offset]
                                        : static_cast<const std::uint16_t*>(data)[offset];
  }
  /// The number that bits of an element are.
  [[nodiscard]] KOKKOS_FUNCTION float value(std::uint32_t bits) const {
    switch (type) {
      case ElementType::float16: return value_of<half>(static_cast<std::uint16_t>(bits));
      case ElementType::bfloat16: return value_of<bfloat16>(static_cast<std::uint16_t>(bits));
      case ElementType::float32: break;
    }
    return value_of<float>(bits);
  }

  /// Reads `count` elements from `offset` on.
  KOKKOS_FUNCTION void read(std::int64_t offset, int count, float* to) const {
    switch (type) {
      case ElementType::float16: return read_as<half>(offset, count, to);
      case ElementType::bfloat16: return read_as<bfloat16>(offset, count, to);
      case ElementType::float32: return read_as<float>(offset, count, to);
    }
  }

 private:
  template <class T, class Bits>
  KOKKOS_FUNCTION static float value_of(Bits bits) {
    return static_cast<float>(Kokkos::bit_cast<T>(bits));
  }
  template <class T>
  KOKKOS_FUNCTION void read_as(std::int64_t offset, int count, float* to) const {
    const T* from = static_cast<const T*>(data) + offset;
    for (int i = 0; i < count; ++i) to[i] = static_cast<float>(from[i]);
  }
};

/// An array of any element type, written from float.
struct AnyOutput {
  void* data = nullptr;
  ElementType type = ElementType::float32;

  /// Rounds a number to the element type and writes it as element i.
  KOKKOS_FUNCTION void store(std::int64_t i, float value) const {
    switch (type) {
      case ElementType::float16: static_cast<half*>(data)[i] = half(value); return;
      case ElementType::bfloat16: static_cast<bfloat16*>(data)[i] = bfloat16(value); return;
      case ElementType::float32: static_cast<float*>(data)[i] = value; return;
    }
  }
};

}  // namespace santa
