// What each block of rows weighs, in whole numbers: the first pass over double log-weights.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/fixed_exp.hpp>
#include <santa/rows/own_rows.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>

namespace santa::detail::inline SANTA_BUILD {

inline constexpr double infinite = std::numeric_limits<double>::infinity();

/// Vectors of log-weights, float or double, of any strides.
template <class T>
struct LogRows {
  const T* data;
  std::int64_t stride[2];  // vector, row
  std::int64_t rows;

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t blocks() const { return (rows + block_rows - 1) / block_rows; }
  [[nodiscard]] KOKKOS_FUNCTION double at(std::int64_t vector, std::int64_t row) const {
    return static_cast<double>(data[vector * stride[0] + row * stride[1]]);
  }
};

/// A block of a vector.
struct RowBlock {
  std::int64_t vector, number, first;
  int count;

  template <class T>
  KOKKOS_FUNCTION RowBlock(const LogRows<T>& rows, std::int64_t index)
      : vector(index < rows.blocks() ? 0 : index / rows.blocks()),  // a division is dear to a device's block
        number(index - vector * rows.blocks()),
        first(number * block_rows) {
    const std::int64_t left = rows.rows - first;
    count = static_cast<int>(left < block_rows ? left : block_rows);
  }
};

/// What a block's rows come to. Rows at or above a cut, where there is one, are counted and weigh nothing.
struct BlockSum {
  double reference;             // the largest log-weight below the cut; -infinity: none, NaN: one is NaN or +infinity
  std::uint64_t mass, squares;  // of weights exp(log-weight - reference), in units of 2^-51
  std::int64_t whole;           // rows at or above the cut
};

/// From where on rows are drawn for certain: relative to the largest log-weight of those that were not before, as
/// differences to others, however far away, are not exact.
struct MassCut {
  double origin, from;

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION bool takes(double log_weight) const { return log_weight - origin >= from; }
};

/// What a whole vector comes to, and what is drawn of it.
struct WholeMass {
  double largest;  // log-weight below the cut; NaN: one is NaN or +infinity
  double sum;      // of weights exp(log-weight - largest) below the cut; 0: there are none
  double squares;  // of their squares
  MassCut cut;
  std::int64_t whole;    // how many rows are
  std::uint64_t strata;  // that points are drawn in

  [[nodiscard]] KOKKOS_FUNCTION bool drawable() const { return sum > 0. || whole > 0; }
};

/// Copies a block's log-weights to its memory, as the bits of doubles.
template <class Block, class T>
KOKKOS_FORCEINLINE_FUNCTION void load_block(const Block& block, const LogRows<T>& rows, const RowBlock& at) {
  std::uint64_t* const to = block.memory.first;
  const T* const from = rows.data + at.vector * rows.stride[0] + at.first * rows.stride[1];
  const auto bits = [](T value) { return Kokkos::bit_cast<std::uint64_t>(static_cast<double>(value)); };
  if (const std::int64_t stride = rows.stride[1]; stride == 1)
    block.for_each(at.count, [&](std::int64_t i) { to[i] = bits(from[i]); });
  else
    block.for_each(at.count, [&](std::int64_t i) { to[i] = bits(from[i * stride]); });
}

/// Turns a row's log-weight into its weight, in place; one at or above the cut weighs nothing. A type and not a lambda:
/// hosts' compilers make vectors of a loop only where what it calls is inlined, which lambdas are not always.
template <bool with_cut>
struct WeighRow {
  std::uint64_t* mass;
  double reference;
  MassCut cut;

  KOKKOS_FORCEINLINE_FUNCTION void operator()(std::int64_t i) const {
    const double value = Kokkos::bit_cast<double>(mass[i]);
    const double away = value - reference;
    if constexpr (with_cut)
      mass[i] = fixed_weight(fixed_exp(cut.takes(value) ? -infinite : away));
    else
      mass[i] = fixed_weight(fixed_exp(away));
  }
};

/// The same for a block.
template <bool with_cut, class Block>
KOKKOS_FORCEINLINE_FUNCTION std::uint64_t* weigh_block(const Block& block, int count, double reference,
                                                       const MassCut& cut) {
  std::uint64_t* const mass = block.memory.first;
  if (reference > -infinite)
    block.for_each(count, WeighRow<with_cut>{mass, reference, cut});
  else
    block.for_each(count, [&](std::int64_t i) { mass[i] = 0; });
  return mass;
}

/// Sums up each block. Reads: the log-weights, once; with a cut, of blocks in which it changes anything.
template <class T, bool with_cut>
struct SumBlocks {
  static constexpr int side_by_side = 4;

  LogRows<T> rows;
  BlockSum* sums;          // [vectors][blocks]
  const WholeMass* whole;  // [vectors], whose cut is looked at
  bool first;              // nothing has been summed up yet
  bool with_squares = true;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const RowBlock at(rows, index);
    MassCut cut{0., infinite};
    if constexpr (with_cut)
      if (!first) {
        cut = whole[at.vector].cut;
        if (!cut.takes(sums[index].reference)) return;
      }
    if constexpr (!Block::in_order && !with_cut) return sum_up(block, at, sums[index]);
    load_block(block, rows, at);
    const std::uint64_t* const bits = block.memory.first;
    const auto value = [bits](std::int64_t i) { return Kokkos::bit_cast<double>(bits[i]); };
    const auto count_if = [&](const auto& holds) {
      return block.sum(at.count, [&](std::int64_t i) { return static_cast<std::uint64_t>(holds(value(i)) ? 1 : 0); });
    };
    BlockSum result{};
    const bool bad = count_if([](double x) { return !(x < infinite); }) > 0;
    if constexpr (with_cut) {
      if (!first) result.whole = static_cast<std::int64_t>(count_if([&](double x) { return cut.takes(x); }));
      result.reference =
          block.largest(at.count, [&](std::int64_t i) { return cut.takes(value(i)) ? -infinite : value(i); });
    } else {
      result.reference = block.largest(at.count, value);
    }
    const std::uint64_t* const mass = weigh_block<with_cut>(block, at.count, result.reference, cut);
    result.mass = block.sum(at.count, [&](std::int64_t i) { return mass[i]; });
    if (with_squares) result.squares = block.sum(at.count, [&](std::int64_t i) { return fixed_square(mass[i]); });
    if (bad) result.reference = std::numeric_limits<double>::quiet_NaN();
    block.single([&] { sums[index] = result; });
  }

 private:
  /// The same by a team: the largest, infinite where a row is bad, and the sums.
  template <class Member>
  KOKKOS_FUNCTION void sum_up(const TeamBlock<Member>& block, const RowBlock& at, BlockSum& to) const {
    const T* const from = rows.data + at.vector * rows.stride[0] + at.first * rows.stride[1];
    if (block.holds_rows()) return sum_own(block, at.count, from, to);
    std::uint64_t* const bits = block.memory.first;
    block.load(at.count, from, rows.stride[1],
               [&](std::int64_t i, T value) { bits[i] = Kokkos::bit_cast<std::uint64_t>(static_cast<double>(value)); });
    const double largest = block.largest(at.count, [&](std::int64_t i) {
      const auto value = Kokkos::bit_cast<double>(bits[i]);
      return value < infinite ? value : infinite;
    });
    BlockSum result{largest, 0, 0, 0};
    const WeighRow<false> weigh{bits, largest, {0., infinite}};
    if (largest > -infinite)
      result.mass = block.sum(at.count, [&](std::int64_t i) {
        weigh(i);
        return bits[i];
      });
    if (with_squares && result.mass > 0)
      result.squares = block.sum(at.count, [&](std::int64_t i) { return fixed_square(bits[i]); });
    put(block, result, to);
  }
  /// In registers.
  template <class Member>
  KOKKOS_FUNCTION void sum_own(const TeamBlock<Member>& block, int count, const T* from, BlockSum& to) const {
    constexpr int own = OwnRows<Member>::count;
    double value[own];
    OwnRows<Member>{block}.load(from, rows.stride[1], count, -infinite, value);
    double largest = -infinite;
    bool bad = false;
    SANTA_UNROLL()
    for (int k = 0; k < own; ++k) {
      bad = bad || !(value[k] < infinite);
      largest = value[k] > largest ? value[k] : largest;
    }
    largest = block.template join<lanes::Larger>(bad ? infinite : largest).all;
    std::uint64_t mass = 0, squares = 0;
    SANTA_UNROLL()
    for (int k = 0; k < own; ++k) {
      const std::uint64_t weight = fixed_weight(fixed_exp(value[k] - (largest > -infinite ? largest : 0.)));
      mass += weight;
      squares += with_squares ? fixed_square(weight) : 0;
    }
    BlockSum result{largest, block.template join<lanes::Plus>(mass).all, 0, 0};
    if (with_squares) result.squares = block.template join<lanes::Plus>(squares).all;
    put(block, result, to);
  }
  template <class Block>
  KOKKOS_FUNCTION static void put(const Block& block, BlockSum result, BlockSum& to) {
    if (result.reference == infinite) result.reference = std::numeric_limits<double>::quiet_NaN();
    block.single([&] { to = result; });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
