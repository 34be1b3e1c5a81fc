// Whole numbers of any integer type, within the limits of another.
#include <santa/core/whole_number.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

using namespace santa;

namespace {

template <class T>
std::string refusal(WholeNumber number) {
  try {
    static_cast<void>(number.as<T>("n"));
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

template <class I>
void check_limits_of() {
  constexpr I least = std::numeric_limits<I>::min(), most = std::numeric_limits<I>::max();
  CHECK(WholeNumber(most).as<I>("n") == most);
  CHECK(WholeNumber(most).as<std::uint64_t>("n") == static_cast<std::uint64_t>(most));
  if constexpr (std::is_signed_v<I>)
    CHECK(refusal<I>(least) == "santa: n is " + std::to_string(least) + "; accepted: 0 to " + std::to_string(most));
  else
    CHECK(WholeNumber(least).as<I>("n") == 0);
}

}  // namespace

TEST_CASE("whole_numbers_are_what_they_were_given") {
  check_limits_of<std::int8_t>();
  check_limits_of<std::uint8_t>();
  check_limits_of<std::int16_t>();
  check_limits_of<std::uint16_t>();
  check_limits_of<std::int32_t>();
  check_limits_of<std::uint32_t>();
  check_limits_of<std::int64_t>();
  check_limits_of<std::uint64_t>();
  CHECK(WholeNumber().as<int>("n") == 0);
}

TEST_CASE("whole_numbers_are_never_cut") {
  CHECK(refusal<std::uint16_t>(65535) == "");
  CHECK(refusal<std::uint16_t>(65536) == "santa: n is 65536; accepted: 0 to 65535");
  CHECK(refusal<std::uint16_t>((std::int64_t{1} << 32) + 1) == "santa: n is 4294967297; accepted: 0 to 65535");
  CHECK(refusal<std::uint32_t>(std::uint64_t{1} << 32) == "santa: n is 4294967296; accepted: 0 to 4294967295");
  CHECK(refusal<std::int64_t>(std::uint64_t{1} << 63) ==
        "santa: n is 9223372036854775808; accepted: 0 to 9223372036854775807");
  CHECK(refusal<std::uint64_t>(std::int8_t{-1}) == "santa: n is -1; accepted: 0 to 18446744073709551615");
}

TEST_CASE("numbers_with_fractions_are_no_whole_numbers") {
  CHECK_FALSE(std::is_convertible_v<double, WholeNumber>);
  CHECK_FALSE(std::is_convertible_v<float, WholeNumber>);
}
