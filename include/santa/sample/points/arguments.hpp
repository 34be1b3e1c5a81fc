// What kernels of rules that draw by points in a cumulative sum are given.
#pragma once

#include <santa/core/arguments.hpp>

#include <cstdint>

namespace santa::detail {

/// The rules that score in a first pass and draw `samples` points a head in a second.
struct PointArguments : Arguments {
  std::int64_t samples = 0;
  std::int32_t draw_tile = 0;       // keys of a tile that gets samples of its own
  std::int64_t tiles = 0;           // of the plan's storage
  std::int64_t points_of_head = 0;  // entries of `points`

  float* scores = nullptr;               // [batch][heads][tiles * tile_keys], log2
  float* tile_reference = nullptr;       // [batch][heads][tile_stride]
  std::uint32_t* tile_mass = nullptr;    // [batch][heads][tile_stride], units of 2^(tile_reference - mass_bits)
  std::uint64_t* tile_prefix = nullptr;  // [batch][heads][tile_stride], units of 2^(reference - position_bits)
  float* reference = nullptr;            // [batch][heads]: the largest of a head's tiles; NaN where a score is
  std::uint64_t* total = nullptr;        // [batch][heads], units as tile_prefix
  // [batch][heads][points_of_head]: Multinomial's before each cell, ProportionalTileBudget's of each tile.
  std::uint32_t* points = nullptr;

  /// Tiles are stored in whole vectors, with one more than there are.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t tile_stride() const { return (tiles / tile_keys + 1) * tile_keys; }

  template <class Take>
  void take_memory(const Take& take) {
    Arguments::take_memory(take);
    take(scores, head_rows(), tiles, std::int64_t{tile_keys});
    take(tile_reference, head_rows(), tile_stride());
    take(tile_mass, head_rows(), tile_stride());
    take(tile_prefix, head_rows(), tile_stride());
    take(reference, head_rows());
    take(total, head_rows());
    take(points, head_rows(), points_of_head);
  }
};

}  // namespace santa::detail
