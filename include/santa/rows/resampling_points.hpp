// Where the points of resampling rules lie: how many of them are below a place.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The random numbers of resampling: key (seed; step, stream, request, 65534, index), two of 64 bits an index. Those
/// below 2^30 place points, those from there on choose cells of points.
struct PointNumbers {
  StreamKey key;
  static constexpr std::uint16_t head = StreamKey::no_head - 1;
  static constexpr std::uint32_t cells = std::uint32_t{1} << 30;

  KOKKOS_FORCEINLINE_FUNCTION void pair(std::uint32_t index, std::uint64_t (&numbers)[2]) const {
    std::uint32_t word[4];
    key.draw(head, index, word);
    for (int i = 0; i < 2; ++i) numbers[i] = std::uint64_t{word[2 * i + 1]} << 32 | word[2 * i];
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint64_t of_point(std::uint64_t point) const {
    std::uint64_t numbers[2];
    pair(static_cast<std::uint32_t>(point >> 1), numbers);
    return numbers[point & 1];
  }
};

/// The upper half of a product: of a random number, a uniform integer below `limit` to 2^-64.
KOKKOS_FORCEINLINE_FUNCTION std::uint64_t scaled(std::uint64_t number, std::uint64_t limit) {
  const std::uint64_t low = (number & 0xffffffffU) * limit;  // limits are below 2^32
  return ((number >> 32) * limit + (low >> 32)) >> 32;
}

/// Equally spaced points with one random offset.
struct SpacedPoints {
  int bits;
  std::uint64_t shift;

  KOKKOS_FUNCTION SpacedPoints(const Strata& strata, const PointNumbers& numbers, std::uint64_t /*cells*/,
                               const std::uint32_t* /*table*/)
      : bits(strata.bits), shift((std::uint64_t{1} << bits) - 1 - (numbers.of_point(0) >> (64 - bits))) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint64_t below(std::uint64_t place) const {
    return (place + shift) >> bits;
  }
};

/// A point anywhere in each stratum.
struct StratumPoints {
  int bits;
  PointNumbers numbers;

  KOKKOS_FUNCTION StratumPoints(const Strata& strata, const PointNumbers& of, std::uint64_t /*cells*/,
                                const std::uint32_t* /*table*/)
      : bits(strata.bits), numbers(of) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint64_t below(std::uint64_t place) const {
    const std::uint64_t stratum = place >> bits;
    const std::uint64_t rest = place & ((std::uint64_t{1} << bits) - 1);
    return stratum + (rest > 0 && numbers.of_point(stratum) >> (64 - bits) < rest ? 1 : 0);
  }
};

/// Independent points, as many as there are strata: of each stratum, a cell here, a table says which are there.
struct IndependentPoints {
  int bits;
  std::uint64_t cells;
  PointNumbers numbers;
  const std::uint32_t* table;  // [cells]: points before each

  KOKKOS_FUNCTION IndependentPoints(const Strata& strata, const PointNumbers& of, std::uint64_t count,
                                    const std::uint32_t* points)
      : bits(strata.bits), cells(count), numbers(of), table(points) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::uint64_t below(std::uint64_t place) const {
    const std::uint64_t cell = place >> bits;
    if (cell >= cells) return cells;
    const std::uint64_t rest = place & ((std::uint64_t{1} << bits) - 1);
    const std::uint64_t first = table[cell];
    const std::uint64_t end = cell + 1 < cells ? table[cell + 1] : cells;
    std::uint64_t count = first;
    for (std::uint64_t point = first; point < end; ++point)
      count += numbers.of_point(point) >> (64 - bits) < rest ? 1U : 0U;
    return count;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
