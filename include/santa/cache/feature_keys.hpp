// A feature-major copy of a cache's keys, of which scores read some features.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/build.hpp>
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

/// Keys feature by feature: a step that uses some features of its queries reads those rows alone. Beside them, how many
/// keys of a request are filled, and mean and deviation of these, by which policies choose features.
/// Layout:   keys [batch, kv_heads, dim, capacity], last extent contiguous, capacity the cache's length or more; mean
///           and deviation (root mean square, from the mean) [batch, kv_heads, dim], without gaps; lengths [batch].
///           Rows at multiples of 16 bytes are fastest.
/// Made by:  `transpose_keys`, and `append_keys` when the cache has grown (cache/transpose_keys.hpp).
template <Element T, class MemorySpace>
struct FeatureKeys {
  using Element = storage_t<T>;
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutRight, MemorySpace>;

  View<Element****> keys;
  View<float***> mean;
  View<float***> deviation;
  View<std::int64_t*> lengths;

  FeatureKeys() = default;
  /// Allocates for `shape` (heads is not looked at); no keys are filled. Rows are an odd number of 64 keys apart, so
  /// that their pieces of the same keys don't fall in the same sets of a cache. Errors: std::invalid_argument for an
  /// odd shape.
  template <class Space>
  FeatureKeys(const Space& space, const Shape& shape) {
    detail::check_shape({shape.batch, shape.kv_heads, shape.kv_heads, shape.length, shape.dim});
    const auto fill = [&]<class Any>(Any& view, const char* label, auto... extents) {
      view = detail::allocate<Any>(space, label, shape.batch, extents...);
    };
    const std::int64_t capacity = ((shape.length + 63) / 64 | 1) * 64;
    fill(keys, "santa::feature_keys::keys", shape.kv_heads, shape.dim, capacity);
    fill(mean, "santa::feature_keys::mean", shape.kv_heads, shape.dim);
    fill(deviation, "santa::feature_keys::deviation", shape.kv_heads, shape.dim);
    fill(lengths, "santa::feature_keys::lengths");
  }

  /// Extents, checked to fit each other; `heads` is kv_heads, `length` the capacity.
  [[nodiscard]] Shape shape() const {
    _kept.require("feature-major keys");
    const auto extent = [](const auto& view, int i) {
      return static_cast<std::int64_t>(view.extent(static_cast<std::size_t>(i)));
    };
    const Shape shape{extent(keys, 0), extent(keys, 1), extent(keys, 1), extent(keys, 3), extent(keys, 2)};
    detail::require_rows("keys", keys);
    const std::int64_t expected[3] = {shape.batch, shape.kv_heads, shape.dim};
    const auto check = [&](const auto& view, const std::string& name, int rank) {
      for (int i = 0; i < rank; ++i)
        detail::require(extent(view, i) == expected[i], name + ".extent(" + std::to_string(i) + ")", extent(view, i),
                        "that of keys (" + std::to_string(expected[i]) + ")");
      detail::require_no_gaps(detail::array_of(name, view));
    };
    check(mean, "mean", 3);
    check(deviation, "deviation", 3);
    check(lengths, "lengths of feature-major keys", 1);
    return shape;
  }

 private:
  detail::Kept _kept;
};

namespace detail::inline SANTA_BUILD {

/// Feature-major keys of one (batch, kv head): [key] is where the first feature of a key lies, the next is `stride`
/// further.
template <class T>
struct FeatureRows {
  const T* base;
  std::int64_t stride;
  const float* mean;       // [dim]
  const float* deviation;  // [dim]

  KOKKOS_FUNCTION const T* operator[](std::int64_t key) const { return base + key; }
};

/// As kernels see it: the full cache, and feature-major keys in the place of its keys.
template <class Full, class Policy, bool rescore>
struct FeatureAddresses : Full {
  using T = typename Full::Element;
  using ScoredElement = FeatureMajor<T>;
  static constexpr bool rescored = rescore;

  Policy choice;
  const T* feature_data;
  const float* mean_data;
  const float* deviation_data;
  std::int64_t feature_stride[3];  // batch, head, feature
  std::int64_t channel_stride[2];  // batch, head: of mean and deviation
  bool whole_pieces;               // the capacity is a number of 16-byte pieces

  [[nodiscard]] bool aligned() const {
    auto bits = reinterpret_cast<std::uintptr_t>(feature_data);
    for (const std::int64_t stride : feature_stride) bits |= static_cast<std::uintptr_t>(stride) * sizeof(T);
    const bool narrow_rows = feature_stride[2] * static_cast<std::int64_t>(sizeof(T)) < std::int64_t{1} << 32;
    return bits % 16 == 0 && narrow_rows && whole_pieces && Full::aligned();
  }

  [[nodiscard]] KOKKOS_FUNCTION FeatureRows<T> scored(std::int64_t batch, std::int64_t head) const {
    const std::int64_t channel = batch * channel_stride[0] + head * channel_stride[1];
    return {feature_data + batch * feature_stride[0] + head * feature_stride[1], feature_stride[2], mean_data + channel,
            deviation_data + channel};
  }
};

}  // namespace detail::inline SANTA_BUILD

/// A cache whose scores are made from some features of the keys, which `Choice` chooses by the queries of each step:
/// Bernoulli, SystematicFeatures, TopFeatures, or a policy of one's own. For any method; with Rescore::drawn_rows the
/// weights of drawn rows are made right by their full keys, as in NarrowCache.
/// Bytes:    the chosen features' rows; value rows as the method reads them; with rescoring as many full key rows.
/// Requires: a copy that is in step with the cache: `validate` looks.
/// Errors:   std::invalid_argument from `shape`: a copy of another shape, a capacity below the cache's length, a policy
///           that can't be.
template <class FullCache, class Keys, class Choice, Rescore rescore = Rescore::none>
class FeatureCache {
  static_assert(
      detail::has_copies<typename FullCache::Addresses>,
      "santa::FeatureCache: keys and values with scales or of one byte have no feature-major copies: they are "
      "read as they are");
  static_assert(std::same_as<typename FullCache::Addresses::Element, typename Keys::Element>,
                "santa::FeatureCache: feature-major keys must have the element type of the cache");

 public:
  using key_view = typename FullCache::key_view;
  using value_view = typename FullCache::value_view;
  using length_view = typename FullCache::length_view;
  using Addresses = detail::FeatureAddresses<typename FullCache::Addresses, Choice, rescore == Rescore::drawn_rows>;

  FeatureCache(FullCache full, Keys keys, const Choice& choice)
      : _full(std::move(full)), _keys(std::move(keys)), _choice(choice) {}

  [[nodiscard]] const length_view& lengths() const { return _full.lengths(); }
  [[nodiscard]] bool has_lengths() const { return _full.has_lengths(); }
  [[nodiscard]] detail::Lengths length_data() const { return _full.length_data(); }
  [[nodiscard]] const FullCache& full() const { return _full; }
  [[nodiscard]] const Keys& feature_keys() const { return _keys; }
  [[nodiscard]] const Choice& choice() const { return _choice; }

  [[nodiscard]] Shape shape() const {
    _choice.check();
    const Shape full = _full.shape();
    detail::check_shape(full);
    const Shape copy = _keys.shape();
    const auto check = [](bool good, const char* name, std::int64_t given, std::int64_t expected, const char* more) {
      detail::require(good, std::string("feature-major keys' ") + name, given,
                      "that of the full cache (" + std::to_string(expected) + ")" + more);
    };
    check(copy.batch == full.batch, "batch", copy.batch, full.batch, "");
    check(copy.kv_heads == full.kv_heads, "kv_heads", copy.kv_heads, full.kv_heads, "");
    check(copy.dim == full.dim, "dim", copy.dim, full.dim, "");
    check(copy.length >= full.length, "length", copy.length, full.length, " or more");
    return full;
  }

  template <class Build = lanes::Build>
  [[nodiscard]] Addresses addresses() const {
    Addresses result{_full.addresses(),
                     _choice,
                     _keys.keys.data(),
                     _keys.mean.data(),
                     _keys.deviation.data(),
                     {},
                     {},
                     _keys.keys.extent(3) * sizeof(typename Keys::Element) % 16 == 0};
    for (std::size_t i = 0; i < 3; ++i) result.feature_stride[i] = static_cast<std::int64_t>(_keys.keys.stride(i));
    for (std::size_t i = 0; i < 2; ++i) result.channel_stride[i] = static_cast<std::int64_t>(_keys.mean.stride(i));
    return result;
  }

 private:
  FullCache _full;
  Keys _keys;
  Choice _choice;
};

/// The same cache with the drawn rows' scores from its full keys.
template <class FullCache, class Keys, class Choice, Rescore rescore>
[[nodiscard]] auto rescored(const FeatureCache<FullCache, Keys, Choice, rescore>& cache) {
  return FeatureCache<FullCache, Keys, Choice, Rescore::drawn_rows>(cache.full(), cache.feature_keys(), cache.choice());
}

}  // namespace santa
