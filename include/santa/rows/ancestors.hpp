// Writes the ancestors: a block's rows, each as often as points fall into its part of the places.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/block_places.hpp>
#include <santa/rows/own_rows.hpp>
#include <santa/rows/resampling_points.hpp>
#include <santa/rows/row_blocks.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// Ancestors of one vector after the other, and marks of stretches that are one row's: a device fills these later, a
/// block so many.
template <class Index>
struct AncestorList {
  static constexpr std::int64_t stretch = 256, of_block = 256;

  Index* data;
  std::int64_t points, stride;  // of a vector
  std::int64_t* marks;          // [vectors][stretches()]: 1 + row, 0: none; null: everything is written at once

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t stretches() const { return (points + stretch - 1) / stretch; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t fillers() const { return (stretches() + of_block - 1) / of_block; }

  KOKKOS_FORCEINLINE_FUNCTION void write(std::int64_t vector, std::int64_t row, std::int64_t first,
                                         std::int64_t end) const {
    Index* const to = data + vector * stride;
    const auto fill = [&](std::int64_t begin, std::int64_t stop) {
      for (std::int64_t i = begin; i < stop; ++i) to[i] = static_cast<Index>(row);
    };
    if (marks == nullptr || end - first < 2 * stretch) return fill(first, end);
    const std::int64_t whole = (first + stretch - 1) / stretch, last = end / stretch;
    fill(first, whole * stretch);
    for (std::int64_t i = whole; i < last; ++i) marks[vector * stretches() + i] = row + 1;
    fill(last * stretch, end);
  }

  static constexpr int piece = 256;  // rows that a host's thread writes at a time: their numbers are bytes

  /// A block's rows: row i has the points from that before it, or `first`, up to below[i].
  template <class Block>
  KOKKOS_FORCEINLINE_FUNCTION void write_rows(const Block& block, const RowBlock& at, const std::uint64_t* below,
                                              std::uint64_t first) const {
    if constexpr (Block::in_order) {
      for (int begin = 0; begin < at.count; begin += piece) {
        const int own = at.count - begin < piece ? at.count - begin : piece;
        write_piece(data + at.vector * stride, at.first + begin, below + begin, own, first);
        first = below[begin + own - 1];
      }
    } else {
      write_parts(block, at, first, below[at.count - 1] - first, [&](const auto& part) {
        block.for_each(at.count, [&](std::int64_t i) { part(i, i > 0 ? below[i - 1] : first, below[i]); });
      });
    }
  }
  /// `count` points of a block from `first` on: `each_part(part)` calls part(row, begin, end) for each row of the
  /// block, whose points these are.
  template <class Block, class EachPart>
  KOKKOS_FUNCTION void write_parts(const Block& block, const RowBlock& at, std::uint64_t first, std::uint64_t count,
                                   const EachPart& each_part) const {
    if (count <= most_begins) return write_by_begins(block, at, first, static_cast<int>(count), each_part);
    each_part([&](std::int64_t row, std::uint64_t begin, std::uint64_t end) {
      if (begin < end)
        write(at.vector, at.first + row, static_cast<std::int64_t>(begin), static_cast<std::int64_t>(end));
    });
  }
  /// A block's part of the points of a vector of which nothing can be drawn: ancestors -1.
  template <class Block>
  KOKKOS_FUNCTION void write_none(const Block& block, const RowBlock& at, std::int64_t blocks) const {
    const std::int64_t each = (points + blocks - 1) / blocks, begin = at.number * each;
    const std::int64_t own = points - begin < each ? points - begin : each;
    Index* const to = data + at.vector * stride + begin;
    if (own > 0) block.for_each(own, [&](std::int64_t i) { to[i] = Index{-1}; });
  }

 private:
  // Points: 2 bytes each in half of a block's memory.
  static constexpr std::uint64_t most_begins = BlockMemory::words / 2 * sizeof(std::uint64_t) / sizeof(std::uint16_t);

  /// Each row that has points leaves its number at the first of them, and points take the last number before them.
  template <class Block, class EachPart>
  KOKKOS_FUNCTION void write_by_begins(const Block& block, const RowBlock& at, std::uint64_t first, int count,
                                       const EachPart& each_part) const {
    static_assert(block_rows <= 1 << 16);
    std::uint64_t* const words = block.memory.second();
    auto* const row_of = reinterpret_cast<std::uint16_t*>(words);
    block.for_each((count + 3) / 4, [&](int i) { words[i] = 0; });
    each_part([&](std::int64_t row, std::uint64_t begin, std::uint64_t end) {
      if (begin < end) row_of[static_cast<std::uint32_t>(begin - first)] = static_cast<std::uint16_t>(row);
    });
    block.barrier();
    block.scan_largest(count, row_of);
    Index* const to = data + at.vector * stride + first;
    block.for_each(count, [&](int k) { to[k] = static_cast<Index>(at.first + row_of[k]); });
  }

  /// Rows that one thread writes in order. No branch depends on how often a row comes, which can't be guessed: each
  /// row marks where it begins, the later of those that begin together stays, and points take the last mark.
  KOKKOS_FUNCTION static void write_piece(Index* out, std::int64_t row, const std::uint64_t* below, int count,
                                          std::uint64_t first) {
    constexpr std::uint64_t room = 16 * piece, window = 32;
    const std::uint64_t points = below[count - 1] - first;
    Index* const to = out + first;
    if (points >= room) {  // few rows with many points each
      std::uint64_t begin = 0;
      for (int i = 0; i < count; begin = below[i++] - first)
        for (std::uint64_t k = begin; k < below[i] - first; ++k) to[k] = static_cast<Index>(row + i);
      return;
    }
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-member-init): what is read is set
    std::uint8_t memory[2][window + room + window], *mark = memory[0] + window, *next = memory[1] + window;
    const std::uint64_t end = (points + window - 1) / window * window;
    for (std::uint64_t k = 0; k < window + end + 1; ++k) memory[0][k] = memory[1][k] = 0;
    std::uint64_t begin = 0;
    for (int i = 0; i < count; begin = below[i++] - first) mark[begin] = static_cast<std::uint8_t>(i);
    const auto largest = [](std::uint8_t a, std::uint8_t b) { return a > b ? a : b; };
    for (std::uint64_t step = 1; step < window; step *= 2) {
      for (std::uint64_t k = 0; k < end; ++k) next[k] = largest(mark[k], mark[static_cast<std::int64_t>(k - step)]);
      std::uint8_t* const done = next;
      next = mark;
      mark = done;
    }
    for (std::uint64_t k = 0; k < end; k += window)
      for (std::uint64_t i = k; i < k + window; ++i)
        mark[i] = largest(mark[i], mark[static_cast<std::int64_t>(i - window)]);
    for (std::uint64_t k = 0; k < points; ++k) to[k] = static_cast<Index>(row + mark[k]);
  }
};

/// Fills marked stretches; most blocks have none.
template <class Index>
struct FillStretches : AncestorList<Index> {
  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const std::int64_t vector = index < this->fillers() ? 0 : index / this->fillers();
    const std::int64_t first = (index - vector * this->fillers()) * this->of_block;
    const std::int64_t left = this->stretches() - first, own = left < this->of_block ? left : this->of_block;
    const std::int64_t* const row = this->marks + vector * this->stretches() + first;
    if (block.sum(own, [&](std::int64_t i) { return static_cast<std::uint64_t>(row[i]); }) == 0) return;
    Index* const to = this->data + vector * this->stride + first * this->stretch;
    block.for_each(own * this->stretch, [&](std::int64_t i) {
      if (const std::int64_t of = row[i / this->stretch]; of > 0) to[i] = static_cast<Index>(of - 1);
    });
  }
};

/// Where there are no rows, ancestors are -1. Index: an ancestor.
template <class Index>
struct NoAncestors : AncestorList<Index> {
  KOKKOS_FUNCTION void operator()(std::int64_t index) const {
    this->data[index / this->points * this->stride + index % this->points] = Index{-1};
  }
};

/// Draws by points that lie in the places of all rows. Reads: log-weights of blocks that have points.
template <class T, class Index, class Points, bool with_cut>
struct WriteAncestors : BlockPlaces<T> {
  static constexpr int side_by_side = 4;

  Chance chance;
  const std::uint32_t* table;  // [vectors][points], of independent points
  AncestorList<Index> to;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const RowBlock at(this->rows, index);
    if (!this->whole[at.vector].drawable()) {
      if constexpr (!with_cut) to.write_none(block, at, this->rows.blocks());
      return;
    }
    const PointNumbers numbers{chance.key(static_cast<std::int32_t>(at.vector))};
    const Points placed(Strata(this->points), numbers, this->whole[at.vector].strata,
                        table + at.vector * static_cast<std::int64_t>(this->points));
    const std::uint64_t first = placed.below(this->begin_of(at)[0]);
    const std::uint64_t count = placed.below(this->begin_of(at)[1]) - first;
    if (count == 0) return;
    if constexpr (!Block::in_order && !with_cut)
      if (block.holds_rows()) return write_own(block, at, placed, first, count);
    const std::uint64_t* const place =
        this->template find<with_cut>(block, at, [&](std::uint64_t end) { return placed.below(end); });
    to.write_rows(block, at, place, first);
  }

 private:
  /// A team's threads, in registers.
  template <class Member>
  KOKKOS_FUNCTION void write_own(const TeamBlock<Member>& block, const RowBlock& at, const Points& placed,
                                 std::uint64_t first, std::uint64_t count) const {
    constexpr int own = OwnRows<Member>::count;
    std::uint64_t mass[own];
    const std::uint64_t before = this->own_masses(block, at, mass);
    const BlockSum& sum = this->sums[at.vector * this->rows.blocks() + at.number];
    const std::uint64_t* const ends = this->begin_of(at);
    const Proportion place(sum.mass, ends[1] - ends[0]);
    std::uint64_t up_to = before;
    SANTA_UNROLL()
    for (int k = 0; k < own; ++k) mass[k] = placed.below(ends[0] + place.of(up_to += mass[k]));
    const std::uint64_t begin = placed.below(ends[0] + place.of(before));
    to.write_parts(block, at, first, count, [&](const auto& part) {
      SANTA_UNROLL()
      for (int k = 0; k < own; ++k)
        part(std::int64_t{block.member.team_rank()} * own + k, k > 0 ? mass[k - 1] : begin, mass[k]);
    });
  }
};

/// Fills what was marked.
template <class Space, class Index>
void fill_stretches(const Space& space, const AncestorList<Index>& list, std::int64_t vectors) {
  if (list.marks != nullptr)
    launch_blocks("santa::fill_ancestors", space, vectors * list.fillers(), FillStretches<Index>{list});
}

}  // namespace santa::detail::inline SANTA_BUILD
