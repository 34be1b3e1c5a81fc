// Integer masses of tiles and their prefixes, against plain sums.
#include <santa/lanes/host_group.hpp>
#include <santa/sample/points/tile_masses.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using namespace santa;
using Group = lanes::HostGroup;
using Float = Group::Vector<float>;

namespace {

struct Team {};

/// One head's tiles.
struct Tiles {
  detail::PointArguments arguments;
  detail::Unit unit{};
  std::vector<float> references, reference = {0.F};
  std::vector<std::uint32_t> masses;
  std::vector<std::uint64_t> sums, total = {0};

  Tiles(std::int64_t start, std::int64_t length) {
    arguments.batch = arguments.heads = arguments.kv_heads = unit.heads = 1;
    arguments.tiles = (length + 31) / 32;
    unit.start = start;
    unit.length = length;
    const auto stride = static_cast<std::size_t>(arguments.tile_stride());
    references.assign(stride, 90.F);  // what another run may have left
    masses.assign(stride, (std::uint32_t{1} << 31) - 1);
    sums.assign(stride, 1);
    arguments.tile_reference = references.data();
    arguments.tile_mass = masses.data();
    arguments.tile_prefix = sums.data();
    arguments.reference = reference.data();
    arguments.total = total.data();
  }
  void sum() { detail::sum_tiles(Group(Team{}), arguments, unit, 0); }
};

}  // namespace

TEST_CASE("the_mass_of_the_largest_score_is_at_least_half_a_unit_of_its_tile") {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  const Group group(Team{});
  for (const float spread : {0.F, 1.F, 30.F, 1e30F}) {
    float scores[32];
    for (float& s : scores) s = spread * normal(random);
    scores[3] = -HUGE_VALF;
    scores[4] = std::nanf("");
    const Float score = Float::load(scores);
    const float reference = detail::tile_reference(group, score);
    const auto mass = detail::key_masses<Group>(score, reference);
    std::uint32_t largest = 0;
    for (int i = 0; i < 32; ++i) {
      const double expected =
          std::isnan(scores[i]) ? 0. : std::exp2(static_cast<double>(scores[i] - reference)) * 0x1p26;
      CHECK(std::fabs(static_cast<double>(mass[i]) - expected) <= 0.5 + 3e-7 * expected);
      if (mass[i] > largest) largest = mass[i];
    }
    CHECK(std::floor(reference) == reference);
    CHECK(largest <= std::uint32_t{1} << 26);
    CHECK(largest > std::uint32_t{1} << 24);
  }
}

TEST_CASE("positions_use_as_many_bits_as_fit") {
  CHECK(detail::position_bits(1) == 40);
  CHECK(detail::position_bits(std::int64_t{1} << 22) == 40);
  CHECK(detail::position_bits((std::int64_t{1} << 22) + 1) == 39);
  CHECK(detail::position_bits(std::int64_t{1} << 36) == 26);
}

TEST_CASE("prefixes_are_plain_sums_over_the_visible_tiles") {
  std::mt19937_64 random(2);
  for (const std::int64_t length : {1, 32, 33, 1000, 1024, 1025, 5000, 40000})
    for (const std::int64_t start : {std::int64_t{0}, length / 3, length - 1}) {
      Tiles tiles(start, length);
      float largest = detail::empty_reference;
      for (std::int64_t t = start / 32; t < tiles.arguments.tiles; ++t) {
        const auto at = static_cast<std::size_t>(t);
        tiles.references[at] = random() % 7 == 0 ? detail::empty_reference : static_cast<float>(random() % 90) - 60.F;
        tiles.masses[at] =
            tiles.references[at] == detail::empty_reference ? 0 : static_cast<std::uint32_t>(random() >> 33);
        largest = std::fmax(largest, tiles.references[at]);
      }
      tiles.sum();
      CHECK(tiles.reference[0] == largest);
      std::uint64_t sum = 0;
      int wrong = 0;
      for (std::int64_t t = start / 32; t < tiles.arguments.tiles; ++t) {
        const auto at = static_cast<std::size_t>(t);
        wrong += tiles.sums[at] != sum;
        const double apart = static_cast<double>(largest) - static_cast<double>(tiles.references[at]);
        if (apart < 60.) sum += (std::uint64_t{tiles.masses[at]} << 14) >> static_cast<int>(apart);
      }
      CHECK(wrong == 0);
      CHECK(tiles.total[0] == sum);
      CHECK(tiles.sums[static_cast<std::size_t>(tiles.arguments.tiles)] == sum);
    }
}

TEST_CASE("the_most_mass_of_the_longest_cache_does_not_overflow") {
  const std::int64_t visible = std::int64_t{1} << 36;
  const int bits = detail::position_bits(visible);
  const std::uint64_t tile = detail::tile_masses<Group>(std::uint32_t{1} << 31, 0.F, bits)[0];
  CHECK(tile * static_cast<std::uint64_t>(visible / 32) == std::uint64_t{1} << 62);
}

TEST_CASE("tiles_without_any_score_leave_nothing_of_other_runs") {
  Tiles tiles(0, 100);
  for (std::size_t t = 0; t < 4; ++t) {
    tiles.references[t] = detail::empty_reference;
    tiles.masses[t] = 0;
  }
  tiles.sum();
  CHECK(tiles.total[0] == 0);
  Tiles empty(0, 64);
  empty.unit.length = 0;
  empty.sum();
  CHECK(empty.total[0] == 0);
}

TEST_CASE("a_tile_that_holds_nan_makes_the_head_nan_and_no_difference_to_the_sums") {
  Tiles tiles(0, 200);
  for (std::size_t t = 0; t < 7; ++t) {
    tiles.references[t] = 3.F;
    tiles.masses[t] = 10;
  }
  tiles.sum();
  CHECK(tiles.reference[0] == 3.F);
  CHECK(tiles.total[0] == 70U << 14);
  tiles.references[4] = std::nanf("");
  tiles.masses[4] = 0;
  tiles.sum();
  CHECK(std::isnan(tiles.reference[0]));
  CHECK(tiles.total[0] == 60U << 14);
}
