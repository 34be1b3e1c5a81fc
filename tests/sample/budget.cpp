// How MassUnit chooses delta.
#include "support/statistics.hpp"
#include <santa/decode/methods.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/sample/fixed_tile_budget.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/mass_unit/carry.hpp>
#include <santa/sample/mass_unit/solve_delta.hpp>
#include <santa/sample/mass_unit/subset.hpp>
#include <santa/sample/points/multinomial.hpp>
#include <santa/sample/points/proportional_tile_budget.hpp>
#include <santa/sample/points/stratified.hpp>
#include <santa/sample/points/systematic.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace santa;
using detail::Subset;
using Group = lanes::HostGroup;
using Float = Group::Vector<float>;

namespace {

template <class F>
void for_each_tile(const detail::Subset& subset, F&& f) {
  for (int i = 0; i < subset.tiles(); ++i) f(subset.tile(i));
}

struct Team {};

}  // namespace

TEST_CASE("a_subset_counts_every_key_about_once_and_none_twice") {
  for (const std::int64_t length :
       {0, 1, 31, 32, 33, 159, 160, 161, 200, 512, 1000, 4097, 16384, 40000, 100003, 1048576})
    for (const std::int64_t start : {std::int64_t{0}, std::int64_t{1}, length / 3, length - 1, length}) {
      if (start < 0 || start > length) continue;
      CAPTURE(length);
      CAPTURE(start);
      const Subset subset(start, length);
      std::vector<int> seen(static_cast<std::size_t>(length), 0);
      double weight = 0.;
      std::int64_t slots = 0;
      std::int64_t keys = 0;
      bool good = true;
      for_each_tile(subset, [&](const detail::SubsetTile& tile) {
        const auto [first, step, count, slot, stands_for] = tile;
        good = good && slot == slots && count >= 1 && count <= 32 && step >= 1 && first >= start;
        slots += 32;
        keys += count;
        for (int i = 0; i < count; ++i) {
          good = good && first + i * step < length && ++seen[static_cast<std::size_t>(first + i * step)] == 1;
          weight += static_cast<double>(stands_for);
        }
      });
      CHECK(good);
      CHECK(weight == doctest::Approx(static_cast<double>(length - start)).epsilon(1e-5));
      CHECK(slots <= Subset::capacity((length + 31) / 32));
      // The first few and the last ones are always there.
      for (std::int64_t i = start; i < length; ++i)
        if (i < start + Subset::head_keys || i >= length - Subset::tail_keys)
          good = good && seen[static_cast<std::size_t>(i)] == 1;
      CHECK(good);
      // No more than a thirty-second of the keys beyond a fixed number, and no more than another one in all.
      CHECK(keys <= (length - start) / 32 + 2 * Subset::fewest + 2 * 160);
      CHECK(keys <= 2 * Subset::most + 160);
    }
}

namespace {

/// Normalised log2 weights of normal scores, and the rows that a delta gives.
struct Scores {
  std::vector<float> y;
  Subset subset;

  Scores(std::int64_t length, float sigma) : subset(0, length) {
    std::mt19937 random(3);
    std::normal_distribution<float> normal;
    double sum = 0.;
    for (std::int64_t i = 0; i < length; ++i) {
      y.push_back(sigma * 1.4427F * normal(random));
      sum += std::exp2(static_cast<double>(y.back()));
    }
    for (float& v : y) v -= static_cast<float>(std::log2(sum));
  }

  [[nodiscard]] double rows(float lambda) const {
    double sum = 0.;
    for (const float v : y) sum += std::fmin(1., std::exp2(static_cast<double>(v - lambda)));
    return sum;
  }

  [[nodiscard]] float solve(double rows) const {
    std::vector<float> slots(static_cast<std::size_t>(Subset::capacity(static_cast<std::int64_t>(y.size() + 31) / 32)),
                             -HUGE_VALF);
    for_each_tile(subset, [&](const detail::SubsetTile& tile) {
      for (int i = 0; i < tile.count; ++i)
        slots[static_cast<std::size_t>(tile.slot + i)] = y[static_cast<std::size_t>(tile.first + i * tile.step)];
    });
    const Group group(Team{});
    return detail::solve_log_delta(group, subset, rows, [&](std::int64_t slot, float lambda) {
      return detail::Inclusion<Group>(Float::load(slots.data() + slot) - Float(lambda)).probability;
    });
  }
};

}  // namespace

TEST_CASE("delta_of_a_whole_subset_gives_the_rows_asked_for") {
  for (const std::int64_t length : {100, 160, 700})  // all keys are in the subset
    for (const float sigma : {0.F, 1.F, 3.F})
      for (const double part : {0.02, 0.1, 0.5, 0.9}) {
        const Scores scores(length, sigma);
        const double rows = part * static_cast<double>(length);
        CHECK(scores.rows(scores.solve(rows)) == doctest::Approx(rows).epsilon(1e-3));
      }
}

TEST_CASE("delta_of_a_strided_subset_gives_about_the_rows_asked_for") {
  for (const float sigma : {0.F, 1.F, 2.F}) {
    const Scores scores(20000, sigma);
    const double given = scores.rows(scores.solve(1000.));
    CHECK(given > 850.);
    CHECK(given < 1150.);
  }
}

TEST_CASE("delta_is_nothing_where_all_rows_are_too_few") {
  const Scores scores(100, 1.F);
  CHECK(scores.solve(100.) == -HUGE_VALF);
  CHECK(scores.solve(1e9) == -HUGE_VALF);
  CHECK(scores.solve(99.) > -HUGE_VALF);
}

TEST_CASE("corrections_of_delta_go_the_right_way_and_no_further_than_a_factor_of_four") {
  using detail::correct_log_delta;
  CHECK(correct_log_delta({0.F, 100.F}, 100.) == doctest::Approx(0.).epsilon(1e-6));
  CHECK(correct_log_delta({0.F, 200.F}, 100.) == doctest::Approx(1.));   // too many rows: a larger delta
  CHECK(correct_log_delta({0.F, 50.F}, 100.) == doctest::Approx(-1.));   // too few: a smaller one
  CHECK(correct_log_delta({50.F, 100.F}, 100.) == doctest::Approx(1.));  // certain rows take their part
  CHECK(correct_log_delta({0.F, 1e6F}, 100.) == 2.F);
  CHECK(correct_log_delta({0.F, 1e-6F}, 100.) == -2.F);
  CHECK(correct_log_delta({150.F, 10.F}, 100.) == 2.F);  // no room at all
  CHECK(correct_log_delta({150.F, 0.F}, 100.) == 2.F);
  CHECK(correct_log_delta({10.F, 0.F}, 100.) == -2.F);  // room, and nothing uncertain
  CHECK(correct_log_delta({0.F, 0.F}, 0.) == 0.F);      // nothing was visible
  CHECK(correct_log_delta({0.F, std::numeric_limits<float>::quiet_NaN()}, 100.) == -2.F);
}

TEST_CASE("row_budgets_are_numbers_or_shares") {
  const auto rows_of = [](const RowBudget& rows) {
    detail::MassUnitArguments arguments;
    detail::Recipe<MassUnit>::set(arguments, {.rows = rows}, 1000);
    detail::Unit unit{};
    unit.length = 1000;
    return arguments.rows_of(unit);
  };
  CHECK(rows_of(7) == 7.);
  CHECK(rows_of(1.5) == 1.5);
  CHECK(rows_of(1) == 1.);
  CHECK(rows_of(share(0.25)) == 250.);
  CHECK(rows_of(share(1)) == 1000.);
  CHECK(rows_of(MassUnit{}.rows) == 100.);
}

TEST_CASE("a_number_of_rows_below_1_is_no_budget_but_probably_a_share") {
  const auto message = [](const RowBudget& rows) -> std::string {
    try {
      MassUnit{.rows = rows}.check();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  const std::string accepted = "; accepted: 1 to 2^63 rows, or a share of the visible ones above 0 and up to 1, as ";
  CHECK(message(0.1) == "santa: MassUnit.rows is 0.1" + accepted + "santa::share(0.1)");
  CHECK(message(0.25F) == "santa: MassUnit.rows is 0.25" + accepted + "santa::share(0.25)");
  CHECK(message(1e-300) == "santa: MassUnit.rows is 1e-300" + accepted + "santa::share(1e-300)");
  CHECK(message(std::nextafter(1., 0.)) ==
        "santa: MassUnit.rows is 0.9999999999999999" + accepted + "santa::share(0.9999999999999999)");
  for (const double none : {0., -3., -0.1, 1e19, HUGE_VAL, -HUGE_VAL})
    CHECK(message(none) == "santa: MassUnit.rows is " + detail::text_of(none) + accepted + "santa::share(0.1)");
  CHECK(message(std::nan("")) == "santa: MassUnit.rows is nan" + accepted + "santa::share(0.1)");
  for (const double none : {0., -0.5, 1.5, 10., HUGE_VAL, -HUGE_VAL})
    CHECK(message(share(none)) ==
          "santa: MassUnit.rows is share(" + detail::text_of(none) + ")" + accepted + "santa::share(0.1)");
  CHECK(message(share(std::nan(""))) == "santa: MassUnit.rows is share(nan)" + accepted + "santa::share(0.1)");
  for (const RowBudget& good : {RowBudget(1), RowBudget(1000), RowBudget(1.5), RowBudget(0x1p63), share(1e-300),
                                share(0.1), share(1), share(1.)})
    CHECK(message(good).empty());
}

TEST_CASE("bad_budgets_are_rejected_with_name_given_and_accepted") {
  const auto reject = [](const auto& method, const char* message) {
    CHECK_THROWS_WITH_AS(method.check(), message, std::invalid_argument);
  };
  reject(Systematic{.samples = 0}, "santa: Systematic.samples is 0; accepted: 1 to 2^30");
  reject(Systematic{.samples = -1}, "santa: Systematic.samples is -1; accepted: 1 to 2^30");
  reject(Systematic{.samples = (1 << 30) + 1}, "santa: Systematic.samples is 1073741825; accepted: 1 to 2^30");
  reject(Stratified{.samples = 0}, "santa: Stratified.samples is 0; accepted: 1 to 2^30");
  reject(Stratified{.samples = (std::int64_t{1} << 32) + 1},
         "santa: Stratified.samples is 4294967297; accepted: 1 to 2^30");
  reject(Multinomial{.samples = -5}, "santa: Multinomial.samples is -5; accepted: 1 to 2^30");
  reject(Multinomial{.samples = std::numeric_limits<std::int64_t>::min()},
         "santa: Multinomial.samples is -9223372036854775808; accepted: 1 to 2^30");
  reject(FixedTileBudget{.samples = 0}, "santa: FixedTileBudget.samples is 0; accepted: 1 to 2^30");
  reject(FixedTileBudget{.samples = -1}, "santa: FixedTileBudget.samples is -1; accepted: 1 to 2^30");
  reject(FixedTileBudget{.samples = (std::int64_t{1} << 33)},
         "santa: FixedTileBudget.samples is 8589934592; accepted: 1 to 2^30");
  reject(FixedTileBudget{.tile = 128}, "santa: FixedTileBudget.tile is 128; accepted: 32, 64 or 256");
  reject(ProportionalTileBudget{.samples = 0}, "santa: ProportionalTileBudget.samples is 0; accepted: 1 to 2^30");
  reject(ProportionalTileBudget{.tile = 0}, "santa: ProportionalTileBudget.tile is 0; accepted: 32, 64 or 256");
  const auto reject_target = [&](double target, const std::string& given) {
    reject(MassUnit{.target_error = target},
           ("santa: MassUnit.target_error is " + given + "; accepted: 0 (none), or 2^-126 to less than 1").c_str());
  };
  reject_target(-0.1, "-0.1");
  reject_target(1., "1");
  reject_target(1e-46, "1e-46");                                // 0 as a float
  reject_target(std::nextafter(1., 0.), "0.9999999999999999");  // 1 as a float
  for (const double good : {0., -0., 0x1p-126, 0.05, 0.9999}) CHECK_NOTHROW(MassUnit{.target_error = good}.check());
  for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL})
    CHECK_THROWS_AS((MassUnit{.target_error = bad}.check()), std::invalid_argument);
  CHECK_NOTHROW(Systematic{.samples = 1}.check());
}
