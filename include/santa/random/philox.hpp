// Philox4x32-10: a counter-based random number generator.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// The 64-bit product of two words as two words. Vectors of words have the same beside their type.
KOKKOS_FORCEINLINE_FUNCTION void multiply_wide(std::uint32_t factor, std::uint32_t word, std::uint32_t& high,
                                               std::uint32_t& low) {
  const std::uint64_t product = std::uint64_t{factor} * word;
  high = static_cast<std::uint32_t>(product >> 32);
  low = static_cast<std::uint32_t>(product);
}

/// Philox4x32-10: a bijection of 128-bit counters for each 64-bit key; no state, so any lane computes any number.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
struct Philox4x32 {
  struct Counter {
    std::uint32_t word[4];
  };
  struct Key {
    std::uint32_t word[2];
  };

  static constexpr int rounds = 10;  // as in the paper

  KOKKOS_FUNCTION static Counter generate(Counter counter, Key key) {
    generate(counter.word, key);
    return counter;
  }

  /// Turns counters into random numbers; a Word is a number, or a vector of one for each lane.
  template <class Word>
  KOKKOS_FORCEINLINE_FUNCTION static void generate(Word (&word)[4], Key key) {
    for (int round = 0; round < rounds; ++round) {
      if (round > 0) {
        key.word[0] += 0x9E3779B9U;
        key.word[1] += 0xBB67AE85U;
      }
      Word high[2];
      Word low[2];
      multiply_wide(0xD2511F53U, word[0], high[0], low[0]);
      multiply_wide(0xCD9E8D57U, word[2], high[1], low[1]);
      word[0] = high[1] ^ word[1] ^ Word(key.word[0]);
      word[1] = low[1];
      word[2] = high[0] ^ word[3] ^ Word(key.word[1]);
      word[3] = low[0];
    }
  }
};

}  // namespace santa
