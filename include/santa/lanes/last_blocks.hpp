// The last features of rows that are no whole number of blocks.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// The last block, of `block_bytes`, of some rows of T where it is a short one, padded with zeros: it is then read as
/// any other.
template <class T, int block_bytes>
struct LastBlocks {
  static constexpr int bytes = block_bytes < 64 ? 64 : block_bytes;
  alignas(64) char data[HostGroup::size][bytes];
  const T* row[HostGroup::size];

  /// Takes what follows `at` in `count` rows, `present` bytes each (a multiple of 4); reads nothing beyond them.
  [[gnu::noinline]] const T* const* take(const T* const* from, int at, int count, int present) {
    using Words = Simd<std::uint32_t, 16>;
    for (int i = 0; i < count; ++i) {
      for (int part = 0; part < bytes; part += 64) {
        const int words = present < part ? 0 : (present - part) / 4;
        const auto* address = reinterpret_cast<const char*>(from[i] + at) + part;
        Words::load_bytes(address, words < 16 ? words : 16).store(reinterpret_cast<std::uint32_t*>(data[i] + part));
      }
      row[i] = reinterpret_cast<const T*>(data[i]);
    }
    return row;
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD
