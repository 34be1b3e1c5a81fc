// The addresses of a shard's rows, by their numbers in the whole.
#pragma once

#include <santa/cache/contiguous.hpp>
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/low_rank_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/cache/paged.hpp>
#include <santa/cache/scales.hpp>
#include <santa/cache/sparse_keys.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>

#include <algorithm>
#include <concepts>
#include <cstdint>
#include <string>

// begin_at(addresses, first_row): from now on row first_row is what was row 0. Kernels name no row before it, so that
// nothing in front of the memory is looked at. Overloads are for the CacheAddresses that a shard may have; a type of a
// user's own has one found by argument-dependent lookup.
namespace santa::detail::inline SANTA_BUILD {

template <class K, class V>
void begin_at(ContiguousAddresses<K, V>& addresses, std::int64_t first_row) {
  addresses.key_data -= first_row * addresses.key_stride[1];
  addresses.value_data -= first_row * addresses.value_stride[1];
}

/// Errors: std::invalid_argument where a page would be cut, or rows have numbers of more than 31 bits: the table is
/// looked up by those.
template <class K, class V>
void begin_at(PagedAddresses<K, V>& addresses, std::int64_t first_row) {
  const std::int64_t page_size = addresses.page_size;
  require(first_row % page_size == 0, "first_row", first_row,
          "a multiple of the page size (" + std::to_string(page_size) + ")");
  const std::int64_t rows = std::min(addresses.table.most * page_size, most_counted);  // of a request, at most
  require(first_row <= most_counted - rows, "first_row", first_row,
          "one from which the table's " + std::to_string(rows) + " rows end before row 2^31 of the whole");
  addresses.first_page = static_cast<std::int32_t>(first_row / page_size);
}

template <class T>
void begin_at(CodeAddresses<T>& codes, std::int64_t first_row) {
  codes.code_data -= first_row * codes.code_stride[1];
  codes.scale_data -= first_row;
}
template <class T>
void begin_at(LowRankAddresses<T>& keys, std::int64_t first_row) {
  keys.numbers -= first_row * keys.stride[1];
}
inline void begin_at(SparseAddresses& keys, std::int64_t first_row) {
  keys.feature -= first_row * keys.stride[1];
  keys.value -= first_row * keys.stride[1];
}

// Scales; those of a pool are found by its slots.
template <class Scales>
void begin_scales_at(Scales& scales, std::int64_t first_row) {
  if constexpr (std::same_as<Scales, TokenScaleData>) scales.data -= first_row * scales.stride[1];
}
template <class Rows, class OfKeys, class OfValues>
void begin_at(ScaledAddresses<Rows, OfKeys, OfValues>& addresses, std::int64_t first_row) {
  begin_at(static_cast<Rows&>(addresses), first_row);
  if constexpr (requires { addresses.slots(0); }) return;
  begin_scales_at(addresses.of_keys, first_row);
  begin_scales_at(addresses.of_values, first_row);
}

/// Whether a copy's rows can be those of a shard; one of a pool has them by slots, which the table's pages say.
template <class Full, class Copy>
concept ShardedCopy = requires(Full& full, Copy& copy, std::int64_t first_row) {
  begin_at(full, first_row);
  requires requires { full.slots(0); } || requires {
    begin_at(copy, first_row);
  };
};
template <class Full, class Copy, bool rescore>
  requires ShardedCopy<Full, Copy>
void begin_at(NarrowAddresses<Full, Copy, rescore>& addresses, std::int64_t first_row) {
  begin_at(static_cast<Full&>(addresses), first_row);
  if constexpr (!requires { addresses.slots(0); }) begin_at(addresses.copy, first_row);
}
template <class Full, class Policy, bool rescore>
void begin_at(FeatureAddresses<Full, Policy, rescore>& addresses, std::int64_t first_row) {
  begin_at(static_cast<Full&>(addresses), first_row);
  addresses.feature_data -= first_row;
}

/// A cache's addresses as a run's kernels take them. Errors: std::invalid_argument for a shard of a cache that has no
/// begin_at.
template <class Cache>
auto addresses_of(const Cache& cache, const Arguments& a) {
  auto addresses = cache.addresses();
  if constexpr (requires { begin_at(addresses, std::int64_t{}); }) {
    if (a.sharded) begin_at(addresses, a.shard.first_row);
  } else {
    if (a.sharded) reject("the cache", "of a type without begin_at", "one that has it: cache/shard_addresses.hpp");
  }
  return addresses;
}

}  // namespace santa::detail::inline SANTA_BUILD
