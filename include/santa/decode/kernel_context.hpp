// What the kernels of a decode step have in common.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/gather/row_queue.hpp>
#include <santa/lanes/group.hpp>
#include <santa/score/sources.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// What the kernels of one method share: where data lies, how it is scored, and the group that works on it.
template <class Space, class Addresses, class Modifier>
struct KernelContext {
  using Group = lanes::GroupOf<Space>;
  using Tile = lanes::TileOf<Space, typename Addresses::Element>;
  using Rows = decltype(Addresses{}.keys(0, 0));
  using Keys = KeyScores<Group, Tile, Rows, Modifier>;

  Arguments arguments;
  Addresses addresses;
  Modifier modifier;

  [[nodiscard]] KOKKOS_FUNCTION Unit unit(std::int64_t rank) const { return unit_of(arguments, modifier, rank); }

  KOKKOS_FUNCTION void begin(Tile& tile, const Unit& unit) const {
    const Arguments& a = arguments;
    tile.begin(a.query, unit.batch * a.query_stride[0] + unit.first_head * a.query_stride[1], a.query_stride[1],
               a.score_factor);
  }
  [[nodiscard]] KOKKOS_FUNCTION Keys keys(const Group& group, const Tile& tile, const Unit& unit) const {
    const std::int64_t next = unit_rank(arguments, unit.batch, unit.split, unit.kv_head, unit.slice) + 1;
    const Unit after = this->unit(next < unit_rank(arguments, arguments.batch, 0, 0, 0) ? next : 0);
    return {group,
            tile,
            addresses.keys(unit.batch, unit.kv_head),
            addresses.keys(after.batch, after.kv_head),
            after.begin,
            modifier,
            unit};
  }

  /// Scratch of one lane group, in floats.
  static std::size_t scratch_floats(int heads, int dim) {
    return Tile::scratch_floats(heads, dim) + static_cast<std::size_t>(RowQueue<Group>::scratch_words(heads));
  }

  /// Calls f(unit) for every slice of a kv head, once all units of the kv head have arrived: by the group of the last
  /// one, which sees what the others wrote.
  template <class F>
  KOKKOS_FUNCTION void when_all_arrived(const Group& group, const Unit& unit, F&& f) const {
    const Arguments& a = arguments;
    std::int32_t& arrived = a.work.arrived[static_cast<std::int64_t>(unit.batch) * a.kv_heads + unit.kv_head];
    if (!group.last_of(arrived, a.splits * a.slices)) return;
    for (std::int32_t slice = 0; slice < a.slices; ++slice)
      f(unit_of(a, modifier, unit_rank(a, unit.batch, 0, unit.kv_head, slice)));
  }
};

template <class Group>
KOKKOS_FORCEINLINE_FUNCTION int keys_of_tile(const Unit& unit, std::int64_t first) {
  const std::int64_t left = unit.end - first;
  return static_cast<int>(left < Group::size ? left : Group::size);
}

}  // namespace santa::detail
