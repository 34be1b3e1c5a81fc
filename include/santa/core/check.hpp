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
[[noreturn, gnu::cold]] inline void reject(std::string_view argument, const std::string& given,
                                           std::string_view accepted) {
  throw std::invalid_argument("santa: " + std::string(argument) + " is " + given +
                              "; accepted: " + std::string(accepted));
}

inline void require(bool good, std::string_view argument, std::int64_t given, std::string_view accepted) {
  if (!good) reject(argument, std::to_string(given), accepted);
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

/// Rows along the last extent lie without gaps, and there is data.
template <class View>
void require_rows(const std::string& name, const View& view) {
  constexpr std::size_t last = View::rank() - 1;
  const auto stride = static_cast<std::int64_t>(view.stride(last));
  require(stride == 1 || view.extent(last) <= 1, name + ".stride(" + std::to_string(last) + ")", stride,
          "1: the head dimension is contiguous");
  if (has_elements(view)) require_pointer(view.data(), name + ".data()");
}

inline void require_initialized() {
  if (!Kokkos::is_initialized())
    throw std::runtime_error("santa: Kokkos is not initialized; create a Kokkos::ScopeGuard before a plan");
}

}  // namespace santa::detail
