// A cache whose rows lie at fixed strides.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/cache/scales.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa {

/// The order of a cache's extents.
enum class CacheLayout : std::uint8_t {
  token_major,  // [batch, length, kv_heads, dim]
  head_major,   // [batch, kv_heads, length, dim]
};

namespace detail::inline SANTA_BUILD {

/// Rows of one (batch, kv head): row i starts at base + i * stride.
template <class T>
struct ContiguousRows {
  const T* base;
  std::int64_t stride;

  KOKKOS_FUNCTION const T* operator[](std::int64_t row) const { return base + row * stride; }
};

/// Where the rows lie, as kernels see it: the CacheAddresses of two views.
template <class K, class V = K>
struct ContiguousAddresses {
  using Element = K;
  using ValueElement = V;
  using ScoredElement = K;
  static constexpr bool rescored = false;
  const K* key_data;
  const V* value_data;
  std::int64_t key_stride[3], value_stride[3];  // batch, row, head

  /// True if every row begins at a multiple of 16 bytes, which loads of 16 bytes need.
  [[nodiscard]] bool aligned() const {
    std::uintptr_t bits = reinterpret_cast<std::uintptr_t>(key_data) | reinterpret_cast<std::uintptr_t>(value_data);
    for (int i = 0; i < 3; ++i)
      bits |= static_cast<std::uintptr_t>(key_stride[i]) * sizeof(K) |
              static_cast<std::uintptr_t>(value_stride[i]) * sizeof(V);
    return bits % 16 == 0;
  }

  /// Rows of one (batch, kv head) of anything that lies so.
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION ContiguousRows<T> rows(const T* data, const std::int64_t (&stride)[3],
                                                       std::int64_t batch, std::int64_t head) const {
    return {data + batch * stride[0] + head * stride[2], stride[1]};
  }
  [[nodiscard]] KOKKOS_FUNCTION ContiguousRows<K> keys(std::int64_t batch, std::int64_t head) const {
    return rows(key_data, key_stride, batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION ContiguousRows<K> scored(std::int64_t batch, std::int64_t head) const {
    return keys(batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION ContiguousRows<V> values(std::int64_t batch, std::int64_t head) const {
    return rows(value_data, value_stride, batch, head);
  }
};

/// Checks one of the two views and notes its strides in the order batch, row, head.
template <class View>
void note_strides(const View& view, CacheLayout layout, std::string_view name, std::int64_t (&stride)[3]) {
  require_rows(name, view);
  const std::size_t row = layout == CacheLayout::token_major ? 1 : 2;
  stride[0] = static_cast<std::int64_t>(view.stride(0));
  stride[1] = static_cast<std::int64_t>(view.stride(row));
  stride[2] = static_cast<std::int64_t>(view.stride(3 - row));
}

/// Checks an extent of a view of what is kept beside the rows.
template <class View>
void require_extent(const View& view, std::string_view name, std::size_t i, std::int64_t expected,
                    std::string_view meaning) {
  santa::detail::require_extent(array_of(name, view), static_cast<int>(i), expected, meaning);
}

/// Checks that values have the extents of keys, but for the features of a row.
template <class KeyView, class ValueView>
void require_same_extents(const KeyView& keys, const ValueView& values) {
  for (std::size_t i = 0; i + 1 < KeyView::rank(); ++i)
    require_extent(values, "values", i, static_cast<std::int64_t>(keys.extent(i)), "the same as keys");
}

/// The value_dim of a shape, by the last extents of keys and values.
template <class KeyView, class ValueView>
std::int64_t value_dim_of(const KeyView& keys, const ValueView& values) {
  const auto dim = static_cast<std::int64_t>(values.extent(3));
  require(dim > 0 || keys.extent(3) == 0, "values.extent(3)", dim, "1 or more");
  return dim == static_cast<std::int64_t>(keys.extent(3)) ? 0 : dim;
}

/// The shape of a cache whose rows of `dim` features are kept as those of a view; heads are kv_heads.
template <class View>
Shape shape_of_rows(const View& view, CacheLayout layout, std::int64_t dim) {
  const auto extent = [&](std::size_t i) { return static_cast<std::int64_t>(view.extent(i)); };
  const bool by_token = layout == CacheLayout::token_major;
  const std::int64_t kv_heads = extent(by_token ? 2 : 1);
  return {extent(0), kv_heads, kv_heads, extent(by_token ? 1 : 2), dim};
}

/// Rows of `count` elements for a cache of a shape.
template <class View, class Space>
View allocate_rows(const Space& space, const std::string& label, const Shape& shape, std::int64_t count,
                   CacheLayout layout) {
  const bool by_token = layout == CacheLayout::token_major;
  return allocate<View>(space, label, shape.batch, by_token ? shape.length : shape.kv_heads,
                        by_token ? shape.kv_heads : shape.length, count);
}

}  // namespace detail::inline SANTA_BUILD

/// Lengths of a cache whose storage is full.
using NoLengths = Kokkos::View<const std::int64_t*, Kokkos::HostSpace>;

/// Keys and values of a batch of requests in two views.
/// Shapes:   keys, values [batch, length, kv_heads, dim] or, with CacheLayout::head_major,
///           [batch, kv_heads, length, dim]; any strides, but the last extent is contiguous: a device's View has to
///           name LayoutRight, as its default is LayoutLeft. Rows of values may be of another dim than those of keys.
///           lengths [batch], contiguous, int32 or int64, valid keys per request; none: the whole storage. Slots beyond
///           a request's length are never read.
/// Requires: elements of float, half, bfloat16, an equivalent 2-byte type, e4m3 or std::int8_t; those of values may be
///           of another type than those of keys.
/// Errors:   std::invalid_argument from `shape` and `addresses`: name, given, accepted.
template <class Keys, class Values = Keys, class LengthView = NoLengths>
class ContiguousCache {
  using KeysGiven = detail::RowsGiven<Keys>;
  using ValuesGiven = detail::RowsGiven<Values>;
  using KeyView = typename KeysGiven::View;
  using ValueView = typename ValuesGiven::View;

 public:
  static_assert(Kokkos::is_view_v<KeyView> && Kokkos::is_view_v<ValueView> && Kokkos::is_view_v<LengthView>,
                "santa::ContiguousCache: keys, values and lengths must be Kokkos views");
  static_assert(KeyView::rank() == 4 && ValueView::rank() == 4,
                "santa::ContiguousCache: keys and values must have rank 4: [batch, length, kv_heads, dim] or "
                "[batch, kv_heads, length, dim]");
  static_assert(CacheElement<typename KeyView::value_type> && CacheElement<typename ValueView::value_type>,
                "santa::ContiguousCache: keys and values must be float, santa::half, santa::bfloat16, an equivalent "
                "2-byte type, santa::e4m3 or std::int8_t");
  using KeyStorage = cache_storage_t<typename KeyView::value_type>;
  using ValueStorage = cache_storage_t<typename ValueView::value_type>;
  static_assert(LengthView::rank() == 1 && (std::same_as<typename LengthView::non_const_value_type, std::int32_t> ||
                                            std::same_as<typename LengthView::non_const_value_type, std::int64_t>),
                "santa::ContiguousCache: lengths must have rank 1 and hold int32 or int64");

  using key_view = KeyView;
  using value_view = ValueView;
  using length_view = LengthView;
  using Addresses = detail::AddressesWith<detail::ContiguousAddresses<KeyStorage, ValueStorage>,
                                          typename KeysGiven::Scales, typename ValuesGiven::Scales>;

  ContiguousCache(Keys keys, Values values,
                  CacheLayout layout = CacheLayout::token_major) requires std::same_as<LengthView, NoLengths>
      : _keys(std::move(keys)), _values(std::move(values)), _layout(layout) {}
  ContiguousCache(Keys keys, Values values, LengthView lengths, CacheLayout layout = CacheLayout::token_major)
      : _keys(std::move(keys)), _values(std::move(values)), _lengths(std::move(lengths)), _layout(layout) {}

  [[nodiscard]] const LengthView& lengths() const { return _lengths; }
  [[nodiscard]] bool has_lengths() const { return _lengths.data() != nullptr; }

  /// Extents of the cache, checked; `heads` is kv_heads.
  [[nodiscard]] Shape shape() const {
    _kept.require("cache");
    const bool token_major = _layout == CacheLayout::token_major;
    const auto extent = [&](int i) { return static_cast<std::int64_t>(keys().extent(static_cast<std::size_t>(i))); };
    detail::require_same_extents(keys(), values());
    detail::check_scales(_keys, _values, token_major ? 2 : 1);
    if (has_lengths()) {
      detail::require_extent(_lengths, "lengths", 0, extent(0), "the batch of keys");
      detail::require_list("lengths", _lengths);
    }
    const std::int64_t kv_heads = extent(token_major ? 2 : 1);
    return {extent(0),
            kv_heads,
            kv_heads,
            extent(token_major ? 1 : 2),
            extent(3),
            1,
            detail::value_dim_of(keys(), values())};
  }

  /// What kernels need, checked.
  template <class Build = lanes::Build>
  [[nodiscard]] Addresses addresses() const {
    detail::ContiguousAddresses<KeyStorage, ValueStorage> rows{reinterpret_cast<const KeyStorage*>(keys().data()),
                                                               reinterpret_cast<const ValueStorage*>(values().data()),
                                                               {},
                                                               {}};
    detail::note_strides(keys(), _layout, "keys", rows.key_stride);
    detail::note_strides(values(), _layout, "values", rows.value_stride);
    return detail::add_scales<Addresses>(rows, _keys, _values, _layout == CacheLayout::token_major ? 2 : 1);
  }

  [[nodiscard]] detail::Lengths length_data() const {
    return {_lengths.data(), sizeof(typename LengthView::value_type) == 8};
  }

 private:
  [[nodiscard]] const KeyView& keys() const { return KeysGiven::view(_keys); }
  [[nodiscard]] const ValueView& values() const { return ValuesGiven::view(_values); }

  Keys _keys;
  Values _values;
  LengthView _lengths;
  CacheLayout _layout = CacheLayout::token_major;
  detail::Kept _kept;
};

template <class Keys, class Values>
ContiguousCache(Keys, Values) -> ContiguousCache<Keys, Values, NoLengths>;
template <class Keys, class Values>
ContiguousCache(Keys, Values, CacheLayout) -> ContiguousCache<Keys, Values, NoLengths>;
template <class Keys, class Values, class LengthView>
ContiguousCache(Keys, Values, LengthView) -> ContiguousCache<Keys, Values, LengthView>;
template <class Keys, class Values, class LengthView>
ContiguousCache(Keys, Values, LengthView, CacheLayout) -> ContiguousCache<Keys, Values, LengthView>;

}  // namespace santa
