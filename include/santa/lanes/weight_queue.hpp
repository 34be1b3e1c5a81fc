// Weights of rows that wait, as numbers: of rows that are weighed again, or whose operands have little range.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/product_scores.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// What OperandQueue is elsewhere, of numbers in float: [row][head] in scratch, of which lane (g, t) writes those of
/// its own heads. They are taken as a product leaves scores of 16 rows.
template <int heads, int rows>
class WeightQueue {
  using Heads = ProductHeads<heads>;
  static constexpr std::uint32_t line = 4 * heads;  // bytes of a row

 public:
  static constexpr int capacity = rows;
  static constexpr int scratch_words = heads * capacity;
  using Weights = ProductScores<heads, 1>;

  __device__ explicit WeightQueue(float* scratch)
      : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  /// Sets a row's weights of a lane's two heads of a block.
  __device__ __forceinline__ void set(int place, int block, float first, float second) const {
    store(at(place, block), first, second);
  }
  /// Clears the weights of rows [count, 16) from `place` on.
  __device__ __forceinline__ void clear(int place, int count) const {
    Weights::for_each_row([&](int half, int r) {
      const int row = Weights::row(half, r);
      if (row < count) return;
#pragma unroll
      for (int b = 0; b < Heads::blocks; ++b) store(at(place + row, b), 0.F, 0.F);
    });
    __syncwarp();
  }
  /// The weights of 16 rows.
  __device__ __forceinline__ void load(int place, Weights& weights) const {
    Weights::for_each_row([&](int half, int r) {
#pragma unroll
      for (int b = 0; b < Heads::blocks; ++b) {
        const float2 both = load_two_floats(at(place + Weights::row(half, r), b));
        weights.of[half][b][r][0] = both.x;
        weights.of[half][b][r][1] = both.y;
      }
    });
  }
  /// Multiplies the weights of the row at `place`, by one number for each of a lane's heads; by the lanes of a column
  /// together.
  __device__ __forceinline__ void rescale(int place, const typename Heads::Heads& factor) const {
    if (Heads::packed && warp_lane() % 4 >= 2) return;  // they have the heads of the others
#pragma unroll
    for (int b = 0; b < Heads::blocks; ++b) {
      const float2 both = load_two_floats(at(place, b));
      store(at(place, b), both.x * factor[b][0], both.y * factor[b][1]);
    }
  }

 private:
  [[nodiscard]] __device__ __forceinline__ std::uint32_t at(int place, int block) const {
    return _base + line * static_cast<std::uint32_t>(place) + 4U * static_cast<std::uint32_t>(Heads::head(block, 0));
  }
  __device__ __forceinline__ static void store(std::uint32_t to, float first, float second) {
    asm volatile("st.shared.v2.f32 [%0],{%1,%2};" ::"r"(to), "f"(first), "f"(second) : "memory");
  }

  std::uint32_t _base;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
