// Dot products of rows with many vectors on CUDA tensor cores, for 2-byte elements in rows of whole 16-byte pieces.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// The same members as HostDots. A product may take features in any order: each lane loads plain 16-byte pieces of
/// rows, 4 lanes next to each other, and they are the operand A of 16 rows; vectors, 8 to a block, are arranged so that
/// a lane's piece of them is the operand B. With g = lane / 4, t = lane % 4, a step of 32 features: A holds features
/// 8t to 8t + 7 of rows g and g + 8, B those of vector g. Two products take the first and the second four of them.
///
/// Vectors go in as a rounded part and its rest (twice the bits of T), unless they are `exact`: of type T themselves.
template <class Group, class T>
class MmaDots {
  static constexpr int blocks = Group::max_heads / 8;
  static constexpr int row_stride = 36;              // of scratch: lanes that store together meet different banks
  static constexpr int ahead = blocks <= 2 ? 4 : 2;  // steps whose pieces are on their way together

 public:
  static constexpr int piece_features = 8;
  static constexpr bool scaled = std::is_same_v<T, half>;
  static constexpr std::size_t scratch_floats = Group::max_heads * row_stride;

  __device__ MmaDots(const Group& /*group*/, const float* vectors, float* scratch, int count, int dim, bool exact)
      : _vectors(reinterpret_cast<const uint4*>(vectors)),
        _scratch(scratch),
        _count(count),
        _dim(dim),
        _parts(exact ? 1 : 2) {}

  __device__ static void arrange(const AnyInput& from, std::int64_t offset, int dim, int piece, float factor,
                                 bool exact, int vector, float* vectors) {
    const int first = piece * piece_features;
    float x[piece_features] = {};
    if (first < dim) from.read(offset + first, piece_features, x);
    std::uint32_t rounded[4], rest[4];
#pragma unroll
    for (int k = 0; k < 4; ++k) {
      rounded[k] = pack<T>(x[2 * k] * factor, x[2 * k + 1] * factor);
      rest[k] = pack_rest<T>(x[2 * k] * factor, x[2 * k + 1] * factor, rounded[k]);
    }
    uint4* const to = reinterpret_cast<uint4*>(vectors);
    const int steps = steps_of(dim);
    const int lane = vector % 8 * 4 + piece % 4;
    to[(vector / 8 * steps + piece / 4) * 32 + lane] = {rounded[0], rounded[1], rounded[2], rounded[3]};
    if (!exact) to[((blocks + vector / 8) * steps + piece / 4) * 32 + lane] = {rest[0], rest[1], rest[2], rest[3]};
  }

  template <class Take>
  __device__ __forceinline__ void products(const T* rows, std::int64_t stride, int count, Take&& take) const {
    const T* row[4];
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int wanted = 8 * i + warp_lane() / 4;
      row[i] = rows + stride * (wanted < count ? wanted : count - 1) + warp_lane() % 4 * piece_features;
    }
    float sum[blocks][2][4] = {};
    const int steps = steps_of(_dim);
#pragma unroll 1
    for (int step = 0; step < steps; step += ahead) add_steps(row, step, steps, sum);
    store(sum);
    Group::sync();
#pragma unroll 1
    for (int v = 0; v < _count; ++v) take(v, _scratch[v * row_stride + Group::lane()]);
    Group::sync();
  }

 private:
  __device__ static int steps_of(int dim) { return (dim + 31) / 32; }

  __device__ __forceinline__ void add_steps(const T* const (&row)[4], int first, int steps,
                                            float (&sum)[blocks][2][4]) const {
    uint4 piece[ahead][4];
#pragma unroll
    for (int s = 0; s < ahead; ++s)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const int feature = (first + s) * 32;
        const bool present = feature + warp_lane() % 4 * piece_features < _dim;
        piece[s][i] = present ? __ldcs(reinterpret_cast<const uint4*>(row[i] + feature)) : uint4{0, 0, 0, 0};
      }
#pragma unroll
    for (int s = 0; s < ahead; ++s)
      if (first + s < steps)
        for (int part = 0; part < _parts; ++part)
#pragma unroll
          for (int b = 0; b < blocks; ++b) {
            const uint4 q = __ldg(_vectors + ((part * blocks + b) * steps + first + s) * 32 + warp_lane());
#pragma unroll
            for (int m = 0; m < 2; ++m) {
              const uint4& upper = piece[s][2 * m];
              const uint4& lower = piece[s][2 * m + 1];
              mma<T>(sum[b][m], {upper.x, lower.x, upper.y, lower.y}, q.x, q.y);
              mma<T>(sum[b][m], {upper.z, lower.z, upper.w, lower.w}, q.z, q.w);
            }
          }
  }

  /// To scratch, [vector][row].
  __device__ __forceinline__ void store(const float (&sum)[blocks][2][4]) const {
    const int vector = warp_lane() % 4 * 2;
    const int row = warp_lane() / 4;
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int k = 0; k < 4; ++k)
          _scratch[(8 * b + vector + k % 2) * row_stride + 16 * m + row + k / 2 * 8] = sum[b][m][k];
  }

  const uint4* _vectors;  // [part][block of vectors][step][lane]
  float* _scratch;
  int _count;
  int _dim;
  int _parts;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
