// What a vector of log-weights comes to, and where its blocks lie among the points that are drawn.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/fixed_exp.hpp>
#include <santa/rows/row_blocks.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>

namespace santa::detail::inline SANTA_BUILD {

/// Places of points: `strata` equal parts of 2^bits each, 2^62 or less in all. A row's width is its expected count.
struct Strata {
  std::uint64_t count;
  int bits = 62;

  KOKKOS_FUNCTION explicit Strata(std::uint64_t of) : count(of) {
    const int bits_of_count = of > 1 ? static_cast<int>(Kokkos::Experimental::bit_width_builtin(of - 1)) : 0;
    bits = bits_of_count < 30 ? 62 - bits_of_count : 32;
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t all() const { return count << bits; }
};

/// Part of a width in proportion to part of a whole: monotone, exact at both ends, else to 2^-52 of the width.
struct Proportion {
  std::uint64_t whole, width;
  double ratio;

  KOKKOS_FUNCTION Proportion(std::uint64_t of, std::uint64_t to)
      : whole(of), width(of > 0 ? to : 0), ratio(of > 0 ? static_cast<double>(to) / static_cast<double>(of) : 0.) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint64_t of(std::uint64_t part) const {
    const auto place = static_cast<std::uint64_t>(static_cast<double>(part) * ratio);
    return part < whole && place < width ? place : width;
  }
};

/// Sums of numbers below 2^11, each cut to 2^-62: the same whatever their order. Up to 2^25 of them.
template <class Block, class F>
KOKKOS_FUNCTION double fixed_sum(const Block& block, std::int64_t count, const F& f) {
  const auto high = [&](std::int64_t i) { return static_cast<std::uint64_t>(f(i) * 0x1p26); };
  const std::uint64_t highs = block.sum(count, high);
  const std::uint64_t lows = block.sum(count, [&](std::int64_t i) {
    const double rest = Kokkos::fma(f(i), 0x1p26, -static_cast<double>(high(i)));
    return static_cast<std::uint64_t>(rest * 0x1p36);
  });
  return Kokkos::fma(static_cast<double>(lows), 0x1p-62, static_cast<double>(highs) * 0x1p-26);
}

/// Sums up a vector's blocks and lays them out along the points' strata, a vector a team. With a cut: the next one.
struct LayOutBlocks {
  static constexpr int threads = 512;

  std::int64_t blocks, rows;
  std::uint64_t points;    // at most; fewer where rows of any weight are fewer and drawn once each
  const BlockSum* sums;    // [vectors][blocks]
  double* share;           // [vectors][blocks]: of the vector's weights, relative to its largest
  std::uint64_t* begin;    // [vectors][blocks + 1]
  WholeMass* whole;        // [vectors]
  double* log_mean;        // [vectors], may be null: log of the mean weight
  double* effective_rows;  // [vectors], may be null
  bool with_cut = false;
  bool first = true;  // no cut so far

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t vector) const {
    const BlockSum* const of = sums + vector * blocks;
    double* const shares = share + vector * blocks;
    WholeMass result = sum_up(block, of, shares);
    const auto certain = static_cast<std::uint64_t>(result.whole);
    result.strata = result.sum > 0. ? points : (certain < points ? certain : points);
    const Strata strata(points);
    const std::uint64_t light = result.strata - certain;  // what is drawn by chance
    const MassCut cut = first ? MassCut{result.largest, infinite} : whole[vector].cut;
    result.cut = with_cut ? next_cut(result, light, cut) : cut;
    lay_out(block, of, shares, result.sum > 0. ? static_cast<double>(light << strata.bits) / result.sum : 0.,
            light << strata.bits, strata.bits, begin + vector * (blocks + 1));
    block.single([&] {
      whole[vector] = result;
      if (log_mean != nullptr)
        log_mean[vector] = result.sum == 0.
                               ? -infinite  // also where there are no rows
                               : result.largest + Kokkos::log(result.sum) - Kokkos::log(static_cast<double>(rows));
      if (effective_rows != nullptr)
        effective_rows[vector] = result.sum > 0. ? result.sum / result.squares * result.sum : result.sum;
    });
  }

 private:
  /// Rows whose chance is 1 but for what is rounded are drawn for certain. The last draw by chance is left: it can't
  /// take a row twice. A cut that takes no row is none: the one before stays, and with it its precision.
  [[nodiscard]] KOKKOS_FUNCTION MassCut next_cut(const WholeMass& of, std::uint64_t light, const MassCut& cut) const {
    if (!(of.sum > 0.) || light < 2) return cut;
    const double rounded = 1e-11 + static_cast<double>(points) * 0x1p-48;
    const double from = Kokkos::log(of.sum / static_cast<double>(light)) - rounded;
    return from <= 0. ? MassCut{of.largest, from} : cut;
  }

  template <class Block>
  KOKKOS_FUNCTION WholeMass sum_up(const Block& block, const BlockSum* of, double* shares) const {
    WholeMass result{};
    result.largest = block.largest(
        blocks, [&](std::int64_t b) { return of[b].reference == of[b].reference ? of[b].reference : infinite; });
    const bool bad = result.largest == infinite;
    if (with_cut)
      result.whole = static_cast<std::int64_t>(
          block.sum(blocks, [&](std::int64_t b) { return static_cast<std::uint64_t>(of[b].whole); }));
    const double largest = result.largest;
    const auto weight = [&](std::int64_t b) {
      return of[b].mass > 0 ? fixed_exp(of[b].reference - largest) * weight_unit : 0.;
    };
    block.for_each(blocks, [&](std::int64_t b) { shares[b] = static_cast<double>(of[b].mass) * weight(b); });
    result.sum = fixed_sum(block, blocks, [&](std::int64_t b) { return shares[b]; });
    if (effective_rows != nullptr)
      result.squares = fixed_sum(block, blocks, [&](std::int64_t b) {
        const double factor = weight(b);
        return static_cast<double>(of[b].squares) * factor * (factor * 0x1p51);
      });
    if (bad) result.largest = result.sum = std::numeric_limits<double>::quiet_NaN();
    return result;
  }

  /// Begins of blocks: their shares in whole numbers, whose sums are stretched over the strata; a row that is drawn for
  /// certain has a stratum's width besides.
  template <class Block>
  KOKKOS_FUNCTION void lay_out(const Block& block, const BlockSum* of, const double* shares, double unit,
                               std::uint64_t width, int bits, std::uint64_t* to) const {
    const auto mass = [&](std::int64_t b) { return static_cast<std::uint64_t>(unit > 0. ? shares[b] * unit : 0.); };
    const Proportion stretched(block.sum(blocks, mass), width);
    block.single([&] { to[0] = 0; });
    block.scan(blocks, mass, [&](std::int64_t b, std::uint64_t sum) { to[b + 1] = stretched.of(sum); });
    if (with_cut)
      block.scan(
          blocks, [&](std::int64_t b) { return static_cast<std::uint64_t>(of[b].whole) << bits; },
          [&](std::int64_t b, std::uint64_t sum) { to[b + 1] += sum; });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
