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
/// share the tiles; `exchange` is room for two numbers of each. Work: vectors of tiles, several at a time so that their
/// loads are on their way together, three times over the visible tiles.
template <class Group>
KOKKOS_FUNCTION void sum_tiles(const Group& group, const PointArguments& a, const Unit& unit, int head,
                               std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  using Word = typename Group::template Vector<std::uint32_t>;
  using Mass = typename Group::template Vector<std::uint64_t>;
  constexpr int together = 4;
  constexpr int turn = together * Group::size;
  const std::int64_t row = unit.head_row(a, head);
  const float* references = a.tile_reference + row * a.tile_stride();
  const std::uint32_t* masses = a.tile_mass + row * a.tile_stride();
  std::uint64_t* prefixes = a.tile_prefix + row * a.tile_stride();
  const std::int64_t begin = unit.start / tile_keys;
  const std::int64_t end = unit.visible() > 0 ? (unit.length + tile_keys - 1) / tile_keys : begin;
  // Whole turns for each group, from a whole vector on to the prefix after the last tile.
  const std::int64_t origin = begin / Group::size * Group::size;
  const std::int64_t turns = (end - origin) / turn + 1;
  const std::int64_t own_turns = (turns + Group::groups_per_team - 1) / Group::groups_per_team;
  const std::int64_t own_begin = origin + group.rank() * own_turns * turn;
  const std::int64_t own_end = own_begin + own_turns * turn < end + 1 ? own_begin + own_turns * turn : end + 1;
  // -infinity outside of the visible tiles, where other runs' masses may be.
  const auto reference_at = [&](std::int64_t first) {
    const auto inside =
        group.lanes_between(static_cast<std::int32_t>(begin > first ? begin - first : 0),
                            static_cast<std::int32_t>(end - first < Group::size ? end - first : Group::size));
    return first < end ? lanes::select(inside, group.load(references + first), Float(-lanes::infinity))
                       : Float(-lanes::infinity);
  };
  Float largest = empty_reference;
  typename Group::Mask broken(0);
  for (std::int64_t first = own_begin; first < own_end; first += turn) {
    Float own[together];
    for (int k = 0; k < together; ++k) own[k] = reference_at(first + k * Group::size);
    for (const Float& part : own) {
      largest = lanes::max(largest, part);
      broken = broken | (part != part);
    }
  }
  float most[2] = {group.max(largest), group.any(broken) ? 1.F : 0.F};
  group.team_max(most, 2, reinterpret_cast<float*>(exchange));
  const float reference = most[0];
  const bool has_nan = most[1] > 0.F;
  const int bits = position_bits(unit.visible());
  const auto load_masses = [&](std::int64_t first, Mass(&own)[together]) {
    for (int k = 0; k < together; ++k) {
      const std::int64_t at = first + k * Group::size;
      const Word mass = at < end ? group.load(masses + at) : Word(0U);
      own[k] = tile_masses<Group>(mass, Float(reference) - reference_at(at), bits);
    }
  };
  std::uint64_t sum = 0;
  if constexpr (Group::groups_per_team > 1) {
    Mass mine(0U);
    for (std::int64_t first = own_begin; first < own_end; first += turn) {
      Mass own[together];
      load_masses(first, own);
      for (const Mass& part : own) mine += part;
    }
    sum = group.team_sum_before(group.sum(mine), exchange);
  }
  for (std::int64_t first = own_begin; first < own_end; first += turn) {
    Mass own[together], after[together];
    load_masses(first, own);
    for (int k = 0; k < together; ++k) after[k] = group.inclusive_scan(own[k]);
    for (int k = 0; k < together; ++k) {
      after[k] += Mass(sum);
      if (first + k * Group::size <= end) group.store(after[k] - own[k], prefixes + first + k * Group::size);
      sum = group.last(after[k]);
    }
  }
  if (own_begin <= end && end < own_begin + own_turns * turn)
    group.single([&] {
      a.reference[row] = has_nan ? lanes::not_a_number : reference;
      a.total[row] = sum;
    });
}

}  // namespace santa::detail::inline SANTA_BUILD
