// Weights of rows that wait, as operands of the product that adds the rows up.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/product_heads.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Weights of up to `rows` rows for up to `heads` heads, in scratch: a line of 8 elements a row for each operand,
/// of which lane (g, t) writes the words of its own heads. Weights are rounded, and what rounding leaves is kept
/// beside.
template <int heads, class Factor, int rows>
class OperandQueue {
  using Heads = ProductHeads<heads>;
  static constexpr int operands = Heads::operands;
  static constexpr bool packed = Heads::packed;
  static constexpr std::uint32_t line = 16;  // bytes
  static constexpr std::uint32_t lines = line * rows;

 public:
  static constexpr int capacity = rows;
  static constexpr int scratch_words = operands * capacity * 4;
  using Weights = std::uint32_t[operands][2];

  __device__ explicit OperandQueue(float* scratch)
      : _base(static_cast<std::uint32_t>(__cvta_generic_to_shared(scratch))) {}

  /// Sets a row's weights of a lane's two heads of a block.
  __device__ __forceinline__ void set(int place, int block, float first, float second) const {
    const std::uint32_t rounded = pack<Factor>(first, second);
    const std::uint32_t rest = pack_rest<Factor>(first, second, rounded);
    const std::uint32_t at = _base + line * static_cast<std::uint32_t>(place);
    const auto quarter = static_cast<std::uint32_t>(warp_lane() % 4);
    if constexpr (packed) {
      store(at + quarter % 2 * 4, rounded);
      store(at + quarter % 2 * 4 + 8, rest);
    } else {
      const std::uint32_t of_block = at + 2 * lines * static_cast<std::uint32_t>(block) + quarter * 4;
      store(of_block, rounded);
      store(of_block + lines, rest);
    }
  }
  /// Sets a row's weights of all heads, by one lane.
  __device__ __forceinline__ void set_row(int place, const float (&weight)[heads]) const {
    const std::uint32_t at = _base + line * static_cast<std::uint32_t>(place);
    std::uint32_t rounded[heads / 2], rest[heads / 2];
#pragma unroll
    for (int i = 0; i < heads / 2; ++i) {
      rounded[i] = pack<Factor>(weight[2 * i], weight[2 * i + 1]);
      rest[i] = pack_rest<Factor>(weight[2 * i], weight[2 * i + 1], rounded[i]);
    }
    if constexpr (packed) {
      store_line(at, rounded[0], rounded[1], rest[0], rest[1]);
    } else {
#pragma unroll
      for (std::uint32_t b = 0; b < operands / 2; ++b) {
        store_line(at + 2 * lines * b, rounded[4 * b], rounded[4 * b + 1], rounded[4 * b + 2], rounded[4 * b + 3]);
        store_line(at + 2 * lines * b + lines, rest[4 * b], rest[4 * b + 1], rest[4 * b + 2], rest[4 * b + 3]);
      }
    }
  }
  /// Clears the weights of rows [count, 16) from `place` on.
  __device__ __forceinline__ void clear(int place, int count) const {
    const int row = count + warp_lane() / 4;
    for (int i = row; i < 16; i += 8)
#pragma unroll
      for (std::uint32_t k = 0; k < operands; ++k) store(word(place + i, k), 0U);
    __syncwarp();
  }

  /// The weights of 16 rows.
  __device__ __forceinline__ void load(int place, Weights& b) const {
    const std::uint32_t at = _base + line * static_cast<std::uint32_t>(place + warp_lane() % 16);
    if constexpr (operands == 1) {
      load_two_transposed(at, b[0]);
    } else {
#pragma unroll
      for (std::uint32_t k = 0; k < operands; k += 2) {
        std::uint32_t both[4];
        load_matrices<true>(at + lines * (k + static_cast<std::uint32_t>(warp_lane() / 16)), both);
        b[k][0] = both[0];
        b[k][1] = both[1];
        b[k + 1][0] = both[2];
        b[k + 1][1] = both[3];
      }
    }
  }

  /// Multiplies the weights of the row at `place` by powers of two, one for each of a lane's heads; by the lanes of a
  /// column together.
  __device__ __forceinline__ void rescale(int place, const typename Heads::Heads& factor) const {
#pragma unroll
    for (std::uint32_t k = 0; k < operands; ++k) {
      const std::uint32_t at = word(place, k);
      const int block = packed ? 0 : static_cast<int>(k / 2);
      const std::uint32_t both = load_word(at);
      Factor low, high;
      low.bits = static_cast<std::uint16_t>(both);
      high.bits = static_cast<std::uint16_t>(both >> 16);
      store(at, pack<Factor>(static_cast<float>(low) * factor[block][0], static_cast<float>(high) * factor[block][1]));
    }
  }

 private:
  /// A lane's own word of a row's line of an operand.
  [[nodiscard]] __device__ __forceinline__ std::uint32_t word(int place, std::uint32_t operand) const {
    return _base + line * static_cast<std::uint32_t>(place) + lines * operand +
           static_cast<std::uint32_t>(warp_lane() % 4) * 4;
  }
  __device__ __forceinline__ static void store(std::uint32_t to, std::uint32_t word) {
    asm volatile("st.shared.b32 [%0],%1;" ::"r"(to), "r"(word) : "memory");
  }
  __device__ __forceinline__ static void store_line(std::uint32_t to, std::uint32_t first, std::uint32_t second,
                                                    std::uint32_t third, std::uint32_t fourth) {
    asm volatile("st.shared.v4.b32 [%0],{%1,%2,%3,%4};" ::"r"(to), "r"(first), "r"(second), "r"(third), "r"(fourth)
                 : "memory");
  }
  __device__ __forceinline__ static std::uint32_t load_word(std::uint32_t from) {
    std::uint32_t word;
    asm volatile("ld.shared.b32 %0,[%1];" : "=r"(word) : "r"(from) : "memory");
    return word;
  }

  std::uint32_t _base;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
