// exp2, log2 and ln against double precision, for single lanes and for vectors.
#include "support/data.hpp"
#include <santa/lanes/math.hpp>

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using santa::test::infinity;
using santa::test::quiet_nan;

TEST_CASE("exp2_is_within_its_stated_error") {
  double worst = 0.;
  for (float x = -126.F; x <= 127.F; x += 1.F / 1024.F + 1e-5F) {
    const double expected = std::exp2(static_cast<double>(x));
    worst = std::fmax(worst, std::fabs(static_cast<double>(lanes::exp2(x)) - expected) / expected);
  }
  for (float x = 1e-9F; x < 1.F; x *= 1.01F)
    for (const float y : {x, -x}) {
      const double expected = std::exp2(static_cast<double>(y));
      worst = std::fmax(worst, std::fabs(static_cast<double>(lanes::exp2(y)) - expected) / expected);
    }
  CHECK(worst < 2e-7);
}

TEST_CASE("exp2_is_exact_at_integers") {
  for (int n = -126; n <= 127; ++n) CHECK(lanes::exp2(static_cast<float>(n)) == std::ldexp(1.F, n));
}

TEST_CASE("exp2_of_special_values") {
  CHECK(lanes::exp2(std::nextafter(-126.F, -infinity)) == 0.F);
  CHECK(lanes::exp2(-1000.F) == 0.F);
  CHECK(lanes::exp2(-1e38F) == 0.F);
  CHECK(lanes::exp2(lanes::lowest) == 0.F);
  CHECK(lanes::exp2(-infinity) == 0.F);
  CHECK(lanes::exp2(-0.F) == 1.F);
  CHECK(std::isnan(lanes::exp2(quiet_nan)));
  CHECK(std::isnan(lanes::exp2(infinity)));
}

TEST_CASE("exp2_of_vectors_has_the_bits_of_exp2_of_lanes") {
  using Float = lanes::Simd<float, 32>;
  int wrong = 0;
  for (int block = 0; block < 1000; ++block) {
    alignas(64) float x[32];
    for (int i = 0; i < 32; ++i) x[i] = static_cast<float>(block * 32 + i - 20000) * 0.0077F;
    if (block == 3) x[0] = quiet_nan, x[1] = infinity, x[2] = -infinity, x[31] = -126.F;
    alignas(64) float y[32];
    lanes::exp2(Float::load(x)).store(y);
    for (int i = 0; i < 32; ++i) {
      const float one = lanes::exp2(x[i]);
      wrong += std::isnan(one) ? !std::isnan(y[i]) : std::memcmp(&one, &y[i], 4) != 0;
    }
  }
  CHECK(wrong == 0);
}

TEST_CASE("exp2_less_1_is_within_its_stated_error_near_0_too") {
  double worst = 0.;
  for (float x = 1e-30F; x <= 126.F; x *= 1.0007F)
    for (const float y : {x, -x}) {
      const double expected = std::expm1(static_cast<double>(y) * 0.69314718055994530942);
      worst = std::fmax(worst, std::fabs((static_cast<double>(lanes::exp2_less_1(y)) - expected) / expected));
    }
  CHECK(worst < 4e-7);
  CHECK(lanes::exp2_less_1(0.F) == 0.F);
  CHECK(lanes::exp2_less_1(-126.F) == -1.F);
  CHECK(std::isnan(lanes::exp2_less_1(quiet_nan)));
}

TEST_CASE("log2_is_within_its_stated_error_over_all_magnitudes") {
  double worst = 0.;
  for (double x = 0x1p-149; x < 3.4e38; x *= 1.0007) {
    const auto given = static_cast<float>(x);
    const double expected = std::log2(static_cast<double>(given));
    const double error = std::fabs(static_cast<double>(lanes::log2(given)) - expected);
    worst = std::fmax(worst, error / (2e-7 + 1e-7 * std::fabs(expected)));
  }
  for (float x = 0.999F; x < 1.001F; x = std::nextafter(x, 2.F)) {
    const double expected = std::log2(static_cast<double>(x));
    worst = std::fmax(worst, std::fabs(static_cast<double>(lanes::log2(x)) - expected) / 2e-7);
  }
  CHECK(worst < 1.);
}

TEST_CASE("ln_is_within_its_stated_error_also_near_1_and_the_same_for_vectors") {
  double worst = 0.;
  const auto check = [&](float x) {
    const double expected = std::log(static_cast<double>(x));
    const float given = lanes::ln(x);
    worst = std::fmax(worst, std::fabs(static_cast<double>(given) - expected) / (2e-7 * std::fabs(expected) + 1e-30));
    CHECK_UNARY(lanes::ln(lanes::Simd<float, 32>(x))[31] == given);
  };
  for (float x = 0x1p-126F; x < 3e38F; x *= 1.01F) check(x);
  for (float x = 0.999F; x < 1.001F; x = std::nextafter(x, 2.F)) check(x);
  CHECK(worst < 1.);
}

TEST_CASE("log2_of_special_values") {
  for (int n = -149; n <= 127; ++n) CHECK(lanes::log2(std::ldexp(1.F, n)) == static_cast<float>(n));
  CHECK(lanes::log2(0.F) == -infinity);
  CHECK(lanes::log2(-0.F) == -infinity);
  CHECK(lanes::log2(infinity) == infinity);
  CHECK(std::isnan(lanes::log2(quiet_nan)));
  CHECK(std::isnan(lanes::log2(-1.F)));
  CHECK(std::isnan(lanes::log2(-infinity)));
}

TEST_CASE("max_ignores_nan_in_the_new_value") {
  CHECK(lanes::max(1.F, 2.F) == 2.F);
  CHECK(lanes::max(2.F, 1.F) == 2.F);
  CHECK(lanes::max(2.F, quiet_nan) == 2.F);
  CHECK(lanes::max(-infinity, -3.F) == -3.F);
  CHECK(lanes::ceil(1.25F) == 2.F);
  CHECK(lanes::ceil(-1.25F) == -1.F);
}
