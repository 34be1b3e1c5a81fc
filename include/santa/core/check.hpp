// Errors for what a caller got wrong: one cold function, one form of sentence.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/supported.hpp>

#include <Kokkos_Core.hpp>

#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>

namespace santa::detail::inline SANTA_BUILD {

/// A number as an error has it: the shortest text that says which.
inline std::string text_of(double number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

/// Throws std::invalid_argument: "santa: <argument> is <given>; accepted: <accepted>".
[[noreturn, gnu::cold, gnu::noinline]] inline void reject(std::string_view argument, const std::string& given,
                                                          std::string_view accepted) {
  throw std::invalid_argument("santa: " + std::string(argument) + " is " + given +
                              "; accepted: " + std::string(accepted));
}

/// What is accepted, with a number in it: made into words where it is not what was given.
struct Accepted {
  std::string_view before;
  std::int64_t number;
  std::string_view after;
};

[[noreturn, gnu::cold, gnu::noinline]] inline void reject(std::string_view argument, std::int64_t given,
                                                          std::string_view accepted) {
  reject(argument, std::to_string(given), accepted);
}
[[noreturn, gnu::cold, gnu::noinline]] inline void reject(std::string_view argument, std::int64_t given,
                                                          const Accepted& accepted) {
  reject(argument, given, std::string(accepted.before) + std::to_string(accepted.number) + std::string(accepted.after));
}

inline void require(bool good, std::string_view argument, std::int64_t given, std::string_view accepted) {
  if (!good) reject(argument, given, accepted);
}
inline void require(bool good, std::string_view argument, std::int64_t given, const Accepted& accepted) {
  if (!good) reject(argument, given, accepted);
}

/// Tiles that share out samples are whole tiles of the kernels, and splits are whole numbers of them.
inline void require_draw_tile(int tile, std::string_view argument) {
  require(tile == 32 || tile == 64 || tile == 256, argument, tile, "32, 64 or 256");
}

/// True if no extent is 0. Not `size()`: from Kokkos 5 on that is 0 for a view of null data, whatever its extents.
template <class View>
bool has_elements(const View& view) {
  for (std::size_t i = 0; i < View::rank(); ++i)
    if (view.extent(i) == 0) return false;
  return true;
}

inline void require_pointer(const void* data, std::string_view argument) {
  if (data == nullptr) reject(argument, "null", "a view with data");
}

/// Checks that a view of rank 1 lies without gaps and has data.
template <class View>
void require_list(const std::string& name, const View& view) {
  const auto stride = static_cast<std::int64_t>(view.stride(0));
  require(stride == 1 || view.extent(0) <= 1, name + ".stride(0)", stride, "1");
  if (has_elements(view)) require_pointer(view.data(), name + ".data()");
}

/// A view as checks see it, whatever its type: they are compiled once.
struct Array {
  std::string_view name;
  const void* data;
  int rank;  // up to 4
  std::int64_t extent[4], stride[4];
};
template <class View>
Array array_of(std::string_view name, const View& view) {
  static_assert(View::rank() <= 4);
  Array array{name, view.data(), static_cast<int>(View::rank()), {}, {}};
  for (std::size_t i = 0; i < View::rank(); ++i) {
    array.extent[i] = static_cast<std::int64_t>(view.extent(i));
    array.stride[i] = static_cast<std::int64_t>(view.stride(i));
  }
  return array;
}

[[noreturn, gnu::cold, gnu::noinline]] inline void reject_extent(const Array& array, int i, const char* what,
                                                                 std::int64_t given, std::string_view accepted) {
  reject(std::string(array.name) + what + std::to_string(i) + ")", std::to_string(given), accepted);
}
/// Extent i is what is expected, which `meaning` says in words, if there are any.
[[gnu::noinline]] inline void require_extent(const Array& array, int i, std::int64_t expected,
                                             std::string_view meaning = {}) {
  if (array.extent[i] == expected) return;
  const std::string number = std::to_string(expected);
  reject_extent(array, i, ".extent(", array.extent[i],
                meaning.empty() ? number : std::string(meaning) + " (" + number + ")");
}
/// There is data, unless an extent is 0.
[[gnu::noinline]] inline void require_data(const Array& array) {
  bool elements = true;
  for (int i = 0; i < array.rank; ++i) elements = elements && array.extent[i] != 0;
  if (elements) require_pointer(array.data, std::string(array.name) + ".data()");
}
/// Rows along the last extent lie without gaps, and there is data.
[[gnu::noinline]] inline void require_rows(const Array& array) {
  const int last = array.rank - 1;
  if (array.stride[last] != 1 && array.extent[last] > 1)
    reject_extent(
        array, last, ".stride(", array.stride[last],
        "1: the head dimension is contiguous, as in Kokkos::LayoutRight (the default of a GPU is LayoutLeft)");
  require_data(array);
}
template <class View>
void require_rows(std::string_view name, const View& view) {
  require_rows(array_of(name, view));
}
/// All elements lie one after another, and there is data: for what is read or written by one index.
[[gnu::noinline]] inline void require_no_gaps(const Array& array) {
  require_data(array);
  std::int64_t expected = 1;
  for (int i = array.rank - 1; i >= 0 && expected > 0; --i) {
    if (array.stride[i] != expected && array.extent[i] > 1)
      reject_extent(array, i, ".stride(", array.stride[i], std::to_string(expected) + ": elements lie without gaps");
    expected *= array.extent[i];
  }
}

inline void require_initialized() {
  if (!Kokkos::is_initialized())
    throw std::runtime_error("santa: Kokkos is not initialized; create a Kokkos::ScopeGuard before a plan");
}

}  // namespace santa::detail
