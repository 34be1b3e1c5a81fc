// Rows of several sizes on their way from memory to a warp's scratch.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Panels that are copied to scratch while the warp works on others, as PanelRing's are, but of several sizes: whole
/// units, of which the ring has four. Panels are taken in the order in which they were asked for.
template <int unit_bytes>
class UnitRing {
  static_assert(unit_bytes % 1024 == 0);

 public:
  static constexpr unsigned units = 4;
  static constexpr std::size_t scratch_floats = units * unit_bytes / sizeof(float);
  /// Units of a panel.
  [[nodiscard]] __device__ static constexpr int units_of(int rows, int row_bytes) {
    return (rows * row_bytes + unit_bytes - 1) / unit_bytes;
  }

  /// Scratch begins at a multiple of 128 bytes.
  __device__ explicit UnitRing(float* scratch) : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  /// Panels that were asked for and not taken yet, and units with room for more.
  [[nodiscard]] __device__ int waiting() const { return _waiting; }
  [[nodiscard]] __device__ int room() const { return static_cast<int>(units) - _used; }

  /// Asks for a panel of `rows` rows of `row_bytes`, of which `count` (at least one) are present: row_at(i) is where
  /// row i lies, `bytes` of it are copied, the rest is zero. There is room.
  template <int rows, int row_bytes, class RowAt>
  __device__ __forceinline__ void ask(const RowAt& row_at, int count, int bytes) {
#pragma unroll
    for (int first = 0; first < rows; first += rows_at_once<row_bytes>)
      copy_rows<row_bytes, false>(first, row_at, count, bytes);
    close(units_of(rows, row_bytes));
  }

  /// The same of a panel of so many rows as are known only now: whole 32s, at most `most`. The other halves of their
  /// lines are about to be asked for by others.
  template <int most, int row_bytes, class RowAt>
  __device__ __forceinline__ void ask_some(const RowAt& row_at, int rows, int count, int bytes) {
#pragma unroll
    for (int first = 0; first < most; first += rows_at_once<row_bytes>) {
      if (first % 32 == 0 && first >= rows) break;
      copy_rows<row_bytes, true>(first, row_at, count, bytes);
    }
    close(units_of(rows, row_bytes));
  }
  /// The same of rows of 32 2-byte elements that lie anywhere: bits_at(i) are those of this lane's element of row i.
  template <class BitsAt>
  __device__ __forceinline__ void ask_elements(const BitsAt& bits_at, int rows, int count) {
    constexpr int row_bytes = 64;
    const int lane = lane_here();
#pragma unroll 8
    for (int row = 0; row < rows; ++row) {
      const std::uint16_t bits = row < count ? bits_at(row) : std::uint16_t{0};
      const std::uint32_t at = pieces_on(place<row_bytes>(_next, row), lane / 8);
      asm volatile("st.shared.u16 [%0],%1;" ::"r"(at + static_cast<std::uint32_t>(lane % 8 * 2)), "h"(bits));
    }
    close(units_of(rows, row_bytes));
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
  /// The scratch address of the first piece of row `first + i` of the oldest panel; see `pieces_on`. Rows from `first`
  /// to it share a unit.
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t row(int first, int i) const {
    return place<row_bytes>((_next + units - static_cast<unsigned>(_used)) % units, first, i);
  }
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t row(int i) const {
    return place<row_bytes>((_next + units - static_cast<unsigned>(_used)) % units, i);
  }
  /// Gives the units of the oldest panel back, after all lanes have read it.
  __device__ __forceinline__ void pop(int panel_units) {
    __syncwarp();
    _used -= panel_units;
    --_waiting;
  }

 private:
  template <int row_bytes>
  static constexpr int pieces_at_once = row_bytes < 128 ? row_bytes / 16 : 8;  // of a row
  template <int row_bytes>
  static constexpr int rows_at_once = 32 / pieces_at_once<row_bytes>;

  /// Asks for some rows from `first` on, a piece or a few a lane.
  template <int row_bytes, bool half_lines, class RowAt>
  __device__ __forceinline__ void copy_rows(int first, const RowAt& row_at, int count, int bytes) const {
    constexpr int pieces = pieces_at_once<row_bytes>;
    const auto lane = static_cast<unsigned>(lane_here());
    const int piece = static_cast<int>(lane % pieces);
    const int row = static_cast<int>(lane / pieces) + first;
    const char* from = reinterpret_cast<const char*>(row_at(row < count ? row : 0)) + piece * 16;
    static_assert(unit_bytes / row_bytes % rows_at_once<row_bytes> == 0);
    const std::uint32_t to = pieces_on(place<row_bytes>(_next, first, static_cast<int>(lane / pieces)), piece);
#pragma unroll
    for (int i = 0; i < (row_bytes < 128 ? 1 : row_bytes / 128); ++i) {
      const bool present = row < count && piece * 16 + 128 * i < bytes;
      copy_piece<half_lines>(to + 128U * static_cast<std::uint32_t>(i), from + 128 * i, present);
    }
  }

  /// Notes a panel whose copies have all been asked for.
  __device__ __forceinline__ void close(int panel_units) {
    close_copies();
    _next = (_next + static_cast<unsigned>(panel_units)) % units;
    _used += panel_units;
    ++_waiting;
  }

  /// A panel goes on in the next unit, after the last in the first.
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t place(unsigned first_unit, int row) const {
    constexpr int rows = unit_bytes / row_bytes;
    return place<row_bytes>(first_unit + static_cast<unsigned>(row) / rows, 0,
                            static_cast<int>(static_cast<unsigned>(row) % rows));
  }
  /// The same where rows from `first` to `first + i` share a unit: with a constant `first`, little is left to work out.
  template <int row_bytes>
  [[nodiscard]] __device__ __forceinline__ std::uint32_t place(unsigned first_unit, int first, int i) const {
    constexpr int rows = unit_bytes / row_bytes;
    const unsigned unit = (first_unit + static_cast<unsigned>(first / rows)) % units;
    return _base + unit * unit_bytes + row_place<row_bytes>(first % rows + i);
  }

  std::uint32_t _base;
  unsigned _next = 0;
  int _used = 0;
  int _waiting = 0;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
