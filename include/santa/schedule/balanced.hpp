// Units of which each request has as many as its own length says.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/balance.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

// How keys are cut is noted for each request by fill_balance.hpp, and read here. What a unit has is right whatever is
// noted: of lengths that have changed since, the first split has all that lies before the second, and the last the
// rest.
namespace santa::detail::inline SANTA_BUILD {

KOKKOS_INLINE_FUNCTION bool is_balanced(const Arguments& a) { return a.balanced; }

KOKKOS_INLINE_FUNCTION std::int64_t all_splits(const Balance& balance, std::int32_t batch) {
  return balance.requests[batch].before;
}

/// Requests whose states a kernel of their own merges.
KOKKOS_INLINE_FUNCTION std::int32_t requests_apart(const Balance& balance, std::int32_t batch) {
  return balance.requests[batch].count;
}

/// Notes the keys of a unit whose length and start are known.
KOKKOS_INLINE_FUNCTION void take_balanced_keys(const RequestSplits& splits, Unit& unit) {
  const std::int64_t keys = std::int64_t{splits.steps} * split_keys;
  const std::int64_t begin = std::int64_t{splits.origin} * split_keys + unit.split * keys;
  const std::int64_t first_tile = unit.start / tile_keys * tile_keys;
  unit.begin = unit.split > 0 && begin > first_tile ? begin : first_tile;
  unit.end = unit.split + 1 < splits.count && begin + keys < unit.length ? begin + keys : unit.length;
  if (unit.start >= unit.length) unit.end = unit.begin;
}

}  // namespace santa::detail::inline SANTA_BUILD
