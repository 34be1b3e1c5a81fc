// The check of scales, which lie in device memory.
#pragma once

#include <santa/cache/scales.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/first_bad.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

/// The scale of row i % length of (batch, kv head) i / length; of keys, or of values.
template <class Addresses, bool of_keys>
struct ScaleAt {
  Addresses addresses;
  std::int64_t kv_heads, length;

  KOKKOS_FUNCTION float operator()(std::int64_t i) const {
    const std::int64_t row = i / length;
    if constexpr (of_keys)
      return scale_of_row(key_scales_of(addresses, row / kv_heads, row % kv_heads), i % length);
    else
      return scale_of_row(value_scales_of(addresses, row / kv_heads, row % kv_heads), i % length);
  }
};
/// Whether it is none, of a row that is valid.
template <class At>
struct IsBadScale {
  At at;
  Lengths lengths;

  KOKKOS_FUNCTION bool operator()(std::int64_t i) const {
    if (i % at.length >= lengths.get(i / at.length / at.kv_heads, at.length)) return false;
    const float scale = at(i);
    return !(scale > 0.F && is_finite(scale));
  }
};

template <class At>
struct BitsOfScale {
  At at;
  std::int64_t i;

  KOKKOS_FUNCTION std::int64_t operator()() const { return Kokkos::bit_cast<std::uint32_t>(at(i)); }
};

/// Errors: std::invalid_argument for the first scale of a row of these that is bad: which, given, accepted.
template <class Space, class At>
void validate_scales_of(const Space& space, const Shape& shape, const Lengths& lengths, const At& at,
                        const char* name) {
  const std::int64_t rows = shape.batch * shape.kv_heads * shape.length;
  const std::int64_t bad = first_bad(space, rows, IsBadScale<At>{at, lengths});
  if (bad >= rows) return;
  const auto given = static_cast<std::uint32_t>(found_on(space, BitsOfScale<At>{at, bad}));
  const std::int64_t row = bad / shape.length;
  reject_scale("scale of " + std::string(name) + "(" + std::to_string(row / shape.kv_heads) + ", " +
                   std::to_string(bad % shape.length) + ", " + std::to_string(row % shape.kv_heads) + ")",
               Kokkos::bit_cast<float>(given));
}

/// Checks the scales of a cache's valid rows, if it has any in device memory. Fences `space`. Errors:
/// std::invalid_argument naming the first bad one by request, row and kv head.
template <class Space, class Cache>
void validate_scales(const Space& space, const Cache& cache) {
  using Addresses = typename Cache::Addresses;
  const auto check = [&]<bool of_keys>(const char* name) {
    const Shape shape = cache.shape();
    const Addresses addresses = cache.addresses();
    validate_scales_of(space, shape, cache.length_data(),
                       ScaleAt<Addresses, of_keys>{addresses, shape.kv_heads, shape.length}, name);
  };
  if constexpr (requires(const Addresses& a) { a.key_scales(0, 0); }) check.template operator()<true>("keys");
  if constexpr (requires(const Addresses& a) { a.value_scales(0, 0); }) check.template operator()<false>("values");
}

}  // namespace santa::detail::inline SANTA_BUILD
