// Rules that draw by points in a cumulative sum, where a lane sees a run of keys of one of several tiles.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/places.hpp>
#include <santa/sample/points/tile_masses.hpp>
#include <santa/sample/points/unit_points.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Draws what PointRule draws, from several tiles at once: what there is once a tile and head is found and handed round
/// for all of them together, and a lane adds up the masses of its own keys, which the first pass has kept in the place
/// of scores, but where every row is taken. Without error bars. `Runs`: TileRuns.
template <class Group, class Runs, template <class> class Points>
class RunRule : public UnitPoints<Group, Points> {
  using Base = UnitPoints<Group, Points>;
  using Base::_group, Base::_arguments, Base::_unit, Base::_every_row, Base::_points, Base::_unit_weight;
  using Word = std::uint32_t;
  static constexpr int heads = Group::max_heads;
  static constexpr std::int64_t turn = Group::groups_per_team * Group::size;

 public:
  /// Keys from the first of a group's tiles to that of those that it draws from next.
  static constexpr std::int64_t step = Runs::tiles * turn;

  KOKKOS_FUNCTION RunRule(const Group& group, const PointArguments& arguments, const Unit& unit)
      : Base(group, arguments, unit),
        _own_head(Runs::part() < unit.heads ? Runs::part() : 0),
        _own(_points, _own_head) {}

  /// What is loaded of several tiles, ahead of drawing from them: numbers of a lane's keys, and of its own head where
  /// its tile lies.
  struct Ahead {
    typename Runs::Numbers numbers;
    std::uint64_t before, after;
    Word mass;
  };

  /// Asks for the group's tiles that begin at first, first + turn, ...
  KOKKOS_FORCEINLINE_FUNCTION void load(std::int64_t first, Ahead& ahead) const {
    const std::int64_t own = first + Runs::tile() * turn;
    const std::int64_t from = own < _unit.end ? own : first;
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) Runs::load(numbers_of(head) + from, ahead.numbers[head]);
    const std::int64_t at = _unit.head_row(_arguments, _own_head) * _arguments.tile_stride() + from / tile_keys;
    ahead.before = _arguments.tile_prefix[at];
    ahead.after = _arguments.tile_prefix[at + 1];
    ahead.mass = _arguments.tile_mass[at];
  }

  /// Draws from these tiles: the weights of a lane's keys, in the place of its numbers, 0 for those that a head has not
  /// drawn. Returns which of the keys any head has.
  KOKKOS_FORCEINLINE_FUNCTION std::uint32_t draw(std::int64_t first, Ahead& ahead) {
    const bool inside = first + Runs::tile() * turn < _unit.end;
    if (_every_row) return draw_every_row(inside, ahead.numbers);
    const auto tiles = this->find(ahead, first, inside && Runs::part() < _unit.heads);
    if (!_group.any(tiles.last > tiles.first)) return 0;
    std::uint32_t drawn = 0;
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) drawn |= count(tiles, head, ahead.numbers[head]);
    return drawn;
  }

 private:
  /// Where tiles of a lane's own head lie: found once where it is the same for all of them.
  template <class P>
  struct OwnPlaces {
    const P& points;
    int head;
    KOKKOS_FUNCTION OwnPlaces(const P& of, int own) : points(of), head(own) {}
    KOKKOS_FORCEINLINE_FUNCTION void operator()(std::int32_t index, std::uint64_t before, std::uint64_t after,
                                                std::uint64_t& begin, std::uint64_t& end) const {
      points.places(head, index, before, after, begin, end);
    }
  };
  template <class P>
    requires requires(const P& points) { points.of_head(0); }
  struct OwnPlaces<P> {
    EqualPlaces<Group> places;
    KOKKOS_FUNCTION OwnPlaces(const P& of, int own) : places(of.of_head(own)) {}
    KOKKOS_FORCEINLINE_FUNCTION void operator()(std::int32_t /*index*/, std::uint64_t before, std::uint64_t after,
                                                std::uint64_t& begin, std::uint64_t& end) const {
      begin = places.at(before);
      end = places.at(after);
    }
  };

  [[nodiscard]] KOKKOS_FUNCTION const float* numbers_of(int head) const {
    return _arguments.scores + _unit.head_row(_arguments, head) * _arguments.tiles * tile_keys;
  }
  /// What a lane's own head has in its own tile.
  KOKKOS_FORCEINLINE_FUNCTION typename Base::Tiles find(const Ahead& ahead, std::int64_t first, bool has_tile) {
    const std::int64_t own = first + Runs::tile() * turn;
    const auto index = static_cast<std::int32_t>((own < _unit.end ? own : first) / tile_keys);
    return this->tiles_of(_own_head, index, has_tile, ahead.before, ahead.after, ahead.mass, _own);
  }

  /// Turns masses of a head's keys into weights of the rows that its points fall on.
  KOKKOS_FORCEINLINE_FUNCTION std::uint32_t count(const typename Base::Tiles& tiles, int head,
                                                  float (&number)[Runs::keys]) const {
    Word sum[Runs::keys];
    SANTA_UNROLL(Runs::keys)
    for (int k = 0; k < Runs::keys; ++k) sum[k] = lanes::bit_cast<std::uint32_t>(number[k]) + (k > 0 ? sum[k - 1] : 0U);
    const Word before = Runs::sum_of_runs(sum[Runs::keys - 1]) - sum[Runs::keys - 1];
    const PlaceLine<std::uint64_t, std::uint32_t> line{
        Runs::of_head(tiles.begin, head), Runs::of_head(tiles.ratio, head), Runs::of_head(tiles.mass, head),
        Runs::of_head(tiles.shift, head)};
    const std::int32_t last = Runs::of_head(tiles.last, head);
    std::int32_t below[Runs::keys];
    SANTA_UNROLL(Runs::keys)
    for (int k = 0; k < Runs::keys; ++k) {
      const Word at = before + sum[k];
      below[k] = at < line.mass ? _points.below(head, places_on<Group>(line, at)) : last;
    }
    std::int32_t previous = Runs::previous(below[Runs::keys - 1], Runs::of_head(tiles.first, head));
    const float unit_weight = _unit_weight.get(head);
    std::uint32_t drawn = 0;
    SANTA_UNROLL(Runs::keys)
    for (int k = 0; k < Runs::keys; ++k) {
      const std::int32_t points = below[k] - previous;
      previous = below[k];
      number[k] = static_cast<float>(points) * unit_weight;
      drawn |= (points > 0 ? 1U : 0U) << k;
    }
    return drawn;
  }

  /// All rows at their own weights. NaN is read: it must show.
  KOKKOS_FUNCTION std::uint32_t draw_every_row(bool inside, typename Runs::Numbers& number) const {
    std::uint32_t drawn = 0;
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) {
      const bool some = inside && head < _unit.heads;
      const float reference = this->initial_reference(head);
      SANTA_UNROLL(Runs::keys)
      for (int k = 0; k < Runs::keys; ++k) {
        drawn |= (some && number[head][k] != -lanes::infinity ? 1U : 0U) << k;
        number[head][k] = some ? lanes::exp2_near(number[head][k] - reference) : 0.F;
      }
    }
    return drawn;
  }

  int _own_head;
  OwnPlaces<Points<Group>> _own;
};

}  // namespace santa::detail::inline SANTA_BUILD
