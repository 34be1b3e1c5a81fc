// Several tiles as a warp's threads see them at once: each has a run of keys of one of them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/warp_lanes.hpp>

#include <cstdint>
#include <cstring>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Of up to `heads` heads 32 / heads tiles, each the share of so many threads: the p-th thread of a tile has, for all
/// heads, the p-th run of its keys, and what there is once a tile and head, of head p.
template <int heads>
struct TileRuns {
  static constexpr int tiles = 32 / heads;
  static constexpr int keys = 32 / heads;  // of a run

  /// Numbers of a thread's keys, for each head.
  using Numbers = float[heads][keys];

  /// Which of the tiles a thread works on, and which of its runs.
  __device__ static int tile() { return warp_lane() / heads; }
  __device__ static int part() { return warp_lane() % heads; }

  /// What the tile's thread of a head has.
  template <class T>
  __device__ __forceinline__ static T of_head(T value, int head) {
    static_assert(sizeof(T) % 4 == 0);
    std::uint32_t words[sizeof(T) / 4];
    memcpy(words, &value, sizeof(T));
#pragma unroll
    for (std::uint32_t& word : words) word = __shfl_sync(everyone, word, head, heads);
    memcpy(&value, words, sizeof(T));
    return value;
  }
  /// Sums over a tile's runs up to the own.
  __device__ __forceinline__ static std::uint32_t sum_of_runs(std::uint32_t value) {
#pragma unroll
    for (int width = 1; width < heads; width *= 2) {
      const std::uint32_t below = __shfl_up_sync(everyone, value, width, heads);
      if (part() >= width) value += below;
    }
    return value;
  }
  /// What the thread of the run before has; of the first run, `first`.
  __device__ __forceinline__ static std::int32_t previous(std::int32_t value, std::int32_t first) {
    const std::int32_t below = __shfl_up_sync(everyone, value, 1, heads);
    return part() == 0 ? first : below;
  }
  /// Sums over all threads up to the own, and over all.
  __device__ __forceinline__ static int sum_of_threads(int value, int& all) {
    int values[1] = {value};
    PlainOrder::scan(values);
    all = __shfl_sync(everyone, values[0], 31);
    return values[0];
  }

  /// Numbers of the own run, of which a tile's begin at `from`.
  __device__ __forceinline__ static void load(const float* from, float (&to)[keys]) {
    if constexpr (keys == 2) {
      const float2 both = *reinterpret_cast<const float2*>(from + keys * part());
      to[0] = both.x;
      to[1] = both.y;
    } else {
#pragma unroll
      for (int k = 0; k < keys; k += 4) {
        const float4 four = *reinterpret_cast<const float4*>(from + keys * part() + k);
        to[k] = four.x;
        to[k + 1] = four.y;
        to[k + 2] = four.z;
        to[k + 3] = four.w;
      }
    }
  }

 private:
  static constexpr unsigned everyone = 0xffffffffU;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
