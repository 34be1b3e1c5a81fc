// Gumbel noise against double, and its moments.
#include "problem.hpp"
#include "support/statistics.hpp"
#include <santa/token/gumbel.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Noise of words[2 i] and words[2 i + 1].
template <class Space>
std::vector<float> noise_of(const std::vector<std::uint32_t>& words) {
  using Memory = typename Space::memory_space;
  const Kokkos::View<std::uint32_t*, Memory> given("test::words", words.size());
  const Kokkos::View<float*, Memory> noise("test::noise", words.size() / 2);
  const auto there = Kokkos::create_mirror_view(given);
  for (std::size_t i = 0; i < words.size(); ++i) there(i) = words[i];
  Kokkos::deep_copy(given, there);
  Kokkos::parallel_for(
      "test::gumbel", Kokkos::RangePolicy<Space>(0, noise.extent(0)),
      KOKKOS_LAMBDA(std::size_t i) { noise(i) = gumbel(given(2 * i), given(2 * i + 1)); });
  Space{}.fence();
  return host_vector(noise);
}

}  // namespace

SANTA_SPACE_TEST_CASE("gumbel_noise_is_right_to_float_precision_everywhere") {
  std::vector<std::uint32_t> words;
  for (const std::uint32_t high : {0U, 1U, 255U, 256U, 0x3fffffffU, 0x40000000U, 0x80000000U, 0xfffffeffU, 0xffffffffU})
    for (const std::uint32_t low : {0U, 511U, 512U, 0x80000000U, 0xffffffffU}) words.insert(words.end(), {high, low});
  for (std::uint32_t i = 0; i < 20000; ++i) {
    const auto random = Philox4x32::generate({{i, 1, 2, 3}}, {{4, 5}});
    words.insert(words.end(), {random.word[0] >> (i % 32), random.word[1]});
  }
  const std::vector<float> noise = noise_of<Space>(words);
  for (std::size_t i = 0; i < noise.size(); ++i) {
    const double expected = gumbel_reference(words[2 * i], words[2 * i + 1]);
    // What rounding v to 24 bits does to the noise, and to the noise itself.
    const double v = uniform_reference(words[2 * i], words[2 * i + 1]);
    const double of_v = v * 0x1p-24 / (-std::log1p(-v) * (1. - v));
    REQUIRE(std::abs(static_cast<double>(noise[i]) - expected) < of_v + 2.5e-7 * std::fmax(1., std::abs(expected)));
    REQUIRE(noise[i] > -2.82F);
    REQUIRE(noise[i] < 38.9F);
  }
}

SANTA_SPACE_TEST_CASE("gumbel_noise_has_its_mean_and_variance") {
  constexpr std::uint32_t count = 200000;
  std::vector<std::uint32_t> words;
  for (std::uint32_t i = 0; i < count; ++i) {
    const auto random = Philox4x32::generate({{i, 0, 0, 0}}, {{7, 0}});
    words.insert(words.end(), {random.word[0], random.word[1]});
  }
  constexpr double mean = 0.57721566490153286;  // Euler's constant
  constexpr double variance = 1.6449340668482264;
  MeanTest test({mean, variance});
  for (const float x : noise_of<Space>(words)) {
    const double away = static_cast<double>(x) - mean;
    test.add(std::vector<double>{static_cast<double>(x), away * away});
  }
  CHECK(test.largest_z() < test.bound(1e-6));
}
