// Rules that draw a row as often as points fall into its part of a head's cumulative sum.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/places.hpp>
#include <santa/sample/points/run_rule.hpp>
#include <santa/sample/points/tile_masses.hpp>
#include <santa/sample/points/unit_points.hpp>
#include <santa/schedule/unit.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Gives the rows of a tile the weight of so many draws of `unit_weight` each.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION void give_counts(const Group& group,
                                             const typename Group::template Vector<std::int32_t>& count, int head,
                                             float unit_weight, bool with_spread, Drawn<Group>& drawn) {
  using Float = typename Group::template Vector<float>;
  drawn.weight[head] = lanes::convert<float>(count) * Float(unit_weight);
  if (with_spread) drawn.spread[head] = drawn.weight[head] * Float(unit_weight);
  drawn.rows |= group.ballot(count > typename Group::template Vector<std::int32_t>(0));
}

/// The second pass of rules whose draws are points in each head's cumulative sum, for one unit of work, a tile at a
/// time.
///
/// What tiles have is found for several at once, one in each lane. Tiles without points are passed over, their masses
/// being known.
template <class Group, template <class> class Points>
class PointRule : public UnitPoints<Group, Points> {
  using Base = UnitPoints<Group, Points>;
  using Base::_group, Base::_arguments, Base::_unit, Base::_every_row, Base::_points, Base::_unit_weight;
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;
  using Word = Vector<std::uint32_t>;
  using Int = Vector<std::int32_t>;

 public:
  using Base::Base;
  /// The rule where scores of several tiles are seen at once.
  template <class Runs>
  using InRuns = RunRule<Group, Runs, Points>;

  /// Whether rows may be drawn from a tile; asked for each of the group's tiles in turn, before `draw`.
  KOKKOS_FORCEINLINE_FUNCTION bool begin(std::uint32_t tile) {
    if (_every_row) return true;
    if (_turn == 0) look_ahead(tile);
    _at = _turn;
    _turn = (_turn + 1) % Ahead::tiles;
    bool points = false;
    _group.for_heads(_unit.heads, [&](int head) { points = points || has_points(head); });
    return points;
  }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    if (_every_row) return draw_every_row(_group, tile, drawn);
    drawn.rows = 0;
    Word sum[Group::max_heads];
    _group.for_all_heads(tile.heads, [&](int head) {
      if (works_on(head)) sum[head] = key_masses<Group>(tile.score[head], known(head, tiles(head).reference));
    });
    _group.for_all_scans(tile.heads, sum, [&](int head) { return works_on(head); });
    _group.for_all_heads(tile.heads, [&](int head) {
      if (works_on(head))
        give_counts(_group, counts(sum[head], head), head, _unit_weight.get(head), with_spread, drawn);
      else
        drawn.weight[head] = drawn.spread[head] = Vector<float>(0.F);
    });
  }

 private:
  using Ahead = typename Group::Ahead;
  struct Tiles : Base::Tiles {
    Vector<float> reference;
    std::uint32_t with_points;  // which lanes have any
  };

  KOKKOS_FUNCTION void look_ahead(std::uint32_t tile) {
    const Word limit(static_cast<std::uint32_t>((_unit.end + tile_keys - 1) / tile_keys));
    Ahead::find(_group, _unit.heads, tile, [&](int head, const Word& given) {
      const auto inside = given < limit;
      const Int index = lanes::bit_cast<std::int32_t>(lanes::select(inside, given, Word(tile)));
      const PointArguments& work = _arguments;
      const std::int64_t row = _unit.head_row(work, head) * work.tile_stride();
      const auto places = [&](const Int& at, const Mass& before, const Mass& after, Mass& begin, Mass& end) {
        _points.places(head, at, before, after, begin, end);
      };
      const typename Base::Tiles found = this->tiles_of(
          head, index, inside, _group.gather(work.tile_prefix + row, index),
          _group.gather(work.tile_prefix + row, index + Int(1)), _group.gather(work.tile_mass + row, index), places);
      _tiles[Ahead::slot(head)] = {found, _group.gather(work.tile_reference + row, index),
                                   _group.ballot(found.last - found.first > Int(0))};
    });
  }

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION const Tiles& tiles(int head) const { return _tiles[Ahead::slot(head)]; }
  /// One of the `tiles` of a head: that of the tile at hand.
  template <class T>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION auto known(int head, const T& by_lane) const {
    return _group.value_of(by_lane, Ahead::lane(head, _at));
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool has_points(int head) const {
    return _group.holds(tiles(head).with_points, Ahead::lane(head, _at));
  }

  /// Whether this tile's counts of a head are looked for: not where none fall into it. A device works on all heads side
  /// by side and finds that there are none.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool works_on(int head) const {
    return Group::heads_side_by_side || has_points(head);
  }

  /// How many of the head's points fall into each lane's part of the cumulative sum, of which `sum` is the part within
  /// the tile. Those below the end of the tile are known from the tile that follows.
  KOKKOS_FORCEINLINE_FUNCTION Int counts(const Word& sum, int head) const {
    const Tiles& t = tiles(head);
    const PlaceLine<std::uint64_t, std::uint32_t> line{known(head, t.begin), known(head, t.ratio), known(head, t.mass),
                                                       known(head, t.shift)};
    const Int inside = _points.below(head, places_on<Group>(line, sum));
    const Int below = lanes::select(sum < Word(line.mass), inside, Int(known(head, t.last)));
    return below - _group.previous(below, known(head, t.first));
  }

  Tiles _tiles[Group::Ahead::slots];
  int _turn = 0;  // of the tile that follows, among those found at once
  int _at = 0;    // of this one
};

}  // namespace santa::detail::inline SANTA_BUILD
