// Elements of one byte: every code, and what floats become.
#include "support/data.hpp"
#include <santa/core/cache_element.hpp>
#include <santa/lanes/byte_block.hpp>

#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using santa::detail::Integer8;
using santa::test::infinity;
using santa::test::quiet_nan;

namespace {

e4m3 code(int bits) { return Kokkos::bit_cast<e4m3>(static_cast<std::uint8_t>(bits)); }

/// By the definition: sign, 4 bits of exponent with origin 7, 3 of fraction; no infinity.
double e4m3_number(int bits) {
  const int exponent = (bits >> 3) & 15;
  const int fraction = bits & 7;
  const double size = exponent == 0 ? std::ldexp(fraction, -9) : std::ldexp(8 + fraction, exponent - 10);
  return (bits & 127) == 127 ? std::nan("") : (bits & 128) != 0 ? -size : size;
}

bool same(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

}  // namespace

TEST_CASE("every_code_of_e4m3_is_its_number_and_comes_back") {
  int wrong = 0;
  for (int bits = 0; bits < 256; ++bits) {
    const auto number = static_cast<float>(code(bits));
    wrong += same(static_cast<double>(number), e4m3_number(bits)) ? 0 : 1;
    wrong += std::isnan(number) || e4m3(number).bits == bits ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("floats_become_the_nearest_e4m3_and_even_ones_where_two_are") {
  std::vector<double> numbers;
  for (int bits = 0; bits < 127; ++bits) numbers.push_back(e4m3_number(bits));
  int wrong = 0;
  for (std::size_t i = 0; i + 1 < numbers.size(); ++i) {
    const double middle = (numbers[i] + numbers[i + 1]) / 2.;
    const auto near = [&](double x) { return e4m3(static_cast<float>(x)).bits; };
    wrong += near(middle) == (i % 2 == 0 ? i : i + 1) ? 0 : 1;
    wrong += near(std::nextafter(static_cast<float>(middle), 0.F)) == i ? 0 : 1;
    wrong += near(std::nextafter(static_cast<float>(middle), 1e9F)) == i + 1 ? 0 : 1;
    wrong += near(-middle) == (i % 2 == 0 ? i : i + 1) + 128 ? 0 : 1;
  }
  CHECK(wrong == 0);
}

TEST_CASE("e4m3_saturates_and_keeps_nan") {
  for (const float x : {448.F, 449.F, 1e30F, infinity}) {
    CHECK(static_cast<float>(e4m3(x)) == 448.F);
    CHECK(static_cast<float>(e4m3(-x)) == -448.F);
  }
  CHECK(std::isnan(static_cast<float>(e4m3(quiet_nan))));
  CHECK(std::isnan(static_cast<float>(e4m3(-quiet_nan))));
}

TEST_CASE("floats_become_the_nearest_int8_of_127_at_most") {
  for (int i = -127; i <= 127; ++i) {
    CHECK(Integer8(static_cast<float>(i)).bits == i);
    CHECK(Integer8(static_cast<float>(i) + 0.4F).bits == i);
    CHECK(Integer8(static_cast<float>(i) - 0.4F).bits == i);
  }
  CHECK(Integer8(infinity).bits == 127);
  CHECK(Integer8(-300.F).bits == -127);
  CHECK(Integer8(quiet_nan).bits == 0);
  CHECK(static_cast<float>(Kokkos::bit_cast<Integer8>(std::int8_t{-128})) == -128.F);
}

namespace {

/// Whole blocks, and blocks of which some are there, of all codes.
template <class T>
int wrong_in_blocks() {
  using Block = lanes::FeatureBlock<T>;
  int wrong = 0;
  for (int first = 0; first < 256; first += 32)
    for (int count = 8; count <= 32; count += 8) {
      std::vector<T> row(static_cast<std::size_t>(count));  // what is beyond it is not to be read
      for (int i = 0; i < count; ++i)
        row[static_cast<std::size_t>(i)] = Kokkos::bit_cast<T>(static_cast<std::uint8_t>(first + i));
      const Block block = count == 32 ? Block::load(row.data()) : Block::load(row.data(), count);
      for (int part = 0; part < 2; ++part) {
        std::array<float, 16> lane;
        block.part[part].store(lane.data());
        for (int i = 0; i < 16; ++i) {
          const int feature = Block::feature(part, i);
          const float expected = feature < count ? static_cast<float>(row[static_cast<std::size_t>(feature)]) : 0.F;
          const float given = lane[static_cast<std::size_t>(i)];
          wrong += given == expected || (std::isnan(given) && std::isnan(expected)) ? 0 : 1;
        }
      }
    }
  return wrong;
}

}  // namespace

TEST_CASE("a_host_holds_the_numbers_of_all_codes") {
  CHECK(wrong_in_blocks<e4m3>() == 0);
  CHECK(wrong_in_blocks<Integer8>() == 0);
}
