// Which random number belongs to which draw.
#pragma once

#include <santa/random/philox.hpp>

#include <cstdint>

namespace santa {

/// Names one random number by what it is used for, so that a draw depends on nothing else: not on the thread that makes
/// it, the split it falls into, or the other requests of the batch.
///
/// Bit packing: key = seed (low word, high word); counter = (index, request, step, stream << 16 | head), with `index`
/// the tile or draw, `head` the query head, or the first one of heads that draw together; 65535, which no query head
/// is, where tokens are drawn, by row of the vocabulary, and, from index 2^31 on, where features of keys are:
/// 2^31 | kv head << 15 | draw << 8 | feature. Drafts are accepted by words that tokens leave: see DraftVerifier.
struct StreamKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0;     // decode step
  std::uint16_t stream = 0;   // usually the layer
  std::uint32_t request = 0;  // identity of the request, by default its batch index

  KOKKOS_FUNCTION Philox4x32::Counter draw(std::uint16_t head, std::uint32_t index) const {
    Philox4x32::Counter random;
    draw(head, index, random.word);
    return random;
  }

  /// The same for an index, or a vector of indices, one for each lane.
  template <class Word>
  KOKKOS_FORCEINLINE_FUNCTION void draw(std::uint16_t head, const Word& index, Word (&random)[4]) const {
    random[0] = index;
    random[1] = Word(request);
    random[2] = Word(step);
    random[3] = Word((static_cast<std::uint32_t>(stream) << 16) | head);
    Philox4x32::generate(random, {{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)}});
  }

  /// A uniform integer in [0, 2^bits), bits <= 32; of an index, or of each lane's.
  template <class Word>
  KOKKOS_FORCEINLINE_FUNCTION Word integer(std::uint16_t head, const Word& index, int bits) const {
    Word random[4];
    draw(head, index, random);
    return random[0] >> (32 - bits);
  }

  /// What no query head is.
  static constexpr std::uint16_t no_head = 65535;
  /// The index of a feature's draw, with `no_head` for the head: kv heads up to 65535, draws up to 127.
  KOKKOS_FUNCTION static std::uint32_t feature_index(std::int32_t kv_head, int draw, int feature) {
    return (std::uint32_t{1} << 31) | static_cast<std::uint32_t>(kv_head) << 15 |
           static_cast<std::uint32_t>(draw) << 8 | static_cast<std::uint32_t>(feature);
  }
};

}  // namespace santa
