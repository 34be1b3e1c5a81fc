// Rows of several sizes on their way from memory to a warp's scratch.
#pragma once

#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// Panels that are copied to scratch while the warp works on others, as PanelRing's are, but of several sizes: whole
/// units, of which the ring has four. Panels are taken in the order in which they were asked for.
template <int unit_bytes>
class UnitRing {
  static_assert(unit_bytes % 1024 == 0);

 public:
  static constexpr unsigned units = 4;
  static constexpr std::size_t scratch_floats = units * unit_bytes / sizeof(float);

  /// Scratch begins at a multiple of 128 bytes.
  __device__ explicit UnitRing(float* scratch) : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  /// Panels that were asked for and not taken yet, and units with room for more.
  [[nodiscard]] __device__ int waiting() const { return _waiting; }
  [[nodiscard]] __device__ int room() const { return static_cast<int>(units) - _used; }

  /// Asks for a panel of `rows` rows of `row_bytes`, of which `count` (at least one) are present: row_at(i) is where
  /// row i lies, `bytes` of it are copied, the rest is zero. There is room. With `few` what follows the 16 rows with the
  /// last one present is not written.
  template <int rows, int row_bytes, bool few = false, class RowAt>
  __device__ __forceinline__ void ask(const RowAt& row_at, int count, int bytes) {
    constexpr int pieces = row_bytes < 128 ? row_bytes / 16 : 8;  // of a row that are copied at once
    constexpr int at_once = 32 / pieces;
    const auto lane = static_cast<unsigned>(lane_here());
    const int piece = static_cast<int>(lane % pieces);
#pragma unroll
    for (int j = 0; j < rows / at_once; ++j) {
      if (few && at_once * j / 16 * 16 >= count) break;
      const int row = static_cast<int>(lane / pieces) + at_once * j;
      const char* from = reinterpret_cast<const char*>(row_at(row < count ? row : 0)) + piece * 16;
      const std::uint32_t to = pieces_on(place<row_bytes>(_next, row), piece);
#pragma unroll
      for (int i = 0; i < (row_bytes < 128 ? 1 : row_bytes / 128); ++i) {
        const bool present = row < count && piece * 16 + 128 * i < bytes;
        copy_piece(to + 128U * static_cast<std::uint32_t>(i), from + 128 * i, present);
      }
    }
    close<rows, row_bytes>();
  }

  /// The same of rows of 32 2-byte elements that lie anywhere: bits_at(i) are those of this lane's element of row i.
  template <int rows, class BitsAt>
  __device__ __forceinline__ void ask_elements(const BitsAt& bits_at, int count) {
    constexpr int row_bytes = 64;
    const int lane = lane_here();
#pragma unroll 8
    for (int row = 0; row < rows; ++row) {
      const std::uint16_t bits = row < count ? bits_at(row) : std::uint16_t{0};
      const std::uint32_t to = pieces_on(place<row_bytes>(_next, row), lane / 8) + static_cast<std::uint32_t>(lane % 8 * 2);
      asm volatile("st.shared.u16 [%0],%1;" ::"r"(to), "h"(bits));
    }
    close<rows, row_bytes>();
  }

  /// Waits for the oldest panel.
  __device__ __forceinline__ void wait() const {
    switch (_waiting) {
      case 1: wait_for_copies<0>(); break;
      case 2: wait_for_copies<1>(); break;
      case 3: wait_for_copies<2>(); break;
      default: wait_for_copies<3>();
    }
    __syncwarp();
  }
  /// The scratch address of the first piece of a row of the oldest panel; see `pieces_on`.
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t row(int i) const {
    return place<row_bytes>((_next + units - static_cast<unsigned>(_used)) % units, i);
  }
  /// Gives the room of the oldest panel back, after all lanes have read it.
  template <int rows, int row_bytes>
  __device__ __forceinline__ void pop() {
    __syncwarp();
    _used -= rows * row_bytes / unit_bytes;
    --_waiting;
  }

 private:
  /// Notes a panel whose copies have all been asked for.
  template <int rows, int row_bytes>
  __device__ __forceinline__ void close() {
    close_copies();
    constexpr int taken = rows * row_bytes / unit_bytes;
    _next = (_next + taken) % units;
    _used += taken;
    ++_waiting;
  }

  /// A panel goes on in the next unit, after the last in the first.
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t place(unsigned first_unit, int row) const {
    constexpr unsigned rows = unit_bytes / row_bytes;
    const unsigned unit = (first_unit + static_cast<unsigned>(row) / rows) % units;
    return _base + unit * unit_bytes + row_place<row_bytes>(static_cast<int>(static_cast<unsigned>(row) % rows));
  }

  std::uint32_t _base;
  unsigned _next = 0;
  int _used = 0;
  int _waiting = 0;
};

}  // namespace santa::lanes

#endif
