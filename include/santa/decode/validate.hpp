// The check of what lies in device memory.
#pragma once

#include <santa/cache/feature_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/check.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {

/// Checks the lengths of a cache, which lie in device memory: each from 0 to the storage length. Fences `space`.
/// Errors: std::invalid_argument naming the first bad request.
template <class Space, class Cache>
void validate(const Space& space, const Cache& cache) {
  if (!cache.has_lengths()) return;
  const Shape shape = cache.shape();
  const detail::Lengths lengths = cache.length_data();
  std::int64_t bad = shape.batch;
  Kokkos::parallel_reduce(
      "santa::validate", Kokkos::RangePolicy<Space>(space, 0, shape.batch),
      KOKKOS_LAMBDA(const std::int64_t batch, std::int64_t& first) {
        const std::int64_t length = lengths.get(batch, shape.length);
        if ((length < 0 || length > shape.length) && batch < first) first = batch;
      },
      Kokkos::Min<std::int64_t>(bad));
  space.fence("santa::validate");
  if (bad >= shape.batch) return;
  const auto row = Kokkos::subview(cache.lengths(), static_cast<std::size_t>(bad));
  typename Cache::length_view::non_const_value_type given{};
  Kokkos::deep_copy(given, row);
  detail::reject("lengths(" + std::to_string(bad) + ")", std::to_string(given),
                 "0 to the storage length (" + std::to_string(shape.length) + ")");
}

namespace detail {

/// The first of the valid scales that is no positive finite number, in the order of [batch, kv_heads, length].
template <class Addresses>
struct BadScale {
  Addresses addresses;
  Lengths lengths;
  Shape shape;

  KOKKOS_FUNCTION void operator()(const std::int64_t i, std::int64_t& first) const {
    const std::int64_t row = i / shape.length;
    const std::int64_t key = i % shape.length;
    const auto scale = static_cast<float>(addresses.scored(row / shape.kv_heads, row % shape.kv_heads).scale[key]);
    const bool good = scale > 0.F && scale < Kokkos::Experimental::infinity_v<float>;
    if (!good && key < lengths.get(row / shape.kv_heads, shape.length) && i < first) first = i;
  }
};

}  // namespace detail

/// The same for a cache with narrow keys, and their scales: all positive and finite. A NaN is what the row of a key
/// that is not finite gets. Fences `space`. Errors: std::invalid_argument naming the first bad request or scale.
template <class Space, class Full, class Narrow, Rescore rescore>
void validate(const Space& space, const NarrowCache<Full, Narrow, rescore>& cache) {
  validate(space, cache.full());
  const Shape shape = cache.shape();
  const auto addresses = cache.addresses();
  const std::int64_t scales = shape.batch * shape.kv_heads * shape.length;
  std::int64_t bad = scales;
  Kokkos::parallel_reduce("santa::validate", Kokkos::RangePolicy<Space>(space, 0, scales),
                          detail::BadScale<decltype(addresses)>{addresses, cache.length_data(), shape},
                          Kokkos::Min<std::int64_t>(bad));
  space.fence("santa::validate");
  if (bad >= scales) return;
  const auto at = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const std::int64_t row = bad / shape.length;
  const std::int64_t batch = row / shape.kv_heads, head = row % shape.kv_heads, key = bad % shape.length;
  bfloat16 given;
  Kokkos::deep_copy(given, Kokkos::subview(cache.narrow().scales, at(batch), at(head), at(key)));
  detail::reject("scales(" + std::to_string(batch) + ", " + std::to_string(head) + ", " + std::to_string(key) + ")",
                 std::to_string(static_cast<float>(given)), "a positive finite number");
}

namespace detail {

/// The first request whose copy has another number of keys than the cache.
template <class Keys>
struct BadCopyLength {
  Lengths lengths;
  Shape shape;
  Keys copy;

  KOKKOS_FUNCTION void operator()(const std::int64_t batch, std::int64_t& first) const {
    if (copy(static_cast<std::size_t>(batch)) != lengths.get(batch, shape.length) && batch < first) first = batch;
  }
};

/// The first mean or deviation of a feature that is no finite number, in the order of [batch, kv_heads, dim].
struct BadMoment {
  const float* mean;
  const float* deviation;

  KOKKOS_FUNCTION void operator()(const std::int64_t i, std::int64_t& first) const {
    const auto finite = [](float x) { return Kokkos::fabs(x) < Kokkos::Experimental::infinity_v<float>; };
    if (!(finite(mean[i]) && finite(deviation[i])) && i < first) first = i;
  }
};

}  // namespace detail

/// The same for a cache with feature-major keys: their number, request by request, must be the cache's, and what is
/// known of each feature a finite number, which it is not where a key isn't. Fences `space`. Errors:
/// std::invalid_argument naming the first request or feature.
template <class Space, class Full, class Keys, class Choice, Rescore rescore>
void validate(const Space& space, const FeatureCache<Full, Keys, Choice, rescore>& cache) {
  validate(space, cache.full());
  const Shape shape = cache.shape();
  const Keys& copy = cache.feature_keys();
  const auto find = [&](std::int64_t count, const auto& kernel) {
    std::int64_t bad = count;
    Kokkos::parallel_reduce("santa::validate", Kokkos::RangePolicy<Space>(space, 0, count), kernel,
                            Kokkos::Min<std::int64_t>(bad));
    space.fence("santa::validate");
    return bad;
  };
  const std::int64_t late =
      find(shape.batch, detail::BadCopyLength<decltype(copy.lengths)>{cache.length_data(), shape, copy.lengths});
  if (late < shape.batch) {
    std::int64_t given = 0;
    Kokkos::deep_copy(given, Kokkos::subview(copy.lengths, static_cast<std::size_t>(late)));
    std::int64_t expected = shape.length;
    if (cache.has_lengths()) {
      typename Full::length_view::non_const_value_type length{};
      Kokkos::deep_copy(length, Kokkos::subview(cache.lengths(), static_cast<std::size_t>(late)));
      expected = length;
    }
    detail::reject("feature-major keys' lengths(" + std::to_string(late) + ")", std::to_string(given),
                   "that of the full cache (" + std::to_string(expected) + ")");
  }
  const std::int64_t moments = shape.batch * shape.kv_heads * shape.dim;
  const std::int64_t bad = find(moments, detail::BadMoment{copy.mean.data(), copy.deviation.data()});
  if (bad < moments) {
    const std::int64_t row = bad / shape.dim;
    detail::reject("mean or deviation(" + std::to_string(row / shape.kv_heads) + ", " +
                       std::to_string(row % shape.kv_heads) + ", " + std::to_string(bad % shape.dim) + ")",
                   "not finite", "a finite number");
  }
}

}  // namespace santa
