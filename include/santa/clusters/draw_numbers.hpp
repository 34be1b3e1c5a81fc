// Which random numbers belong to the draws of a step over clusters.
#pragma once

#include <santa/core/build.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/sample/mass_unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Phases of the sweeps of one request and slice. Indices of StreamKey: 3 2^30 | tile of clusters for clusters, and
/// 2^31 | block for rows, with the query head that is the slice's first. Tiles count those of all chunks; the blocks of
/// a tile begin at a number that its slots give, plus the tile, so that no two blocks share one.
struct DrawNumbers {
  StreamKey key;
  std::uint16_t head;
  std::int32_t rehearsal;

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t of_clusters(std::uint32_t tile) const {
    return phase(0xc0000000U | tile);
  }
  /// Of the block-th 32 keys of a tile's drawn clusters; its slots begin with `first_slot` of the request.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t of_rows(std::uint32_t tile, std::int64_t first_slot, int block) const {
    return phase(0x80000000U |
                 (static_cast<std::uint32_t>(first_slot / 32) + tile + static_cast<std::uint32_t>(block)));
  }

 private:
  /// A step has the first word of an index's four, rehearsals the others: their outcome is independent of the step's.
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t phase(std::uint32_t index) const {
    std::uint32_t words[4];
    key.draw(head, index, words);
    const std::uint32_t others = rehearsal % 3 == 0 ? words[1] : (rehearsal % 3 == 1 ? words[2] : words[3]);
    return (rehearsal == 0 ? words[0] : others) >> (32 - probability_bits);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
