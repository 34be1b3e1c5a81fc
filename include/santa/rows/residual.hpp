// Residual resampling: the whole part of each row's expected count for certain, the rest by independent draws.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/rows/ancestors.hpp>
#include <santa/rows/resampling_points.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Draws row i floor(S p_i) times for certain; the draws that are left independently, by what is left of S p_i.
/// Unbiased, with at most Multinomial's variance. For `resample`.
/// Requires: 1 <= samples <= 2^30.
/// Source:   Liu, Chen, "Sequential Monte Carlo methods for dynamic systems", JASA 1998.
struct Residual {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Residual.samples", samples, "1 to 2^30");
  }
};

namespace detail::inline SANTA_BUILD {

/// What is drawn of a block: draws for certain, and what is left, in the units of places.
struct BlockRest {
  std::uint64_t certain, rest;
};

/// Finds both for each block. Reads: the log-weights.
template <class T>
struct SumRests : BlockPlaces<T> {
  BlockRest* rests;  // [vectors][blocks + 1]: behind the first

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const RowBlock at(this->rows, index);
    const int bits = Strata(this->points).bits;
    const std::uint64_t* const from = this->begin_of(at);
    const std::uint64_t start = from[0];
    BlockRest result{0, 0};
    if (from[1] > start) {
      const std::uint64_t* const place = this->template find<false>(block, at, [](std::uint64_t end) { return end; });
      result.certain =
          block.sum(at.count, [&](std::int64_t i) { return (place[i] - (i > 0 ? place[i - 1] : start)) >> bits; });
      result.rest = from[1] - start - (result.certain << bits);
    }
    block.single([&] { rests[at.vector * (this->rows.blocks() + 1) + at.number + 1] = result; });
  }
};

/// Turns them into sums before each block; what is left in all is a whole number of draws, exactly.
struct LayOutRests {
  std::int64_t blocks;
  std::uint64_t points;
  BlockRest* rests;
  WholeMass* whole;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t vector) const {
    BlockRest* const of = rests + vector * (blocks + 1);
    block.single([&] { of[0] = {0, 0}; });
    block.scan(
        blocks, [&](std::int64_t i) { return of[i + 1].certain; },
        [&](std::int64_t i, std::uint64_t sum) { of[i + 1].certain = sum; });
    block.scan(
        blocks, [&](std::int64_t i) { return of[i + 1].rest; },
        [&](std::int64_t i, std::uint64_t sum) { of[i + 1].rest = sum; });
    block.single([&] { whole[vector].strata = of[blocks].rest >> Strata(points).bits; });
  }
};

/// Draws both parts.
template <class T, class Index>
struct WriteResidualAncestors : BlockPlaces<T> {
  Chance chance;
  const std::uint32_t* table;
  AncestorList<Index> to;
  const BlockRest* rests;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t index) const {
    const RowBlock at(this->rows, index);
    if (!this->whole[at.vector].drawable()) return to.write_none(block, at, this->rows.blocks());
    const std::uint64_t* const from = this->begin_of(at);
    if (from[1] == from[0]) return;
    const BlockRest before = rests[at.vector * (this->rows.blocks() + 1) + at.number];
    const Strata strata(this->points);
    const PointNumbers numbers{chance.key(static_cast<std::int32_t>(at.vector))};
    const IndependentPoints placed(strata, numbers, this->whole[at.vector].strata,
                                   table + at.vector * static_cast<std::int64_t>(this->points));
    std::uint64_t* const place = this->template find<false>(block, at, [](std::uint64_t end) { return end; });
    std::uint64_t* const certain = block.memory.second();
    const std::uint64_t start = from[0];
    block.scan(
        at.count, [&](std::int64_t i) { return (place[i] - (i > 0 ? place[i - 1] : start)) >> strata.bits; },
        [&](std::int64_t i, std::uint64_t sum) { certain[i] = sum; });
    block.for_each(at.count, [&](std::int64_t i) {
      const std::uint64_t rest = place[i] - start - (certain[i] << strata.bits);
      place[i] = before.certain + certain[i] + placed.below(before.rest + rest);
    });
    const std::uint64_t first = before.certain + placed.below(before.rest);
    to.write_rows(block, at, place, first);
  }
};

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
