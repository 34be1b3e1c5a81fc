// Writes the ancestors: a block's rows, each as often as points fall into its part of the places.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/resampling_points.hpp>
#include <santa/rows/row_blocks.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// Ancestors of one vector after the other, and marks of stretches that are one row's: a device fills these later.
template <class Index>
struct AncestorList {
  static constexpr std::int64_t stretch = 256;

  Index* data;
  std::int64_t points, stride;  // of a vector
  std::int64_t* marks;          // [vectors][stretches()]: row, -1: none; null: everything is written at once

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t stretches() const { return (points + stretch - 1) / stretch; }

  KOKKOS_FORCEINLINE_FUNCTION void write(std::int64_t vector, std::int64_t row, std::int64_t first,
                                         std::int64_t end) const {
    Index* const to = data + vector * stride;
    const auto fill = [&](std::int64_t begin, std::int64_t stop) {
      for (std::int64_t i = begin; i < stop; ++i) to[i] = static_cast<Index>(row);
    };
    if (marks == nullptr || end - first < 2 * stretch) return fill(first, end);
    const std::int64_t whole = (first + stretch - 1) / stretch, last = end / stretch;
    fill(first, whole * stretch);
    for (std::int64_t i = whole; i < last; ++i) marks[vector * stretches() + i] = row;
    fill(last * stretch, end);
  }

  /// A block's rows: row i has the points from that before it, or `first`, up to below[i].
  template <class Block>
  KOKKOS_FORCEINLINE_FUNCTION void write_rows(const Block& block, const RowBlock& at, const std::uint64_t* below,
                                              std::uint64_t first) const {
    if constexpr (Block::in_order) {
      // Rows without points write too, where the next one that has some writes again: no branch to guess.
      Index* const out = data + at.vector * stride;
      const std::uint64_t end = below[at.count - 1];
      for (int i = 0; i < at.count && first < end; ++i) {
        const std::uint64_t stop = below[i];
        out[first] = static_cast<Index>(at.first + i);
        for (std::uint64_t k = first + 1; k < stop; ++k) out[k] = static_cast<Index>(at.first + i);
        first = stop;
      }
    } else {
      block.for_each(at.count, [&](std::int64_t i) {
        const std::uint64_t from = i > 0 ? below[i - 1] : first;
        if (from < below[i])
          write(at.vector, at.first + i, static_cast<std::int64_t>(from), static_cast<std::int64_t>(below[i]));
      });
    }
  }
};

/// Fills marked stretches.
template <class Index>
struct FillStretches : AncestorList<Index> {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t row = this->marks[index];
    if (row < 0) return;
    const std::int64_t vector = index / this->stretches(), first = index % this->stretches() * this->stretch;
    Index* const to = this->data + vector * this->stride + first;
    block.for_each(this->stretch, [&](std::int64_t i) { to[i] = static_cast<Index>(row); });
  }
};

/// Vectors of which nothing can be drawn have ancestors -1.
template <class Index>
struct NoAncestors : AncestorList<Index> {
  const WholeMass* whole;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t vector) const {
    if (whole[vector].drawable()) return;
    Index* const to = this->data + vector * this->stride;
    block.for_each(this->points, [&](std::int64_t i) { to[i] = Index{-1}; });
  }
};

/// What is drawn of blocks of rows.
template <class T>
struct BlockPlaces {
  LogRows<T> rows;
  const BlockSum* sums;        // [vectors][blocks]
  const std::uint64_t* begin;  // [vectors][blocks + 1]
  const WholeMass* whole;      // [vectors]
  std::uint64_t points;        // of a vector

  [[nodiscard]] KOKKOS_FUNCTION const std::uint64_t* begin_of(const RowBlock& at) const {
    return begin + at.vector * (rows.blocks() + 1) + at.number;
  }

  /// Leaves where each row's part ends in the block's memory. Returns it.
  template <bool with_cut, class Block>
  KOKKOS_FORCEINLINE_FUNCTION std::uint64_t* find(const Block& block, const RowBlock& at) const {
    const BlockSum& sum = sums[at.vector * rows.blocks() + at.number];
    const std::uint64_t* const from = begin_of(at);
    const MassCut cut = whole[at.vector].cut;
    const int bits = Strata(points).bits;
    load_block(block, rows, at);
    std::uint64_t* const certain = block.memory.second();
    if constexpr (with_cut) {
      const std::uint64_t* const value = block.memory.first;
      block.scan(
          at.count,
          [&](std::int64_t i) { return std::uint64_t{cut.takes(Kokkos::bit_cast<double>(value[i])) ? 1U : 0U}; },
          [&](std::int64_t i, std::uint64_t count) { certain[i] = count << bits; });
    }
    std::uint64_t* const mass = weigh_block<with_cut>(block, at.count, sum.reference, cut);
    const std::uint64_t wide = with_cut ? static_cast<std::uint64_t>(sum.whole) << bits : 0;
    const Proportion place(sum.mass, from[1] - from[0] - wide);
    const std::uint64_t first = from[0];
    block.scan(
        at.count, [&](std::int64_t i) { return mass[i]; },
        [&](std::int64_t i, std::uint64_t up_to) { mass[i] = up_to; });
    block.for_each(at.count,
                   [&](std::int64_t i) { mass[i] = first + place.of(mass[i]) + (with_cut ? certain[i] : 0); });
    return mass;
  }
};

/// Draws by points that lie in the places of all rows. Reads: log-weights of blocks that have points.
template <class T, class Index, class Points, bool with_cut>
struct WriteAncestors : BlockPlaces<T> {
  Chance chance;
  const std::uint32_t* table;  // [vectors][points], of independent points
  AncestorList<Index> to;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const RowBlock at(this->rows, index);
    if (!this->whole[at.vector].drawable()) return;
    const PointNumbers numbers{chance.key(static_cast<std::int32_t>(at.vector))};
    const Points placed(Strata(this->points), numbers, this->whole[at.vector].strata,
                        table + at.vector * static_cast<std::int64_t>(this->points));
    const std::uint64_t first = placed.below(this->begin_of(at)[0]);
    if (placed.below(this->begin_of(at)[1]) == first) return;
    std::uint64_t* const place = this->template find<with_cut>(block, at);
    block.for_each(at.count, [&](std::int64_t i) { place[i] = placed.below(place[i]); });
    to.write_rows(block, at, place, first);
  }
};

/// Fills what was marked.
template <class Space, class Index>
void fill_stretches(const Space& space, const AncestorList<Index>& list, std::int64_t vectors) {
  if (list.marks != nullptr)
    launch_blocks("santa::fill_ancestors", space, vectors * list.stretches(), FillStretches<Index>{list});
}

}  // namespace santa::detail::inline SANTA_BUILD
