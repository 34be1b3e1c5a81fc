// Keys projected to fewer numbers, by which scores are made.
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

/// Keys times P: the pieces of a row are (0, its first number), (1, its second number), ...
template <class T>
struct LowRankRows {
  T* numbers;
  std::int64_t stride;
  const float* projection;  // [rank][dim]
  int rank;
  int dim;
  bool aligned;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t row, F&& f) const {
    const auto piece = [&](int place, T number) { f(place, static_cast<float>(number)); };
    for_each_element(rank, aligned, piece, numbers + row * stride);
  }
  [[nodiscard]] KOKKOS_FUNCTION int width() const { return rank; }
  KOKKOS_FUNCTION float prepared(const float* query, int place) const {
    return dot(projection + static_cast<std::int64_t>(place) * dim, query, dim);
  }
  /// Numbers of finite keys are finite, those of others NaN.
  KOKKOS_FUNCTION void encode(std::int64_t row, const float* key) const {
    bool finite = true;
    for (int d = 0; d < dim; ++d) finite = finite && is_finite(key[d]);
    for (int place = 0; place < rank; ++place) {
      const float number = finite ? saturated(prepared(key, place)) : Kokkos::Experimental::quiet_NaN_v<float>;
      numbers[row * stride + place] = finite_or_nan<T>(number);
    }
  }
};

template <class T>
struct LowRankAddresses {
  T* numbers;
  const float* projection;
  std::int64_t stride[3];  // batch, row, head
  std::int32_t rank;
  std::int32_t dim;

  [[nodiscard]] KOKKOS_FUNCTION LowRankRows<T> rows(std::int64_t batch, std::int64_t head) const {
    auto bits = reinterpret_cast<std::uintptr_t>(numbers);
    for (const std::int64_t step : stride) bits |= static_cast<std::uintptr_t>(step) * sizeof(T);
    return {numbers + batch * stride[0] + head * stride[2],
            stride[1],
            projection + head * rank * dim,
            rank,
            dim,
            bits % 16 == 0};
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Keys of `rank` numbers each: P k_i, by a matrix P of the kv head. Scores are <P q, P k_i> ~ <q, k_i>, which is exact
/// for keys in the span of the rows of P where these are orthonormal.
/// Layout:   keys [batch, length, kv_heads, rank] or, head-major, [batch, kv_heads, length, rank], last extent
///           contiguous; rows at multiples of 16 bytes are fastest. projection [kv_heads, rank, dim] without gaps.
/// Made by:  `projection` is given, or found by `calibrate` (cache/principal_directions.hpp); then `encode_keys`.
/// Bytes:    rank elements a key; the projection once for each unit of work.
/// Source:   keys of models lie near a subspace: Loki (arXiv 2406.02542).
template <Element T, class MemorySpace>
struct LowRankKeys {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutRight, MemorySpace>;

  View<storage_t<T>****> keys;
  View<float***> projection;
  CacheLayout layout = CacheLayout::token_major;

  LowRankKeys() = default;
  /// Allocates for `shape` (heads is not looked at), with a projection of zeros. Errors: std::invalid_argument for an
  /// odd shape, or a rank that is not 1 to dim.
  template <class Space>
  LowRankKeys(const Space& space, const Shape& shape, std::int64_t rank, CacheLayout order = CacheLayout::token_major)
      : layout(order) {
    detail::check_shape({shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim});
    require_rank(rank, shape.dim);
    keys = detail::allocate_rows<View<storage_t<T>****>>(space, "santa::low_rank_keys::keys", shape, rank, order);
    projection =
        detail::allocate<View<float***>>(space, "santa::low_rank_keys::projection", shape.kv_heads, rank, shape.dim);
  }

  [[nodiscard]] std::int64_t rank() const { return static_cast<std::int64_t>(keys.extent(3)); }

  /// Extents, checked to fit each other; `heads` is kv_heads.
  [[nodiscard]] Shape shape() const {
    _kept.require("low-rank keys");
    const Shape shape = detail::shape_of_rows(keys, layout, static_cast<std::int64_t>(projection.extent(2)));
    detail::check_shape(shape);
    require_rank(rank(), shape.dim);
    detail::require_extent(projection, "projection", 0, shape.kv_heads, "that of keys");
    detail::require_extent(projection, "projection", 1, rank(), "that of keys");
    detail::require_no_gaps(detail::array_of("projection", projection));
    return shape;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] auto addresses() const {
    detail::LowRankAddresses<storage_t<T>> result{keys.data(), projection.data(), {}, 0, 0};
    detail::note_strides(keys, layout, "keys", result.stride);
    result.rank = static_cast<std::int32_t>(rank());
    result.dim = static_cast<std::int32_t>(projection.extent(2));
    return result;
  }

 private:
  static void require_rank(std::int64_t rank, std::int64_t dim) {
    detail::require(rank >= 1 && rank <= dim, "rank", rank, "1 to dim (" + std::to_string(dim) + ")");
  }

  detail::Kept _kept;
};

}  // namespace santa
