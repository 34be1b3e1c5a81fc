// The points of a unit's tiles, for rules that draw by points in a cumulative sum.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/places.hpp>
#include <santa/sample/points/tile_masses.hpp>
#include <santa/schedule/unit.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What the second pass of such rules knows of a unit, however it draws. `Points` says where a tile begins and ends,
/// and how many points lie below a place: places(head, numbers, positions before and after, begin, end) and below(head,
/// place). Nothing is carried from tile to tile that decides draws: the first pass has left where each of them begins.
template <class Group, template <class> class Points>
class UnitPoints {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;
  using Word = Vector<std::uint32_t>;
  using Int = Vector<std::int32_t>;

 public:
  KOKKOS_FUNCTION UnitPoints(const Group& group, const PointArguments& arguments, const Unit& unit)
      : _group(group),
        _arguments(arguments),
        _unit(unit),
        _every_row(arguments.samples >= unit.visible()),
        _unit_of_mass(lanes::exp2(static_cast<float>(-position_bits(unit.visible())))),
        _points(group, arguments, unit) {
    _group.for_all_heads(unit.heads, [&](int head) {
      const std::int64_t row = unit.head_row(arguments, head);
      const double mass = static_cast<double>(arguments.total[row]) * static_cast<double>(_unit_of_mass);
      _unit_weight.set(head, static_cast<float>(mass / static_cast<double>(arguments.samples)));
    });
  }

  /// All tiles count in units of the head's largest score.
  KOKKOS_FUNCTION float initial_reference(int head) const {
    return _arguments.reference[_unit.head_row(_arguments, head)];
  }
  /// Whether `draw` looks at weights. If not, a head's mass in the unit is `mass(head)`.
  [[nodiscard]] KOKKOS_FUNCTION bool reads_weights() const { return _every_row; }
  [[nodiscard]] KOKKOS_FUNCTION float mass(int head) const {
    if (_unit.begin >= _unit.end) return 0.F;
    const std::int64_t row = _unit.head_row(_arguments, head);
    const std::uint64_t* prefix = _arguments.tile_prefix + row * _arguments.tile_stride();
    const std::uint64_t whole = prefix[(_unit.end + tile_keys - 1) / tile_keys] - prefix[_unit.begin / tile_keys];
    return static_cast<float>(static_cast<double>(whole) * static_cast<double>(_unit_of_mass));
  }

  [[nodiscard]] KOKKOS_FUNCTION static ExpectedRows expected_rows(int /*head*/) { return {}; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t rows) const { return _every_row ? rows : _samples; }

 protected:
  /// What heads have in several tiles, one of each in each lane.
  struct Tiles {
    Mass begin, ratio;  // PlaceLine
    Word mass, shift;
    Int first, last;  // points below the tile, and below its end
  };

  /// Finds them, of tiles `index` in each lane, of which some are `inside`; positions before and after and the tiles'
  /// own masses are known. places(index, before, after, begin, end) says where tiles of the head lie.
  template <class Mask, class Places>
  KOKKOS_FORCEINLINE_FUNCTION Tiles tiles_of(int head, const Int& index, const Mask& inside, const Mass& before,
                                             const Mass& after, const Word& mass, const Places& places) {
    Mass begin, end;
    places(index, before, after, begin, end);
    const auto line = PlaceLine<Mass, Word>::between(begin, end, mass);
    // No points where there is no tile: what is drawn for a warp's unused heads are none.
    const Int first = _points.below(head, begin);
    const Int last = lanes::select(inside, _points.below(head, end), first);
    _samples += static_cast<std::uint32_t>(_group.sum(last - first));
    return {line.begin, line.ratio, lanes::select(inside, line.mass, Word(0U)), line.shift, first, last};
  }

  const Group& _group;
  const PointArguments& _arguments;
  const Unit& _unit;
  bool _every_row;
  float _unit_of_mass;
  Points<Group> _points;
  std::uint32_t _samples = 0;
  typename Group::template PerHead<float> _unit_weight;  // of one draw
};

}  // namespace santa::detail::inline SANTA_BUILD
