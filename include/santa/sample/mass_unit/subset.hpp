// The keys by which a first step chooses delta.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Some keys of a subset: `count` of them, `step` apart, whose scores go to slots from `slot` on; each stands for
/// `stands_for` keys.
struct SubsetTile {
  std::int64_t first = 0, step = 1;
  int count = 0;
  std::int64_t slot = 0;
  float stands_for = 1.F;
};

/// The keys that a first step scores to choose delta: the first few and the last ones always (attention likes both),
/// the rest at a stride: at most one in 32 or 1024 in all, but never fewer than about 512. Source: measured; it gives
/// 0.85 to 1.13 of the rows asked for.
struct Subset {
  static constexpr std::int64_t head_keys = 32;
  static constexpr std::int64_t tail_keys = 128;
  static constexpr std::int64_t most_stride = 32;
  static constexpr std::int64_t fewest = 512;
  static constexpr std::int64_t most = 1024;

  std::int64_t first;    // first key of the strided part
  std::int64_t strided;  // number of keys of the strided part
  std::int64_t stride;
  std::int64_t tail;  // first key of the tail
  float weight;       // how many keys the strided part stands for, one by one

  KOKKOS_FUNCTION Subset(std::int64_t start, std::int64_t length) {
    const std::int64_t visible = length - start;
    const bool all = visible <= head_keys + tail_keys;
    stride = all ? 1 : visible / fewest;
    stride = stride < 1 ? 1 : (stride > most_stride ? most_stride : stride);
    stride = !all && visible / most > stride ? visible / most : stride;
    first = all ? length : start + head_keys;
    tail = all ? length : length - tail_keys;
    strided = (tail - first + stride - 1) / stride;
    weight = strided > 0 ? static_cast<float>(tail - first) / static_cast<float>(strided) : 1.F;
    _start = start;
    _length = length;
  }

  /// Slots for scores of a subset of so many tiles: every part is padded to whole tiles.
  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t capacity(std::int64_t tiles) {
    const std::int64_t strided = tiles < 2 * most / tile_keys ? tiles * tile_keys : 2 * most;
    return (strided + head_keys + tail_keys + 4 * tile_keys) / tile_keys * tile_keys;
  }

  /// The tiles that cover the subset, in slots of their own: at most three of them have fewer than 32 keys.
  [[nodiscard]] KOKKOS_FUNCTION int tiles() const {
    return tiles_of(first - _start) + tiles_of(strided) + tiles_of(_length - tail);
  }
  [[nodiscard]] KOKKOS_FUNCTION SubsetTile tile(int i) const {
    const int head_tiles = tiles_of(first - _start);
    const int strided_tiles = tiles_of(strided);
    const std::int64_t slot = std::int64_t{i} * tile_keys;
    const auto part = [&](std::int64_t from, std::int64_t step, std::int64_t count, int at, float stands_for) {
      const std::int64_t before = std::int64_t{at} * tile_keys;
      const std::int64_t left = count - before;
      return SubsetTile{from + before * step, step, static_cast<int>(left < tile_keys ? left : tile_keys), slot,
                        stands_for};
    };
    if (i < head_tiles) return part(_start, 1, first - _start, i, 1.F);
    if (i < head_tiles + strided_tiles) return part(first, stride, strided, i - head_tiles, weight);
    return part(tail, 1, _length - tail, i - head_tiles - strided_tiles, 1.F);
  }

  /// Calls f(slot, what a key stands for) for all tiles, or for group `rank`'s share of them. Without branches, so that
  /// loads of several turns are on their way together.
  template <class F>
  KOKKOS_FUNCTION void for_each_slot(F&& f, int rank = 0, int groups = 1) const {
    const int count = tiles();
    const int strided_begin = tiles_of(first - _start);
    const int strided_end = strided_begin + tiles_of(strided);
    SANTA_UNROLL(3)
    for (int i = rank; i < count; i += groups)
      f(std::int64_t{i} * tile_keys, i >= strided_begin && i < strided_end ? weight : 1.F);
  }

 private:
  KOKKOS_FUNCTION static int tiles_of(std::int64_t keys) {
    return static_cast<int>((keys + tile_keys - 1) / tile_keys);
  }

  std::int64_t _start, _length;
};

}  // namespace santa::detail::inline SANTA_BUILD
