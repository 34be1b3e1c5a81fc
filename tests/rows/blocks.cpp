// What resampling is made of: exp with fixed bits, weights as whole numbers, places of blocks of up to 2^36 rows.
#include <santa/rows/fixed_exp.hpp>
#include <santa/rows/resampling_points.hpp>
#include <santa/rows/row_blocks.hpp>
#include <santa/rows/whole_mass.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::detail;

TEST_CASE("exp_is_right_to_two_units_in_the_last_place") {
  std::mt19937_64 random(1);
  std::uniform_real_distribution<double> any(-708., 708.), small(-1., 1.);
  double worst = 0.;
  for (int i = 0; i < 200000; ++i) {
    const double x = i % 2 == 0 ? any(random) : small(random);
    const long double expected = std::exp(static_cast<long double>(x));
    const double ulp = std::nextafter(static_cast<double>(expected), HUGE_VAL) - static_cast<double>(expected);
    worst = std::fmax(worst, static_cast<double>(std::fabs(fixed_exp(x) - expected) / ulp));
  }
  CHECK(worst < 2.);
  CHECK(fixed_exp(0.) == 1.);
  CHECK(fixed_exp(-708.) > 0.);
  for (const double x : {-708.1, -1e300, -HUGE_VAL, std::numeric_limits<double>::quiet_NaN()})
    CHECK(fixed_exp(x) == 0.);
}

TEST_CASE("weights_are_whole_numbers_to_the_nearest") {
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> uniform(0., 1.);
  CHECK(fixed_weight(0.) == 0);
  CHECK(fixed_weight(1.) == std::uint64_t{1} << 51);
  CHECK(fixed_weight(0x1p-51) == 1);
  for (int i = 0; i < 10000; ++i) {
    const double w = uniform(random);
    const std::uint64_t fixed = fixed_weight(w);
    REQUIRE(fixed == static_cast<std::uint64_t>(std::llrint(w * 0x1p51)));
    REQUIRE(weight_of(fixed) == static_cast<double>(fixed));
    REQUIRE(std::fabs(static_cast<double>(fixed_square(fixed)) - w * w * 0x1p51) <= 2.);
  }
}

TEST_CASE("parts_are_in_proportion_and_ends_are_exact") {
  const Proportion to(std::uint64_t{3} << 59, std::uint64_t{1} << 62);
  CHECK(to.of(0) == 0);
  CHECK(to.of(std::uint64_t{3} << 59) == std::uint64_t{1} << 62);
  std::uint64_t before = 0;
  for (std::uint64_t i = 1; i < 3000; ++i) {
    const std::uint64_t part = i << 49, given = to.of(part);
    REQUIRE(given >= before);
    REQUIRE(std::fabs(static_cast<double>(given) / 0x1p62 - static_cast<double>(part) / 0x3p59) < 0x1p-51);
    before = given;
  }
  const Proportion nothing(0, 100);
  CHECK(nothing.of(0) == 0);
}

TEST_CASE("blocks_of_2_to_the_36_rows_have_their_shares_of_all_places") {
  // The sums that as many rows would leave: 2^25 blocks' at most, of very different weights.
  for (const std::int64_t blocks : {std::int64_t{1} << 12, std::int64_t{1} << 25}) {
    constexpr std::uint64_t points = std::uint64_t{1} << 30;
    std::vector<BlockSum> sums(static_cast<std::size_t>(blocks));
    std::vector<double> share(sums.size());
    std::vector<std::uint64_t> begin(sums.size() + 1);
    long double total = 0.L, squares = 0.L;
    for (std::size_t b = 0; b < sums.size(); ++b) {
      const std::uint64_t mass = (std::uint64_t{1} << 51) + (b * 0x9E3779B97F4A7C15U >> 3);
      sums[b] = {b % 4 == 0 ? 1e6 : 1e6 - static_cast<double>(b % 64), b % 5 == 0 ? 0 : mass, mass >> 1, 0};
      if (b % 5 == 0) sums[b].squares = 0;
      const long double factor = std::exp(static_cast<long double>(sums[b].reference) - 1e6L);
      total += static_cast<long double>(sums[b].mass) * factor * 0x1p-51L;
      squares += static_cast<long double>(sums[b].squares) * factor * factor * 0x1p-51L;
    }
    WholeMass whole{};
    double log_mean = 0., effective = 0.;
    std::vector<std::uint64_t> memory(BlockMemory::words);
    const std::int64_t rows = blocks * block_rows;
    const LayOutBlocks lay_out{blocks,       rows,   points,    sums.data(), share.data(),
                               begin.data(), &whole, &log_mean, &effective};
    lay_out(ThreadBlock{{memory.data()}}, 0);
    CHECK(whole.sum == doctest::Approx(static_cast<double>(total)).epsilon(1e-14).scale(0.));
    CHECK(log_mean == doctest::Approx(static_cast<double>(1e6L + std::log(total / rows))).epsilon(1e-15).scale(0.));
    CHECK(effective == doctest::Approx(static_cast<double>(total / squares * total)).epsilon(1e-14).scale(0.));
    const std::uint64_t all = Strata(points).all();
    CHECK(all == std::uint64_t{1} << 62);
    CHECK(begin.front() == 0);
    CHECK(begin.back() == all);
    CHECK(std::is_sorted(begin.begin(), begin.end()));
    double worst = 0.;  // of a block's share of all, in units of 2^-62
    for (std::size_t b = 0; b < sums.size(); ++b) {
      const long double factor = std::exp(static_cast<long double>(sums[b].reference) - 1e6L);
      const long double expected = static_cast<long double>(sums[b].mass) * factor * 0x1p-51L / total * all;
      worst = std::fmax(worst,
                        static_cast<double>(std::fabs(static_cast<long double>(begin[b + 1] - begin[b]) - expected)));
    }
    CHECK(worst < 0x1p11);
  }
}

TEST_CASE("points_below_a_place_are_those_of_the_strata_before_it_and_some_of_its_own") {
  for (const std::uint64_t points : {1U, 7U, 4096U, 1U << 30}) {
    const Strata strata(points);
    CHECK(strata.all() <= std::uint64_t{1} << 62);
    CHECK(2 * strata.all() > std::uint64_t{1} << 62);
    const PointNumbers numbers{{.seed = 3}};
    const SpacedPoints spaced(strata, numbers, points, nullptr);
    const StratumPoints one_each(strata, numbers, points, nullptr);
    CHECK(spaced.below(0) == 0);
    CHECK(one_each.below(0) == 0);
    for (std::uint64_t k = 1; k <= points; k = 3 * k + 1) {
      CHECK(spaced.below(k << strata.bits) == k);
      CHECK(one_each.below(k << strata.bits) == k);
    }
    const std::uint64_t shift = numbers.of_point(0) >> (64 - strata.bits);
    CHECK(spaced.below(shift) == 0);
    CHECK(spaced.below(shift + 1) == 1);
    CHECK(one_each.below(shift) == 0);
    CHECK(one_each.below(shift + 1) == 1);
  }
}
