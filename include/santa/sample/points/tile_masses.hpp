// The softmax masses of tiles as integers, and where each tile lies in a head's cumulative sum.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A key's mass is exp2(score - r) in units of 2^-mass_bits, where r, an integer, is the tile's reference: at most
/// 2^mass_bits, and those of a tile add up to at most 2^31. Sums of such integers have no order.
inline constexpr int mass_bits = 26;

/// Positions in a head's cumulative sum are in units of 2^(R - position_bits), R the largest reference of its tiles:
/// as many bits as leave the sum over all visible keys below 2^62.
inline constexpr int most_position_bits = 40;
KOKKOS_INLINE_FUNCTION int position_bits(std::int64_t visible) {
  int bits = most_position_bits;
  while (bits > 0 && visible > (std::int64_t{1} << (62 - bits))) --bits;
  return bits;
}

/// The reference of a tile: no score lies above it.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION float tile_reference(const Group& group,
                                                 const typename Group::template Vector<float>& score) {
  using Float = typename Group::template Vector<float>;
  return lanes::ceil(group.max(lanes::max(Float(empty_reference), score)));
}

/// Masses by lane, in units of 1 / `unit`; lanes of -infinity or NaN have none.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto key_masses(const typename Group::template Vector<float>& score, float reference,
                                            float unit = 0x1p26F) {
  using Float = typename Group::template Vector<float>;
  const Float weight = lanes::fma(lanes::exp2(score - Float(reference)), Float(unit), Float(0.5F));
  const auto whole = lanes::convert<std::int32_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
  return lanes::bit_cast<std::uint32_t>(whole);
}

/// Masses of tiles in the head's units, `apart` being how far the tile's reference lies below the head's.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto tile_masses(const typename Group::template Vector<std::uint32_t>& mass,
                                             const typename Group::template Vector<float>& apart, int bits) {
  using Float = typename Group::template Vector<float>;
  const Float shift = apart + Float(static_cast<float>(most_position_bits - bits));
  const Float limited = lanes::select(shift < Float(63.F), shift, Float(63.F));  // leaves nothing
  return (lanes::convert<std::uint64_t>(mass) << (most_position_bits - mass_bits)) >>
         lanes::convert<std::uint64_t>(limited);
}

/// Turns the tiles' masses of one head into prefixes: exact, so that they don't depend on who adds them up. The one
/// after the last tile is the whole mass. Also finds the head's reference: NaN where a score is. The groups of a team
/// share the tiles. Work: vectors of tiles, several at a time so that their loads are on their way together, three
/// times over the visible tiles.
template <class Group>
class TileSums {
  using Float = typename Group::template Vector<float>;
  using Word = typename Group::template Vector<std::uint32_t>;
  using Mass = typename Group::template Vector<std::uint64_t>;
  static constexpr int together = 4;
  static constexpr int turn = together * Group::size;

 public:
  /// `exchange` is room for two numbers of each group.
  KOKKOS_FUNCTION TileSums(const Group& group, const PointArguments& a, const Unit& unit, int head,
                           std::uint64_t* exchange)
      : _group(group),
        _arguments(a),
        _row(unit.head_row(a, head)),
        _exchange(exchange),
        _begin(unit.start / tile_keys),
        _end(unit.visible() > 0 ? (unit.length + tile_keys - 1) / tile_keys : _begin),
        _bits(position_bits(unit.visible())) {
    // Whole turns for each group, from a whole vector on to the prefix after the last tile.
    const std::int64_t origin = _begin / Group::size * Group::size;
    const std::int64_t turns = (_end - origin) / turn + 1;
    const std::int64_t own_turns = (turns + Group::groups_per_team - 1) / Group::groups_per_team;
    _own_begin = origin + group.rank() * own_turns * turn;
    _own_limit = _own_begin + own_turns * turn;
    _own_end = _own_limit < _end + 1 ? _own_limit : _end + 1;
  }

  KOKKOS_FUNCTION void find() {
    if constexpr (keeps_turn) _first = load(_own_begin);
    find_reference();
    write_prefixes(mass_before());
  }

 private:
  /// -infinity outside of the visible tiles, where other runs' masses may be.
  [[nodiscard]] KOKKOS_FUNCTION Float references(std::int64_t first) const {
    const auto inside =
        _group.lanes_between(static_cast<std::int32_t>(_begin > first ? _begin - first : 0),
                             static_cast<std::int32_t>(_end - first < Group::size ? _end - first : Group::size));
    if (first >= _end) return Float(-lanes::infinity);
    const float* from = _arguments.tile_reference + _row * _arguments.tile_stride();
    return lanes::select(inside, _group.load(from + first), Float(-lanes::infinity));
  }
  /// Several vectors of tiles.
  struct Turn {
    Float reference[together];
    Word mass[together];
  };
  /// Teams share a head's tiles, so that groups mostly have one turn, which they load once.
  static constexpr bool keeps_turn = Group::groups_per_team > 1;

  [[nodiscard]] KOKKOS_FUNCTION Turn load(std::int64_t first) const {
    const std::uint32_t* from = _arguments.tile_mass + _row * _arguments.tile_stride();
    Turn own;
    for (int k = 0; k < together; ++k) {
      const std::int64_t at = first + k * Group::size;
      own.reference[k] = references(at);
      own.mass[k] = at < _end ? _group.load(from + at) : Word(0U);
    }
    return own;
  }
  [[nodiscard]] KOKKOS_FUNCTION Turn turn_at(std::int64_t first) const {
    if constexpr (keeps_turn)
      if (first == _own_begin) return _first;
    return load(first);
  }
  KOKKOS_FUNCTION void load_masses(std::int64_t first, Mass (&own)[together]) const {
    const Turn all = turn_at(first);
    for (int k = 0; k < together; ++k)
      own[k] = tile_masses<Group>(all.mass[k], Float(_reference) - all.reference[k], _bits);
  }

  KOKKOS_FUNCTION void find_reference() {
    Float largest = empty_reference;
    typename Group::Mask broken(0);
    for (std::int64_t first = _own_begin; first < _own_end; first += turn) {
      const Turn own = turn_at(first);
      for (const Float& part : own.reference) {
        largest = lanes::max(largest, part);
        broken = broken | (part != part);
      }
    }
    float most[2] = {_group.max(largest), _group.any(broken) ? 1.F : 0.F};
    _group.team_max(most, 2, reinterpret_cast<float*>(_exchange));
    _reference = most[0];
    _has_nan = most[1] > 0.F;
  }

  /// What the groups before have.
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t mass_before() const {
    if constexpr (Group::groups_per_team == 1) {
      return 0;
    } else {
      Mass mine(0U);
      for (std::int64_t first = _own_begin; first < _own_end; first += turn) {
        Mass own[together];
        load_masses(first, own);
        for (const Mass& part : own) mine += part;
      }
      return _group.team_sum_before(_group.sum(mine), _exchange);
    }
  }

  KOKKOS_FUNCTION void write_prefixes(std::uint64_t sum) const {
    std::uint64_t* to = _arguments.tile_prefix + _row * _arguments.tile_stride();
    for (std::int64_t first = _own_begin; first < _own_end; first += turn) {
      Mass own[together], after[together];
      load_masses(first, own);
      for (int k = 0; k < together; ++k) after[k] = _group.inclusive_scan(own[k]);
      for (int k = 0; k < together; ++k) {
        after[k] += Mass(sum);
        if (first + k * Group::size <= _end) _group.store(after[k] - own[k], to + first + k * Group::size);
        sum = _group.last(after[k]);
      }
    }
    if (_own_begin <= _end && _end < _own_limit)
      _group.single([&] {
        _arguments.reference[_row] = _has_nan ? lanes::not_a_number : _reference;
        _arguments.total[_row] = sum;
      });
  }

  const Group& _group;
  const PointArguments& _arguments;
  std::int64_t _row;
  std::uint64_t* _exchange;
  std::int64_t _begin, _end;                                  // visible tiles
  std::int64_t _own_begin = 0, _own_end = 0, _own_limit = 0;  // the group's, and where whole turns of it end
  int _bits;
  Turn _first{};  // where it is kept
  float _reference = 0.F;
  bool _has_nan = false;
};

template <class Group>
KOKKOS_FUNCTION void sum_tiles(const Group& group, const PointArguments& a, const Unit& unit, int head,
                               std::uint64_t* exchange = nullptr) {
  TileSums<Group>(group, a, unit, head, exchange).find();
}

}  // namespace santa::detail::inline SANTA_BUILD
