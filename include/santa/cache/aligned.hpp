// Memory whose rows share no line with others'.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

namespace santa {

/// Where rows of a cache should begin, in bytes.
inline constexpr std::int64_t row_alignment = 256;

/// So many elements that begin at a multiple of 256 bytes, not set to anything: what caches are best laid out in, as
/// unmanaged views of it. Memory of a Kokkos view begins 128 bytes past such a place, and rows of 256 bytes (128
/// features of 2 bytes) then lie in two lines of the memory each: decoding is 5 % slower on an H100. The view keeps its
/// memory as any other.
/// Errors: std::invalid_argument for a count below 0 or too many bytes, AllocationError.
template <class T, class Space>
Kokkos::View<T*, typename Space::memory_space> allocate_aligned(const Space& space, const std::string& label,
                                                                std::int64_t count) {
  static_assert(row_alignment % sizeof(T) == 0, "santa::allocate_aligned: elements of a power of two of bytes");
  detail::require(count >= 0, "count", count, "0 or more");
  using View = Kokkos::View<T*, typename Space::memory_space>;
  constexpr std::int64_t room = row_alignment / std::int64_t{sizeof(T)};
  detail::bytes_of(label, {count, std::int64_t{sizeof(T)}});
  const View whole = detail::allocate<View, detail::Fresh::unset>(space, label, count + room);
  const auto past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(whole.data()) % row_alignment);
  const std::int64_t first = past == 0 ? 0 : (row_alignment - past) / std::int64_t{sizeof(T)};
  return Kokkos::subview(whole, std::pair(static_cast<std::size_t>(first), static_cast<std::size_t>(first + count)));
}

}  // namespace santa
