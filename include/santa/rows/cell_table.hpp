// How many of independent points fall into each of as many cells, so that any row finds its own.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/core/extent.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/resampling_points.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Cells in groups whose counters fit a block's memory: points choose a group first, then a cell of it.
inline constexpr std::int64_t group_cells = BlockMemory::words;

struct CellTable {
  Chance chance;
  std::int64_t points;     // of a vector, at most; as many as cells are used, by `whole`
  const WholeMass* whole;  // [vectors]
  std::uint32_t* groups;   // [vectors][groups() + 1]: points of each, then points before each
  std::uint32_t* table;    // [vectors][points]: points before each cell

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t group_count() const { return (points + group_cells - 1) / group_cells; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t pairs() const { return (points + 1) / 2; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t* groups_of(std::int64_t vector) const {
    return groups + vector * (group_count() + 1);
  }
  [[nodiscard]] KOKKOS_FUNCTION PointNumbers numbers(std::int64_t vector) const {
    return {chance.key(static_cast<std::int32_t>(vector))};
  }
};

/// Counts the points of each group behind its begin.
struct CountGroups : CellTable {
  KOKKOS_FUNCTION void operator()(std::int64_t index) const {
    const std::int64_t vector = index / pairs(), pair = index % pairs();
    const std::uint64_t cells = whole[vector].strata;
    std::uint64_t number[2];
    numbers(vector).pair(PointNumbers::cells + static_cast<std::uint32_t>(pair), number);
    for (std::uint64_t k = 0; k < 2; ++k)
      if (2 * static_cast<std::uint64_t>(pair) + k < cells)
        Kokkos::atomic_add(&groups_of(vector)[scaled(number[k], cells) / group_cells + 1], 1U);
  }
};

/// Turns a vector's counts into points before each group.
struct SumGroups : CellTable {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t vector) const {
    std::uint32_t* const count = groups_of(vector) + 1;
    block.scan(
        group_count(), [&](std::int64_t i) { return std::uint64_t{count[i]}; },
        [&](std::int64_t i, std::uint64_t sum) { count[i] = static_cast<std::uint32_t>(sum); });
  }
};

/// Shares out a group's points over its cells.
struct FillCells : CellTable {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t vector = index / group_count(), group = index % group_count();
    const auto cells = static_cast<std::int64_t>(whole[vector].strata);
    const std::int64_t first = group * group_cells;
    const std::int64_t own = cells - first < group_cells ? cells - first : group_cells;
    if (own <= 0) return;
    std::uint64_t* const count = block.memory.first;
    block.for_each(own, [&](std::int64_t i) { count[i] = 0; });
    const std::int64_t before = groups_of(vector)[group];
    const PointNumbers random = numbers(vector);
    block.for_each(static_cast<std::int64_t>(groups_of(vector)[group + 1]) - before, [&](std::int64_t i) {
      const auto point = static_cast<std::uint64_t>(before + i);
      std::uint64_t number[2];
      random.pair(2 * PointNumbers::cells + static_cast<std::uint32_t>(point / 2), number);
      block.increment(count[scaled(number[point % 2], static_cast<std::uint64_t>(own))]);
    });
    std::uint32_t* const to = table + vector * points + first;
    block.scan(
        own, [&](std::int64_t i) { return i > 0 ? count[i - 1] : static_cast<std::uint64_t>(before); },
        [&](std::int64_t i, std::uint64_t sum) { to[i] = static_cast<std::uint32_t>(sum); });
  }
};

/// Fills a table whose groups are zeroed.
template <class Space>
void fill_cells(const Space& space, const CellTable& table, std::int64_t vectors) {
  Kokkos::parallel_for("santa::count_groups", Range<Space>(space, 0, vectors * table.pairs()), CountGroups{table});
  launch_blocks("santa::sum_groups", space, vectors, SumGroups{table});
  launch_blocks("santa::fill_cells", space, vectors * table.group_count(), FillCells{table});
}

}  // namespace santa::detail::inline SANTA_BUILD
