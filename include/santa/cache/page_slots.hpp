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
template <class Rows, class Slots = PageSlots>
struct PooledRows : Rows {
  Slots slots;

  KOKKOS_FORCEINLINE_FUNCTION auto operator[](std::int64_t row) const { return Rows::operator[](slots.slot(row)); }
};
template <PieceRows Rows>
struct PooledRows<Rows, PageSlots> : Rows {
  PageSlots slots;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t row, F&& f) const {
    Rows::for_each(slots.slot(row), f);
  }
};

/// Where a thread is that goes from row to row: in the page of the last one, whose rows it finds without the table.
class PageWalk {
 public:
  explicit PageWalk(const PageSlots& slots) : _slots(slots), _size(static_cast<std::uint32_t>(slots.page_size)) {}

  /// Whether a row is in another page. Slots of a page beyond the last row are of this one: they are hints.
  [[nodiscard, gnu::always_inline]] bool leaves(std::int64_t row) const {
    return static_cast<std::uint32_t>(row) - _first >= _size;
  }
  /// Turns to the page of a row, or of the last one, and notes f(page, its first row). Returns the row.
  template <class F>
  [[gnu::noinline]] std::int64_t turn(std::int64_t row, const F& f) {
    const std::int64_t known = _slots.last < 0 ? 0 : (row < _slots.last ? row : _slots.last);
    const PageSlots::Place at = _slots.place(known);
    if (_slots.last >= 0) _first = static_cast<std::uint32_t>(known) - at.slot;
    f(at.page, known - at.slot);
    return known;
  }

 private:
  PageSlots _slots;
  std::uint32_t _size;
  std::uint32_t _first = std::uint32_t{1} << 31;  // of the page's rows; at first none
};

/// Slots and rows for such a thread.
class WalkedSlots {
 public:
  explicit WalkedSlots(const PageSlots& slots) : _walk(slots), _size(slots.page_size) {}

  [[nodiscard, gnu::always_inline]] std::int64_t slot(std::int64_t row) const {
    if (_walk.leaves(row))
      row =
          _walk.turn(row, [&](std::uint32_t page, std::int64_t first) { _shift = std::int64_t{page} * _size - first; });
    return row + _shift;
  }

 private:
  mutable PageWalk _walk;
  mutable std::int64_t _shift = 0;
  std::int64_t _size;
};
template <class T>
class WalkedRows {
 public:
  explicit WalkedRows(const PagedRows<T>& rows)
      : _walk(rows.slots), _base(rows.base), _page_stride(rows.page_stride), _stride(rows.row_stride) {}

  [[nodiscard, gnu::always_inline]] const T* operator[](std::int64_t row) const {
    if (_walk.leaves(row))
      row = _walk.turn(row,
                       [&](std::uint32_t page, std::int64_t first) { _shift = page * _page_stride - first * _stride; });
    return _base + (_shift + row * _stride);
  }

 private:
  mutable PageWalk _walk;
  mutable std::int64_t _shift = 0;
  const T* _base;
  std::int64_t _page_stride, _stride;
};

/// Rows for one thread that goes from row to row; as they are, where there is no table.
template <class Rows>
KOKKOS_FUNCTION const Rows& walked(const Rows& rows) {
  return rows;
}
template <class T>
WalkedRows<T> walked(const PagedRows<T>& rows) {
  return WalkedRows<T>(rows);
}
template <class Rows>
  requires(!PieceRows<Rows>)
PooledRows<Rows, WalkedSlots> walked(const PooledRows<Rows>& rows) {
  return {static_cast<const Rows&>(rows), WalkedSlots(rows.slots)};
}

/// Whether a row of one (batch, kv head), below its length, may be written.
template <class Rows>
KOKKOS_FUNCTION bool has_slot(const Rows& rows, std::int64_t row) {
  if constexpr (requires { rows.slots; })
    return rows.slots.has(row);
  else
    return true;
}

}  // namespace santa::detail::inline SANTA_BUILD
