// What a tile is told of the rows that follow it, and of those that wait.
#pragma once

#include <santa/cache/page_slots.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// What follows a tile. `row(i)` is where row i of the tile and those that come after it lie, in the order of their
/// use as far as it is known; `first` and `count` name the keys of the group's next tile (count 0: none). More tiles
/// follow `turn` keys apart until `end`, where that is not 0.
template <class RowAt>
struct ComingRows {
  RowAt row;
  std::int64_t first;
  int count;
  std::int64_t turn;
  std::int64_t end;

  KOKKOS_FORCEINLINE_FUNCTION auto operator()(std::int64_t i) const { return row(i); }

  /// The first key of the i-th tile that follows, and how many it has; 0 from the first unknown one on.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::int64_t first_of(int i) const { return first + (i - 1) * turn; }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION int count_of(int i) const {
    if (i == 1) return count;
    const std::int64_t left = end - first_of(i);
    return left < 0 ? 0 : (left < tile_keys ? static_cast<int>(left) : tile_keys);
  }
};

/// Rows as a stage keeps them: where a tile is a host's, as its thread walks along them.
template <class Tile, class Rows>
KOKKOS_FORCEINLINE_FUNCTION decltype(auto) rows_of(const Rows& rows) {
  if constexpr (requires { Tile::reads_ahead; })
    return walked(rows);
  else
    return (rows);
}
template <class Tile, class Rows>
using RowsOf = std::remove_cvref_t<decltype(rows_of<Tile>(std::declval<const Rows&>()))>;

/// The keys of the unit that likely follows, from its first row on: a hint, by which hosts lose no time between units.
/// Nothing where a tile has no use for it.
template <class Tile, class Rows>
class UnitAfter {
 public:
  template <class Addresses>
  KOKKOS_FUNCTION UnitAfter(const Rows& /*rows*/, const Arguments& /*a*/, const Addresses& /*addresses*/,
                            const Unit& /*unit*/) {}

  /// The row of a key of the unit, or of one that may come after it. A template, as not all rows have addresses.
  template <class Key>
  KOKKOS_FORCEINLINE_FUNCTION static auto row(const Rows& rows, const Unit& /*unit*/, Key key, std::int64_t /*step*/) {
    return rows[key];
  }
};
template <class Tile, class Rows>
  requires requires { Tile::reads_ahead; }
class UnitAfter<Tile, Rows> {
 public:
  template <class Addresses>
  KOKKOS_FUNCTION UnitAfter(const Rows& rows, const Arguments& a, const Addresses& addresses, const Unit& unit)
      : _own(rows), _rows(rows) {
    const Unit after = unit_after(a, unit);
    _rows = rows_of<Tile>(addresses.scored(after.batch, after.kv_head));
    _begin = after.begin;
  }
  template <class Key>
  KOKKOS_FORCEINLINE_FUNCTION auto row(const Rows& /*rows*/, const Unit& unit, Key key, std::int64_t step) const {
    return key < unit.end ? _own[key] : _rows[_begin + (key - unit.end) / step];
  }

 private:
  Rows _own;  // of the unit itself
  Rows _rows;
  std::int64_t _begin;
};

/// Where no rows are drawn.
struct NoDrawnRows {
  [[nodiscard]] KOKKOS_FUNCTION static int unasked() { return 0; }
  [[nodiscard]] KOKKOS_FUNCTION static const void* unasked_row(int /*i*/) { return nullptr; }
  [[nodiscard]] KOKKOS_FUNCTION static const void* unasked_key(int /*i*/) { return nullptr; }
  [[nodiscard]] KOKKOS_FUNCTION static int size() { return 0; }
  KOKKOS_FUNCTION static void asked(int /*count*/) {}
  KOKKOS_FUNCTION static void rescore_front() {}
  KOKKOS_FUNCTION static void take() {}
};

}  // namespace santa::detail::inline SANTA_BUILD
