// What the layers of a token have read beside what they were expected to.
#pragma once

#include <santa/core/element.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// A ModelBudget's counts of rows, as integers: sums of them are the same in any order.
struct ModelRows {
  static constexpr double units = 256.;  // of a row

  std::int64_t* beyond = nullptr;  // [batch]: read by the layers of a token so far, less what was expected of them
  std::int64_t* rest = nullptr;    // [batch][layers]: expected of a layer and those after it
  std::int64_t* own = nullptr;     // [batch][layers]: of each layer
  std::int32_t layers = 0;
  std::int32_t layer = 0;

  [[nodiscard]] KOKKOS_FUNCTION bool given() const { return beyond != nullptr; }
  KOKKOS_FUNCTION static std::int64_t fixed(float rows) {
    return static_cast<std::int64_t>(static_cast<double>(rows) * units);
  }
  KOKKOS_FUNCTION static float rows_of(std::int64_t sum) {
    return static_cast<float>(static_cast<double>(sum) / units);
  }

  /// Adds what a head of a request has read.
  KOKKOS_FUNCTION void add(std::int64_t request, float read, float expected) const {
    if (is_finite(read) && is_finite(expected)) Kokkos::atomic_add(beyond + request, fixed(read) - fixed(expected));
  }
};

}  // namespace santa::detail

namespace santa::detail::inline SANTA_BUILD {

/// By how much log2 of delta / Z moves in a layer, so that it and those after it make up for what those before it have
/// read beyond what was expected: at most a factor 4. What a layer falls short of is left to the next.
KOKKOS_INLINE_FUNCTION float shift_within_token(const ModelRows& rows, std::int64_t request) {
  const std::int64_t rest = rows.rest[request * rows.layers + rows.layer];
  const std::int64_t room = rest - rows.beyond[request];
  if (rest <= 0) return 0.F;
  if (4 * room <= rest) return 2.F;
  if (room >= 4 * rest) return -2.F;
  return lanes::log2(ModelRows::rows_of(rest)) - lanes::log2(ModelRows::rows_of(room));
}

}  // namespace santa::detail::inline SANTA_BUILD
