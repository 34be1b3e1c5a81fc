// How many keys of each request are valid.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Valid lengths per request as 32- or 64-bit integers; null means the whole storage.
struct Lengths {
  const void* data = nullptr;
  bool wide = false;

  KOKKOS_FUNCTION std::int64_t get(std::int64_t batch, std::int64_t storage) const {
    if (data == nullptr) return storage;
    return wide ? static_cast<const std::int64_t*>(data)[batch] : static_cast<const std::int32_t*>(data)[batch];
  }
  /// The same, clamped to what can be.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t clamped(std::int64_t batch, std::int64_t storage) const {
    const std::int64_t given = get(batch, storage);
    return given < 0 ? 0 : (given > storage ? storage : given);
  }
};

}  // namespace santa::detail
