// Rows on their way from memory to scratch, for several warps that work on the same ones.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/panel_ring.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Panels as a PanelRing has them, which the warps of a SliceGroup's tile bring together: each copies a share of a
/// panel's rows. Three of them, so that one barrier a panel does: who has come to it has read the panel before, whose
/// room is asked for anew then, while two are on their way.
template <class Group, int panel_bytes>
class SharedRing : public PanelCopies {
  static_assert(panel_bytes % 128 == 0);

 public:
  static constexpr int members = Group::slices;
  __device__ static int member() { return Group::slice(); }
  static constexpr int slots = 3;
  static constexpr std::size_t scratch_floats = slots * panel_bytes / sizeof(float);

  /// Scratch begins at a multiple of 128 bytes.
  __device__ explicit SharedRing(float* scratch)
      : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  [[nodiscard]] __device__ int waiting() const { return _waiting; }

  /// Asks for a member's share of `count` rows, of row_step * own_rows * members: see PanelCopies.
  template <int row_bytes, class T, int own_rows>
  __device__ __forceinline__ void ask(const T* const (&from)[own_rows], int count, int bytes) {
    constexpr int own = row_step * own_rows;
    static_assert(own * members * row_bytes <= panel_bytes);
    copy_rows<row_bytes>(place(_next), from, own * member(), count, bytes,
                         count >= own * members && bytes == row_bytes);
    close_copies();
    _next = after(_next);
    ++_waiting;
  }

  /// The scratch address of the oldest panel, once it is here; of the one before, nothing is read any more.
  [[nodiscard]] __device__ __forceinline__ std::uint32_t take() {
    if (_waiting == 1)
      wait_for_copies<0>();
    else
      wait_for_copies<1>();
    Group::tile_barrier();
    const std::uint32_t panel = place(_first);
    _first = after(_first);
    --_waiting;
    return panel;
  }

 private:
  [[nodiscard]] __device__ static std::uint32_t after(std::uint32_t slot) { return slot == slots - 1 ? 0U : slot + 1; }
  [[nodiscard]] __device__ std::uint32_t place(std::uint32_t slot) const { return _base + slot * panel_bytes; }

  std::uint32_t _base;
  std::uint32_t _next = 0, _first = 0;
  int _waiting = 0;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
