// Where the rows of a warp's tiles lie, as it asks for them panel by panel.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <cstdint>
#include <type_traits>
#include <utility>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Rows that lie in the pages of a pool.
template <class Rows>
concept RowsInPages = requires(const Rows& rows) {
  rows.page_stride;
  rows.slots;
};

/// Rows of one number each.
template <class Rows>
concept RowsOfNumbers = requires(const Rows& rows, std::int64_t i) {
  *rows[i];
};

/// The pages of a panel of `count` rows, 16 by 16, looked up while what was asked for before is worked on.
template <int count>
struct PanelPages {
  std::int64_t first = -1;  // the panel's first row
  std::uint32_t entry[count / 16] = {};

  template <class Slots>
  __device__ __forceinline__ void look_up(const Slots& slots, std::int64_t row) {
    first = row;
    if (slots.last < 0) return;  // there is no row
#pragma unroll
    for (int i = 0; i < count / 16; ++i) {
      const auto at = static_cast<std::uint32_t>(row + 16 * i < slots.last ? row + 16 * i : slots.last);
      entry[i] = static_cast<std::uint32_t>(slots.entries[slots.page_size.quotient(at) * slots.stride]);
    }
  }
  /// Where the i-th 16 rows begin.
  template <class Rows>
  [[nodiscard]] __device__ __forceinline__ auto place(const Rows& rows, int i) const {
    const auto at = static_cast<std::uint32_t>(first) + 16U * static_cast<std::uint32_t>(i);
    const auto size = static_cast<std::uint32_t>(rows.slots.page_size);
    const std::uint32_t slot = at - rows.slots.page_size.quotient(at) * size;
    const std::uint32_t page = entry[i] < rows.slots.pages ? entry[i] : 0U;
    return rows.base + (page * rows.page_stride + slot * rows.row_stride);
  }
};

/// Where a lane's own rows of a panel of `count` lie, first, first + step, ..., of which `present` are there: of those
/// that aren't, any others. `pages` are likely those of the panel, where rows lie in pages, and afterwards those of the
/// one that begins at `next`.
template <int count, class Rows, class T>
__device__ __forceinline__ void find_rows(const Rows& rows, std::int64_t first, std::int64_t step, int present,
                                          PanelPages<count>& pages, std::int64_t next, const T* (&from)[count / 4]) {
  constexpr int row_step = 4;  // see PanelRing
  const int own = warp_lane() / 8;
  if constexpr (requires { rows.stride; }) {
#pragma unroll
    for (int j = 0; j < count / row_step; ++j) from[j] = rows[first + step * own] + row_step * j * step * rows.stride;
  } else {
    if constexpr (RowsInPages<Rows>)
      if (step == 1 && present >= count && first % 16 == 0 && rows.slots.page_size % 16 == 0) {
        if (pages.first != first) pages.look_up(rows.slots, first);
        const T* panel = nullptr;
#pragma unroll
        for (int j = 0; j < count / row_step; ++j) {
          if (j % 4 == 0) panel = pages.place(rows, j / 4) + own * rows.row_stride;
          from[j] = panel + j % 4 * row_step * rows.row_stride;
        }
        pages.look_up(rows.slots, next);
        return;
      }
#pragma unroll
    for (int j = 0; j < count / row_step; ++j)
      from[j] = rows[first + step * (own + row_step * j < present ? own + row_step * j : 0)];
  }
}

/// The pages of a warp's tiles, each looked up while the tile before is asked for: lane i has that of row i. Those of
/// a tile whose panels of 16 rows lie in one page each are told by the panels' first rows.
template <class Slots>
class TilePages {
 public:
  __device__ TilePages(const Slots& slots, std::int64_t start, std::int64_t end)
      : _slots(slots),
        _start(static_cast<std::int32_t>(start)),
        _end(end <= slots.last ? static_cast<std::int32_t>(end) : slots.last + 1) {}

  /// Looks up a tile.
  __device__ __forceinline__ void look_up(std::int64_t first) {
    if (_end <= 0) return;  // there is no row
    const std::int32_t row = max(static_cast<std::int32_t>(first) + warp_lane(), _start);
    const auto at = static_cast<std::uint32_t>(min(row, _end - 1));
    const std::uint32_t n = _slots.page_size.quotient(at);
    _coming_entry = static_cast<std::uint32_t>(_slots.entries[n * _slots.stride]);
    _coming_slot = at - n * static_cast<std::uint32_t>(_slots.page_size);
  }
  /// Turns to the tile that was looked up last.
  __device__ __forceinline__ void turn(std::int64_t first) {
    _page = _coming_entry < _slots.pages ? _coming_entry : 0U;
    _slot = _coming_slot;
    const bool whole = _slots.page_size % 16 == 0 && first >= _start && first + 32 <= _end;
    _by_panel = __all_sync(0xffffffffU, whole);  // a vote, so that the compiler knows that lanes agree
  }

  /// Where the lane's own row of the tile lies.
  template <class Rows>
  [[nodiscard]] __device__ __forceinline__ auto own_place(const Rows& rows) const {
    return rows.base + (_page * rows.page_stride + _slot * rows.row_stride);
  }
  /// Whether row i + j of the tile, j < 16, lies j slots after row i, for i of 0 and 16.
  [[nodiscard]] __device__ bool by_panel() const { return _by_panel; }
  /// Where row i of the tile lies.
  template <class Rows>
  [[nodiscard]] __device__ __forceinline__ auto place(const Rows& rows, int i) const {
    const std::uint32_t page = __shfl_sync(0xffffffffU, _page, i);
    const std::uint32_t slot = __shfl_sync(0xffffffffU, _slot, i);
    return rows.base + (page * rows.page_stride + slot * rows.row_stride);
  }

 private:
  const Slots& _slots;
  std::int32_t _start, _end;
  std::uint32_t _page = 0, _slot = 0;  // of the lane's row
  std::uint32_t _coming_entry = 0, _coming_slot = 0;
  bool _by_panel = false;
};

/// Scales that rows of tiles have, of keys and of values, each loaded while the tile before is worked on: lane i has
/// those of row i. `OfKeys`, `OfValues`: rows of one float; anything else where there are none.
template <class OfKeys, class OfValues>
class TileScales {
 public:
  static constexpr bool of_keys = RowsOfNumbers<OfKeys>;
  static constexpr bool of_values = RowsOfNumbers<OfValues>;

  __device__ TileScales(const OfKeys& keys, const OfValues& values) : _keys(keys), _values(values) {}

  /// Has those of a tile loaded: `place(rows)` is where a lane's own lies.
  template <class Place>
  __device__ __forceinline__ void load(const Place& place) {
    if constexpr (of_keys) _coming_key = *place(_keys);
    if constexpr (of_values) _coming_value = *place(_values);
  }
  /// Turns to the tile whose scales were loaded last.
  __device__ __forceinline__ void turn() {
    if constexpr (of_keys) _key = _coming_key;
    if constexpr (of_values) _value = _coming_value;
  }
  [[nodiscard]] __device__ float key() const { return _key; }
  [[nodiscard]] __device__ float value() const { return _value; }

 private:
  const OfKeys& _keys;
  const OfValues& _values;
  float _key = 1.F, _value = 1.F;
  float _coming_key = 1.F, _coming_value = 1.F;
};

/// Rows of keys and values of the tiles that begin at first, first + turn, ..., as panels are made of them: of a panel
/// of rows, lane_row() + row_step j are a lane's own. Rows before `start` and from `end` on are others of between: they
/// count for nothing, but what they hold is multiplied.
template <class Keys, class Values, class Scales>
class TileRows {
  static constexpr int row_step = 4;  // see PanelRing
  static constexpr bool in_pages = RowsInPages<Keys> && RowsInPages<Values>;
  struct NoPages {
    __device__ NoPages(const Keys& /*keys*/, std::int64_t /*start*/, std::int64_t /*end*/) {}
  };
  static auto pages_of() {
    if constexpr (in_pages)
      return std::type_identity<TilePages<decltype(std::declval<const Keys&>().slots)>>{};
    else
      return std::type_identity<NoPages>{};
  }

 public:
  __device__ TileRows(const Keys& keys, const Values& values, Scales& scales, std::int64_t start, std::int64_t end,
                      std::int64_t first, std::int64_t turn)
      : _keys(keys),
        _values(values),
        _scales(scales),
        _pages(slots_of(keys), start, end),
        _start(start),
        _end(end),
        _turn(turn) {
    if constexpr (in_pages) _pages.look_up(first);
    this->turn(first);
  }

  /// Turns to a tile, the next one.
  __device__ __forceinline__ void turn(std::int64_t first) {
    if constexpr (in_pages) {
      _pages.turn(first);
      _pages.look_up(first + _turn);
    }
    _scales.load([&](const auto& rows) {
      if constexpr (in_pages)
        return _pages.own_place(rows);
      else
        return rows[between(first + warp_lane())];
    });
  }

  /// Where a lane's own rows of rows at to at + count of that tile lie: of keys or of values.
  template <bool of_keys, int at, int count, class T>
  __device__ __forceinline__ void find(std::int64_t tile, const T* (&from)[count / row_step]) const {
    if constexpr (of_keys)
      find<at, count>(_keys, tile, from);
    else
      find<at, count>(_values, tile, from);
  }
  /// How many of `count` rows from `first` on there are, at least one.
  template <int count>
  [[nodiscard]] __device__ __forceinline__ int present(std::int64_t first) const {
    return first + count <= _end ? count : (first < _end ? static_cast<int>(_end - first) : 1);
  }

 private:
  static_assert(row_step * 8 == 32);
  __device__ static int lane_row() { return warp_lane() / 8; }
  __device__ static decltype(auto) slots_of(const Keys& keys) {
    if constexpr (in_pages)
      return (keys.slots);
    else
      return (keys);
  }

  template <int at, int count, class Rows, class T>
  __device__ __forceinline__ void find(const Rows& rows, std::int64_t tile, const T* (&from)[count / row_step]) const {
    constexpr int own = count / row_step;
    if constexpr (in_pages) {
      if (_pages.by_panel()) {
        const T* panel = nullptr;
#pragma unroll
        for (int j = 0; j < own; ++j) {
          if (j % 4 == 0) panel = _pages.place(rows, at + row_step * j) + lane_row() * rows.row_stride;
          from[j] = panel;
          panel += row_step * rows.row_stride;
        }
      } else {
#pragma unroll
        for (int j = 0; j < own; ++j) from[j] = _pages.place(rows, at + lane_row() + row_step * j);
      }
    } else {
      const std::int64_t first = tile + at + lane_row();
      if constexpr (requires { rows.stride; })
        if (tile + at >= _start && tile + at + count <= _end) {
          from[0] = rows[first];
#pragma unroll
          for (int j = 1; j < own; ++j) from[j] = from[j - 1] + row_step * rows.stride;
          return;
        }
#pragma unroll
      for (int j = 0; j < own; ++j) {
        const std::int64_t row = first + row_step * j;
        from[j] = rows[between(row)];
      }
    }
  }

  [[nodiscard]] __device__ std::int64_t between(std::int64_t row) const {
    return row < _start ? _start : (row < _end ? row : _end - 1);
  }

  const Keys& _keys;
  const Values& _values;
  Scales& _scales;
  typename decltype(pages_of())::type _pages;
  std::int64_t _start, _end, _turn;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
