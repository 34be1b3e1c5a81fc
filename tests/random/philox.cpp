// Philox4x32-10 against the known-answer vectors that are published with Random123.
#include "support/data.hpp"
#include "support/spaces.hpp"
#include <santa/random/philox.hpp>

#include <doctest/doctest.h>

#include <vector>

using namespace santa;

namespace {

struct KnownAnswer {
  std::uint32_t counter[4], key[2], answer[4];
};

const KnownAnswer known_answers[] = {
    {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
     {0xffffffff, 0xffffffff},
     {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
     {0xa4093822, 0x299f31d0},
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

}  // namespace

SANTA_SPACE_TEST_CASE("philox_gives_its_published_answers") {
  for (const KnownAnswer& known : known_answers) {
    const Kokkos::View<std::uint32_t*, typename Space::memory_space> answer("test::answer", 4);
    const Philox4x32::Counter counter{{known.counter[0], known.counter[1], known.counter[2], known.counter[3]}};
    const Philox4x32::Key key{{known.key[0], known.key[1]}};
    Kokkos::parallel_for(
        "test::philox", Kokkos::RangePolicy<Space>(0, 1), KOKKOS_LAMBDA(int) {
          const auto result = Philox4x32::generate(counter, key);
          for (std::size_t i = 0; i < 4; ++i) answer(i) = result.word[i];
        });
    const std::vector<std::uint32_t> given = test::to_host<std::uint32_t>(answer);
    for (std::size_t i = 0; i < 4; ++i) CHECK(given[i] == known.answer[i]);
  }
}

TEST_CASE("philox_depends_on_every_bit_of_counter_and_key") {
  const Philox4x32::Counter counter{{1, 2, 3, 4}};
  const Philox4x32::Key key{{5, 6}};
  const auto plain = Philox4x32::generate(counter, key);
  for (int bit = 0; bit < 192; ++bit) {
    auto other_counter = counter;
    auto other_key = key;
    (bit < 128 ? other_counter.word[bit / 32] : other_key.word[bit / 32 - 4]) ^= 1U << (bit % 32);
    const auto other = Philox4x32::generate(other_counter, other_key);
    int flipped = 0;
    for (int i = 0; i < 4; ++i) flipped += Kokkos::popcount(plain.word[i] ^ other.word[i]);
    CHECK(flipped > 30);  // 64 +- 5.7 of 128 bits
    CHECK(flipped < 98);
  }
}
