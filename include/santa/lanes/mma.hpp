// Tensor-core product and loads of CUDA, as the tile products use them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// sum += A B for A of 16 x 16 and B of 16 x 8 elements of T (bfloat16 or half), sums in float. With g = lane / 4 and
/// t = lane % 4, a lane holds of A: rows g and g + 8, columns 2t, 2t + 1 (a0, a1) and 2t + 8, 2t + 9 (a2, a3); of B:
/// column g, rows 2t, 2t + 1 (b0) and 2t + 8, 2t + 9 (b1); of the sum: columns 2t, 2t + 1 of row g (0, 1) and of row
/// g + 8 (2, 3). Source: PTX ISA, mma.m16n8k16.
template <class T>
__device__ __forceinline__ void mma(float (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  static_assert(std::is_same_v<T, bfloat16> || std::is_same_v<T, half>);
  if constexpr (std::is_same_v<T, bfloat16>)
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// sum += A B for A of 16 x 32 bytes (numbers 0 to 255 where `unsigned_a`) and B of 32 x 8 signed ones, exactly. With g
/// and t as above, a lane holds of A: rows g and g + 8, columns 4t to 4t + 3 (a0, a1) and 4t + 16 on (a2, a3); of B:
/// column g, rows 4t to 4t + 3 (b0) and 4t + 16 on (b1); of the sum: as above. Source: PTX ISA, mma.m16n8k32.
template <bool unsigned_a>
__device__ __forceinline__ void mma_int(std::int32_t (&sum)[4], const std::uint32_t (&a)[4], std::uint32_t b0,
                                        std::uint32_t b1) {
  if constexpr (unsigned_a)
    asm("mma.sync.aligned.m16n8k32.row.col.s32.u8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  else
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0,%1,%2,%3},{%4,%5,%6,%7},{%8,%9},{%0,%1,%2,%3};"
        : "+r"(sum[0]), "+r"(sum[1]), "+r"(sum[2]), "+r"(sum[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

/// Copies 16 bytes of a cache row to scratch, or zeros; read once, so past the first-level cache. `whole_line` brings
/// its 128 bytes to the second.
template <bool whole_line = false>
__device__ __forceinline__ void copy_piece(std::uint32_t to, const void* from, bool present) {
  if constexpr (whole_line)
    asm volatile("cp.async.cg.shared.global.L2::128B [%0],[%1],16,%2;" ::"r"(to), "l"(from), "r"(present ? 16 : 0));
  else
    asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;" ::"r"(to), "l"(from), "r"(present ? 16 : 0));
}
/// The same of a piece that is there.
__device__ __forceinline__ void copy_piece(std::uint32_t to, const void* from) {
  asm volatile("cp.async.cg.shared.global [%0],[%1],16;" ::"r"(to), "l"(from));
}
/// The same of the first `bytes` of them, 0 to 16; the rest is zeros.
__device__ __forceinline__ void copy_some(std::uint32_t to, const void* from, int bytes) {
  asm volatile("cp.async.cg.shared.global [%0],[%1],16,%2;" ::"r"(to), "l"(from), "r"(bytes));
}
/// The same of one float.
__device__ __forceinline__ void copy_float(std::uint32_t to, const float* from, bool present) {
  asm volatile("cp.async.ca.shared.global [%0],[%1],4,%2;" ::"r"(to), "l"(from), "r"(present ? 4 : 0));
}
/// Makes all copies since the last call one set.
__device__ __forceinline__ void close_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until this lane's copies are here, but for the newest `sets` sets.
template <int sets>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(sets) : "memory");
}

/// Four 8 x 8 matrices of 2-byte elements from scratch: lane 8 i + r gives the address of row r of matrix i. With g =
/// lane / 4 and t = lane % 4, a lane gets elements 2t, 2t + 1 of row g of each; transposed: of column g.
template <bool transposed>
__device__ __forceinline__ void load_matrices(std::uint32_t address, std::uint32_t (&a)[4]) {
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                 : "r"(address));
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3},[%4];"
                 : "=r"(a[0]), "=r"(a[1]), "=r"(a[2]), "=r"(a[3])
                 : "r"(address));
}

/// The first two of them; lanes 16 and up give no address.
__device__ __forceinline__ void load_two_matrices(std::uint32_t address, std::uint32_t (&a)[2]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.shared.b16 {%0,%1},[%2];" : "=r"(a[0]), "=r"(a[1]) : "r"(address));
}

/// The same, transposed.
__device__ __forceinline__ void load_two_transposed(std::uint32_t address, std::uint32_t (&a)[2]) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x2.trans.shared.b16 {%0,%1},[%2];" : "=r"(a[0]), "=r"(a[1]) : "r"(address));
}

/// 16 bytes of scratch, read anew each time: kept in registers over a loop, they would push out what is on its way.
__device__ __forceinline__ uint4 load_shared(const uint4* from) {
  uint4 piece;
  asm volatile("ld.shared.v4.u32 {%0,%1,%2,%3},[%4];"
               : "=r"(piece.x), "=r"(piece.y), "=r"(piece.z), "=r"(piece.w)
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(from))));
  return piece;
}

__device__ __forceinline__ uint2 load_shared(const uint2* from) {
  uint2 piece;
  asm volatile("ld.shared.v2.u32 {%0,%1},[%2];"
               : "=r"(piece.x), "=r"(piece.y)
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(from))));
  return piece;
}

__device__ __forceinline__ float load_float(std::uint32_t from) {
  float number;
  asm volatile("ld.shared.f32 %0,[%1];" : "=f"(number) : "r"(from));
  return number;
}
__device__ __forceinline__ float2 load_two_floats(std::uint32_t from) {
  float2 both;
  asm volatile("ld.shared.v2.f32 {%0,%1},[%2];" : "=f"(both.x), "=f"(both.y) : "r"(from));
  return both;
}

/// The lane of a warp, of which the compiler sees that it is no less than 0: divisions of it are shifts then.
__device__ __forceinline__ int warp_lane() { return static_cast<int>(threadIdx.x % 32U); }

/// The lane, as a number that is found out where it is asked for: what follows from it is not worked out ahead of a
/// branch that is seldom taken.
__device__ __forceinline__ int lane_here() {
  int lane;
  asm volatile("mov.u32 %0, %%laneid;" : "=r"(lane));
  return lane;
}

/// Two floats as T in one word, the first in the lower half.
template <class T>
__device__ __forceinline__ std::uint32_t pack(float first, float second) {
  std::uint32_t both;
  if constexpr (std::is_same_v<T, bfloat16>)
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  else
    asm("cvt.rn.f16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(second), "f"(first));
  return both;
}

/// What `pack` rounded away, packed itself: hi + lo has twice the bits of T.
template <class T>
__device__ __forceinline__ std::uint32_t pack_rest(float first, float second, std::uint32_t packed) {
  T low, high;
  low.bits = static_cast<std::uint16_t>(packed);
  high.bits = static_cast<std::uint16_t>(packed >> 16);
  return pack<T>(first - static_cast<float>(low), second - static_cast<float>(high));
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
