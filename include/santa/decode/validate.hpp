// The check of what lies in device memory.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/shape.hpp>
#include <santa/decode/first_bad.hpp>
#include <santa/decode/validate_scales.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// Whether a request's length is not from 0 to the storage length.
struct IsBadLength {
  Lengths lengths;
  std::int64_t storage;

  KOKKOS_FUNCTION bool operator()(std::int64_t batch) const {
    const std::int64_t length = lengths.get(batch, storage);
    return length < 0 || length > storage;
  }
};
struct LengthOf {
  Lengths lengths;
  std::int64_t batch, storage;

  KOKKOS_FUNCTION std::int64_t operator()() const { return lengths.get(batch, storage); }
};

/// Errors: std::invalid_argument naming the first bad request. Fences `space` if there are lengths.
template <class Space, class Cache>
void validate_lengths(const Space& space, const Cache& cache) {
  const Shape shape = cache.shape();
  const Lengths lengths = cache.length_data();
  if (lengths.data == nullptr) return;
  const std::int64_t bad = first_bad(space, shape.batch, IsBadLength{lengths, shape.length});
  if (bad >= shape.batch) return;
  reject("lengths(" + std::to_string(bad) + ")", std::to_string(found_on(space, LengthOf{lengths, bad, shape.length})),
         "0 to the storage length (" + std::to_string(shape.length) + ")");
}

}  // namespace detail::inline SANTA_BUILD

/// Checks the lengths of a cache, which lie in device memory: each from 0 to the storage length; and the scales of its
/// valid rows. Fences `space`.
/// Errors: std::invalid_argument naming the first bad request, or scale.
template <class Space, class Cache, class Build = lanes::Build>
void validate(const Space& space, const Cache& cache) {
  lanes::require_launchable(space);
  static_cast<void>(cache.shape());  // checks extents
  if constexpr (!std::same_as<typename Cache::length_view, NoLengths>) detail::validate_lengths(space, cache);
  detail::validate_scales(space, cache);
}

namespace detail::inline SANTA_BUILD {

template <class T>
KOKKOS_FUNCTION bool is_good_row(const NarrowRows<T>& rows, std::int64_t key) {
  const auto scale = static_cast<float>(rows.scale[key]);
  return scale > 0.F && is_finite(scale);
}
template <PieceRows Rows>
KOKKOS_FUNCTION bool is_good_row(const Rows& rows, std::int64_t key) {
  bool good = true;
  rows.for_each(key,
                [&](int place, float value) { good = good && place >= 0 && place < rows.width() && is_finite(value); });
  return good;
}
template <class Rows>
KOKKOS_FUNCTION bool is_good_row(const PooledRows<Rows>& rows, std::int64_t key) {
  return is_good_row(static_cast<const Rows&>(rows), rows.slots.slot(key));
}

/// Where a key of a request lies in a narrow copy.
template <class Addresses>
struct PlaceInCopy {
  Addresses addresses;
  std::int64_t batch, head, key;

  KOKKOS_FUNCTION std::int64_t operator()() const {
    const auto rows = addresses.scored(batch, head);
    if constexpr (requires { rows.slots; })
      return rows.slots.slot(key);
    else
      return key;
  }
};

template <class View>
[[noreturn]] void reject_scale(const View& scales, std::int64_t batch, std::int64_t head, std::int64_t key) {
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  bfloat16 given;
  Kokkos::deep_copy(given, Kokkos::subview(scales, at(batch), at(head), at(key)));
  reject("scales(" + std::to_string(batch) + ", " + std::to_string(head) + ", " + std::to_string(key) + ")",
         std::to_string(static_cast<float>(given)), "a positive finite number");
}

/// Whether the narrow copy of key i is no good, of those that are valid, in the order of [batch, kv_heads, length].
template <class Addresses>
struct IsBadRow {
  Addresses addresses;
  Lengths lengths;
  Shape shape;

  KOKKOS_FUNCTION bool operator()(std::int64_t i) const {
    const std::int64_t row = i / shape.length;
    const std::int64_t key = i % shape.length;
    return key < lengths.get(row / shape.kv_heads, shape.length) &&
           !is_good_row(addresses.scored(row / shape.kv_heads, row % shape.kv_heads), key);
  }
};

/// Whether what prepares queries for row i, in the order of [batch, kv_heads], makes of a finite one what is not.
template <class Addresses>
struct IsBadPreparation {
  Addresses addresses;
  Shape shape;

  KOKKOS_FUNCTION bool operator()(std::int64_t i) const {
    const auto rows = addresses.scored(i / shape.kv_heads, i % shape.kv_heads);
    float ones[max_dim];
    for (float& x : ones) x = 1.F;
    bool good = true;
    for (int place = 0; place < rows.width(); ++place) good = good && is_finite(rows.prepared(ones, place));
    return !good;
  }
};

}  // namespace detail::inline SANTA_BUILD

/// The same for a cache with a narrow copy of its keys: scales all positive and finite; of PieceRows, finite values at
/// places below their width, and finite queries prepared into finite numbers (no NaN in a projection). A NaN is what
/// the row of a key that is not finite gets. Fences `space`. Errors: std::invalid_argument naming the first bad
/// request, scale or row; of a copy of a pool, the scale by its slot.
template <class Space, class Full, class Narrow, Rescore rescore, class Build = lanes::Build>
void validate(const Space& space, const NarrowCache<Full, Narrow, rescore>& cache) {
  validate(space, cache.full());
  const Shape shape = cache.shape();
  const auto addresses = cache.addresses();
  using Addresses = std::remove_const_t<decltype(addresses)>;
  const auto place_of = [&](std::int64_t row) {
    return "(" + std::to_string(row / shape.kv_heads) + ", " + std::to_string(row % shape.kv_heads);
  };
  if constexpr (PieceRows<typename Addresses::ScoredRows>) {
    const std::int64_t rows = shape.batch * shape.kv_heads;
    const std::int64_t bad = detail::first_bad(space, rows, detail::IsBadPreparation<Addresses>{addresses, shape});
    if (bad < rows)
      detail::reject("a query as prepared for " + place_of(bad) + ")", "not finite",
                     "finite numbers for finite queries, hence no NaN in a projection");
  }
  const std::int64_t keys = shape.batch * shape.kv_heads * shape.length;
  const std::int64_t bad =
      detail::first_bad(space, keys, detail::IsBadRow<Addresses>{addresses, cache.length_data(), shape});
  if (bad >= keys) return;
  const std::int64_t row = bad / shape.length;
  if constexpr (PieceRows<typename Addresses::ScoredRows>) {
    detail::reject("narrow row " + place_of(row) + ", " + std::to_string(bad % shape.length) + ")",
                   "not finite or out of place",
                   "finite values at places below " + std::to_string(addresses.scored(0, 0).width()));
  } else {
    const std::int64_t batch = row / shape.kv_heads;
    const std::int64_t head = row % shape.kv_heads;
    const std::int64_t key =
        detail::found_on(space, detail::PlaceInCopy<Addresses>{addresses, batch, head, bad % shape.length});
    detail::reject_scale(cache.narrow().scales, cache.narrow().shape().batch > batch ? batch : 0, head, key);
  }
}

namespace detail::inline SANTA_BUILD {

/// Whether a request's copy has another number of keys than the cache.
template <class Keys>
struct IsBadCopyLength {
  Lengths lengths;
  Shape shape;
  Keys copy;

  KOKKOS_FUNCTION bool operator()(std::int64_t batch) const {
    return copy(static_cast<std::size_t>(batch)) != lengths.get(batch, shape.length);
  }
};

/// Whether mean or deviation of a feature is no finite number, in the order of [batch, kv_heads, dim].
struct IsBadMoment {
  const float* mean;
  const float* deviation;

  KOKKOS_FUNCTION bool operator()(std::int64_t i) const { return !(is_finite(mean[i]) && is_finite(deviation[i])); }
};

}  // namespace detail::inline SANTA_BUILD

/// The same for a cache with feature-major keys: their number, request by request, must be the cache's, and what is
/// known of each feature a finite number, which it is not where a key isn't. Fences `space`. Errors:
/// std::invalid_argument naming the first request or feature.
template <class Space, class Full, class Keys, class Choice, Rescore rescore, class Build = lanes::Build>
void validate(const Space& space, const FeatureCache<Full, Keys, Choice, rescore>& cache) {
  validate(space, cache.full());
  const Shape shape = cache.shape();
  const Keys& copy = cache.feature_keys();
  const std::int64_t late = detail::first_bad(
      space, shape.batch, detail::IsBadCopyLength<decltype(copy.lengths)>{cache.length_data(), shape, copy.lengths});
  if (late < shape.batch) {
    std::int64_t given = 0;
    Kokkos::deep_copy(given, Kokkos::subview(copy.lengths, static_cast<std::size_t>(late)));
    const std::int64_t expected = detail::found_on(space, detail::LengthOf{cache.length_data(), late, shape.length});
    detail::reject("feature-major keys' lengths(" + std::to_string(late) + ")", std::to_string(given),
                   "that of the full cache (" + std::to_string(expected) + ")");
  }
  const std::int64_t moments = shape.batch * shape.kv_heads * shape.dim;
  const std::int64_t bad =
      detail::first_bad(space, moments, detail::IsBadMoment{copy.mean.data(), copy.deviation.data()});
  if (bad < moments) {
    const std::int64_t row = bad / shape.dim;
    detail::reject("mean or deviation(" + std::to_string(row / shape.kv_heads) + ", " +
                       std::to_string(row % shape.kv_heads) + ", " + std::to_string(bad % shape.dim) + ")",
                   "not finite", "a finite number");
  }
}

}  // namespace santa
