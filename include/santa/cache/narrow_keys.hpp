// A narrow copy of a cache's keys, by which scores are made.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/page_slots.hpp>
#include <santa/cache/scales.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/narrow.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// Codes of one (batch, kv head), and what belongs to them.
template <class T>
struct NarrowRows : ContiguousRows<T> {
  const bfloat16* scale;  // of row i
  const float* center;    // [dim]
  const float* spread;    // [dim]
};

/// Where narrow keys lie, as kernels see it.
template <class T>
struct CodeAddresses {
  const T* code_data;
  const bfloat16* scale_data;
  const float* center_data;
  const float* spread_data;
  std::int64_t code_stride[3];     // batch, row, head
  std::int64_t scale_stride[2];    // batch, head
  std::int64_t channel_stride[2];  // batch, head: of center and spread

  [[nodiscard]] bool aligned() const {
    auto bits = reinterpret_cast<std::uintptr_t>(code_data);
    for (const std::int64_t stride : code_stride) bits |= static_cast<std::uintptr_t>(stride);
    return bits % 16 == 0;
  }

  [[nodiscard]] KOKKOS_FUNCTION NarrowRows<T> rows(std::int64_t batch, std::int64_t head) const {
    const std::int64_t channel = batch * channel_stride[0] + head * channel_stride[1];
    return {{code_data + batch * code_stride[0] + head * code_stride[2], code_stride[1]},
            scale_data + batch * scale_stride[0] + head * scale_stride[1],
            center_data + channel,
            spread_data + channel};
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Keys in 8 or 4 bits a feature: key i of a (batch, kv head) is about center + spread * scale_i * code_i, feature by
/// feature. `center` and `spread` are what the keys of a (batch, kv head) have in common, so that a row's one scale
/// fits all of its features (keys have a few channels that are far from 0 and far wider than others). The query takes
/// both up: <q, key> = <q, center> + scale_i <q * spread, code_i>. Layout:   codes [batch, length, kv_heads, dim]
/// (int4x2: dim / 2 of them) or, head-major, [batch, kv_heads, length,
///           dim], last extent contiguous; scales [batch, kv_heads, length], last extent contiguous;
///           center, spread [batch, kv_heads, dim], without gaps. Rows of codes at multiples of 16 bytes are
///           fastest.
/// Made by:  `calibrate` and `encode_keys` (cache/encode_keys.hpp).
/// Source:   per-channel statistics for keys: KIVI (arXiv 2402.02750); per-row scales are ours, so that a token is
///           appended without touching another.
template <NarrowElement T, class MemorySpace>
struct NarrowKeys {
  using Element = T;
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutRight, MemorySpace>;

  View<T****> codes;
  View<bfloat16***> scales;
  View<float***> center;
  View<float***> spread;
  CacheLayout layout = CacheLayout::token_major;

  NarrowKeys() = default;
  /// Allocates for `shape` (heads is not looked at). Errors: std::invalid_argument for an odd shape.
  template <class Space>
  NarrowKeys(const Space& space, const Shape& shape, CacheLayout order = CacheLayout::token_major) : layout(order) {
    detail::check_shape({shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim});
    codes = detail::allocate_rows<View<T****>>(space, "santa::narrow_keys::codes", shape,
                                               shape.dim / detail::features_per_element<T>, order);
    const auto rows = [&]<class Rows>(Rows& view, const char* label, std::int64_t count) {
      view = detail::allocate<Rows>(space, label, shape.batch, shape.kv_heads, count);
    };
    rows(scales, "santa::narrow_keys::scales", shape.length);
    rows(center, "santa::narrow_keys::center", shape.dim);
    rows(spread, "santa::narrow_keys::spread", shape.dim);
  }

  /// Extents, checked to fit each other; `heads` is kv_heads.
  [[nodiscard]] Shape shape() const {
    _kept.require("narrow keys");
    const Shape shape = detail::shape_of_rows(
        codes, layout, static_cast<std::int64_t>(codes.extent(3)) * detail::features_per_element<T>);
    const auto check = [&](const auto& view, const std::string& name, std::int64_t row) {
      const std::int64_t expected[3] = {shape.batch, shape.kv_heads, row};
      for (std::size_t i = 0; i < 3; ++i) detail::require_extent(view, name, i, expected[i], "that of codes");
    };
    check(scales, "scales", shape.length);
    check(center, "center", shape.dim);
    check(spread, "spread", shape.dim);
    detail::require_rows("scales", scales);
    detail::require_no_gaps(detail::array_of("center", center));
    detail::require_no_gaps(detail::array_of("spread", spread));
    return shape;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] detail::CodeAddresses<T> addresses() const {
    detail::CodeAddresses<T> result{codes.data(), scales.data(), center.data(), spread.data(), {}, {}, {}};
    detail::note_strides(codes, layout, "codes", result.code_stride);
    for (std::size_t i = 0; i < 2; ++i) {
      result.scale_stride[i] = static_cast<std::int64_t>(scales.stride(i));
      result.channel_stride[i] = static_cast<std::int64_t>(center.stride(i));
    }
    return result;
  }

 private:
  detail::Kept _kept;
};

/// Whether the drawn rows' scores are made again from the full keys.
enum class Rescore : std::uint8_t { none, drawn_rows };

namespace detail::inline SANTA_BUILD {

/// What rows of a narrow copy are rows of: codes, or pieces by a rule of their own.
template <class Rows>
struct ScoredBy;
template <class T>
struct ScoredBy<NarrowRows<T>> {
  using Element = T;
};
template <class T>
struct ScoredBy<PooledRows<NarrowRows<T>>> {
  using Element = T;
};
template <PieceRows Rows>
struct ScoredBy<Rows> {
  using Element = Rows;
};

/// Rows of a copy that stand for those of one (batch, kv head): the copy's own, or, where rows lie in pages, those of
/// their slots in a copy of the pool.
template <class Full, class Copy>
KOKKOS_FUNCTION auto rows_of_copy(const Full& full, const Copy& copy, std::int64_t batch, std::int64_t head) {
  if constexpr (requires { full.pooled(copy.rows(0, head), batch); })
    return full.pooled(copy.rows(0, head), batch);
  else
    return copy.rows(batch, head);
}

/// As kernels see it: the full cache, and a narrow copy in the place of its keys.
template <class Full, class Copy, bool rescore>
struct NarrowAddresses : Full {
  using ScoredRows = decltype(rows_of_copy(std::declval<const Full&>(), std::declval<const Copy&>(), 0, 0));
  using ScoredElement = typename ScoredBy<ScoredRows>::Element;
  static constexpr bool rescored = rescore;

  Copy copy;

  [[nodiscard]] bool aligned() const {
    if constexpr (PieceRows<ScoredRows>)
      return Full::aligned();
    else
      return copy.aligned() && Full::aligned();
  }

  [[nodiscard]] KOKKOS_FUNCTION ScoredRows scored(std::int64_t batch, std::int64_t head) const {
    return rows_of_copy<Full>(*this, copy, batch, head);
  }
};

}  // namespace detail::inline SANTA_BUILD

/// A cache whose scores are made from something narrower than its keys, for any method: NarrowKeys, LowRankKeys,
/// SparseKeys, or a type of the caller's that has `shape()` and `addresses()`, which can be copied as bytes and has
/// `rows(batch, kv_head)`, PieceRows (docs/score_stages.md). Values are the full cache's. With Rescore::drawn_rows the
/// full keys of the rows that a method reads are read too, and their weights made right: the output is sum W v / sum W
/// over the rows read, W = exact weight / inclusion probability. Numerator and denominator are unbiased; the bias of
/// their ratio falls as 1 / rows. `lse` is then log sum W, `center` has no effect on the output, and a poor narrow copy
/// shows in Statistics::effective_sample_size.
/// Pages:    the copy of a PagedCache is one of its pool, for `pool_shape()`: codes are found by the same table, and
///           `center` and `spread` are those of all requests.
/// Bytes:    the copy of the visible keys; value rows as the method reads them; with rescoring as many full key rows.
/// Errors:   std::invalid_argument from `shape`: narrow keys of another shape than the full cache's.
template <class FullCache, class Narrow, Rescore rescore = Rescore::none>
class NarrowCache {
  static_assert(detail::has_copies<typename FullCache::Addresses>,
                "santa::NarrowCache: keys and values with scales or of one byte have no narrow copies: they are read "
                "as they are");

 public:
  using key_view = typename FullCache::key_view;
  using value_view = typename FullCache::value_view;
  using length_view = typename FullCache::length_view;
  using Addresses = detail::NarrowAddresses<typename FullCache::Addresses,
                                            std::remove_cvref_t<decltype(std::declval<const Narrow&>().addresses())>,
                                            rescore == Rescore::drawn_rows>;

  NarrowCache(FullCache full, Narrow narrow) : _full(std::move(full)), _narrow(std::move(narrow)) {}

  [[nodiscard]] const length_view& lengths() const { return _full.lengths(); }
  [[nodiscard]] bool has_lengths() const { return _full.has_lengths(); }
  [[nodiscard]] detail::Lengths length_data() const { return _full.length_data(); }
  [[nodiscard]] const FullCache& full() const { return _full; }
  [[nodiscard]] const Narrow& narrow() const { return _narrow; }

  [[nodiscard]] Shape shape() const {
    const Shape full = _full.shape();
    detail::check_shape(full);
    if constexpr (requires { _full.pool_shape(); })
      require_equal(_full.pool_shape(), "that of the pool, all of whose slots are one batch (");
    else
      require_equal(full, "that of the full cache (");
    if constexpr (PieceRows<typename Addresses::ScoredRows>) {
      const int width = _narrow.addresses().rows(0, 0).width();
      detail::require(width >= 1 && width <= full.dim, "width of narrow keys' rows", width,
                      "1 to dim (" + std::to_string(full.dim) + ")");
    }
    return full;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] Addresses addresses() const {
    return {{_full.addresses()}, _narrow.addresses()};
  }

 private:
  void require_equal(const Shape& expected, const std::string& meaning) const {
    const Shape narrow = _narrow.shape();
    const auto equal = [&](const char* name, std::int64_t given, std::int64_t right) {
      detail::require(given == right, std::string("narrow keys' ") + name, given,
                      meaning + std::to_string(right) + ")");
    };
    equal("batch", narrow.batch, expected.batch);
    equal("kv_heads", narrow.kv_heads, expected.kv_heads);
    equal("length", narrow.length, expected.length);
    equal("dim", narrow.dim, expected.dim);
  }

  FullCache _full;
  Narrow _narrow;
};

/// The same cache with the drawn rows' scores from its full keys.
template <class FullCache, class Narrow, Rescore rescore>
[[nodiscard]] auto rescored(const NarrowCache<FullCache, Narrow, rescore>& cache) {
  return NarrowCache<FullCache, Narrow, Rescore::drawn_rows>(cache.full(), cache.narrow());
}

}  // namespace santa
