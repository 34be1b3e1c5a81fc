// A cache whose rows lie in pages of a pool.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/page_slots.hpp>
#include <santa/cache/page_table.hpp>
#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/core/check.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Where the rows lie, as kernels see it: the same for tables of either form.
template <class K, class V = K>
struct PagedAddresses {
  using Element = K;
  using ValueElement = V;
  using ScoredElement = K;
  static constexpr bool rescored = false;
  const K* key_data;
  const V* value_data;
  std::int64_t key_stride[3], value_stride[3];  // page, row, head
  PageEntries table;
  std::uint32_t pages;
  Divisor page_size;
  std::int32_t first_page = 0;  // of a whole: the number of the table's first

  /// True if every row begins at a multiple of 16 bytes, which loads of 16 bytes need.
  [[nodiscard]] bool aligned() const {
    return ContiguousAddresses<K, V>{key_data,
                                     value_data,
                                     {key_stride[0], key_stride[1], key_stride[2]},
                                     {value_stride[0], value_stride[1], value_stride[2]}}
        .aligned();
  }

  [[nodiscard]] KOKKOS_FUNCTION PagedRows<K> keys(std::int64_t batch, std::int64_t head) const {
    return rows(key_data, key_stride, batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION PagedRows<K> scored(std::int64_t batch, std::int64_t head) const {
    return keys(batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION PagedRows<V> values(std::int64_t batch, std::int64_t head) const {
    return rows(value_data, value_stride, batch, head);
  }
  [[nodiscard]] KOKKOS_FUNCTION PageSlots slots(std::int64_t batch) const {
    const RequestPages request = table.of(batch);
    const std::int32_t last = table.rows(batch, page_size) - 1;
    const std::int32_t before = last < 0 ? 0 : first_page * static_cast<std::int32_t>(page_size);
    return {request.data - first_page * request.stride, request.stride, last + before, pages, page_size};
  }
  /// Rows of a request, by those of a copy of the pool.
  template <class Rows>
  [[nodiscard]] KOKKOS_FUNCTION PooledRows<Rows> pooled(const Rows& copy, std::int64_t batch) const {
    return {copy, slots(batch)};
  }

  /// Rows of one (batch, kv head) of anything that lies so.
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION PagedRows<T> rows(const T* data, const std::int64_t (&stride)[3], std::int64_t batch,
                                                  std::int64_t head) const {
    return {data + head * stride[2], stride[0], stride[1], slots(batch)};
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Keys and values of a batch of requests in pages of two pools, which a table shares out.
/// Shapes:   keys, values [pages, page_size, kv_heads, dim] or, with CacheLayout::head_major,
///           [pages, kv_heads, page_size, dim]; any strides, but the last extent is contiguous (a device's View has to
///           name LayoutRight: its default is LayoutLeft): the pools may be halves of one block, [pages, 2, page_size,
///           kv_heads, dim] or [pages, 2, kv_heads, page_size, dim], or layers of one. table: PageTable or PageList.
///           Slots beyond a request's length are never read, nor are pages that no request has.
/// Copies:   narrow keys (NarrowCache) are a copy of the pool: made for `pool_shape()`, one batch of all slots, shared
///           by the requests that share a page. FeatureKeys are made for `shape()`, request by request.
/// Scales:   in the place of keys or values, Scaled{view, scales}: see cache/scales.hpp.
/// Requires: elements of float, half, bfloat16, an equivalent 2-byte type, e4m3 or std::int8_t. Values may be of
///           another type and another dim than keys. Entries of the table from 0 to pages - 1: kernels take page 0 for
///           others, which gives wrong results, flagged as Statistics::page_out_of_range; see `validate`.
/// Errors:   std::invalid_argument from `shape` and `addresses`: name, given, accepted.
/// Bytes:    those of the rows, and an entry of the table for each row of a tile.
template <class Keys, class Values, PageTablePolicy Table>
class PagedCache {
  using KeysGiven = detail::RowsGiven<Keys>;
  using ValuesGiven = detail::RowsGiven<Values>;
  using KeyView = typename KeysGiven::View;
  using ValueView = typename ValuesGiven::View;

 public:
  static_assert(Kokkos::is_view_v<KeyView> && Kokkos::is_view_v<ValueView>,
                "santa::PagedCache: keys and values must be Kokkos views");
  static_assert(KeyView::rank() == 4 && ValueView::rank() == 4,
                "santa::PagedCache: keys and values must have rank 4: [pages, page_size, kv_heads, dim] or "
                "[pages, kv_heads, page_size, dim]");
  static_assert(CacheElement<typename KeyView::value_type> && CacheElement<typename ValueView::value_type>,
                "santa::PagedCache: keys and values must be float, santa::half, santa::bfloat16, an equivalent 2-byte "
                "type, santa::e4m3 or std::int8_t");
  using KeyStorage = cache_storage_t<typename KeyView::value_type>;
  using ValueStorage = cache_storage_t<typename ValueView::value_type>;

  using key_view = KeyView;
  using value_view = ValueView;
  using length_view = typename Table::length_view;
  using Addresses = detail::AddressesWith<detail::PagedAddresses<KeyStorage, ValueStorage>, typename KeysGiven::Scales,
                                          typename ValuesGiven::Scales>;

  PagedCache(Keys keys, Values values, Table table, CacheLayout layout = CacheLayout::token_major)
      : _keys(std::move(keys)), _values(std::move(values)), _table(std::move(table)), _layout(layout) {}

  [[nodiscard]] const Table& table() const { return _table; }
  [[nodiscard]] std::int64_t pages() const { return static_cast<std::int64_t>(keys().extent(0)); }
  [[nodiscard]] std::int64_t page_size() const { return static_cast<std::int64_t>(keys().extent(row_extent())); }

  /// Extents of the cache, checked; `heads` is kv_heads, `length` the largest that the table may hold.
  [[nodiscard]] Shape shape() const {
    _kept.require("cache");
    detail::require_same_extents(keys(), values());
    detail::check_scales(_keys, _values, static_cast<int>(3 - row_extent()));
    detail::require(page_size() >= 1 && page_size() <= detail::most_counted,
                    "keys.extent(" + std::to_string(row_extent()) + ")", page_size(), "1 or more slots of a page");
    _table.check();
    const std::int64_t length = _table.largest_length(pages(), static_cast<std::int32_t>(page_size()));
    detail::require(pages() <= detail::most_counted && (pages() >= 1 || length == 0 || _table.batch() == 0),
                    "keys.extent(0)", pages(), "1 or more pages");
    const auto kv_heads = static_cast<std::int64_t>(keys().extent(3 - row_extent()));
    return {_table.batch(),
            kv_heads,
            kv_heads,
            length,
            static_cast<std::int64_t>(keys().extent(3)),
            1,
            detail::value_dim_of(keys(), values())};
  }

  /// Extents of a copy of the pool: one batch of all slots, slot i % page_size of page i / page_size being its row i.
  [[nodiscard]] Shape pool_shape() const {
    const Shape own = shape();
    const std::int64_t slots =
        detail::product("pages * page_size", {pages(), page_size()}, detail::most_counted, "less than 2^31");
    return {1, own.kv_heads, own.kv_heads, slots, own.dim, 1, own.value_dim};
  }

  /// What kernels need, checked.
  template <class Build = lanes::Build>
  [[nodiscard]] Addresses addresses() const {
    static_cast<void>(shape());
    const auto size = static_cast<std::int32_t>(page_size());
    detail::PagedAddresses<KeyStorage, ValueStorage> rows{reinterpret_cast<const KeyStorage*>(keys().data()),
                                                          reinterpret_cast<const ValueStorage*>(values().data()),
                                                          {},
                                                          {},
                                                          _table.entries(size),
                                                          static_cast<std::uint32_t>(pages()),
                                                          size};
    detail::note_strides(keys(), _layout, "keys", rows.key_stride);
    detail::note_strides(values(), _layout, "values", rows.value_stride);
    return detail::add_scales<Addresses>(rows, _keys, _values, static_cast<int>(3 - row_extent()));
  }

  [[nodiscard]] detail::Lengths length_data() const {
    return _table.entries(static_cast<std::int32_t>(page_size())).lengths;
  }

 private:
  [[nodiscard]] std::size_t row_extent() const { return _layout == CacheLayout::token_major ? 1 : 2; }

  [[nodiscard]] const KeyView& keys() const { return KeysGiven::view(_keys); }
  [[nodiscard]] const ValueView& values() const { return ValuesGiven::view(_values); }

  Keys _keys;
  Values _values;
  Table _table;
  CacheLayout _layout;
  detail::Kept _kept;
};

}  // namespace santa
