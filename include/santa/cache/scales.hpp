// Scales of a cache's rows: what elements are multiplied by, and how a view says so.
#pragma once

#include <santa/cache/addressed_cache.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace santa {

/// Elements are the numbers themselves.
struct NoScales {};

/// One scale for all rows: a positive finite number.
struct TensorScale {
  float scale = 1.F;
};

/// A scale for each kv head, [kv_heads], in memory that kernels read: positive finite numbers. Any stride: with 0, one
/// number in device memory for all.
template <class View>
struct HeadScales {
  static_assert(Kokkos::is_view_v<View>, "santa::HeadScales: a Kokkos view");
  static_assert(View::rank() == 1 && std::same_as<typename View::non_const_value_type, float>,
                "santa::HeadScales: scales must be float, of rank 1: [kv_heads]");
  View scales;
};

/// A scale for each row, which has the extents of the rows without the last: [batch, length, kv_heads], head-major
/// [batch, kv_heads, length], or as a pool's, by pages; any strides. Positive finite numbers where rows are.
template <class View>
struct TokenScales {
  static_assert(Kokkos::is_view_v<View>, "santa::TokenScales: a Kokkos view");
  static_assert(View::rank() == 3 && std::same_as<typename View::non_const_value_type, float>,
                "santa::TokenScales: scales must be float, of rank 3: the extents of the rows without the last");
  View scales;
};

template <class View>
HeadScales(View) -> HeadScales<View>;
template <class View>
TokenScales(View) -> TokenScales<View>;

/// Keys or values with their scales, in the place of a view of them: feature d of a row is scale * row[d].
///   ContiguousCache{Scaled{keys, TensorScale{0.02F}}, Scaled{values, TokenScales{scales}}, lengths}
template <class View, class Scales>
struct Scaled {
  static_assert(Kokkos::is_view_v<View>, "santa::Scaled: keys or values must be a Kokkos view");
  View view;
  Scales scales;
};
template <class View, class Scales>
Scaled(View, Scales) -> Scaled<View, Scales>;

namespace detail::inline SANTA_BUILD {

/// What a cache is given for its keys or values, as view and scales.
template <class Given>
struct RowsGiven {
  using View = Given;
  using Scales = NoScales;
  static const View& view(const Given& given) { return given; }
  static Scales scales(const Given& /*given*/) { return {}; }
};
template <class RowView, class RowScales>
struct RowsGiven<Scaled<RowView, RowScales>> {
  using View = RowView;
  using Scales = RowScales;
  static const View& view(const Scaled<View, Scales>& given) { return given.view; }
  static const Scales& scales(const Scaled<View, Scales>& given) { return given.scales; }
};

// The scales of one (batch, kv head), as a stage has them: none, one of all rows, or rows of one float each.
struct NoScale {};
struct OneScale {
  float scale;
};
template <class S>
inline constexpr bool is_one_scale = std::same_as<S, OneScale>;
template <class S>
inline constexpr bool is_scale_a_row = !std::same_as<S, NoScale> && !std::same_as<S, OneScale>;

// Scales as kernels have them: `of(addresses, batch, head)` are those of one (batch, kv head).
struct NoScaleData {
  template <class Addresses>
  KOKKOS_FUNCTION static NoScale of(const Addresses& /*rows*/, std::int64_t /*batch*/, std::int64_t /*head*/) {
    return {};
  }
};
struct TensorScaleData {
  float scale;

  template <class Addresses>
  KOKKOS_FUNCTION OneScale of(const Addresses& /*rows*/, std::int64_t /*batch*/, std::int64_t /*head*/) const {
    return {scale};
  }
};
struct HeadScaleData {
  const float* data;
  std::int64_t stride;

  template <class Addresses>
  KOKKOS_FUNCTION OneScale of(const Addresses& /*rows*/, std::int64_t /*batch*/, std::int64_t head) const {
    return {data[head * stride]};
  }
};
struct TokenScaleData {
  const float* data;
  std::int64_t stride[3];  // batch or page, row, head

  template <class Addresses>
  KOKKOS_FUNCTION auto of(const Addresses& rows, std::int64_t batch, std::int64_t head) const {
    return rows.rows(data, stride, batch, head);
  }
};

/// Where a row lies, and its scale.
template <class T>
struct ScaledRow {
  const T* row;
  const float* scale;
};
template <class T>
ScaledRow(const T*, const float*) -> ScaledRow<T>;

[[noreturn]] inline void reject_scale(const std::string& name, float given) {
  reject(name, text_of(static_cast<double>(given)), "a positive finite number");
}

/// Checks scales against `rows`, which are called `name` and have these extents and kv_heads as extent `head_at`, and
/// makes what kernels have of them. Errors: std::invalid_argument: name, given, accepted.
inline NoScaleData scale_data(const NoScales& /*scales*/, const Array& /*rows*/, int /*head_at*/) { return {}; }
inline TensorScaleData scale_data(const TensorScale& given, const Array& rows, int /*head_at*/) {
  if (!(given.scale > 0.F && given.scale <= Kokkos::Experimental::finite_max_v<float>))
    reject_scale("scale of " + std::string(rows.name), given.scale);
  return {given.scale};
}
template <class View>
HeadScaleData scale_data(const HeadScales<View>& given, const Array& rows, int head_at) {
  const std::string name = "scales of " + std::string(rows.name);
  const Array scales = array_of(name, given.scales);
  require_extent(scales, 0, rows.extent[head_at], "kv_heads");
  require_data(scales);
  return {given.scales.data(), scales.stride[0]};
}
template <class View>
TokenScaleData scale_data(const TokenScales<View>& given, const Array& rows, int head_at) {
  const std::string name = "scales of " + std::string(rows.name);
  const Array scales = array_of(name, given.scales);
  for (int i = 0; i < 3; ++i) require_extent(scales, i, rows.extent[i], "the same as " + std::string(rows.name));
  require_data(scales);
  return {given.scales.data(), {scales.stride[0], scales.stride[3 - head_at], scales.stride[head_at]}};
}

/// Where rows lie, and their scales: CacheAddresses.
template <class Rows, class OfKeys, class OfValues>
struct ScaledAddresses : Rows {
  OfKeys of_keys;
  OfValues of_values;

  [[nodiscard]] KOKKOS_FUNCTION auto key_scales(std::int64_t batch, std::int64_t head) const {
    return of_keys.of(static_cast<const Rows&>(*this), batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION auto value_scales(std::int64_t batch, std::int64_t head) const {
    return of_values.of(static_cast<const Rows&>(*this), batch, head);
  }
};

template <class Scales>
using ScaleDataOf = decltype(scale_data(std::declval<const Scales&>(), std::declval<const Array&>(), 0));

/// The addresses of a cache whose rows lie as Rows says.
template <class Rows, class KeyScales, class ValueScales>
using AddressesWith = std::conditional_t<std::same_as<KeyScales, NoScales> && std::same_as<ValueScales, NoScales>, Rows,
                                         ScaledAddresses<Rows, ScaleDataOf<KeyScales>, ScaleDataOf<ValueScales>>>;

/// Checks what a cache was given. Errors: std::invalid_argument: name, given, accepted.
template <class Keys, class Values>
void check_scales(const Keys& keys, const Values& values, int head_at) {
  scale_data(RowsGiven<Keys>::scales(keys), array_of("keys", RowsGiven<Keys>::view(keys)), head_at);
  scale_data(RowsGiven<Values>::scales(values), array_of("values", RowsGiven<Values>::view(values)), head_at);
}

/// Such addresses: rows with the scales that a cache was given with them, checked. `head_at` is the extent of kv_heads.
template <class Addresses, class Rows, class Keys, class Values>
Addresses add_scales(const Rows& rows, const Keys& keys, const Values& values, int head_at) {
  if constexpr (std::same_as<Addresses, Rows>)
    return rows;
  else
    return {
        rows, scale_data(RowsGiven<Keys>::scales(keys), array_of("keys", RowsGiven<Keys>::view(keys)), head_at),
        scale_data(RowsGiven<Values>::scales(values), array_of("values", RowsGiven<Values>::view(values)), head_at)};
}

/// The scales of one (batch, kv head) by any addresses.
template <class Addresses>
KOKKOS_FUNCTION auto key_scales_of(const Addresses& addresses, std::int64_t batch, std::int64_t head) {
  if constexpr (requires { addresses.key_scales(batch, head); })
    return addresses.key_scales(batch, head);
  else
    return NoScale{};
}
template <class Addresses>
KOKKOS_FUNCTION auto value_scales_of(const Addresses& addresses, std::int64_t batch, std::int64_t head) {
  if constexpr (requires { addresses.value_scales(batch, head); })
    return addresses.value_scales(batch, head);
  else
    return NoScale{};
}

/// Caches of which copies for scores can be made: rows are numbers by themselves, of more than a byte. Those of a byte
/// are what such a copy would save.
template <class Addresses>
inline constexpr bool has_copies = !requires(const Addresses& a) {
  a.key_scales(0, 0);
}
&&sizeof(typename ElementsOf<Addresses>::Keys) > 1 && sizeof(typename ElementsOf<Addresses>::Values) > 1;

/// The scale of a row.
template <class Scales>
KOKKOS_FUNCTION float scale_of_row(const Scales& scales, std::int64_t row) {
  if constexpr (is_scale_a_row<Scales>)
    return *scales[row];
  else if constexpr (is_one_scale<Scales>)
    return scales.scale;
  else
    return 1.F;
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
