// Rows of bytes or less an element, straight from memory to the registers of a warp.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// 16 (or 8) bytes of a row that is read once, past the first-level cache.
template <int words>
__device__ __forceinline__ void load_once(const void* from, std::uint32_t (&to)[words]) {
  static_assert(words == 4 || words == 2);
  if constexpr (words == 4)
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0,%1,%2,%3},[%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "l"(from));
  else
    asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0,%1},[%2];" : "=r"(to[0]), "=r"(to[1]) : "l"(from));
}

/// A tile's 32 rows of `row_bytes`, as products take them for an operand: with g = lane / 4 and t = lane % 4, a lane
/// has of rows g, g + 8, g + 16 and g + 24 each fourth piece of 16 bytes, from the t-th on. Which features these
/// are does not matter to a product, as long as queries are laid out to match. Nothing of it goes through scratch, and
/// the registers that the next tile is loaded to are those of the last.
template <int row_bytes>
class RowWords32 {
  static constexpr int piece_bytes = 16;
  static constexpr int piece_words = piece_bytes / 4;
  static constexpr int pieces = row_bytes / (4 * piece_bytes);
  static_assert(pieces * 4 * piece_bytes == row_bytes);

 public:
  static constexpr int words = row_bytes / 16;  // of a row, in a lane

  /// Word w of a lane's row g + 8 i.
  [[nodiscard]] __device__ std::uint32_t word(int i, int w) const {
    return _piece[i][w / piece_words][w % piece_words];
  }
  /// Where in its row a lane's word w begins.
  __device__ static int byte_of(int w, int t) { return (w / piece_words * 4 + t) * piece_bytes + w % piece_words * 4; }

  /// Has rows first to first + count (at least one) loaded, `bytes` of each, which are whole 4s; the rest is zero. Rows
  /// from `count` on are others of them.
  template <class Rows>
  __device__ __forceinline__ void load(const Rows& rows, std::int64_t first, int count, int bytes) {
    const int own = warp_lane() / 4;
    const char* from[4];
    if constexpr (
        requires { rows.stride; } && !requires { rows.slots; }) {
      if (count == 32) {
        const auto* const row = rows[first + own];
#pragma unroll
        for (int i = 0; i < 4; ++i) from[i] = reinterpret_cast<const char*>(row + 8 * i * rows.stride);
        return load(from, bytes);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
      from[i] = reinterpret_cast<const char*>(rows[first + (own + 8 * i < count ? own + 8 * i : count - 1)]);
    load(from, bytes);
  }

 private:
  __device__ __forceinline__ void load(const char* const (&from)[4], int bytes) {
    const int at = warp_lane() % 4 * piece_bytes;
    if (bytes == row_bytes) {
#pragma unroll
      for (int i = 0; i < 4; ++i)
#pragma unroll
        for (int p = 0; p < pieces; ++p) load_once(from[i] + at + p * 4 * piece_bytes, _piece[i][p]);
      return;
    }
#pragma unroll
    for (int i = 0; i < 4; ++i)
#pragma unroll
      for (int p = 0; p < pieces; ++p)
#pragma unroll
        for (int w = 0; w < piece_words; w += 2) {
          const int byte = at + p * 4 * piece_bytes + 4 * w;
          std::uint32_t both[2] = {0U, 0U};
          if (byte + 8 <= bytes)
            load_once(from[i] + byte, both);
          else if (byte < bytes)
            both[0] = __ldg(reinterpret_cast<const std::uint32_t*>(from[i] + byte));
          _piece[i][p][w] = both[0];
          _piece[i][p][w + 1] = both[1];
        }
  }

  std::uint32_t _piece[4][pieces][piece_words];
};

/// Half of a tile's rows, 0 or 1, as an operand's.
template <class Words>
struct HalfOf {
  const Words& words;
  int half;

  [[nodiscard]] __device__ std::uint32_t upper(int w) const { return words.word(2 * half, w); }      // of row g
  [[nodiscard]] __device__ std::uint32_t lower(int w) const { return words.word(2 * half + 1, w); }  // of row g + 8
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
