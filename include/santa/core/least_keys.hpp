// How many keys a split of a request has at least.
#pragma once

#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// By the request's own visible keys. In steps of split_keys keys, as kernels' arguments are to be short.
struct LeastKeys {
  std::uint16_t steps = 0;
  std::uint16_t doubled_from = 0;  // a request of more steps than these has twice as many a split; 0: none has

  bool operator==(const LeastKeys&) const = default;

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::int32_t of(std::int64_t visible) const {
    const std::int32_t keys = std::int32_t{steps} * split_keys;
    return visible > long_from() ? 2 * keys : keys;
  }
  /// The most keys of a request that is not long.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION std::int64_t long_from() const {
    return doubled_from > 0 ? std::int64_t{doubled_from} * split_keys : every_key;
  }
};

}  // namespace santa::detail
