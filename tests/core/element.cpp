// The 2-byte element types, over all of their values.
#include "support/data.hpp"
#include <santa/core/element.hpp>

#include <doctest/doctest.h>

#include <bit>
#include <cmath>

using namespace santa;
using santa::test::infinity;
using santa::test::quiet_nan;

static_assert(Element<float> && Element<santa::half> && Element<bfloat16> && Element<const santa::half>);
static_assert(!Element<double> && !Element<int> && !Element<std::uint16_t> && !Element<float*>);
static_assert(std::same_as<storage_t<const bfloat16>, bfloat16> && std::same_as<storage_t<float>, float>);
static_assert(sizeof(santa::half) == 2 && sizeof(bfloat16) == 2);
static_assert(std::is_trivially_copyable_v<santa::half> && std::is_trivially_copyable_v<bfloat16>);
static_assert(element_type_of<float> == ElementType::float32 && element_type_of<santa::half> == ElementType::float16 &&
              element_type_of<bfloat16> == ElementType::bfloat16);

namespace {

template <class T>
T from_bits(unsigned bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

/// A half by its definition: (-1)^s 2^(e - 15) (1 + f / 1024), or 2^-14 f / 1024 for e = 0.
double half_by_formula(unsigned bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1. : 1.;
  const int e = static_cast<int>((bits >> 10) & 31U);
  const double f = (bits & 1023U) / 1024.;
  if (e == 31) return f == 0. ? sign * HUGE_VAL : std::nan("");
  return sign * (e == 0 ? std::ldexp(f, -14) : std::ldexp(1. + f, e - 15));
}

double bfloat16_by_formula(unsigned bits) {
  const double sign = (bits & 0x8000U) != 0 ? -1. : 1.;
  const int e = static_cast<int>((bits >> 7) & 255U);
  const double f = (bits & 127U) / 128.;
  if (e == 255) return f == 0. ? sign * HUGE_VAL : std::nan("");
  return sign * (e == 0 ? std::ldexp(f, -126) : std::ldexp(1. + f, e - 127));
}

template <class T>
int wrong_round_trips(double (*formula)(unsigned)) {
  int wrong = 0;
  for (unsigned bits = 0; bits < 65536; ++bits) {
    const auto value = static_cast<float>(from_bits<T>(bits));
    const double expected = formula(bits);
    if (std::isnan(expected)) {
      wrong += !std::isnan(value) || !std::isnan(static_cast<float>(T(value)));
    } else {
      wrong += static_cast<double>(value) != expected || std::signbit(value) != std::signbit(expected) ||
               T(value).bits != bits;
    }
  }
  return wrong;
}

/// Between neighbours of the type: below the middle rounds down, above it up, the middle to the even one.
template <class T>
int wrong_roundings(unsigned largest_finite) {
  int wrong = 0;
  for (unsigned bits = 0; bits < largest_finite; ++bits) {
    const double a = static_cast<double>(static_cast<float>(from_bits<T>(bits)));
    const double b = static_cast<double>(static_cast<float>(from_bits<T>(bits + 1)));
    const auto middle = static_cast<float>((a + b) / 2.);
    if (static_cast<double>(middle) != (a + b) / 2.) continue;  // not a float
    const unsigned even = bits % 2 == 0 ? bits : bits + 1;
    for (const float sign : {1.F, -1.F}) {
      const unsigned mark = sign < 0.F ? 0x8000U : 0U;
      wrong += T(sign * middle).bits != (even | mark);
      wrong += T(sign * std::nextafter(middle, 0.F)).bits != (bits | mark);
      wrong += T(sign * std::nextafter(middle, infinity)).bits != ((bits + 1) | mark);
    }
  }
  return wrong;
}

}  // namespace

TEST_CASE("half_round_trips_all_65536_values") { CHECK(wrong_round_trips<santa::half>(half_by_formula) == 0); }
TEST_CASE("bfloat16_round_trips_all_65536_values") { CHECK(wrong_round_trips<bfloat16>(bfloat16_by_formula) == 0); }
TEST_CASE("half_rounds_to_nearest_even_everywhere") { CHECK(wrong_roundings<santa::half>(0x7bffU) == 0); }
TEST_CASE("bfloat16_rounds_to_nearest_even_everywhere") { CHECK(wrong_roundings<bfloat16>(0x7f7fU) == 0); }

TEST_CASE("what_is_too_large_becomes_infinity") {
  CHECK(santa::half(65519.F).bits == 0x7bffU);
  CHECK(santa::half(65520.F).bits == 0x7c00U);
  CHECK(santa::half(-65520.F).bits == 0xfc00U);
  CHECK(santa::half(1e38F).bits == 0x7c00U);
  CHECK(santa::half(infinity).bits == 0x7c00U);
  CHECK(santa::half(-infinity).bits == 0xfc00U);
  CHECK(bfloat16(std::numeric_limits<float>::max()).bits == 0x7f80U);
  CHECK(bfloat16(-infinity).bits == 0xff80U);
}

TEST_CASE("what_is_too_small_becomes_a_zero_of_its_sign") {
  CHECK(santa::half(0x1p-25F).bits == 0U);  // the tie goes to even
  CHECK(santa::half(0x1.000002p-25F).bits == 1U);
  CHECK(santa::half(-1e-30F).bits == 0x8000U);
  CHECK(bfloat16(0x1p-149F).bits == 0U);
  CHECK(bfloat16(-0.F).bits == 0x8000U);
}

TEST_CASE("nan_stays_nan_whatever_its_payload") {
  for (const std::uint32_t word : {0x7fc00000U, 0x7f800001U, 0xff800001U, 0x7fffffffU, 0xffffffffU, 0x7f80ffffU}) {
    const auto value = std::bit_cast<float>(word);
    CHECK(std::isnan(static_cast<float>(santa::half(value))));
    CHECK(std::isnan(static_cast<float>(bfloat16(value))));
  }
}

TEST_CASE("arrays_of_any_type_read_and_write_as_float") {
  float floats[2] = {0.F, 1.5F};
  santa::half halves[2] = {santa::half(0.F), santa::half(2.5F)};
  bfloat16 brains[2] = {bfloat16(0.F), bfloat16(3.5F)};
  float read = 0.F;
  AnyInput{floats, ElementType::float32}.read(1, 1, &read);
  CHECK(read == 1.5F);
  AnyInput{halves, ElementType::float16}.read(1, 1, &read);
  CHECK(read == 2.5F);
  AnyInput{brains, ElementType::bfloat16}.read(1, 1, &read);
  CHECK(read == 3.5F);
  AnyOutput{floats, ElementType::float32}.store(0, 1.F / 3.F);
  AnyOutput{halves, ElementType::float16}.store(0, 1.F / 3.F);
  AnyOutput{brains, ElementType::bfloat16}.store(0, 1.F / 3.F);
  CHECK(floats[0] == 1.F / 3.F);
  CHECK(static_cast<float>(halves[0]) == 0x1.554p-2F);
  CHECK(static_cast<float>(brains[0]) == 0x1.56p-2F);
  CHECK(floats[1] == 1.5F);
  CHECK(halves[1].bits == santa::half(2.5F).bits);
  CHECK(brains[1].bits == bfloat16(3.5F).bits);
}
