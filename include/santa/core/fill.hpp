// Memory filled with one word.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace santa::detail::inline SANTA_BUILD {

/// Writes word i of so many.
struct FillWords {
  std::byte* first;
  std::uint32_t word;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const { std::memcpy(first + 4 * i, &word, 4); }
};

/// Makes so many words of 4 bytes this one, in memory of `space`. Neither fences nor allocates. On hosts, where a copy
/// of one value to a view is eight kernels to compile for each type of view, one kernel for all.
template <class Space>
void fill_words(const Space& space, void* first, std::int64_t count, std::uint32_t word) {
  if constexpr (std::same_as<typename Space::memory_space, Kokkos::HostSpace>) {
    Kokkos::parallel_for("santa::fill", Range<Space>(space, 0, count), FillWords{static_cast<std::byte*>(first), word});
  } else {
    using Words = Kokkos::View<std::uint32_t*, typename Space::memory_space, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
    Kokkos::deep_copy(space, Words(static_cast<std::uint32_t*>(first), static_cast<std::size_t>(count)), word);
  }
}

/// The same of a float.
template <class Space>
void fill_floats(const Space& space, float* first, std::int64_t count, float value) {
  fill_words(space, first, count, Kokkos::bit_cast<std::uint32_t>(value));
}

}  // namespace santa::detail::inline SANTA_BUILD
