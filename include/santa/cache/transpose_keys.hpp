// Making feature-major keys, and keeping them in step with a cache that grows.
#pragma once

#include <santa/cache/channel_moments.hpp>
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/new_tokens.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// What converters check of a cache and its copy; gives their shape.
template <class Full, class Keys>
Shape check_copy(const Full& full, const Keys& keys) {
  struct AnyChoice {
    void check() const {}
  };
  return FeatureCache<Full, Keys, AnyChoice>(full, keys, {}).shape();
}

/// Where a copy's rows lie.
template <class T>
struct FeatureTarget {
  T* data;
  std::int64_t stride[3] = {};  // batch, head, feature
  std::int64_t* lengths;        // [batch]

  template <class Keys>
  explicit FeatureTarget(const Keys& keys) : data(keys.keys.data()), lengths(keys.lengths.data()) {
    for (std::size_t i = 0; i < 3; ++i) stride[i] = static_cast<std::int64_t>(keys.keys.stride(i));
  }
  KOKKOS_FUNCTION T& operator()(std::int64_t batch, std::int64_t head, std::int64_t feature, std::int64_t key) const {
    return data[batch * stride[0] + head * stride[1] + feature * stride[2] + key];
  }
};

/// One valid key of each (batch, kv head), feature by feature.
template <class Addresses, class T>
struct TransposeKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  FeatureTarget<T> target;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t key = i % shape.length;
    const std::int64_t head = i / shape.length % shape.kv_heads;
    const std::int64_t batch = i / shape.length / shape.kv_heads;
    const std::int64_t given = lengths.get(batch, shape.length);
    if (head == 0 && key == 0) target.lengths[batch] = given;
    if (key >= given) return;
    const T* const row = addresses.keys(batch, head)[key];
    for (std::int64_t d = 0; d < shape.dim; ++d) target(batch, head, d, key) = row[d];
  }
};

/// Keys of a request that its copy of `known` is to get, in the place of those that it has from `begin` on.
struct NewKeys {
  std::int64_t known, begin, end;

  [[nodiscard]] KOKKOS_FUNCTION bool none() const { return begin >= end && begin == known; }
};
/// Those that the request has and its copy lacks: at most `most` of them, else none.
struct LackedKeys {
  std::int64_t most;

  KOKKOS_FUNCTION NewKeys operator()(std::int64_t known, std::int64_t batch, const Lengths& lengths,
                                     std::int64_t storage) const {
    const std::int64_t end = lengths.get(batch, storage);
    const bool can_be = end == lengths.clamped(batch, storage) && known >= 0 && end - known <= most;
    return {known, known, can_be ? end : known};
  }
};
/// Those of the new tokens, whatever a copy has in their place: tokens that were rejected. None where it lacks others.
struct TokenKeys {
  NewTokens tokens;

  KOKKOS_FUNCTION NewKeys operator()(std::int64_t known, std::int64_t batch, const Lengths& lengths,
                                     std::int64_t storage) const {
    const std::int64_t end = lengths.get(batch, storage);
    const std::int64_t count = tokens.count_of(batch);
    const bool can_be = end == lengths.clamped(batch, storage) && count >= 0 && count <= end;
    if (!can_be || known < end - count || known > storage) return {known, known, known};
    return {known, end - count, end};
  }
};

/// One feature of the new keys of a (batch, kv head): keys that go leave the moments before others come in. Source for
/// moments: Welford, Technometrics 4 (1962).
template <class Addresses, class T, class Which>
struct AppendKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  FeatureTarget<T> target;
  Which which;
  float* mean;  // [batch, kv_heads, dim] without gaps
  float* deviation;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t feature = i % shape.dim;
    const std::int64_t head = i / shape.dim % shape.kv_heads;
    const std::int64_t batch = i / shape.dim / shape.kv_heads;
    const NewKeys fresh = which(target.lengths[batch], batch, lengths, shape.length);
    if (fresh.none()) return;
    const auto keys = addresses.keys(batch, head);
    auto average = static_cast<double>(mean[i]);
    double squares =
        static_cast<double>(deviation[i]) * static_cast<double>(deviation[i]) * static_cast<double>(fresh.known);
    for (std::int64_t key = fresh.known; key-- > fresh.begin;) {  // which leaves `key` of them
      const auto x = static_cast<double>(static_cast<float>(target(batch, head, feature, key)));
      const double distance = x - average;
      average = key > 0 ? average - distance / static_cast<double>(key) : 0.;
      squares = key > 0 ? squares - distance * (x - average) : 0.;
    }
    for (std::int64_t key = fresh.begin; key < fresh.end; ++key) {
      const T x = keys[key][feature];
      target(batch, head, feature, key) = x;
      const double distance = static_cast<double>(static_cast<float>(x)) - average;
      average += distance / static_cast<double>(key + 1);
      squares += distance * (static_cast<double>(static_cast<float>(x)) - average);
    }
    const double square = fresh.end > 0 ? squares / static_cast<double>(fresh.end) : 0.;
    mean[i] = static_cast<float>(average);
    deviation[i] = static_cast<float>(Kokkos::sqrt(square < 0. ? 0. : square));
  }
};

/// Notes that a request's copy has its new keys.
template <class T, class Which>
struct NoteLengths {
  Lengths lengths;
  Shape shape;
  FeatureTarget<T> target;
  Which which;

  KOKKOS_FUNCTION void operator()(const std::int64_t batch) const {
    const NewKeys fresh = which(target.lengths[batch], batch, lengths, shape.length);
    if (!fresh.none()) target.lengths[batch] = fresh.end;
  }
};

/// Brings a copy of a shape that was checked in step by new keys of each request.
template <class Space, class Full, class Keys, class Which>
void append_new_keys(const Space& space, const Full& full, const Keys& copy, const Shape& shape, const Which& which) {
  using T = typename Keys::Element;
  const auto addresses = full.addresses();
  const FeatureTarget<T> target(copy);
  Kokkos::parallel_for(
      "santa::append_keys", Range<Space>(space, 0, shape.batch * shape.kv_heads * shape.dim),
      AppendKernel<std::remove_const_t<decltype(addresses)>, T, Which>{addresses, full.length_data(), shape, target,
                                                                       which, copy.mean.data(), copy.deviation.data()});
  Kokkos::parallel_for("santa::note_lengths", Range<Space>(space, 0, shape.batch),
                       NoteLengths<T, Which>{full.length_data(), shape, target, which});
}

}  // namespace detail::inline SANTA_BUILD

/// Makes the copy: all valid keys of every request, their mean and deviation, their number. Does not fence.
/// Bytes:    the keys read three times, written once. Errors: std::invalid_argument: name, given, accepted.
template <class Space, class Full, class Keys, class Build = lanes::Build>
void transpose_keys(const Space& space, const Full& full, const Keys& copy) {
  using T = typename Keys::Element;
  const Shape shape = detail::check_copy(full, copy);
  const auto addresses = full.addresses();
  detail::find_channel_moments(space, full, shape, 0.F, copy.mean.data(), copy.deviation.data());
  Kokkos::parallel_for("santa::transpose_keys",
                       detail::Range<Space>(space, 0, shape.batch * shape.kv_heads * shape.length),
                       detail::TransposeKernel<decltype(addresses), T>{addresses, full.length_data(), shape,
                                                                       detail::FeatureTarget<T>(copy)});
}

/// Brings a copy in step with a cache that has grown, for the tokens that a decode step has just appended: the keys of
/// each request from the copy's length to the cache's, at most `most` of them. No other key is touched; mean and
/// deviation follow. A request with more new keys, or fewer keys than its copy, is left as it is: transpose anew. So
/// are keys that took the place of rejected ones, which this can't know: `append` to a FeatureCache does.
/// Does not fence. Errors: std::invalid_argument: name, given, accepted.
template <class Space, class Full, class Keys, class Build = lanes::Build>
void append_keys(const Space& space, const Full& full, const Keys& copy, std::int64_t most = 1) {
  const Shape shape = detail::check_copy(full, copy);
  detail::require(most >= 0, "most", most, "0 or more");
  lanes::require_launchable(space);
  detail::append_new_keys(space, full, copy, shape, detail::LackedKeys{most});
}

}  // namespace santa
