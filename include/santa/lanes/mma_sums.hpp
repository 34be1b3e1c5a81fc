// Running weighted sums of value rows on the tensor cores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/scalar.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Sums of a warp's heads in its registers. 16 features of 16 rows, transposed as they are loaded, are A, the rows'
/// weights are B, times the rows' scales where they are `scaled`.
template <class Group, class T, int Dim, bool scaled = false>
class MmaSums {
  using Operand = MmaValues<T>;
  using Columns = MmaColumns<Group::max_heads>;
  static constexpr int blocks = Columns::blocks;
  static constexpr int parts = Columns::parts;
  static constexpr bool packed = Columns::packed;
  static constexpr int steps = Dim / 16;

  static constexpr float largest_scaled = 0x1p15F;

 public:
  using Factor = typename Operand::Factor;
  /// Whether a B operand takes weights of any size. If not, they are multiplied by a power of two, a head's own: few
  /// points in many keys, or a delta that fits badly, give a row the weight of thousands.
  static constexpr bool any_weight = !std::is_same_v<typename Operand::Factor, half>;
  /// What weights are multiplied by at first, enough for those up to 2^8. Where rows have scales, which may be of any
  /// size, the first weights say what a head begins with.
  static constexpr float first_scale = any_weight ? 1.F : (scaled ? 0.F : 0x1p7F);

  __device__ __forceinline__ void clear() {
    if constexpr (!any_weight)
#pragma unroll
      for (float& scale : _scale) scale = first_scale;
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) _sum[b][j][k] = 0.F;
  }

  /// Which row and piece of it a lane gives the address of.
  __device__ static int lane_row() { return warp_lane() % 8 + warp_lane() / 16 * 8; }
  __device__ static int lane_piece() { return warp_lane() / 8 % 2; }

  /// sum[head] += weight[head * weight_stride + i] * row i, over i < count <= 16; `from` is where a lane's piece lies,
  /// `row_scales` where the rows' scales do, if they have any.
  __device__ __forceinline__ void add(std::uint32_t from, int count, const float* weight, int weight_stride,
                                      std::uint32_t row_scales = 0) {
    std::uint32_t b[blocks * parts][2];
#pragma unroll
    for (int block = 0; block < blocks; ++block) {
      const int head = packed ? column() % 4 : block * 8 + column();  // the queue has room for all of them
      float w[2][2];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const int place = 2 * quarter() + 8 * k;
        float2 both = *reinterpret_cast<const float2*>(weight + head * weight_stride + place);
        if constexpr (scaled) {
          const float2 by = load_two_floats(row_scales + static_cast<std::uint32_t>(place) * 4);
          both = {both.x * by.x, both.y * by.y};
        }
        w[k][0] = place < count ? both.x : 0.F;
        w[k][1] = place + 1 < count ? both.y : 0.F;
      }
      if constexpr (!any_weight) bring_to_scale(block, w);
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        const std::uint32_t rounded = pack<Factor>(w[k][0], w[k][1]);
        const std::uint32_t rest = pack_rest<Factor>(w[k][0], w[k][1], rounded);
        if constexpr (packed) {
          b[block][k] = column() < 4 ? rounded : rest;
        } else {
          b[2 * block][k] = rounded;
          b[2 * block + 1][k] = rest;
        }
      }
    }
    add(from, b);
  }
  /// The same of weights that are operands: of each block the rounded ones and their rests, times what RowScale
  /// says.
  __device__ __forceinline__ void add(std::uint32_t from, const std::uint32_t (&b)[blocks * parts][2]) {
#pragma unroll
    for (int i = 0; i < steps / 2; ++i) {
      std::uint32_t a[2][4];
      Operand::load(from, i, a);
#pragma unroll
      for (int j = 0; j < 2; ++j)
#pragma unroll
        for (int k = 0; k < blocks * parts; ++k) mma<Factor>(_sum[k / parts][2 * i + j], a[j], b[k][0], b[k][1]);
    }
  }

  /// What weights of ProductScores are multiplied by where they are the operands: first_scale; or, where they are
  /// `unbounded`, as with scales of rows, a power of two of each of a lane's heads, which `fit` lowers before weights
  /// are too large for it.
  template <bool unbounded = scaled>
  class RowScale {
   public:
    __device__ RowScale() {
#pragma unroll
      for (auto& of_block : _by)
#pragma unroll
        for (float& by : of_block) by = scaled ? 0x1p120F : first_scale;
    }
    __device__ float operator()(int b, int k) const {
      if constexpr (varies)
        return _by[b][k];
      else
        return first_scale;
    }
    template <class Scores>
    __device__ __forceinline__ void fit(Scores& scores, MmaSums& sums) {
      if constexpr (varies) {
        bool above = false;
        scores.for_each([&](float w, int, int b, int, int k) { above = above || w * _by[b][k] > largest_scaled; });
        if (Group::any(above)) lower(scores, sums);
      }
    }
    /// After the last rows: sums are stored by these.
    __device__ __forceinline__ void close(MmaSums& sums) const {
      if constexpr (varies) {
#pragma unroll
        for (int b = 0; b < blocks; ++b) {
          const int head = column() % (packed ? 4 : 8);
          const float even = __shfl_sync(Group::everyone, _by[b][0], head / 2);
          const float odd = __shfl_sync(Group::everyone, _by[b][1], head / 2);
          sums._scale[b] = head % 2 == 0 ? even : odd;
        }
      }
    }

   private:
    static constexpr bool varies = unbounded && !any_weight;

    /// Brings the largest weights of heads that exceed it to about 2^7.
    template <class Scores>
    __device__ void lower(Scores& scores, MmaSums& sums) {
      float largest[blocks][2] = {}, factor[blocks][2];
      scores.for_each([&](float w, int, int b, int, int k) { largest[b][k] = fmaxf(largest[b][k], w); });
      Scores::for_each_head([&](int b, int k) {
        largest[b][k] = Scores::over_lanes(largest[b][k], [](float x, float y) { return fmaxf(x, y); });
        factor[b][k] = 1.F;
        if (largest[b][k] * _by[b][k] > largest_scaled) {
          const float by = __uint_as_float((2 * 127U + 7U - (__float_as_uint(largest[b][k]) >> 23)) << 23);
          factor[b][k] = by / _by[b][k];
          _by[b][k] = by;
        }
      });
      sums.rescale_heads(factor);
    }

    float _by[varies ? blocks : 1][2];
  };

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

  /// Multiplies the sums of a lane's own heads, as ProductScores has them.
  __device__ __forceinline__ void rescale_heads(const float (&factor)[blocks][2]) {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) _sum[b][j][k] *= factor[b][k % 2];
  }

  /// Writes the sums of `heads` heads, times `scale`, in natural order: to[head * head_stride + 0..dim).
  __device__ void store(float* to, int head_stride, int heads, int dim, float scale) const {
#pragma unroll
    for (int b = 0; b < blocks; ++b) {
      float unit[2] = {scale, scale};  // of a head's sums
      if constexpr (!any_weight) {
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          const float own = of_head(_scale[b], 2 * quarter() + k);
          unit[k] = scaled && own == 0.F ? 1.F : scale / own;
        }
      }
#pragma unroll
      for (int j = 0; j < steps; ++j)
#pragma unroll
        for (int k = 0; k < 4; ++k) {
          float value = _sum[b][j][k];
          if constexpr (packed) value += __shfl_xor_sync(Group::everyone, value, 2);  // the rounded part and its rest
          const int head = b * 8 + 2 * quarter() + k % 2;
          const int d = 16 * j + Operand::feature(column(), k / 2);
          if (head < heads && d < dim) to[head * head_stride + d] = value * unit[k % 2];
        }
    }
  }

 private:
  __device__ static int column() { return warp_lane() / 4; }   // g
  __device__ static int quarter() { return warp_lane() % 4; }  // t

  /// What the lanes of a head's column have.
  __device__ static float of_head(float value, int head) {
    return __shfl_sync(Group::everyone, value, 4 * (packed ? head % 4 : head));
  }

  /// Multiplies a lane's weights by its head's scale, which is lowered first, and the head's sums with it, where they
  /// would be too large.
  __device__ __forceinline__ void bring_to_scale(int block, float (&w)[2][2]) {
    const float largest = fmaxf(fmaxf(w[0][0], w[0][1]), fmaxf(w[1][0], w[1][1]));
    if constexpr (scaled)
      if (__any_sync(Group::everyone, _scale[block] == 0.F && largest > 0.F)) set_scale(block, largest);
    if (__any_sync(Group::everyone, largest * _scale[block] > largest_scaled)) lower_scale(block, largest);
#pragma unroll
    for (int k = 0; k < 2; ++k) {
      w[k][0] *= _scale[block];
      w[k][1] *= _scale[block];
    }
  }
  /// The largest of the lanes of a column.
  __device__ static float largest_of_column(float largest) {
    largest = fmaxf(largest, __shfl_xor_sync(Group::everyone, largest, 1));
    return fmaxf(largest, __shfl_xor_sync(Group::everyone, largest, 2));
  }
  /// Sets the scale of heads that have none: the power of two that brings their first weights to about 2^7, at most
  /// 2^100, so that weights of later rows do not overflow.
  __device__ void set_scale(int block, float largest) {
    largest = largest_of_column(largest);
    const std::uint32_t exponent = __float_as_uint(largest) >> 23;
    const std::uint32_t by = (2 * 127U + 7U - (exponent > 34 ? exponent : 34U)) << 23;
    if (_scale[block] == 0.F && largest > 0.F) _scale[block] = __uint_as_float(by);
  }
  __device__ void lower_scale(int block, float largest) {
    largest = largest_of_column(largest);
    // The power of two that brings a number of the product's exponent, which may be beyond a float's, to below the
    // largest.
    const std::uint32_t exponent = (__float_as_uint(largest) >> 23) + (__float_as_uint(_scale[block]) >> 23) - 127U;
    const std::uint32_t by = (2 * 127U + 14U - min(exponent, 2 * 127U + 13U)) << 23;
    const float factor = largest * _scale[block] > largest_scaled ? __uint_as_float(by) : 1.F;
    _scale[block] *= factor;
#pragma unroll
    for (int head = 0; head < (packed ? 4 : 8); ++head) rescale(8 * block + head, of_head(factor, head));
  }

  float _sum[blocks][steps][4];
  float _scale[any_weight ? 1 : blocks];  // of the head of a lane's column
};

/// |scale * row - center|^2 of a row in memory, with center in natural order or null for 0; by all lanes of a warp
/// together.
template <class Group, class T>
__device__ float squared_distance_of(const T* row, const float* center, int dim, float scale) {
  float total = 0.F;
  for (int d = warp_lane(); d < dim; d += Group::size) {
    const float difference = static_cast<float>(row[d]) * scale - (center != nullptr ? center[d] : 0.F);
    total = fma(difference, difference, total);
  }
  return Group::sum(total);
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
