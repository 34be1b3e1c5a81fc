// How many rows to read: a number of them, or a share of the visible ones.
#pragma once

#include <santa/core/check.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

namespace santa {

/// A number of rows, which any number makes, or a share of the visible length, which `share` alone makes: 0.1 is no
/// number of rows, and more likely the share than a tenth of a row.
struct RowBudget {
  double number = 0.;
  bool is_share = false;  // of the visible length

  /// How many rows that is of `visible` ones, which may be fewer.
  [[nodiscard]] double of(std::int64_t visible) const {
    return is_share ? number * static_cast<double>(visible) : number;
  }
  friend bool operator==(const RowBudget&, const RowBudget&) = default;

  /// Errors: std::invalid_argument: name, given, accepted. More rows than are visible are all of them.
  void check(std::string_view argument) const {
    if (is_share ? number > 0. && number <= 1. : number >= 1. && number <= 0x1p63) return;
    const std::string given = detail::text_of(number);
    const bool meant_as_share = !is_share && number > 0. && number < 1.;
    detail::reject(argument, is_share ? "share(" + given + ")" : given,
                   "1 to 2^63 rows, or a share of the visible ones above 0 and up to 1, as santa::share(" +
                       (meant_as_share ? given : "0.1") + ")");
  }

  RowBudget() = default;
  template <class Number>
    requires std::is_arithmetic_v<Number> RowBudget(Number rows)
        : number(static_cast<double>(rows)) {}  // NOLINT(google-explicit-constructor): .rows = 512
};

/// A row budget of `part` of the visible length: share(0.1) reads about a tenth of the value rows.
inline RowBudget share(double part) {
  RowBudget budget(part);
  budget.is_share = true;
  return budget;
}

}  // namespace santa
