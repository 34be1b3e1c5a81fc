// Making feature-major keys, and keeping them in step with a cache that grows.
#pragma once

#include <santa/cache/channel_moments.hpp>
#include <santa/cache/feature_keys.hpp>
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

/// The keys that a request has and its copy lacks: at most `most` of them, else none.
struct NewKeys {
  std::int64_t begin, end;

  template <class T>
  KOKKOS_FUNCTION NewKeys(const FeatureTarget<T>& target, const Lengths& lengths, const Shape& shape,
                          std::int64_t batch, std::int64_t most)
      : begin(target.lengths[batch]), end(lengths.get(batch, shape.length)) {
    if (begin < 0 || end > shape.length || end - begin > most) end = begin;
  }
};

/// One feature of the new keys of a (batch, kv head). Source for moments: Welford, Technometrics 4 (1962).
template <class Addresses, class T>
struct AppendKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  FeatureTarget<T> target;
  std::int64_t most;
  float* mean;  // [batch, kv_heads, dim] without gaps
  float* deviation;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t feature = i % shape.dim;
    const std::int64_t head = i / shape.dim % shape.kv_heads;
    const std::int64_t batch = i / shape.dim / shape.kv_heads;
    const NewKeys fresh(target, lengths, shape, batch, most);
    const auto keys = addresses.keys(batch, head);
    auto average = static_cast<double>(mean[i]);
    double squares =
        static_cast<double>(deviation[i]) * static_cast<double>(deviation[i]) * static_cast<double>(fresh.begin);
    for (std::int64_t key = fresh.begin; key < fresh.end; ++key) {
      const T x = keys[key][feature];
      target(batch, head, feature, key) = x;
      const double distance = static_cast<double>(static_cast<float>(x)) - average;
      average += distance / static_cast<double>(key + 1);
      squares += distance * (static_cast<double>(static_cast<float>(x)) - average);
    }
    if (fresh.begin >= fresh.end) return;
    mean[i] = static_cast<float>(average);
    deviation[i] = static_cast<float>(Kokkos::sqrt(squares / static_cast<double>(fresh.end)));
  }
};

/// Notes that a request's copy has its new keys.
template <class T>
struct NoteLengths {
  Lengths lengths;
  Shape shape;
  FeatureTarget<T> target;
  std::int64_t most;

  KOKKOS_FUNCTION void operator()(const std::int64_t batch) const {
    const NewKeys fresh(target, lengths, shape, batch, most);
    if (fresh.begin < fresh.end) target.lengths[batch] = fresh.end;
  }
};

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
/// deviation follow. A request with more new keys, or fewer keys than its copy, is left as it is: transpose anew.
/// Does not fence. Errors: std::invalid_argument: name, given, accepted.
template <class Space, class Full, class Keys, class Build = lanes::Build>
void append_keys(const Space& space, const Full& full, const Keys& copy, std::int64_t most = 1) {
  using T = typename Keys::Element;
  const Shape shape = detail::check_copy(full, copy);
  detail::require(most >= 0, "most", most, "0 or more");
  lanes::require_launchable(space);
  const auto addresses = full.addresses();
  const detail::FeatureTarget<T> target(copy);
  Kokkos::parallel_for("santa::append_keys", detail::Range<Space>(space, 0, shape.batch * shape.kv_heads * shape.dim),
                       detail::AppendKernel<decltype(addresses), T>{addresses, full.length_data(), shape, target, most,
                                                                    copy.mean.data(), copy.deviation.data()});
  Kokkos::parallel_for("santa::note_lengths", detail::Range<Space>(space, 0, shape.batch),
                       detail::NoteLengths<T>{full.length_data(), shape, target, most});
}

}  // namespace santa
