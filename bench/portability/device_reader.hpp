// The streaming-read ceiling of a device: a kernel that only reads, by a full grid of short blocks.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa_bench {

inline constexpr const char* device_reader = "blocks of 256 threads, 4 x 16 bytes a thread";

/// 16 bytes that are loaded at once.
struct alignas(16) Piece {
  std::uint32_t word[4];
};

/// Where a reader takes its bytes from: `streams` stretches that begin `apart` bytes from each other, in turn.
struct Stretches {
  std::size_t streams = 1;
  std::size_t apart = 0;
};

/// Reads `bytes` bytes (a multiple of 16 in each stretch) once; writes to `sink` only if a checksum has one of 2^32
/// values, so that no read can be left out.
template <class Space>
void read_on_device(const Space& space, const std::byte* data, std::size_t bytes, std::uint32_t* sink,
                    const Stretches& stretches = {}) {
  constexpr int threads = 256;
  constexpr std::int64_t pieces_each = 4;
  const auto* pieces = reinterpret_cast<const Piece*>(data);
  const auto streams = static_cast<std::int64_t>(stretches.streams);
  const auto apart = static_cast<std::int64_t>(stretches.apart / sizeof(Piece));
  const auto count = static_cast<std::int64_t>(bytes / sizeof(Piece)) / streams;  // of a stretch
  const std::int64_t block = threads * pieces_each;
  using Policy = Kokkos::TeamPolicy<Space>;
  const auto read = KOKKOS_LAMBDA(const typename Policy::member_type& team) {
    const std::int64_t stretch = team.league_rank() % streams;
    const std::int64_t begin = team.league_rank() / streams * block + team.team_rank();
    Piece sum{};
    for (std::int64_t i = 0; i < pieces_each; ++i) {
      const std::int64_t at = begin + i * threads;
      if (at >= count) break;
      const Piece piece = pieces[stretch * apart + at];
      for (int k = 0; k < 4; ++k) sum.word[k] ^= piece.word[k];
    }
    const std::uint32_t all = sum.word[0] ^ sum.word[1] ^ sum.word[2] ^ sum.word[3];
    if (all == 0x9E3779B9U) *sink = all;
  };
  const Policy policy(space, static_cast<int>((count + block - 1) / block * streams), threads);
  Kokkos::parallel_for("santa::bench::read",
                       Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight),
                       read);
}

}  // namespace santa_bench
