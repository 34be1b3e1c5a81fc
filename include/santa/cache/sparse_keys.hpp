// Keys cut to their largest features, by which scores are made.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// Whether feature d is one of the `count` largest by magnitude; of equal ones the first are. NaN is larger than all
/// numbers, so that it is not lost.
KOKKOS_INLINE_FUNCTION bool among_largest(const float* x, int d, int dim, int count) {
  const auto magnitude = [&](int i) { return Kokkos::bit_cast<std::uint32_t>(x[i]) & 0x7fffffffU; };
  const std::uint32_t own = magnitude(d);
  int before = 0;
  for (int i = 0; i < d; ++i) before += magnitude(i) >= own ? 1 : 0;
  for (int i = d + 1; i < dim; ++i) before += magnitude(i) > own ? 1 : 0;
  return before < count;
}

/// Largest features of keys: the pieces of a row are (feature, value).
struct SparseRows {
  std::uint8_t* feature;
  bfloat16* value;
  std::int64_t stride;
  int count;
  int query_count;
  int dim;
  bool aligned;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t row, F&& f) const {
    const auto piece = [&](int, std::uint8_t place, bfloat16 x) { f(int{place}, static_cast<float>(x)); };
    for_each_element(count, aligned, piece, feature + row * stride, value + row * stride);
  }
  [[nodiscard]] KOKKOS_FUNCTION int width() const { return dim; }
  KOKKOS_FUNCTION float prepared(const float* query, int place) const {
    return query_count == 0 || among_largest(query, place, dim, query_count) ? query[place] : 0.F;
  }
  KOKKOS_FUNCTION void encode(std::int64_t row, const float* key) const {
    std::int64_t at = row * stride;
    for (int d = 0; d < dim; ++d)
      if (among_largest(key, d, dim, count)) {
        feature[at] = static_cast<std::uint8_t>(d);
        value[at++] = finite_or_nan<bfloat16>(key[d]);
      }
  }
};

struct SparseAddresses {
  std::uint8_t* feature;
  bfloat16* value;
  std::int64_t stride[3];  // batch, row, head
  std::int16_t count, query_count, dim;

  [[nodiscard]] KOKKOS_FUNCTION SparseRows rows(std::int64_t batch, std::int64_t head) const {
    auto bits = reinterpret_cast<std::uintptr_t>(feature) | (reinterpret_cast<std::uintptr_t>(value) / 2);
    for (const std::int64_t step : stride) bits |= static_cast<std::uintptr_t>(step);
    const std::int64_t first = batch * stride[0] + head * stride[2];
    return {feature + first, value + first, stride[1], count, query_count, dim, bits % 8 == 0};
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Keys of their k largest features by magnitude each; the others count as 0. Queries are cut to their `query_features`
/// largest features likewise, or, with 0, taken whole.
/// Layout:   features and values, both [batch, length, kv_heads, k] or, head-major, [batch, kv_heads, length, k],
///           features of a row in ascending order. k a multiple of 8 is fastest.
/// Made by:  `encode_keys` (cache/encode_keys.hpp). Bytes: 3 k a key.
/// Source:   "Scaling Attention via Feature Sparsity", where a model is trained for it; here any model's keys are cut.
template <class MemorySpace>
struct SparseKeys {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutRight, MemorySpace>;

  View<std::uint8_t****> features;
  View<bfloat16****> values;
  std::int64_t dim = 0;             // of the full keys
  std::int64_t query_features = 0;  // 0: all
  CacheLayout layout = CacheLayout::token_major;

  SparseKeys() = default;
  /// Allocates for `shape` (heads is not looked at) with k features a key. Errors: std::invalid_argument for an odd
  /// shape, or numbers of features that are not 1 to dim, or 0 to dim for the query.
  template <class Space>
  SparseKeys(const Space& space, const Shape& shape, std::int64_t k, std::int64_t query_k = 0,
             CacheLayout order = CacheLayout::token_major)
      : dim(shape.dim), query_features(query_k), layout(order) {
    detail::check_shape({shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim});
    require_features(k);
    features = detail::allocate_rows<View<std::uint8_t****>>(space, "santa::sparse_keys::features", shape, k, order);
    values = detail::allocate_rows<View<bfloat16****>>(space, "santa::sparse_keys::values", shape, k, order);
  }

  /// Features of a key.
  [[nodiscard]] std::int64_t k() const { return static_cast<std::int64_t>(features.extent(3)); }

  /// Extents, checked to fit each other; `heads` is kv_heads.
  [[nodiscard]] Shape shape() const {
    _kept.require("sparse keys");
    const Shape shape = detail::shape_of_rows(features, layout, dim);
    detail::check_shape(shape);
    require_features(k());
    for (std::size_t i = 0; i < 4; ++i)
      detail::require_extent(values, "values", i, static_cast<std::int64_t>(features.extent(i)), "that of features");
    for (std::size_t i = 0; i < 3; ++i)
      detail::require(values.stride(i) == features.stride(i), "values.stride(" + std::to_string(i) + ")",
                      static_cast<std::int64_t>(values.stride(i)), "that of features");
    detail::require_rows("values", values);
    return shape;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] detail::SparseAddresses addresses() const {
    detail::SparseAddresses result{features.data(), values.data(), {}, 0, 0, 0};
    detail::note_strides(features, layout, "features", result.stride);
    result.count = static_cast<std::int16_t>(k());
    result.query_count = static_cast<std::int16_t>(query_features);
    result.dim = static_cast<std::int16_t>(dim);
    return result;
  }

 private:
  void require_features(std::int64_t k) const {
    const std::string most = "to dim (" + std::to_string(dim) + ")";
    detail::require(k >= 1 && k <= dim, "features of a key", k, "1 " + most);
    detail::require(query_features >= 0 && query_features <= dim, "query_features", query_features, "0 " + most);
  }

  detail::Kept _kept;
};

}  // namespace santa
