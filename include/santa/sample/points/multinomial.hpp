// Multinomial: S independent draws from each head's distribution.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/rule.hpp>
#include <santa/sample/points/strata.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head independently from the softmax distribution. Weight count / samples. Unbiased;
/// the one to measure the others against.
/// Requires: 1 <= samples <= 2^30. Samples that cover the visible length read every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two, as Systematic, and before them one over the samples.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn; 4 bytes a cell and head.
/// Random:   the unit interval is cut into 2^b equal cells, 2 to 4 points each. How many points a cell has: the top b
///           bits of `samples` words, keys (seed; step, stream, request, head, 2^31 + k / 4), word k % 4. Where point
///           k, counted by cells, lies within its cell: word k % 4 of key (..., k / 4). That makes independent points
///           of which any tile finds its own.
/// Source:   SANTA, arXiv 2605.01910.
struct Multinomial {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Multinomial.samples", samples, "1 to 2^30");
  }
};

namespace detail::inline SANTA_BUILD {

/// log2 of the number of cells.
KOKKOS_INLINE_FUNCTION int cell_bits(std::int64_t samples) {
  int bits = 0;
  while (samples >> (bits + 2) > 0) ++bits;
  return bits;
}
KOKKOS_INLINE_FUNCTION std::int64_t cell_count(std::int64_t samples) { return std::int64_t{1} << cell_bits(samples); }

/// Entries of a head's table: the points before each cell, and all of them.
KOKKOS_INLINE_FUNCTION std::int64_t cell_entries(std::int64_t samples) { return cell_count(samples) + 1; }

/// Draws how many of a head's points each cell has. Work: a word a sample, shared out over the lanes.
struct DrawCells {
  template <class Group>
  KOKKOS_FUNCTION static void run(const Group& group, const PointArguments& a, const Unit& unit, int head) {
    using Word = typename Group::template Vector<std::uint32_t>;
    const std::int64_t samples = a.samples;
    if (samples >= unit.visible()) return;
    const StreamKey key = stream_key(a, unit);
    const auto stream = static_cast<std::uint16_t>(unit.first_head + head);
    const int bits = cell_bits(samples);
    const std::int64_t entries = cell_entries(samples);
    std::uint32_t* table = a.points + unit.head_row(a, head) * a.points_of_head;
    group.for_each(static_cast<int>(entries), [&](int i) { table[i] = 0; });
    group.sync();
    group.for_each(static_cast<int>((samples + 3) / 4), [&](int i) {
      const auto random = key.draw(stream, (std::uint32_t{1} << 31) + static_cast<std::uint32_t>(i));
      for (int k = 0; k < 4; ++k)
        if (4 * std::int64_t{i} + k < samples)
          Kokkos::atomic_add(&table[static_cast<std::uint64_t>(random.word[k]) << bits >> 32], 1U);
    });
    group.sync();
    std::uint32_t sum = 0;
    for (std::int64_t first = 0; first < entries; first += Group::size) {
      const int count = static_cast<int>(entries - first < Group::size ? entries - first : Group::size);
      const Word points = group.load(table + first, count, std::uint32_t{0});
      const Word after = group.inclusive_scan(points) + Word(sum);
      group.store(after - points, table + first, count);
      sum = group.last(after);
    }
  }
};

/// Multinomial's points.
template <class Group>
class MultinomialPoints : public StratumPlaces<Group> {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Word = Vector<std::uint32_t>;
  using Int = Vector<std::int32_t>;

 public:
  KOKKOS_FUNCTION MultinomialPoints(const Group& group, const PointArguments& given, const Unit& of)
      : StratumPlaces<Group>(given, of, static_cast<double>(cell_count(given.samples))),
        _group(group),
        _key(stream_key(given, of)) {}

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Int below(int head, const Vector<std::uint64_t>& place) const {
    const std::int64_t samples = _arguments.samples;
    const std::int64_t row = _unit.head_row(_arguments, head);
    const auto stream = static_cast<std::uint16_t>(_unit.first_head + head);
    const std::uint32_t* table = _arguments.points + row * _arguments.points_of_head;
    const auto cells = static_cast<std::int32_t>(cell_count(samples));
    const Int cell = whole_part(place);
    const Word threshold = rest_part(place);
    const Int next = lanes::select(cell < Int(cells), cell + Int(1), Int(cells));
    const Word first = _group.gather(table, cell);
    const Word end = _group.gather(table, next);
    Int points = lanes::bit_cast<std::int32_t>(first);
    // The cell's points, four to a random number.
    for (Word at = (first >> 2) << 2; _group.any(at < end); at += Word(4U)) {
      Word random[4];
      _key.draw(stream, at >> 2, random);
      for (unsigned k = 0; k < 4; ++k) {
        const Word point = at + Word(k);
        const auto below = (point >= first) & (point < end) & (random[k] < threshold);
        points += lanes::select(below, Int(1), Int(0));
      }
    }
    return points;
  }

 private:
  using StratumPlaces<Group>::_arguments, StratumPlaces<Group>::_unit;

  const Group& _group;
  StreamKey _key;
};

template <class Group>
using MultinomialRule = PointRule<Group, MultinomialPoints>;

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
