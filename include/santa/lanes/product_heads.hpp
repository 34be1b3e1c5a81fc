// The heads of a product's columns: which lane has numbers of which.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_query.hpp>

#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Of up to `heads` heads lane (g, t) = (lane / 4, lane % 4) has, of each block of 8, heads 2 t and 2 t + 1; of up to 4
/// heads, of which four columns have the rest of what the others have rounded, heads 2 (t % 2) and the next.
template <int heads>
struct ProductHeads {
  using Columns = MmaColumns<heads>;
  static constexpr bool packed = Columns::packed;
  static constexpr int blocks = Columns::blocks;
  static constexpr int operands = blocks * Columns::parts;
  /// A number for each of a lane's heads.
  using Heads = float[blocks][2];
  using Words = std::uint32_t[blocks][2];

  __device__ static int head(int block, int k) {
    return packed ? 2 * (quarter() % 2) + k : 8 * block + 2 * quarter() + k;
  }
  /// Calls f(block, k) for all of a lane's heads.
  template <class F>
  __device__ __forceinline__ static void for_each_head(F&& f) {
#pragma unroll
    for (int b = 0; b < blocks; ++b)
#pragma unroll
      for (int k = 0; k < 2; ++k) f(b, k);
  }
  /// The largest, or the sum, of what the lanes of each head have.
  template <class T, class F>
  __device__ __forceinline__ static T over_lanes(T value, const F& f) {
#pragma unroll
    for (int width = packed ? 2 : 4; width < 32; width *= 2)
      value = f(value, __shfl_xor_sync(0xffffffffU, value, width));
    return value;
  }
  /// Hands out what each lane has of one head, own_head(): to each lane that of its heads.
  __device__ static int own_head() { return warp_lane() % heads; }
  __device__ __forceinline__ static void share(std::uint32_t own, Words& of_heads) {
    for_each_head([&](int b, int k) { of_heads[b][k] = __shfl_sync(0xffffffffU, own, head(b, k)); });
  }
  /// Whether a lane is the one that writes for its heads.
  __device__ static bool writes() { return column() == 0 && (!packed || quarter() < 2); }

 protected:
  __device__ static int column() { return warp_lane() / 4; }   // g
  __device__ static int quarter() { return warp_lane() % 4; }  // t
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
