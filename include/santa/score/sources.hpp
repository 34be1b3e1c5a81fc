// Score sources: where the scores of a tile come from.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

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

/// What turns products into scores: nothing where rows are full keys.
template <class Group, class Rows>
struct RowScales {
  KOKKOS_FUNCTION explicit RowScales(const Rows& /*rows*/) {}
  KOKKOS_FUNCTION static void turn(const Group& /*group*/, std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/,
                                   std::int64_t /*next*/, int /*next_count*/) {}
  template <class Tile, class Float>
  KOKKOS_FORCEINLINE_FUNCTION static Float apply(const Tile& /*tile*/, int /*head*/, const Float& product) {
    return product;
  }
};

/// Narrow rows: a scale for each, loaded while the tile before is worked on, and what all scores of a head have in
/// common.
template <class Group, class Rows>
  requires requires(const Rows& rows) { rows.scale; }
struct RowScales<Group, Rows> {
  using Float = typename Group::template Vector<float>;

  const std::uint16_t* scales;  // upper halves of floats
  Float now = 0.F;
  typename Group::template Vector<std::uint32_t> ahead = 0U;  // as they were loaded: to look at them is to wait
  bool loaded = false;

  KOKKOS_FUNCTION explicit RowScales(const Rows& rows) : scales(&rows.scale->bits) {}

  /// Turns to a tile, and loads those of the next.
  KOKKOS_FORCEINLINE_FUNCTION void turn(const Group& group, std::int64_t first, std::int64_t step, int count,
                                        std::int64_t next, int next_count) {
    if (!loaded) ahead = group.load_words(scales + first, step, count);
    now = lanes::bit_cast<float>(ahead << 16);
    loaded = next_count > 0;
    if (loaded) ahead = group.load_words(scales + next, step, next_count);
  }
  template <class Tile>
  KOKKOS_FORCEINLINE_FUNCTION Float apply(const Tile& tile, int head, const Float& product) const {
    return lanes::fma(product, now, Float(tile.offset(head)));
  }
};

/// Scores of a lane group's heads by the product of query and rows (keys, or a narrow copy), then the modifier. `Tile`
/// holds the query. Bytes: `count` rows a tile, and their scales.
template <class Group, class Tile, class Rows, class Modifier>
class KeyScores {
  using Float = typename Group::template Vector<float>;

 public:
  /// `after` are the keys of the unit that likely follows, from its first row on: a hint, by which no time is lost
  /// between units.
  KOKKOS_FUNCTION KeyScores(const Group& group, Tile& tile, const Rows& keys, const Rows& after,
                            std::int64_t after_begin, const Modifier& modifier, const Unit& unit)
      : _group(group),
        _tile(tile),
        _keys(keys),
        _after(after),
        _after_begin(after_begin),
        _modifier(modifier),
        _unit(unit),
        _scales(keys) {}

  /// Has a tile of the same kind asked for ahead of time, where that can be done.
  KOKKOS_FORCEINLINE_FUNCTION void ask(std::int64_t first, std::int64_t step, int count) const {
    if constexpr (Tile::asynchronous) _tile.ask(_keys, first, step, count);
  }

  /// Scores in log2 units of keys first, first + step, ... (`count` of them); -infinity in lanes without a visible key.
  /// A score of +infinity has no softmax and becomes NaN, as exp(inf - inf) is.
  /// `next` is the first of the `next_count` keys of the group's next tile, `drawn` the rows that wait to be gathered;
  /// tiles at the same distance follow until `end`.
  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, std::int64_t step, int count, Float* score,
                                          std::int64_t next, int next_count, DrawnRows& drawn, std::int64_t end = 0) {
    const auto row = [&](const auto i) {  // not made of rows that no tile asks for by address
      const auto key = first + i * step;
      return key < _unit.end ? _keys[key] : _after[_after_begin + (key - _unit.end) / step];
    };
    _scales.turn(_group, first, step, count, next, next_count);
    _tile.scores(_keys, first, step, count, ComingRows<decltype(row)>{row, next, next_count, next - first, end}, score,
                 drawn);
    const auto hidden = static_cast<std::int32_t>(_unit.start > first ? (_unit.start - first + step - 1) / step : 0);
    const auto inside = _group.lanes_between(hidden, count);
    _group.for_all_heads(_unit.heads, [&](int head) {
      Float value = _modifier.apply(_scales.apply(_tile, head, score[head]));
      value = lanes::select(value >= Float(lanes::infinity), Float(lanes::not_a_number), value);
      score[head] = lanes::select(inside, value, Float(-lanes::infinity));
    });
  }

 private:
  const Group& _group;
  Tile& _tile;
  Rows _keys;
  Rows _after;
  std::int64_t _after_begin;
  const Modifier& _modifier;
  const Unit& _unit;
  RowScales<Group, Rows> _scales;
};

/// Scores that an earlier pass wrote, [head][key] by lane group.
template <class Group>
class StoredScores {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FUNCTION StoredScores(const Group& group, const Arguments& arguments, const Unit& unit)
      : _group(group),
        _first(arguments.work.scores + unit.head_row(arguments, 0) * arguments.tiles * tile_keys),
        _stride(arguments.tiles * tile_keys),
        _heads(unit.heads) {}

  KOKKOS_FUNCTION static void ask(std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/) {}

  template <class DrawnRows>
  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, std::int64_t /*step*/, int /*count*/, Float* score,
                                          std::int64_t next, int next_count, DrawnRows& drawn,
                                          std::int64_t /*end*/ = 0) {
    drawn.make_room();
    if constexpr (Group::groups_per_team == 1) {
      load(first, score);
    } else {
      // The next tile's are on their way while this one's are used.
      if (!_loaded) load(first, _ahead);
      _group.for_all_heads(_heads, [&](int head) { score[head] = _ahead[head]; });
      _loaded = next_count > 0;
      if (_loaded) load(next, _ahead);
    }
  }

  /// Where the scores of a tile are kept: whole tiles, so that lanes without a key are written too.
  [[nodiscard]] KOKKOS_FUNCTION float* at(int head, std::int64_t key) const { return _first + head * _stride + key; }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void load(std::int64_t first, Float* score) const {
    _group.for_all_heads(_heads, [&](int head) {
      score[head] = head < _heads ? _group.load(at(head, first)) : Float(-lanes::infinity);
    });
  }

  const Group& _group;
  float* _first;
  std::int64_t _stride;
  int _heads;
  bool _loaded = false;
  Float _ahead[Group::max_heads];
};

}  // namespace santa::detail::inline SANTA_BUILD
