// Narrow types and how keys become codes.
#include "narrow/narrow_problem.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class View>
auto host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

/// The largest error of decoded keys in units of spread * scale: half a step of codes, but for float8 at its widest.
template <class Code, class Space>
double largest_step(const Problem<Space, float>& problem, const NarrowKeysOf<Space, Code>& narrow) {
  const auto decoded_keys = decoded<Space, float, float, Code>(problem, narrow);
  const auto scales = host(narrow.scales);
  const auto spread = host(narrow.spread);
  double largest = 0.;
  for (std::int64_t kv = 0; kv < problem.shape.kv_heads; ++kv)
    for (std::int64_t i = 0; i < problem.shape.length; ++i)
      for (std::int64_t d = 0; d < problem.shape.dim; ++d) {
        const double error = std::fabs(problem.key(0, i, kv, d) - decoded_keys.key(0, i, kv, d));
        largest =
            std::fmax(largest, error / static_cast<double>(spread(0, kv, d) * static_cast<float>(scales(0, kv, i))));
      }
  return largest;
}

}  // namespace

TEST_CASE("float8_is_e4m3_rounded_to_nearest_even") {
  CHECK(float8(0.F).bits == 0x00);
  CHECK(float8(-0.F).bits == 0x80);
  CHECK(float8(1.F).bits == 0x38);
  CHECK(float8(-1.5F).bits == 0xbc);
  CHECK(float8(448.F).bits == 0x7e);
  CHECK(float8(1e9F).bits == 0x7e);
  CHECK(float8(-1e9F).bits == 0xfe);
  CHECK(float8(0x1p-6F).bits == 0x08);   // the smallest normal number
  CHECK(float8(0x1p-9F).bits == 0x01);   // the smallest number
  CHECK(float8(0x1p-10F).bits == 0x00);  // half of it, to even
  CHECK(float8(0x1.8p-9F).bits == 0x02);
  CHECK(float8(1.0625F).bits == 0x38);  // half way, to even
  CHECK(float8(1.1875F).bits == 0x3a);
  for (int bits = 0; bits < 256; ++bits) {
    if ((bits & 0x7f) == 0x7f) continue;
    float8 code;
    code.bits = static_cast<std::uint8_t>(bits);
    CAPTURE(bits);
    const double exponent = (bits >> 3) & 15;
    const double fraction = (bits & 7) / 8.;
    const double magnitude = exponent > 0 ? std::ldexp(1. + fraction, static_cast<int>(exponent) - 7) : fraction / 64.;
    CHECK(static_cast<double>(static_cast<float>(code)) == ((bits & 0x80) != 0 ? -magnitude : magnitude));
    CHECK(float8(static_cast<float>(code)) == code);
  }
}

TEST_CASE("int4x2_holds_two_numbers_of_minus_8_to_7") {
  CHECK(int4x2().even() == 0);
  CHECK(int4x2().odd() == 0);
  for (int even = -8; even < 8; ++even)
    for (int odd = -8; odd < 8; ++odd) {
      CHECK(int4x2(even, odd).even() == even);
      CHECK(int4x2(even, odd).odd() == odd);
    }
}

SANTA_SPACE_TEST_CASE("codes_are_within_half_a_step_of_the_keys") {
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 100, .dim = 72});
  problem.fill(1);
  for (std::int64_t i = 0; i < 100; ++i) problem.key(0, i, 1, 5) = 7.F;  // a channel of one value
  problem.upload();
  CHECK(largest_step<std::int8_t>(problem, narrow_keys<std::int8_t>(problem)) < 0.501);
  CHECK(largest_step<int4x2>(problem, narrow_keys<int4x2>(problem)) < 0.501);
  CHECK(largest_step<float8>(problem, narrow_keys<float8>(problem)) < 16.1);  // between 256 and 448
  // The farthest feature has a code near the largest: no bits are given away.
  const auto scales = host(narrow_keys<int4x2>(problem).scales);
  for (std::size_t i = 0; i < scales.size(); ++i) {
    CHECK(static_cast<float>(scales.data()[i]) > 1.F / 7.F);
    CHECK(static_cast<float>(scales.data()[i]) < 5.F / 7.F);
  }
}

SANTA_SPACE_TEST_CASE("center_and_spread_are_mean_and_deviation_of_the_valid_keys") {
  Problem<Space, float> problem({.batch = 2, .heads = 1, .kv_heads = 1, .length = 4, .dim = 8});
  problem.fill(1).set_lengths({4, 0});
  const float first[4] = {1.F, 2.F, 3.F, 6.F};
  for (std::int64_t i = 0; i < 4; ++i) problem.key(0, i, 0, 0) = first[i];
  problem.upload();
  const auto narrow = narrow_keys<std::int8_t>(problem);
  CHECK(host(narrow.center)(0, 0, 0) == doctest::Approx(3.));
  CHECK(host(narrow.spread)(0, 0, 0) == doctest::Approx(std::sqrt(3.5)));
  CHECK(host(narrow.center)(1, 0, 0) == 0.F);  // no keys: codes of the keys as they are
  CHECK(host(narrow.spread)(1, 0, 0) == 1.F);
}

SANTA_SPACE_TEST_CASE("appending_encodes_the_newest_rows_as_encoding_all_does_and_touches_no_other") {
  Problem<Space, bfloat16> problem({.batch = 3, .heads = 2, .kv_heads = 2, .length = 50, .dim = 64},
                                   Arrangement::head_major);
  problem.fill(2).set_lengths({50, 17, 1}).upload();
  const auto all = narrow_keys<int4x2>(problem);
  const NarrowKeysOf<Space, int4x2> appended(Space{}, problem.shape);
  Kokkos::deep_copy(appended.center, all.center);
  Kokkos::deep_copy(appended.spread, all.spread);
  Kokkos::deep_copy(appended.codes, int4x2(3, -5));
  encode_newest_keys(Space{}, problem.cache(), appended, 2);
  const auto expected = host(all.codes), codes = host(appended.codes);
  const auto expected_scales = host(all.scales), scales = host(appended.scales);
  for (std::size_t b = 0; b < 3; ++b)
    for (std::size_t i = 0; i < 50; ++i)
      for (std::size_t kv = 0; kv < 2; ++kv) {
        const auto length = static_cast<std::size_t>(problem.lengths[b]);
        const bool newest = i < length && i + 2 >= length;
        CAPTURE(b);
        CAPTURE(i);
        for (std::size_t d = 0; d < 32; ++d)
          CHECK(codes(b, i, kv, d) == (newest ? expected(b, i, kv, d) : int4x2(3, -5)));
        CHECK(scales(b, kv, i).bits == (newest ? expected_scales(b, kv, i).bits : 0U));
      }
}

SANTA_SPACE_TEST_CASE("a_key_that_is_not_finite_makes_its_score_nan_and_validate_names_it") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64});
  problem.fill(3).upload();
  const auto center_of = narrow_keys<std::int8_t>(problem);
  problem.key(1, 33, 0, 7) = infinity;
  problem.upload();
  const NarrowKeysOf<Space, std::int8_t> narrow(Space{}, problem.shape);
  Kokkos::deep_copy(narrow.center, center_of.center);
  Kokkos::deep_copy(narrow.spread, center_of.spread);
  encode_keys(Space{}, problem.cache(), narrow);
  const NarrowCache cache{problem.cache(), narrow};
  CHECK_THROWS_WITH_AS(validate(Space{}, cache), "santa: scales(1, 0, 33) is nan; accepted: a positive finite number",
                       std::invalid_argument);
  const Result result = run_once(Exact{}, problem, cache);
  for (std::size_t h = 0; h < 8; ++h) CHECK(std::isnan(result.lse[h]) == (h == 4 || h == 5));
  problem.set_lengths({40, 33}).upload();  // it is not valid any more
  validate(Space{}, NarrowCache{problem.cache(), narrow});
}
