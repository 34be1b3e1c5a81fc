// The softmax masses of tiles as integers, and where each tile lies in a head's cumulative sum.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A key's mass is exp2(score - r) in units of 2^-mass_bits, where r, an integer, is the tile's reference: at most
/// 2^mass_bits. Sums of such integers have no order.
inline constexpr int mass_bits = 40;

/// Positions in a head's cumulative sum are in units of 2^(R - position_bits), R the largest reference of its tiles:
/// as many bits as leave the sum over all visible keys below 2^62.
KOKKOS_INLINE_FUNCTION int position_bits(std::int64_t visible) {
  int bits = mass_bits;
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

/// Masses by lane; lanes of -infinity or NaN have none.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto key_masses(const typename Group::template Vector<float>& score, float reference) {
  using Float = typename Group::template Vector<float>;
  const Float weight = lanes::exp2(score - Float(reference)) * Float(0x1p40F);
  return lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
}

/// The right shift from a tile's units to the head's. At most 63, which leaves nothing of a tile's mass.
template <class Float>
KOKKOS_FORCEINLINE_FUNCTION Float tile_shift(const Float& apart, int bits) {
  const Float shift = apart + Float(static_cast<float>(mass_bits - bits));
  return lanes::select(shift < Float(63.F), shift, Float(63.F));
}

/// Turns the tiles' masses of one head into prefixes: exact, so that they don't depend on who adds them up. The one
/// after the last tile is the whole mass. Also finds the head's reference. Work: a vector of tiles at a time, twice
/// over the visible tiles.
template <class Group>
KOKKOS_FUNCTION void sum_tiles(const Group& group, const Arguments& a, const Unit& unit, int head) {
  using Float = typename Group::template Vector<float>;
  using Mass = typename Group::template Vector<std::uint64_t>;
  const std::int64_t row = unit.head_row(a, head);
  const float* references = a.work.tile_reference + row * a.tile_stride();
  std::uint64_t* sums = a.work.tile_prefix + row * a.tile_stride();
  const std::int64_t begin = unit.start / tile_keys;
  const std::int64_t end = unit.visible() > 0 ? (unit.length + tile_keys - 1) / tile_keys : begin;
  // Calls f(first tile, references); -infinity outside of the visible tiles, where other runs' masses may be.
  const auto for_each_vector = [&](auto&& f) {
    for (std::int64_t first = begin / Group::size * Group::size; first <= end; first += Group::size) {
      const auto inside =
          group.lanes_between(static_cast<std::int32_t>(begin > first ? begin - first : 0),
                              static_cast<std::int32_t>(end - first < Group::size ? end - first : Group::size));
      f(first, lanes::select(inside, group.load(references + first), Float(-lanes::infinity)));
    }
  };
  Float largest = empty_reference;
  for_each_vector([&](std::int64_t, const Float& reference) { largest = lanes::max(largest, reference); });
  const float reference = group.max(largest);
  const int bits = position_bits(unit.visible());
  std::uint64_t sum = 0;
  for_each_vector([&](std::int64_t first, const Float& own) {
    const Float shift = tile_shift(Float(reference) - own, bits);
    const Mass mass = group.load(sums + first) >> lanes::convert<std::uint64_t>(shift);
    const Mass after = group.inclusive_scan(mass) + Mass(sum);
    group.store(after - mass, sums + first);
    sum = group.last(after);
  });
  group.single([&] {
    a.work.reference[row] = reference;
    a.work.total[row] = sum;
  });
}

}  // namespace santa::detail
