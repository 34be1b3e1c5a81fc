// Philox4x32-10: a counter-based random number generator.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Philox4x32-10: a bijection of 128-bit counters for each 64-bit key; no state, so any lane computes any number.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct Philox4x32 {
  struct Counter {
    std::uint32_t word[4];
  };
  struct Key {
    std::uint32_t word[2];
  };

  static constexpr int rounds = 10;

  KOKKOS_FUNCTION static Counter generate(Counter counter, Key key) {
    for (int round = 0; round < rounds; ++round) {
      if (round > 0) {
        key.word[0] += 0x9E3779B9U;
        key.word[1] += 0xBB67AE85U;
      }
      const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * counter.word[0];
      const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * counter.word[2];
      counter = {{high(product1) ^ counter.word[1] ^ key.word[0], low(product1),
                  high(product0) ^ counter.word[3] ^ key.word[1], low(product0)}};
    }
    return counter;
  }

 private:
  KOKKOS_FUNCTION static std::uint32_t high(std::uint64_t product) { return static_cast<std::uint32_t>(product >> 32); }
  KOKKOS_FUNCTION static std::uint32_t low(std::uint64_t product) { return static_cast<std::uint32_t>(product); }
};

}  // namespace santa
