// Where the parts of a block's rows end, in the places of all rows.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/own_rows.hpp>
#include <santa/rows/row_blocks.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

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

  /// Weights of the rows that a thread goes through, in `mass`; returns those of the threads before it.
  template <class Member>
  KOKKOS_FUNCTION std::uint64_t own_masses(const TeamBlock<Member>& block, const RowBlock& at,
                                           std::uint64_t (&mass)[OwnRows<Member>::count]) const {
    const BlockSum& sum = sums[at.vector * rows.blocks() + at.number];
    const double reference = sum.reference > -infinite ? sum.reference : 0.;
    const OwnRows<Member> own{block};
    double value[OwnRows<Member>::count];
    own.load(rows.data + at.vector * rows.stride[0] + at.first * rows.stride[1], rows.stride[1], at.count, -infinite,
             value);
    SANTA_UNROLL()
    for (int k = 0; k < own.count; ++k) mass[k] = fixed_weight(fixed_exp(value[k] - reference));
    own.put_in_order(mass);
    std::uint64_t all = 0;
    SANTA_UNROLL()
    for (const std::uint64_t of_row : mass) all += of_row;
    return block.template join<lanes::Plus>(all).before;
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

}  // namespace santa::detail::inline SANTA_BUILD
