// Whole numbers as callers have them: of any integer type.
#pragma once

#include <santa/core/check.hpp>

#include <concepts>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <type_traits>

namespace santa {

/// A whole number of any integer type, so that `{.stream = layer}` takes an int as well as a std::uint16_t, without a
/// cast. Where it is used it has a limit; what is negative or beyond is refused there, never cut.
class WholeNumber {
 public:
  WholeNumber() = default;
  template <std::integral I>
  constexpr WholeNumber(I value)  // NOLINT(google-explicit-constructor)
      : _bits(static_cast<std::uint64_t>(value)) {
    static_assert(sizeof(I) <= sizeof(_bits), "santa::WholeNumber: of at most 64 bits");
    if constexpr (std::is_signed_v<I>) _negative = value < 0;
  }

  /// The number as a T. Errors: std::invalid_argument: name, given, accepted.
  template <std::integral T>
  [[nodiscard]] T as(std::string_view name) const {
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<T>::max());
    if (_negative || _bits > most) detail::reject(name, to_string(), "0 to " + std::to_string(most));
    return static_cast<T>(_bits);
  }

 private:
  [[nodiscard]] std::string to_string() const {
    return _negative ? std::to_string(static_cast<std::int64_t>(_bits)) : std::to_string(_bits);
  }

  std::uint64_t _bits = 0;  // of a negative number: as an std::int64_t
  bool _negative = false;
};

}  // namespace santa
