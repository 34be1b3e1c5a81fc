// Running weighted sums of value rows on the tensor cores.
#pragma once

#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/scalar.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes {

/// Sums of a warp's heads in its registers. 16 features of 16 rows, transposed as they are loaded, are A, the rows'
/// weights are B.
template <class Group, class T, int Dim>
class MmaSums {
  using Columns = MmaColumns<Group::max_heads>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 16;

 public:
  /// Largest weight that a B operand takes: of half, with `weight_scale`.
  static constexpr float weight_scale = std::is_same_v<T, half> ? 0x1p7F : 1.F;

  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) _sum[b][j][k] = 0.F;
  }

  /// Which row and piece of it a lane gives the address of.
  __device__ static int lane_row() { return Group::lane() % 8 + Group::lane() / 16 * 8; }
  __device__ static int lane_piece() { return Group::lane() / 8 % 2; }

  /// sum[head] += weight[head * weight_stride + i] * row i, over i < count <= 16; `from` is where a lane's piece lies.
  __device__ __forceinline__ void add(std::uint32_t from, int count, const float* weight, int weight_stride) {
    std::uint32_t b[blocks * parts][2];
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
      const int head = packed ? column() % 4 : block * 8 + column();  // the queue has room for all of them
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int place = 2 * quarter() + 8 * k;
        const float2 both = *reinterpret_cast<const float2*>(weight + head * weight_stride + place);
        const float w[2] = {place < count ? both.x * weight_scale : 0.F,
                            place + 1 < count ? both.y * weight_scale : 0.F};
        const std::uint32_t rounded = pack<T>(w[0], w[1]);
        const std::uint32_t rest = pack_rest<T>(w[0], w[1], rounded);
        if constexpr (packed) {
          b[block][k] = column() < 4 ? rounded : rest;
        } else {
          b[2 * block][k] = rounded;
          b[2 * block + 1][k] = rest;
        }
      }
    }
#pragma unroll
    for (int j = 0; j < steps; ++j) {
      std::uint32_t a[4];
      load_matrices<true>(pieces_on(from, 2 * j), a);
#pragma unroll
      for (int k = 0; k < blocks * parts; ++k) mma<T>(_sum[k / parts][j], a, b[k][0], b[k][1]);
    }
  }

  /// Multiplies the sum of a head; called with every head in turn known when compiled, or not: rare.
  __device__ void rescale(int head, float factor) {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int mine = packed ? (2 * quarter() + k) % 4 : b * 8 + 2 * quarter() + k;
        const float by = mine == head ? factor : 1.F;
#pragma unroll
        for (int j = 0; j < steps; ++j) {
          _sum[b][j][k] *= by;
          _sum[b][j][k + 2] *= by;
        }
      }
  }

  /// Writes the sums of `heads` heads in natural order: to[head * head_stride + 0..dim).
  __device__ void store(float* to, int head_stride, int heads, int dim) const {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          float value = _sum[b][j][k];
          if constexpr (packed) value += __shfl_xor_sync(Group::everyone, value, 2);  // the rounded part and its rest
          const int head = b * 8 + 2 * quarter() + k % 2;
          const int d = 16 * j + column() + k / 2 * 8;
          if (head < heads && d < dim) to[head * head_stride + d] = value * (1.F / weight_scale);
        }
  }

 private:
  __device__ static int column() { return Group::lane() / 4; }   // g
  __device__ static int quarter() { return Group::lane() % 4; }  // t

  float _sum[blocks][steps][4];
};

/// |row - center|^2 of a row in memory, with center in natural order or null for 0; by all lanes of a warp together.
template <class Group, class T>
__device__ float squared_distance_of(const T* row, const float* center, int dim) {
  float total = 0.F;
  for (int d = Group::lane(); d < dim; d += Group::size) {
    const float difference = static_cast<float>(row[d]) - (center != nullptr ? center[d] : 0.F);
    total = fma(difference, difference, total);
  }
  return Group::sum(total);
}

}  // namespace santa::lanes

#endif
