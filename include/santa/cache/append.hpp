// Appending to a cache the tokens of a step, and keeping its copies in step.
#pragma once

#include <santa/cache/encode_keys.hpp>
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/cache/new_tokens.hpp>
#include <santa/cache/page_slots.hpp>
#include <santa/cache/page_table.hpp>
#include <santa/cache/row_scale.hpp>
#include <santa/cache/scales.hpp>
#include <santa/cache/transpose_keys.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {
namespace detail::inline SANTA_BUILD {

/// Eight features of a token's key, of its value, or of both, which are written where they belong.
template <class Addresses, class K, class V>
struct AppendTokensKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  NewTokens tokens;
  NewRows<K> keys;
  NewRows<V> values;
  bool wide;  // all rows begin at multiples of 16 bytes

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const RowDims dims = dims_of(shape);
    const std::int64_t pieces = dims.most() / 8;
    const int first = static_cast<int>(i % pieces * 8);
    const std::int64_t head = i / pieces % shape.kv_heads;
    const std::int64_t token = i / pieces / shape.kv_heads;
    const NewTokens::Place place = tokens.place(token, lengths, shape.length);
    const auto to_keys = addresses.keys(place.batch, head);
    if (place.row < 0 || !has_slot(to_keys, place.row)) return;
    copy(keys.row(token, tokens.each, head), first, dims.keys, to_keys[place.row],
         key_scales_of(addresses, place.batch, head), place.row);
    copy(values.row(token, tokens.each, head), first, dims.values, addresses.values(place.batch, head)[place.row],
         value_scales_of(addresses, place.batch, head), place.row);
  }

 private:
  /// Features from `first` on of a row of `dim`, divided by its scale. A scale of its own is made here: each thread
  /// finds it, the first one writes it.
  template <class From, class T, class Scales>
  KOKKOS_FUNCTION void copy(const From* from, int first, int dim, const T* place, const Scales& scales,
                            std::int64_t row) const {
    if (first >= dim) return;
    T* const to = const_cast<T*>(place) + first;
    if constexpr (std::is_same_v<From, T> && std::is_same_v<Scales, NoScale>)
      if (wide) {
        *reinterpret_cast<Eight<T>*>(to) = *reinterpret_cast<const Eight<T>*>(from + first);
        return;
      }
    if constexpr (std::is_same_v<Scales, NoScale>) {
      for (int d = 0; d < 8; ++d) to[d] = T(static_cast<float>(from[first + d]));
    } else {
      float scale;
      if constexpr (is_scale_a_row<Scales>) {
        scale = scale_for<T>(from, dim);
        if (first == 0) *const_cast<float*>(scales[row]) = scale;
      } else {
        scale = scales.scale;
      }
      for (int d = 0; d < 8; ++d) to[d] = T(static_cast<float>(from[first + d]) / scale);
    }
  }
};

/// Encodes the new tokens' keys.
template <class Addresses>
struct EncodeTokensKernel {
  Addresses addresses;  // of the narrow cache
  Lengths lengths;
  Shape shape;
  NewTokens tokens;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t head = i % shape.kv_heads;
    const NewTokens::Place place = tokens.place(i / shape.kv_heads, lengths, shape.length);
    const auto keys = addresses.keys(place.batch, head);
    if (place.row < 0 || !has_slot(keys, place.row)) return;
    encode_key(addresses.scored(place.batch, head), place.row, keys[place.row], static_cast<int>(shape.dim));
  }
};

template <class Space, class... Views>
inline constexpr bool is_reached_by = (Kokkos::SpaceAccessibility<Space, typename Views::memory_space>::accessible &&
                                       ...);

/// Checks what is appended, and notes the numbers of tokens.
template <class Space, class Cache, class Keys, class Values, class... Numbers>
NewTokens new_tokens(const Cache& cache, const Keys& keys, const Values& values, const Numbers&... numbers) {
  static_assert(
      is_new_rows<Keys> && is_new_rows<Values> && Keys::rank() == Values::rank(),
      "santa::append: keys and values must be Kokkos views [batch, kv_heads, dim], [all tokens, kv_heads, dim] "
      "or [batch, tokens, kv_heads, dim] of float, santa::half, santa::bfloat16 or an equivalent 2-byte type");
  static_assert((Kokkos::is_view_v<Numbers> && ...) && (is_list_of_int32<Numbers> && ...),
                "santa::append: numbers of tokens must be a Kokkos view of rank 1 that holds int32");
  static_assert(!std::is_const_v<typename Cache::key_view::value_type> &&
                    !std::is_const_v<typename Cache::value_view::value_type>,
                "santa::append: the cache's keys and values must not be const");
  static_assert(is_reached_by<Space, Keys, Values, typename Cache::key_view, typename Cache::value_view, Numbers...>,
                "santa::append: views must be accessible from the execution space");
  constexpr bool listed = sizeof...(Numbers) > 0 && Keys::rank() == 3;
  const Shape shape = cache.shape();
  check_shape(shape);
  if (cache.length_data().data == nullptr && shape.batch > 0) reject("lengths", "none", "a cache with lengths");
  NewTokens result = check_new_tokens(keys, values, shape, listed);
  [[maybe_unused]] const auto note = [&](const auto& given) {
    const char* const name = listed ? "indptr of new tokens" : "numbers of new tokens";
    require_extent(array_of(name, given), 0, shape.batch + (listed ? 1 : 0),
                   listed ? "one more than the batch of the cache" : "the batch of the cache");
    require_list(name, given);
    (listed ? result.indptr : result.counts) = given.data();
  };
  (note(numbers), ...);
  if (shape.batch == 0) result.all = 0;
  return result;
}

template <class Space, class Cache, class Keys, class Values>
void append_tokens(const Space& space, const Cache& cache, const NewTokens& tokens, const Keys& keys,
                   const Values& values) {
  using K = storage_t<typename Keys::value_type>;
  using V = storage_t<typename Values::value_type>;
  const auto addresses = cache.addresses();
  using Addresses = std::remove_const_t<decltype(addresses)>;
  const Shape shape = cache.shape();
  AppendTokensKernel<Addresses, K, V> kernel{addresses,        cache.length_data(), shape, tokens,
                                             NewRows<K>(keys), NewRows<V>(values),  false};
  auto bits = reinterpret_cast<std::uintptr_t>(kernel.keys.data) | reinterpret_cast<std::uintptr_t>(kernel.values.data);
  for (int i = 0; i < 3; ++i)
    bits |= static_cast<std::uintptr_t>(kernel.keys.stride[i]) * sizeof(K) |
            static_cast<std::uintptr_t>(kernel.values.stride[i]) * sizeof(V);
  kernel.wide = bits % 16 == 0 && addresses.aligned();
  Kokkos::parallel_for("santa::append",
                       Range<Space>(space, 0, tokens.all * shape.kv_heads * (dims_of(shape).most() / 8)), kernel);
}

}  // namespace detail::inline SANTA_BUILD

/// Writes the new tokens of all requests to a cache: ContiguousCache, PagedCache, or one of a user's own whose rows may
/// be written. The cache's lengths, and its table, are those that count the new tokens: these become the last rows of
/// their requests, so that lengths and table are brought up to date once a step, and every layer appends and decodes
/// with the same.
/// Shapes:   keys, values (of the cache's value_dim) [batch, kv_heads, dim], a token of each request; [batch, tokens,
/// kv_heads, dim], several, or
///           with `numbers` [batch] the first numbers(b) of request b; [all tokens, kv_heads, dim] with `numbers`
///           [batch + 1], tokens numbers(b) to numbers(b + 1) - 1 being those of request b. Any strides, but the last
///           extent is contiguous. Elements of any type are rounded to the cache's; numbers are int32, in the memory of
///           `space`.
/// Scales:   rows are divided by their scale, and saturate. A scale for each row (TokenScales) is written too: the
///           smallest by which the row's largest finite magnitude has an element (448 of e4m3, 127 of int8; 1 of wider
///           ones). NaN stays NaN; int8 has none: a row with NaN gets the scale NaN, or, where scales are given, an
///           element of 0.
/// Requires: tokens of different requests in different slots. Tokens whose request's length is below their number or
///           beyond the storage, or whose page is none of the pool, are not written; nothing else ever is. See
///           `validate`.
/// One kernel, no fence, no host copy: it may be captured. Bytes: the new rows, read and written.
/// Errors:   std::invalid_argument before anything is written: name, given, accepted.
template <class Space, class Cache, class Keys, class Values, class... Numbers>
  requires(sizeof...(Numbers) <= 1)
void append(const Space& space, const Cache& cache, const Keys& keys, const Values& values, const Numbers&... numbers) {
  lanes::require_launchable(space);
  const detail::NewTokens tokens = detail::new_tokens<Space>(cache, keys, values, numbers...);
  detail::append_tokens(space, cache, tokens, keys, values);
}

/// The same to a cache with a narrow copy, whose rows are encoded by another kernel: as `encode_keys` does.
template <class Space, class Full, class Narrow, Rescore rescore, class Keys, class Values, class... Numbers>
  requires(sizeof...(Numbers) <= 1)
void append(const Space& space, const NarrowCache<Full, Narrow, rescore>& cache, const Keys& keys, const Values& values,
            const Numbers&... numbers) {
  lanes::require_launchable(space);
  const detail::NewTokens tokens = detail::new_tokens<Space>(cache, keys, values, numbers...);
  const Shape shape = cache.shape();
  const auto addresses = cache.addresses();
  detail::append_tokens(space, cache.full(), tokens, keys, values);
  Kokkos::parallel_for("santa::encode_keys", detail::Range<Space>(space, 0, tokens.all * shape.kv_heads),
                       detail::EncodeTokensKernel<std::remove_const_t<decltype(addresses)>>{
                           addresses, cache.length_data(), shape, tokens});
}

/// The same to a cache with feature-major keys: a request's copy gets the keys of its new tokens, in the place of those
/// that it has there or beyond (of rejected tokens; mean and deviation follow but for rounding). One that lacks more
/// than its new tokens is left as it is.
template <class Space, class Full, class Copy, class Choice, Rescore rescore, class Keys, class Values,
          class... Numbers>
  requires(sizeof...(Numbers) <= 1)
void append(const Space& space, const FeatureCache<Full, Copy, Choice, rescore>& cache, const Keys& keys,
            const Values& values, const Numbers&... numbers) {
  const detail::NewTokens tokens = detail::new_tokens<Space>(cache, keys, values, numbers...);
  append(space, cache.full(), keys, values, numbers...);
  detail::append_new_keys(space, cache.full(), cache.feature_keys(), cache.shape(), detail::TokenKeys{tokens});
}

}  // namespace santa
