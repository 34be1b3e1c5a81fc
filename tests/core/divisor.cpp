// Division by a multiplication.
#include <santa/core/divisor.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <random>

using santa::detail::Divisor;

TEST_CASE("a_divisor_divides_as_integers_do") {
  constexpr std::uint32_t largest = 0x7fffffffU;
  std::mt19937 random(1);
  const auto check = [&](std::int32_t value) {
    const Divisor divisor(value);
    CHECK(divisor == value);
    const auto by = static_cast<std::uint32_t>(value);
    const auto agrees = [&](std::uint32_t dividend) { return divisor.quotient(dividend) == dividend / by; };
    bool all = agrees(0) && agrees(1) && agrees(by - 1) && agrees(by) && agrees(largest) && agrees(largest - 1);
    for (int i = 0; i < 200; ++i) {
      const std::uint32_t dividend = static_cast<std::uint32_t>(random()) & largest;
      // Where quotients change, an inexact multiplier shows first.
      const std::uint32_t multiple = dividend / by * by;
      all = all && agrees(dividend) && agrees(multiple) && (multiple == 0 || agrees(multiple - 1));
    }
    CAPTURE(value);
    CHECK(all);
  };
  for (std::int32_t value = 1; value < 2000; ++value) check(value);
  for (int i = 0; i < 2000; ++i) check(static_cast<std::int32_t>(random() % largest) + 1);
  for (int bit = 1; bit < 31; ++bit)
    for (const int by : {-1, 0, 1}) check((std::int32_t{1} << bit) + by);
  check(0x7fffffff);
}
