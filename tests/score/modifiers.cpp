// Score modifiers by themselves.
#include "support/data.hpp"
#include <santa/score/modifiers.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using santa::test::infinity;
using santa::test::quiet_nan;

static_assert(ScoreModifier<Identity> && ScoreModifier<Window> && ScoreModifier<SoftCap>);
static_assert(ScoreModifier<Then<SoftCap, Window>> && ScoreModifier<Then<Window, Then<SoftCap, Window>>>);
static_assert(!ScoreModifier<int>);

namespace {
constexpr double log2_e = 1.4426950408889634;
}

TEST_CASE("windows_leave_the_last_keys") {
  CHECK(Window{10}.window() == 10);
  CHECK(Window{0}.window() == 0);
  CHECK(Window{std::int64_t{1} << 40}.window() == std::int64_t{1} << 40);
  CHECK(Window{3}.apply(1.5F) == 1.5F);
  CHECK(Identity::window() == every_key);
  CHECK(Identity::apply(-2.F) == -2.F);
  CHECK(SoftCap::window() == every_key);
}

namespace {

/// The largest error of a cap's results relative to them, over scores of 1e-8 to 1e4 (in natural units) of both signs.
double worst_of_cap(float cap) {
  const double bound = static_cast<double>(cap) * log2_e;
  double worst = 0.;
  for (double natural = 1e-8; natural < 1e4; natural *= 1.003)
    for (const double sign : {-1., 1.}) {
      const auto score = static_cast<float>(sign * natural * log2_e);
      const double expected = bound * std::tanh(static_cast<double>(score) / bound);
      const auto given = static_cast<double>(SoftCap{cap}.apply(score));
      worst = std::fmax(worst, std::fabs(given - expected) / std::fabs(expected));
    }
  return worst;
}

}  // namespace

TEST_CASE("soft_cap_is_cap_times_tanh_to_a_few_ulp_at_every_cap") {
  for (const float cap : {1e-30F, 1e-6F, 0.1F, 0.5F, 15.F, 50.F, 1e3F, 3e4F, 1e6F, 1e12F, 1e30F}) {
    CAPTURE(cap);
    CHECK(worst_of_cap(cap) < 5e-7);
  }
  for (float cap = 0.1F; cap < 1e6F; cap *= 1.37F) CHECK(worst_of_cap(cap) < 5e-7);
}

TEST_CASE("soft_cap_never_exceeds_the_cap") {
  for (const float cap : {0.1F, 50.F, 3e4F}) {
    const float bound = cap * lanes::log2_of_e;
    for (float share = 1.F; share < 100.F; share += 0.0137F) {
      CHECK(SoftCap{cap}.apply(share * bound) <= bound);
      CHECK(SoftCap{cap}.apply(-share * bound) >= -bound);
    }
  }
}

TEST_CASE("soft_cap_of_special_values") {
  const auto bound = static_cast<float>(50. * log2_e);
  CHECK(SoftCap{50.F}.apply(infinity) == doctest::Approx(bound).epsilon(1e-6));
  CHECK(SoftCap{50.F}.apply(-infinity) == doctest::Approx(-bound).epsilon(1e-6));
  CHECK(SoftCap{50.F}.apply(3e38F) == doctest::Approx(bound).epsilon(1e-6));
  CHECK(SoftCap{50.F}.apply(-3e38F) == doctest::Approx(-bound).epsilon(1e-6));
  CHECK(std::isnan(SoftCap{50.F}.apply(quiet_nan)));
  CHECK(SoftCap{50.F}.apply(0.F) == 0.F);
  CHECK(SoftCap{1e-30F}.apply(infinity) == doctest::Approx(1e-30 * log2_e).epsilon(1e-6).scale(0.));
  CHECK(SoftCap{1e30F}.apply(-infinity) == doctest::Approx(-1e30 * log2_e).epsilon(1e-6));
  CHECK(std::isnan(SoftCap{1e30F}.apply(quiet_nan)));
}

TEST_CASE("soft_cap_of_vectors_has_the_bits_of_single_lanes") {
  using Float = lanes::Simd<float, 32>;
  std::vector<float> x;
  for (int i = 0; i < 32; ++i) x.push_back(static_cast<float>(i - 16) * 7.3F);
  for (const float cap : {1.F, 30.F, 3e4F}) {
    const Float y = SoftCap{cap}.apply(Float::load(x.data()));
    for (int i = 0; i < 32; ++i) CHECK(y[i] == SoftCap{cap}.apply(x[static_cast<std::size_t>(i)]));
  }
}

TEST_CASE("modifiers_follow_one_another") {
  const Then<SoftCap, Window> both{{2.F}, {10}};
  CHECK(both.window() == 10);
  CHECK(both.apply(3.F) == SoftCap{2.F}.apply(3.F));
  const Then<Window, Window> narrower{{5}, {10}};
  CHECK(narrower.window() == 5);
  const Then<Window, Window> wider{{10}, {5}};
  CHECK(wider.window() == 5);
  const Then<SoftCap, SoftCap> caps{{1.F}, {8.F}};
  CHECK(caps.apply(3.F) == SoftCap{8.F}.apply(SoftCap{1.F}.apply(3.F)));
  CHECK(caps.apply(3.F) != SoftCap{1.F}.apply(SoftCap{8.F}.apply(3.F)));
}

TEST_CASE("bad_modifiers_are_rejected_with_name_given_and_accepted") {
  CHECK_THROWS_WITH_AS(Window{-1}.check(), "santa: Window.size is -1; accepted: 0 or more", std::invalid_argument);
  CHECK_THROWS_WITH_AS(SoftCap{0.F}.check(), "santa: SoftCap.cap is 0.000000; accepted: 1e-30 to 1e30",
                       std::invalid_argument);
  for (const float bad : {-1.F, 1e-31F, 1.1e30F, infinity, quiet_nan})
    CHECK_THROWS_AS(SoftCap{bad}.check(), std::invalid_argument);
  const Then<SoftCap, Window> inner{{5.F}, {-1}};
  const Then<SoftCap, Window> outer{{-5.F}, {1}};
  CHECK_THROWS_AS(inner.check(), std::invalid_argument);
  CHECK_THROWS_AS(outer.check(), std::invalid_argument);
  CHECK_NOTHROW(Window{0}.check());
}
