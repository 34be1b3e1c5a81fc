// Choosing MassUnit's delta: from a subset of the keys at the first step, from the last step afterwards.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// The keys that a first step scores to choose delta: the first few and the last ones always (attention likes both),
/// the rest at a stride. At most one in 32, but never fewer than about 512. Source: measured; it gives 0.85 to 1.13 of
/// the rows asked for.
struct Subset {
  static constexpr std::int64_t head_keys = 32;
  static constexpr std::int64_t tail_keys = 128;
  static constexpr std::int64_t most_stride = 32;
  static constexpr std::int64_t fewest = 512;

  std::int64_t first;    // first key of the strided part
  std::int64_t strided;  // number of keys of the strided part
  std::int64_t stride;
  std::int64_t tail;  // first key of the tail

  KOKKOS_FUNCTION Subset(std::int64_t start, std::int64_t length) {
    const std::int64_t visible = length - start;
    const bool all = visible <= head_keys + tail_keys;
    stride = all ? 1 : visible / fewest;
    stride = stride < 1 ? 1 : (stride > most_stride ? most_stride : stride);
    first = all ? length : start + head_keys;
    tail = all ? length : length - tail_keys;
    strided = (tail - first + stride - 1) / stride;
    _start = start;
    _length = length;
  }

  /// How many keys the strided part stands for, one by one.
  [[nodiscard]] KOKKOS_FUNCTION float weight() const {
    return strided > 0 ? static_cast<float>(tail - first) / static_cast<float>(strided) : 1.F;
  }
  /// Slots for scores of a subset of so many tiles: every part is padded to whole tiles.
  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t capacity(std::int64_t tiles) {
    const std::int64_t strided = tiles * tile_keys / most_stride + 2 * fewest;
    return (strided + head_keys + tail_keys + 4 * tile_keys) / tile_keys * tile_keys;
  }

  /// Calls f(first key, step, count, slot, stands for) for tiles that cover the subset: all of them, or group `rank`'s
  /// share of them.
  template <class F>
  KOKKOS_FUNCTION void for_each_tile(F&& f, int rank = 0, int groups = 1) const {
    std::int64_t base = 0;
    const auto part = [&](std::int64_t from, std::int64_t step, std::int64_t count, float stands_for) {
      for (std::int64_t i = std::int64_t{rank} * tile_keys; i < count; i += std::int64_t{groups} * tile_keys) {
        const std::int64_t left = count - i;
        f(from + i * step, step, static_cast<int>(left < tile_keys ? left : tile_keys), base + i, stands_for);
      }
      base += (count + tile_keys - 1) / tile_keys * tile_keys;
    };
    part(_start, 1, first - _start < _length - _start ? first - _start : _length - _start, 1.F);
    part(first, stride, strided, weight());
    part(tail, 1, _length - tail, 1.F);
  }

 private:
  std::int64_t _start, _length;
};

/// Solves sum_i c_i pi_i(lambda) = rows for lambda by bisection, over the tiles of a subset; c_i is what key i stands
/// for and pi_i its inclusion probability where log2(delta / Z) is lambda. `pi(slot, lambda)` gives a tile's values.
/// Returns -infinity (read all) where even that gives fewer rows. The groups of a team share the tiles; `exchange` is
/// room for a number of each. Sums are in integers, so that they have no order and all backends find the same delta.
template <class Group, class Values>
KOKKOS_FUNCTION float solve_log_delta(const Group& group, const Subset& subset, double rows, const Values& pi,
                                      std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  constexpr float unit = 0x1p20F;  // with 32 keys of at most 33: below 2^32
  const auto expected = [&](float lambda) {
    std::uint64_t sum = 0;
    subset.for_each_tile(
        [&](std::int64_t, std::int64_t, int, std::int64_t slot, float stands_for) {
          const Float part = pi(slot, lambda) * Float(stands_for * unit);
          sum += group.sum(lanes::bit_cast<std::uint32_t>(lanes::convert<std::int32_t>(part)));
        },
        group.rank(), Group::groups_per_team);
    return static_cast<double>(group.team_sum(sum, exchange)) * (1. / unit);
  };
  // Normalised weights sum to 1: with lambda = -log2(rows) at most `rows` rows are expected, and below -160 all count.
  float low = -160.F;
  float high = 1.F;
  if (expected(low) <= rows) return -lanes::infinity;
  for (int i = 0; i < 24; ++i) {  // to 1e-5
    const float middle = 0.5F * (low + high);
    (expected(middle) > rows ? low : high) = middle;
  }
  return high;
}

/// The correction of log2(delta / Z) for the next step, from the inclusion probabilities of this one: the uncertain
/// rows' sum goes as 1 / delta. At most a factor 4 a step.
KOKKOS_INLINE_FUNCTION float correct_log_delta(const ExpectedRows& expected, double rows) {
  const double room = rows - static_cast<double>(expected.certain);
  constexpr float most = 2.F;
  if (room <= 0.) return expected.uncertain > 0.F || expected.certain > 0.F ? most : 0.F;
  if (!(expected.uncertain > 0.F)) return -most;
  const float change = lanes::log2(static_cast<float>(static_cast<double>(expected.uncertain) / room));
  return change > most ? most : (change < -most ? -most : change);
}

}  // namespace santa::detail
