// Copies of data on a host, taken in turn, so that no cache holds them.
#pragma once

#include "decode/rotation.hpp"

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <vector>

namespace santa_bench {

/// What all copies have together: so much more than the last-level cache that what a method takes of them, a fifth
/// with scores from narrow keys, does not fit either.
inline std::size_t rotation_bytes() {
  return std::max(std::size_t{1200} << 20, 8 * santa::example::last_level_cache_bytes());
}

/// At least two.
inline std::size_t copies_of(std::size_t bytes) {
  return std::max<std::size_t>(2, (rotation_bytes() + bytes - 1) / bytes);
}

/// Fills `copies` copies of `bytes` bytes with repetitions of `block`: making all the numbers would take minutes. Each
/// thread writes the part that it reads when all read a copy together, so that its pages lie near it.
template <class Space, class T>
void fill_copies(const Space& space, T* data, std::size_t size, std::size_t copies, const std::vector<T>& block) {
  const auto parts = static_cast<std::size_t>(space.concurrency());
  Kokkos::parallel_for(
      "santa::bench::fill", Kokkos::RangePolicy<Space, Kokkos::IndexType<std::size_t>>(space, 0, parts),
      [&](const std::size_t part) {
        const std::size_t end = size * (part + 1) / parts;
        for (std::size_t copy = 0; copy < copies; ++copy)
          for (std::size_t at = size * part / parts, some = 0; at < end; at += some) {
            const std::size_t from = at % block.size();
            some = std::min(block.size() - from, end - at);
            std::memcpy(static_cast<void*>(data + copy * size + at), block.data() + from, some * sizeof(T));
          }
      });
  space.fence();
}

}  // namespace santa_bench
