// Which slot of a pool a row of a request has, and rows that lie so.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/piece_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The slots of one request: row i has slot i % page_size of page entries[i / page_size]. A row beyond the last is
/// taken for the last, as hints name such rows and entries beyond it may be anything; an entry that is no page of the
/// pool is taken for page 0.
struct PageSlots {
  const std::int32_t* entries;
  std::int64_t stride;
  std::int32_t last;  // -1: there is no row
  std::uint32_t pages;
  Divisor page_size;

  struct Place {
    std::uint32_t page, slot;
  };
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Place place(std::int64_t row) const {
    if (last < 0) return {0, 0};
    const auto at = static_cast<std::uint32_t>(row < last ? row : last);
    const std::uint32_t n = page_size.quotient(at);
    const auto entry = static_cast<std::uint32_t>(entries[n * stride]);
    return {entry < pages ? entry : 0U, at - n * static_cast<std::uint32_t>(page_size)};
  }
  /// The number of a row's slot among all of the pool.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::int64_t slot(std::int64_t row) const {
    const Place at = place(row);
    return std::int64_t{at.page} * page_size + at.slot;
  }
  /// Whether entry n, one that there is, is a page of the pool.
  [[nodiscard]] KOKKOS_FUNCTION bool is_page(std::int64_t n) const {
    return static_cast<std::uint32_t>(entries[n * stride]) < pages;
  }
  /// Whether a row has a slot, by which it may be written.
  [[nodiscard]] KOKKOS_FUNCTION bool has(std::int64_t row) const {
    return row >= 0 && row <= last && is_page(page_size.quotient(static_cast<std::uint32_t>(row)));
  }
};

/// Rows of one (batch, kv head) in pages of a pool.
template <class T>
struct PagedRows {
  const T* base;
  std::int64_t page_stride, row_stride;
  PageSlots slots;

  KOKKOS_FORCEINLINE_FUNCTION const T* operator[](std::int64_t row) const {
    const PageSlots::Place at = slots.place(row);
    return base + at.page * page_stride + at.slot * row_stride;
  }
};

/// Rows of a copy of a whole pool, one for each of its slots, as those of one (batch, kv head): by their slots. All but
/// the rows is what the copy's have.
template <class Rows>
struct PooledRows : Rows {
  PageSlots slots;

  KOKKOS_FORCEINLINE_FUNCTION auto operator[](std::int64_t row) const { return Rows::operator[](slots.slot(row)); }
};
template <PieceRows Rows>
struct PooledRows<Rows> : Rows {
  PageSlots slots;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t row, F&& f) const {
    Rows::for_each(slots.slot(row), f);
  }
};

/// Whether a row of one (batch, kv head), below its length, may be written.
template <class Rows>
KOKKOS_FUNCTION bool has_slot(const Rows& rows, std::int64_t row) {
  if constexpr (requires { rows.slots; })
    return rows.slots.has(row);
  else
    return true;
}

}  // namespace santa::detail::inline SANTA_BUILD
