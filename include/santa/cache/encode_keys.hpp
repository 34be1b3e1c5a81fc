// Making narrow keys: what a cache's keys have in common, and their codes.
#pragma once

#include <santa/cache/channel_moments.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/narrow.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/launchable.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// How many spreads a feature lies from the center: of a finite key a finite number, at most the largest there is; NaN
/// of others, and where there is no spread, before `calibrate`.
KOKKOS_INLINE_FUNCTION float spreads_from_center(float feature, float center, float spread) {
  const bool finite = is_finite(feature) && is_finite(center) && spread > 0.F;
  return finite ? saturated(saturated(feature - center) / spread) : Kokkos::Experimental::quiet_NaN_v<float>;
}

/// Codes of one row, and its scale: the smallest bfloat16 at which its farthest feature has a code, 1 for a row of
/// zeros. A row with a feature that is no finite number gets the scale NaN, so that its score is NaN, and codes of 0.
template <class T, class Key>
KOKKOS_FUNCTION bfloat16 encode_row(const Key* key, const float* center, const float* spread, int dim, T* codes) {
  using Traits = NarrowTraits<T>;
  const auto distance = [&](int d) { return spreads_from_center(static_cast<float>(key[d]), center[d], spread[d]); };
  float largest = 0.F;
  bool finite = true;
  for (int d = 0; d < dim; ++d) {
    const float x = Kokkos::fabs(distance(d));
    finite = finite && x >= 0.F;
    largest = x > largest ? x : largest;
  }
  bfloat16 scale(largest / Traits::largest);
  if (static_cast<float>(scale) < largest / Traits::largest) ++scale.bits;  // rounded down
  if (!(static_cast<float>(scale) > 0.F)) scale = bfloat16(1.F);
  if (!finite) scale = bfloat16(Kokkos::Experimental::quiet_NaN_v<float>);
  for (int d = 0; d < dim; d += Traits::features) {
    float x[Traits::features];
    // Not by spread times scale, which may underflow.
    for (int k = 0; k < Traits::features; ++k) x[k] = finite ? distance(d + k) / static_cast<float>(scale) : 0.F;
    codes[d / Traits::features] = Traits::encode(x);
  }
  return scale;
}

/// Writes what stands for a key in the place of a row.
template <class T, class Key>
KOKKOS_FUNCTION void encode_key(const NarrowRows<T>& rows, std::int64_t row, const Key* key, int dim) {
  const_cast<bfloat16*>(rows.scale)[row] = encode_row(key, rows.center, rows.spread, dim, const_cast<T*>(rows[row]));
}
template <PieceRows Rows, class Key>
KOKKOS_FUNCTION void encode_key(const Rows& rows, std::int64_t row, const Key* key, int dim) {
  float features[max_dim];
  for (int d = 0; d < dim; ++d) features[d] = static_cast<float>(key[d]);
  rows.encode(row, features);
}
/// In a copy of a pool: of a row that has a slot.
template <class Rows, class Key>
KOKKOS_FUNCTION void encode_key(const PooledRows<Rows>& rows, std::int64_t row, const Key* key, int dim) {
  if (rows.slots.has(row)) encode_key(static_cast<const Rows&>(rows), rows.slots.slot(row), key, dim);
}

/// Encodes rows [begin, begin + count) of each (batch, kv head), counted from the end of the valid keys where
/// `from_end`.
template <class Addresses>
struct EncodeKernel {
  Addresses addresses;  // of the narrow cache
  Lengths lengths;
  Shape shape;
  std::int64_t begin, count;
  bool from_end;

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t head = i % shape.kv_heads;
    const std::int64_t batch = i / shape.kv_heads / count;
    const std::int64_t given = lengths.get(batch, shape.length);
    const std::int64_t row = i / shape.kv_heads % count + (from_end ? given - count : begin);
    if (row < 0 || row >= shape.length || (from_end && given > shape.length)) return;
    encode_key(addresses.scored(batch, head), row, addresses.keys(batch, head)[row], static_cast<int>(shape.dim));
  }
};

template <class Space, class Full, class Narrow>
void encode(const Space& space, const Full& full, const Narrow& narrow, std::int64_t begin, std::int64_t count,
            bool from_end) {
  const NarrowCache cache{full, narrow};
  const Shape shape = cache.shape();
  require(begin >= 0 && begin <= shape.length, "first", begin,
          "0 to the length (" + std::to_string(shape.length) + ")");
  require(count >= 0 && count <= shape.length - begin, "count", count,
          "0 to the rest of the length (" + std::to_string(shape.length - begin) + ")");
  lanes::require_launchable(space);
  const auto addresses = cache.addresses();
  Kokkos::parallel_for(
      "santa::encode_keys", Range<Space>(space, 0, shape.batch * count * shape.kv_heads),
      EncodeKernel<decltype(addresses)>{addresses, cache.length_data(), shape, begin, count, from_end});
}

}  // namespace detail::inline SANTA_BUILD

/// Finds what the keys of each (batch, kv head) have in common, for narrow keys yet to be encoded: writes `center`, the
/// mean of the valid keys, and `spread`, the root of their mean square deviation, feature by feature. Of a PagedCache,
/// of each kv head: all requests share the copy of its pool. (A page that several of them share counts as often.)
/// Requires: narrow keys of the cache's shape. Does not fence. Bytes: all keys, 32 of each of their sectors at a time.
/// When keys drift away from the center afterwards (another topic), new rows get larger scales, hence coarser codes;
/// nothing breaks, and what it costs shows in Statistics::effective_sample_size of a rescored cache. Then calibrate and
/// encode all keys anew.
/// Errors:   std::invalid_argument: name, given, accepted.
template <class Space, class Full, class T, class MemorySpace, class Build = lanes::Build>
void calibrate(const Space& space, const Full& full, const NarrowKeys<T, MemorySpace>& narrow) {
  const NarrowCache cache{full, narrow};
  const Shape shape = cache.shape();
  const bool together = narrow.center.extent(0) == 1;
  detail::find_channel_moments(space, full, shape, 1.F, narrow.center.data(), narrow.spread.data(), together);
}

/// Encodes keys [first, first + count) of every request; with `calibrate` before, that is how a cache is filled. Rows
/// beyond a request's length are encoded too, but for those in pages: they may be anything. Codes of finite keys are
/// finite numbers: what lies beyond the largest becomes it. A key that is not finite becomes a row whose score is NaN.
/// Does not fence. `narrow` is any narrow copy whose rows can be written: those of PieceRows by `encode(row, key)`,
/// given a key's features as float. Bytes: the keys read, the codes written. Errors: std::invalid_argument: name,
/// given, accepted.
template <class Space, class Full, class Narrow, class Build = lanes::Build>
void encode_keys(const Space& space, const Full& full, const Narrow& narrow, std::int64_t first, std::int64_t count) {
  detail::encode(space, full, narrow, first, count, false);
}
/// All keys.
template <class Space, class Full, class Narrow, class Build = lanes::Build>
void encode_keys(const Space& space, const Full& full, const Narrow& narrow) {
  detail::encode(space, full, narrow, 0, full.shape().length, false);
}

/// Encodes the last `count` valid keys of every request, where the lengths lie in device memory: for the tokens that a
/// decode step has just appended. No other row is touched. Does not fence.
template <class Space, class Full, class Narrow, class Build = lanes::Build>
void encode_newest_keys(const Space& space, const Full& full, const Narrow& narrow, std::int64_t count = 1) {
  detail::encode(space, full, narrow, 0, count, true);
}

}  // namespace santa
