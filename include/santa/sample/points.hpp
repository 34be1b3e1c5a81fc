// Rules that draw a row as often as points fall into its part of a head's cumulative sum.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/tile_masses.hpp>

#include <cstdint>

namespace santa::detail {

/// `samples` points at equal distances in an integer mass: (k + 1 - offset) * mass / samples.
template <class Group>
struct EqualPoints {
  double density;  // samples / mass, 0 where there is no mass
  double offset;   // in [0, 1)
  double samples;
  std::uint64_t mass;

  KOKKOS_FUNCTION EqualPoints(std::uint32_t count, std::uint64_t whole, double uniform)
      : density(whole > 0 ? static_cast<double>(count) / static_cast<double>(whole) : 0.),
        offset(uniform),
        samples(static_cast<double>(count)),
        mass(whole) {}
  EqualPoints() = default;

  /// Points below a position. Monotone, and `samples` at the end: counts are never negative and add up.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION auto below(
      const typename Group::template Vector<std::uint64_t>& position) const {
    using Double = typename Group::template Vector<double>;
    const Double points = lanes::fma(lanes::convert<double>(position), Double(density), Double(offset));
    const Double limited = lanes::select(points < Double(samples), points, Double(samples));
    const auto whole = position >= typename Group::template Vector<std::uint64_t>(mass);
    return lanes::convert<std::int32_t>(lanes::select(whole, Double(samples), limited));
  }
};

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

/// The second pass of rules whose draws are points in each head's cumulative sum, for one unit of work. `Points` says
/// how many points of a head lie below a position: below(head, position), or below(head, tile number, position) where
/// that depends on the tile. Nothing is carried from tile to tile: the first pass has left where each of them begins.
template <class Group, template <class> class Points>
class PointRule {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;

 public:
  KOKKOS_FUNCTION PointRule(const Group& group, const Arguments& arguments, const Unit& unit)
      : _group(group),
        _arguments(arguments),
        _unit(unit),
        _every_row(arguments.budget.samples >= unit.visible()),
        _bits(position_bits(unit.visible())),
        _points(group, arguments, unit) {
    const float unit_of_mass = lanes::exp2(static_cast<float>(-_bits));
    _group.for_all_heads(unit.heads, [&](int head) {
      const std::int64_t row = unit.head_row(arguments, head);
      const double mass = static_cast<double>(arguments.work.total[row]) * static_cast<double>(unit_of_mass);
      _unit_weight[head] = static_cast<float>(mass / static_cast<double>(arguments.budget.samples));
    });
  }

  /// All tiles count in units of the head's largest score.
  KOKKOS_FUNCTION float initial_reference(int head) const {
    return _arguments.work.reference[_unit.head_row(_arguments, head)];
  }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    if (_every_row) return draw_every_row(_group, tile, drawn);
    drawn.rows = 0;
    _group.for_all_heads(tile.heads, [&](int head) {
      if (!has_points(tile, head)) {
        drawn.weight[head] = drawn.spread[head] = Vector<float>(0.F);
        return;
      }
      const Vector<std::int32_t> count = counts(tile, head);
      give_counts(_group, count, head, _unit_weight[head], with_spread, drawn);
      _samples += static_cast<std::uint32_t>(_group.sum(count));
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION static ExpectedRows expected_rows(int /*head*/) { return {}; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t rows) const { return _every_row ? rows : _samples; }

 private:
  static constexpr bool by_position = requires(const Points<Group>& points, const Mass& position) {
    points.below(0, position);
  };

  /// Whether any of the head's points fall into the tile, found for many tiles at once; where it can't be told, true.
  KOKKOS_FORCEINLINE_FUNCTION bool has_points(const ScoredTile<Group>& tile, int head) {
    if constexpr (by_position) {
      return _points_of_tile[head].get(tile.number, [&](const Vector<std::uint32_t>& numbers) {
        using Index = Vector<std::int32_t>;
        const std::uint64_t* prefix =
            _arguments.work.tile_prefix + _unit.head_row(_arguments, head) * _arguments.tile_stride();
        const Index last(static_cast<std::int32_t>(_arguments.tiles - 1));
        const Index given = lanes::bit_cast<std::int32_t>(numbers);
        const Index number = lanes::select(given < last, given, last);
        return _points.below(head, _group.gather(prefix, number + Index(1))) -
               _points.below(head, _group.gather(prefix, number));
      }) != 0;
    }
    return true;
  }
  KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> below(int head, std::uint32_t tile, const Mass& position) const {
    if constexpr (by_position)
      return _points.below(head, position);
    else
      return _points.below(head, tile, position);
  }

  /// How many of the head's points fall into each lane's part of the cumulative sum. The prefix of the next tile is
  /// where the last lane's part ends.
  KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> counts(const ScoredTile<Group>& tile, int head) const {
    const std::int64_t row = _unit.head_row(_arguments, head);
    const std::int64_t at = row * _arguments.tile_stride() + tile.number;
    const float reference = _arguments.work.tile_reference[at];
    const auto shift = static_cast<int>(tile_shift(_arguments.work.reference[row] - reference, _bits));
    const Mass mass = key_masses<Group>(tile.score[head], reference);
    const Mass sum = _group.inclusive_scan(mass);
    const Mass prefix = Mass(_arguments.work.tile_prefix[at]);
    const Mass after = prefix + (sum >> shift);
    const Mass before = prefix + ((sum - mass) >> shift);
    return below(head, tile.number, after) - below(head, tile.number, before);
  }

  const Group& _group;
  const Arguments& _arguments;
  const Unit& _unit;
  bool _every_row;
  int _bits;
  Points<Group> _points;
  std::uint32_t _samples = 0;
  float _unit_weight[Group::max_heads];  // of one draw
  typename Group::template PerTile<std::int32_t> _points_of_tile[Group::max_heads];
};

}  // namespace santa::detail
