// One unit of work.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// One unit of work: a split of the keys of one request, for the query heads of one slice of one kv head.
struct Unit {
  std::int32_t batch, split, kv_head, slice;
  std::int32_t first_head, heads;  // query heads, of all tokens: see TokenRows
  std::int64_t length;             // valid keys of the request
  std::int64_t start;              // first visible key
  std::int64_t begin, end;         // keys of this unit; empty where begin >= end

  /// The row of per-slice arrays: (batch, kv head, slice).
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t slice_row(const Arguments& a) const {
    return (static_cast<std::int64_t>(batch) * a.kv_heads + kv_head) * a.slices + slice;
  }
  /// The row of per-head arrays; of the last head for those beyond it.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t head_row(const Arguments& a, int head) const {
    return static_cast<std::int64_t>(batch) * a.heads + first_head + (head < heads ? head : heads - 1);
  }
  /// A head's token, and which of the query heads it is.
  [[nodiscard]] KOKKOS_FUNCTION TokenRows::Place place(const Arguments& a, int head) const {
    return a.token_rows.place(kv_head, first_head + head);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t visible() const { return length > start ? length - start : 0; }
};

}  // namespace santa::detail

namespace santa::detail::inline SANTA_BUILD {

KOKKOS_INLINE_FUNCTION StreamKey stream_key(const Arguments& a, const Unit& unit) { return a.chance.key(unit.batch); }

}  // namespace santa::detail::inline SANTA_BUILD
