// Numbers that a user types: the whole text is one that its type holds, or it is an error.
#pragma once

#include "decode/error.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

namespace santa::example {

/// The number that `text` is in decimals, all of it; none where that is out of T's range, or not finite.
template <class T>
std::optional<T> parse_number(std::string_view text) {
  T number{};
  const char* const end = text.data() + text.size();
  const auto [at, error] = std::from_chars(text.data(), end, number);
  if (error != std::errc() || at != end) return std::nullopt;
  if constexpr (std::is_floating_point_v<T>)
    if (!std::isfinite(number)) return std::nullopt;
  return number;
}

/// `count` numbers with a comma between them; none where there is anything else.
template <class T, std::size_t count>
std::optional<std::array<T, count>> parse_numbers(std::string_view text) {
  std::array<T, count> numbers{};
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t comma = text.find(',');
    const auto number = parse_number<T>(text.substr(0, comma));
    const bool last = i + 1 == count;
    if (!number || last != (comma == std::string_view::npos)) return std::nullopt;
    numbers[i] = *number;
    if (!last) text.remove_prefix(comma + 1);
  }
  return numbers;
}

[[noreturn]] inline void refuse(std::string_view name, std::string_view text, std::string_view accepted) {
  throw UserError(std::string(name) + " is " + quote(text) + "; accepted: " + std::string(accepted));
}

/// What `text` gives for the option `name`. Errors: UserError: name, given, accepted.
template <class T>
T number_between(std::string_view name, std::string_view text, T least, T most) {
  if (const auto number = parse_number<T>(text); number && *number >= least && *number <= most) return *number;
  std::ostringstream accepted;
  accepted << (std::is_integral_v<T> ? "a whole number" : "a number") << " from " << least << " to " << most;
  refuse(name, text, accepted.str());
}

}  // namespace santa::example
