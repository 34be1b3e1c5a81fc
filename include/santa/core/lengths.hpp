// How many keys of each request are valid.
#pragma once

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Valid lengths per request as 32- or 64-bit integers; null means the whole storage. With `indptr`, request b has
/// pages indptr[b] to indptr[b + 1] of a list of `entries`, and `data` is the length of its last one.
struct Lengths {
  const void* data = nullptr;
  bool wide = false;
  std::int32_t page_size = 0;
  const std::int32_t* indptr = nullptr;
  std::int64_t entries = 0;

  KOKKOS_FUNCTION std::int64_t get(std::int64_t batch, std::int64_t storage) const {
    if (data == nullptr) return storage;
    if (indptr != nullptr) return of_pages(batch);
    return wide ? static_cast<const std::int64_t*>(data)[batch] : static_cast<const std::int32_t*>(data)[batch];
  }
  /// The same, clamped to what can be: with `indptr`, to the rows of the pages that are in the list.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t clamped(std::int64_t batch, std::int64_t storage) const {
    const std::int64_t given = get(batch, storage);
    const std::int64_t room = indptr == nullptr ? storage : entries_of(batch) * page_size;
    const std::int64_t most = room < storage ? room : storage;
    return given < 0 ? 0 : (given > most ? most : given);
  }
  /// The first entry of a request in the list, which an indptr out of range does not leave, and how many follow.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t first_entry(std::int64_t batch) const {
    const std::int64_t given = indptr[batch];
    return given < 0 ? 0 : (given < entries ? given : entries);
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t entries_of(std::int64_t batch) const {
    const std::int64_t count = first_entry(batch + 1) - first_entry(batch);
    return count > 0 ? count : 0;
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
