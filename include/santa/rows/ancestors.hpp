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
    } else if (below[at.count - 1] - first <= merged) {
      merge_rows(block, at, below, first);
    } else {
      block.for_each(at.count, [&](std::int64_t i) {
        const std::uint64_t from = i > 0 ? below[i - 1] : first;
        if (from < below[i])
          write(at.vector, at.first + i, static_cast<std::int64_t>(from), static_cast<std::int64_t>(below[i]));
      });
    }
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
  static constexpr std::uint64_t merged = BlockMemory::words;  // points: 4 bytes each in half of a block's memory

  /// Rows and points as one sequence, each row behind its points: a thread has a stretch of it, however the points are
  /// shared out, and finds where it begins by bisection.
  template <class Block>
  KOKKOS_FUNCTION void merge_rows(const Block& block, const RowBlock& at, const std::uint64_t* below,
                                  std::uint64_t first) const {
    auto* const own = reinterpret_cast<std::uint32_t*>(block.memory.second());
    const auto count = static_cast<std::uint64_t>(at.count), all = below[count - 1] - first;
    block.for_each_stretch(static_cast<std::int64_t>(count + all), [&](std::int64_t from, std::int64_t to) {
      const auto begin = static_cast<std::uint64_t>(from), end = static_cast<std::uint64_t>(to);
      std::uint64_t row = 0, most = count;
      while (row < most) {
        const std::uint64_t middle = (row + most) / 2;
        if (middle + (below[middle] - first) < begin)
          row = middle + 1;
        else
          most = middle;
      }
      for (std::uint64_t step = begin, point = begin - row; step < end; ++step) {
        if (row < count && below[row] - first <= point)
          ++row;
        else
          own[point++] = static_cast<std::uint32_t>(row);
      }
    });
    Index* const to = data + at.vector * stride + first;
    block.for_each(static_cast<std::int64_t>(all),
                   [&](std::int64_t k) { to[k] = static_cast<Index>(at.first + own[k]); });
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

  /// Leaves where each row's part ends, or `of` it, in the block's memory. Returns it.
  template <bool with_cut, class Block, class Of>
  KOKKOS_FORCEINLINE_FUNCTION std::uint64_t* find(const Block& block, const RowBlock& at, const Of& of) const {
    const BlockSum& sum = sums[at.vector * rows.blocks() + at.number];
    const std::uint64_t* const from = begin_of(at);
    const MassCut cut = whole[at.vector].cut;
    const int bits = Strata(points).bits;
    if constexpr (!Block::in_order && !with_cut) return find_by_team(block, at, sum, of);
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
                   [&](std::int64_t i) { mass[i] = of(first + place.of(mass[i]) + (with_cut ? certain[i] : 0)); });
    return mass;
  }

 private:
  /// The same in two rounds of a team's threads.
  template <class Block, class Of>
  KOKKOS_FUNCTION std::uint64_t* find_by_team(const Block& block, const RowBlock& at, const BlockSum& sum,
                                              const Of& of) const {
    std::uint64_t* const mass = block.memory.first;
    const T* const from = rows.data + at.vector * rows.stride[0] + at.first * rows.stride[1];
    const std::uint64_t* const ends = begin_of(at);
    const std::uint64_t first = ends[0];
    const Proportion place(sum.mass, ends[1] - first);
    const double reference = sum.reference > -infinite ? sum.reference : 0.;  // of nothing: weights are 0
    block.load(at.count, from, rows.stride[1], [&](std::int64_t i, T value) {
      mass[i] = fixed_weight(fixed_exp(static_cast<double>(value) - reference));
    });
    block.scan(
        at.count, [&](std::int64_t i) { return mass[i]; },
        [&](std::int64_t i, std::uint64_t up_to) { mass[i] = of(first + place.of(up_to)); });
    return mass;
  }
};

/// Draws by points that lie in the places of all rows. Reads: log-weights of blocks that have points.
template <class T, class Index, class Points, bool with_cut>
struct WriteAncestors : BlockPlaces<T> {
  static constexpr int side_by_side = 5;

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
    if (placed.below(this->begin_of(at)[1]) == first) return;
    const std::uint64_t* const place =
        this->template find<with_cut>(block, at, [&](std::uint64_t end) { return placed.below(end); });
    to.write_rows(block, at, place, first);
  }
};

/// Fills what was marked.
template <class Space, class Index>
void fill_stretches(const Space& space, const AncestorList<Index>& list, std::int64_t vectors) {
  if (list.marks != nullptr)
    launch_blocks("santa::fill_ancestors", space, vectors * list.fillers(), FillStretches<Index>{list});
}

}  // namespace santa::detail::inline SANTA_BUILD
