// How many keys of each request are valid.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Valid lengths per request as 32- or 64-bit integers; null means the whole storage. With `indptr`, request b has
/// pages indptr[b] to indptr[b + 1], and `data` is the length of its last one.
struct Lengths {
  const void* data = nullptr;
  bool wide = false;
  std::int32_t page_size = 0;
  const std::int32_t* indptr = nullptr;

  KOKKOS_FUNCTION std::int64_t get(std::int64_t batch, std::int64_t storage) const {
    if (data == nullptr) return storage;
    if (indptr != nullptr) return of_pages(batch);
    return wide ? static_cast<const std::int64_t*>(data)[batch] : static_cast<const std::int32_t*>(data)[batch];
  }
  /// The same, clamped to what can be.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t clamped(std::int64_t batch, std::int64_t storage) const {
    const std::int64_t given = get(batch, storage);
    return given < 0 ? 0 : (given > storage ? storage : given);
  }

 private:
  /// Negative where a last page holds no number of rows that it can.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t of_pages(std::int64_t batch) const {
    const std::int64_t pages = std::int64_t{indptr[batch + 1]} - indptr[batch];
    if (pages == 0) return 0;
    const std::int32_t last = static_cast<const std::int32_t*>(data)[batch];
    return last < 1 || last > page_size ? -1 : (pages - 1) * page_size + last;
  }
};

}  // namespace santa::detail
