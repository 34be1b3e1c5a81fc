// The packing of draws' names, and the numbers made from them.
#include "support/statistics.hpp"
#include <santa/random/stream_key.hpp>

#include <doctest/doctest.h>

#include <set>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

bool equal(const Philox4x32::Counter& a, const Philox4x32::Counter& b) {
  return a.word[0] == b.word[0] && a.word[1] == b.word[1] && a.word[2] == b.word[2] && a.word[3] == b.word[3];
}

}  // namespace

TEST_CASE("stream_key_packs_as_documented") {
  const StreamKey key{.seed = 0x0123456789abcdefU, .step = 0x11111111U, .stream = 0x2222U, .request = 0x33333333U};
  const auto expected =
      Philox4x32::generate({{0x55555555U, 0x33333333U, 0x11111111U, 0x22224444U}}, {{0x89abcdefU, 0x01234567U}});
  CHECK(equal(key.draw(0x4444U, 0x55555555U), expected));
}

TEST_CASE("stream_key_changes_the_draw_with_every_field") {
  const StreamKey key{.seed = 1, .step = 2, .stream = 3, .request = 4};
  std::vector<Philox4x32::Counter> draws = {key.draw(5, 6), key.draw(6, 6), key.draw(5, 7)};
  for (const StreamKey& other : {StreamKey{.seed = 2, .step = 2, .stream = 3, .request = 4},
                                 StreamKey{.seed = 1 + (std::uint64_t{1} << 40), .step = 2, .stream = 3, .request = 4},
                                 StreamKey{.seed = 1, .step = 3, .stream = 3, .request = 4},
                                 StreamKey{.seed = 1, .step = 2, .stream = 4, .request = 4},
                                 StreamKey{.seed = 1, .step = 2, .stream = 3, .request = 5}})
    draws.push_back(other.draw(5, 6));
  for (std::size_t i = 0; i < draws.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) CHECK_FALSE(equal(draws[i], draws[j]));
}

TEST_CASE("integers_keep_the_upper_bits_of_one_word") {
  const StreamKey key{.seed = 9};
  for (const int bits : {1, 8, 26, 31, 32})
    for (std::uint32_t index = 0; index < 100; ++index) {
      const std::uint32_t word = key.draw(0, index).word[0];
      CHECK(key.integer(0, index, bits) == (word >> (32 - bits)));
    }
}

TEST_CASE("integers_are_uniform") {
  const StreamKey key{.seed = 9};
  std::vector<double> counts(256, 0.);
  std::set<std::uint32_t> low;
  for (std::uint32_t index = 0; index < 100000; ++index) {
    const std::uint32_t u = key.integer(3, index, 26);
    REQUIRE(u < (1U << 26));
    counts[u >> 18] += 1.;
    low.insert(u & 0xffU);
  }
  CHECK(std::fabs(chi_square_z(counts)) < z_bound(1));
  CHECK(low.size() == 256);
}

TEST_CASE("uniforms_are_in_the_unit_interval_with_its_moments") {
  const StreamKey key{.seed = 4, .stream = 2};
  MeanTest moments({1. / 2., 1. / 3., 1. / 4.});
  double smallest = 1.;
  double largest = 0.;
  for (std::uint32_t index = 0; index < 100000; ++index) {
    const double u = 0x1p-32 * key.integer(1, index, 32);
    smallest = std::fmin(smallest, u);
    largest = std::fmax(largest, u);
    moments.add(std::vector<double>{u, u * u, u * u * u});
  }
  CHECK(smallest >= 0.);
  CHECK(smallest < 1e-4);
  CHECK(largest < 1.);
  CHECK(largest > 1. - 1e-4);
  CHECK(moments.largest_z(0.) < moments.bound());
}

TEST_CASE("uniforms_of_different_heads_and_steps_are_uncorrelated") {
  MeanTest products(std::vector<double>(3, 0.25));
  for (std::uint32_t index = 0; index < 50000; ++index) {
    const double u = 0x1p-32 * StreamKey{.seed = 1}.integer(0, index, 32);
    products.add(std::vector<double>{u * 0x1p-32 * StreamKey{.seed = 1}.integer(1, index, 32),
                                     u * 0x1p-32 * StreamKey{.seed = 1, .step = 1}.integer(0, index, 32),
                                     u * 0x1p-32 * StreamKey{.seed = 1, .stream = 1}.integer(0, index, 32)});
  }
  CHECK(products.largest_z(0.) < products.bound());
}
