// Rows on their way from memory to a warp's scratch.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Panels of up to `panel_bytes` that are copied to scratch while the warp works on others: two at a time, taken in the
/// order they were asked for. Copies go past registers, so that what waits for memory costs none. Behind the rows of a
/// panel is room for `floats` numbers.
///
/// Row r of a panel begins at r * row_bytes, and its 16-byte piece p lies at place p ^ (r % 8), so that the same pieces
/// of 8 rows are in different banks.
template <int panel_bytes, int floats = 0>
class PanelRing {
  static_assert(panel_bytes % 128 == 0 && floats % 32 == 0);
  static constexpr std::uint32_t slot_bytes = panel_bytes + 4 * floats;

 public:
  static constexpr int slots = 2;
  static constexpr std::size_t scratch_floats = slots * slot_bytes / sizeof(float);

  /// Scratch begins at a multiple of 128 bytes.
  __device__ explicit PanelRing(float* scratch)
      : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  /// Panels that were asked for and not taken yet.
  [[nodiscard]] __device__ int waiting() const { return _waiting; }

  /// Rows of a panel of which a lane copies pieces: lane_row() + row_step j.
  static constexpr int row_step = 4;
  __device__ static int lane_row() { return warp_lane() / 8; }

  /// Asks for `count` rows (at least one) of row_step * own_rows, of row_bytes each: from[j] is where row lane_row() +
  /// row_step j lies, or any other from `count` on; `bytes` of each are copied, the rest is zero.
  template <int row_bytes, class T, int own_rows>
  __device__ __forceinline__ void ask(const T* const (&from)[own_rows], int count, int bytes) {
    constexpr int rows = row_step * own_rows;
    static_assert(row_bytes % 128 == 0 && rows * row_bytes <= panel_bytes);
    const std::uint32_t slot = place(_next);
    if (count >= rows && bytes == row_bytes)  // two loops, so that the common one has no instructions of the other
      copy_rows<row_bytes, true>(slot, from, count, bytes);
    else
      copy_rows<row_bytes, false>(slot, from, count, bytes);
    close_copies();
    _next ^= 1U;
    ++_waiting;
  }

  /// Asks for a number of the panel that is asked for next: number `i`, or 0 where it isn't present.
  __device__ __forceinline__ void ask_number(int i, const float* from, bool present) {
    copy_float(place(_next) + panel_bytes + 4U * static_cast<std::uint32_t>(i), from, present);
  }
  /// Where the numbers of a panel lie.
  [[nodiscard]] __device__ static std::uint32_t numbers_of(std::uint32_t panel) { return panel + panel_bytes; }

  /// The scratch address of the oldest panel, once it is here.
  [[nodiscard]] __device__ __forceinline__ std::uint32_t front() const {
    if (_waiting == 1)
      wait_for_copies<0>();
    else
      wait_for_copies<1>();
    __syncwarp();
    return place(_next ^ static_cast<std::uint32_t>(_waiting & 1));
  }
  /// Gives the oldest panel's room back, after all lanes have read it.
  __device__ __forceinline__ void pop() {
    __syncwarp();
    --_waiting;
  }

 private:
  template <int row_bytes, bool whole, class T, int own_rows>
  __device__ __forceinline__ static void copy_rows(std::uint32_t slot, const T* const (&from)[own_rows], int count,
                                                   int bytes) {
    const int piece = warp_lane() % 8;
#pragma unroll
    for (int j = 0; j < own_rows; ++j) {
      const int row = lane_row() + row_step * j;
      const char* at = reinterpret_cast<const char*>(from[j]) + piece * 16;
      const std::uint32_t to =
          slot + static_cast<std::uint32_t>(row * row_bytes) + static_cast<std::uint32_t>((piece ^ (row % 8)) * 16);
      const int left = row < count ? bytes - piece * 16 : 0;
#pragma unroll
      for (int i = 0; i < row_bytes / 128; ++i) {
        if constexpr (whole)
          copy_piece(to + 128U * static_cast<std::uint32_t>(i), at + 128 * i);
        else if constexpr (sizeof(T) == 1)  // of which 8 may end in the middle of a piece
          copy_some(to + 128U * static_cast<std::uint32_t>(i), at + 128 * i, min(max(left - 128 * i, 0), 16));
        else
          copy_piece(to + 128U * static_cast<std::uint32_t>(i), at + 128 * i, left > 128 * i);
      }
    }
  }

  [[nodiscard]] __device__ std::uint32_t place(std::uint32_t slot) const { return _base + slot * slot_bytes; }

  std::uint32_t _base;
  std::uint32_t _next = 0;
  int _waiting = 0;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
