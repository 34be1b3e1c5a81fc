// Places of masses, against exact arithmetic.
#include <santa/lanes/host_group.hpp>
#include <santa/sample/points/places.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>

using namespace santa;
using Group = lanes::HostGroup;
using Mass = Group::Vector<std::uint64_t>;
using Word = Group::Vector<std::uint32_t>;
using Double = Group::Vector<double>;
using Line = detail::PlaceLine<std::uint64_t, std::uint32_t>;

namespace {

/// Masses 0, ..., whole by lane, in order.
Word masses_up_to(std::uint32_t whole, std::mt19937_64& random) {
  std::uint32_t mass[32];
  std::uint32_t largest = 0;
  for (std::uint32_t& m : mass) m = static_cast<std::uint32_t>(random() % (std::uint64_t{whole} + 1));
  for (std::uint32_t& m : mass) m = largest = std::max(largest, m);
  mass[0] = 0;
  return Word::load(mass);
}

}  // namespace

TEST_CASE("equal_places_begin_at_the_offset_and_end_with_all_parts_after_it") {
  for (const double parts : {1., 7., 1000., 0x1p30})
    for (const std::uint32_t offset : {0U, 1U << 30, ~0U})
      for (const std::uint64_t mass : {std::uint64_t{1}, std::uint64_t{12345}, std::uint64_t{1} << 61}) {
        const detail::EqualPlaces<Group> places{Double(parts), Mass(mass), Mass(offset)};
        const std::uint64_t all = static_cast<std::uint64_t>(parts) << 32;
        CHECK(places.at(Mass(0U))[3] == offset);
        CHECK(places.at(Mass(mass))[3] == all + offset);
        std::uint64_t before = offset;
        for (int i = 1; i <= 64; ++i) {
          const auto position = static_cast<std::uint64_t>(static_cast<double>(mass) * i / 65.);
          const std::uint64_t place = places.at(Mass(position))[0];
          CHECK(place >= before);
          CHECK(place <= all + offset);
          const double expected = static_cast<double>(position) / static_cast<double>(mass) * parts;
          CHECK(static_cast<double>(place - offset) * 0x1p-32 == doctest::Approx(expected).epsilon(1e-9));
          before = place;
        }
      }
}

TEST_CASE("no_mass_has_all_parts_at_its_end") {
  const detail::EqualPlaces<Group> places{Double(5.), Mass(0U), Mass(77U)};
  CHECK(places.at(Mass(0U))[0] == (std::uint64_t{5} << 32) + 77);
}

TEST_CASE("lines_are_straight_to_a_part_in_a_billion_and_don't_overshoot") {
  std::mt19937_64 random(2);
  for (int trial = 0; trial < 2000; ++trial) {
    const auto whole = static_cast<std::uint32_t>(random() >> (33 + random() % 31)) + 1;
    const std::uint64_t first = random() >> (10 + random() % 50);
    const std::uint64_t width = random() >> (2 + random() % 62);
    if (width / whole > std::uint64_t{1} << 50) continue;  // more points than a head has
    const Line line = Line::between(first, first + width, whole);
    const Word sum = masses_up_to(whole, random);
    const auto place = detail::places_on<Group>(line, sum);
    for (int i = 0; i < 32; ++i) {
      const long double exact = static_cast<long double>(width) * sum[i] / whole;
      const auto above = static_cast<long double>(place[i] - first);
      CHECK(above <= exact + exact * 0x1p-51L);
      if (sum[i] < whole) CHECK(above <= static_cast<long double>(width));
      CHECK(exact - above <= 1.L + exact * 0x1p-30L);
      if (i > 0) CHECK(place[i] >= place[i - 1]);
    }
  }
}

TEST_CASE("lines_by_lane_are_those_of_each_lane") {
  std::mt19937_64 random(3);
  std::uint64_t first[32], last[32];
  std::uint32_t whole[32];
  for (int i = 0; i < 32; ++i) {
    first[i] = random() >> 20;
    last[i] = first[i] + (random() >> (20 + i));
    whole[i] = i == 5 ? 0 : static_cast<std::uint32_t>(random() >> 33);
  }
  const auto lines = detail::PlaceLine<Mass, Word>::between(Mass::load(first), Mass::load(last), Word::load(whole));
  for (int i = 0; i < 32; ++i) {
    const Line line = Line::between(first[i], last[i], whole[i]);
    CHECK(lines.begin[i] == line.begin);
    CHECK(lines.ratio[i] == line.ratio);
    CHECK(lines.shift[i] == line.shift);
    CHECK(lines.mass[i] == line.mass);
  }
}

TEST_CASE("places_have_a_whole_and_a_rest") {
  const Mass place((std::uint64_t{7} << 32) + 9);
  CHECK(detail::whole_part(place)[0] == 7);
  CHECK(detail::rest_part(place)[0] == 9);
}
