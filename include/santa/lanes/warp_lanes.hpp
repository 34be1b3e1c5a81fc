// What the 32 threads of a CUDA warp do with values of their own.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/mma.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Adds to each value those of all threads that are a multiple of `step` lower.
template <int step, class Integer, int N>
__device__ __forceinline__ void add_lower_threads(Integer (&values)[N]) {
#pragma unroll
  for (int width = step; width < 32; width *= 2)
#pragma unroll
    for (Integer& value : values) {
      const Integer below = __shfl_up_sync(0xffffffffU, value, width);
      if (warp_lane() >= width) value += below;
    }
}

/// Threads in their own order.
struct PlainOrder {
  __device__ static int lane(int thread) { return thread; }
  __device__ static int thread(int lane) { return lane; }
  /// Threads whose lanes are lower.
  __device__ static std::uint32_t lower() { return (1U << warp_lane()) - 1U; }

  /// Inclusive sums over lanes.
  template <class Integer, int N>
  __device__ static void scan(Integer (&values)[N]) {
    add_lower_threads<1>(values);
  }
};

/// The order in which a product on tensor cores leaves 32 rows: thread 4 g + t is lane 8 t + g (see mma.hpp), so that
/// each has a row of its own with few exchanges.
struct ProductOrder {
  __device__ static int lane(int thread) { return thread % 4 * 8 + thread / 4; }
  __device__ static int thread(int lane) { return lane % 8 * 4 + lane / 8; }
  __device__ static std::uint32_t lower() {
    constexpr std::uint32_t eighth = 0x11111111U;  // of lanes: every fourth thread
    const int t = warp_lane() % 4;
    return eighth * ((1U << t) - 1U) | ((eighth << t) & ((1U << warp_lane()) - 1U));
  }

  template <class Integer, int N>
  __device__ static void scan(Integer (&values)[N]) {
    add_lower_threads<4>(values);
    const int eighth = warp_lane() % 4;
#pragma unroll
    for (Integer& value : values) {  // sums of whole eighths, side by side
      Integer whole[3];
#pragma unroll
      for (int t = 0; t < 3; ++t) whole[t] = __shfl_sync(0xffffffffU, value, 28 + t);
#pragma unroll
      for (int t = 0; t < 3; ++t) value += eighth > t ? whole[t] : Integer{0};
    }
  }
};

/// Sums, scans and votes of a warp, and loads and stores of a number a lane. Members as HostGroup's. `Order` says which
/// lane a thread is. What a vote returns has a bit for each thread: a set of lanes.
template <class Order>
struct WarpLanes {
  static constexpr int size = 32;

  template <class T>
  using Vector = T;
  using Mask = bool;

  static constexpr unsigned everyone = 0xffffffffU;

  /// The thread of the warp, and its lane's number.
  __device__ static int thread() { return warp_lane(); }
  __device__ static std::int32_t lane() { return Order::lane(warp_lane()); }

  __device__ static bool lanes_between(std::int32_t begin, std::int32_t end) { return lane() >= begin && lane() < end; }

  template <class T>
  __device__ static T sum(T value) {
#if __CUDA_ARCH__ >= 800
    if constexpr (std::is_same_v<T, std::uint32_t> || std::is_same_v<T, std::int32_t>)
      return __reduce_add_sync(everyone, value);
    else if constexpr (std::is_same_v<T, std::uint64_t>)
      return sum_of_bits<0>(value) + sum_of_bits<1>(value) + sum_of_bits<2>(value);
    else
#endif
      return butterfly(value);
  }

  /// By halving lanes; an order's bits are those of threads in another order, so that lanes `width` apart are threads
  /// as far apart everywhere.
  template <class T>
  __device__ static T butterfly(T value) {
#pragma unroll
    for (int width = size / 2; width > 0; width /= 2) value += __shfl_xor_sync(everyone, value, Order::thread(width));
    return value;
  }

  __device__ static float max(float value) {
#if __CUDA_ARCH__ >= 800
    // Floats in the order of integers.
    const auto ordered = [](std::int32_t bits) { return bits ^ ((bits >> 31) & 0x7fffffff); };
    return __int_as_float(ordered(__reduce_max_sync(everyone, ordered(__float_as_int(value)))));
#else
#pragma unroll
    for (int width = size / 2; width > 0; width /= 2) {
      const float other = __shfl_xor_sync(everyone, value, width);
      value = other > value ? other : value;
    }
    return value;
#endif
  }

#if __CUDA_ARCH__ >= 800
  /// What 26 bits of each number add up to: with 32 numbers that fits in 32 bits, which one instruction adds up.
  template <int part>
  __device__ static std::uint64_t sum_of_bits(std::uint64_t value) {
    constexpr std::uint32_t bits = (1U << 26) - 1U;
    const auto own = static_cast<std::uint32_t>(value >> (26 * part)) & bits;
    return std::uint64_t{__reduce_add_sync(everyone, own)} << (26 * part);
  }
#endif

  __device__ static std::uint32_t ballot(bool mask) { return __ballot_sync(everyone, mask); }
  __device__ static bool lanes_of(std::uint32_t bits) { return ((bits >> threadIdx.x) & 1U) != 0; }
  __device__ static bool holds(std::uint32_t bits, int lane) { return ((bits >> Order::thread(lane)) & 1U) != 0; }
  /// How many of a set are lower lanes; and the bits that any lane has.
  __device__ static int rank_in(std::uint32_t bits) { return __popc(bits & Order::lower()); }
  __device__ static std::uint32_t any_bits(std::uint32_t bits) {
#if __CUDA_ARCH__ >= 800
    return __reduce_or_sync(everyone, bits);
#else
#pragma unroll
    for (int width = size / 2; width > 0; width /= 2) bits |= __shfl_xor_sync(everyone, bits, width);
    return bits;
#endif
  }
  __device__ static bool any(bool mask) { return __any_sync(everyone, mask) != 0; }

  template <class Integer>
  __device__ static Integer inclusive_scan(Integer value) {
    Integer values[1] = {value};
    Order::scan(values);
    return values[0];
  }

  template <class T>
  __device__ static T previous(T value, T first) {
    const T below = value_of(value, lane() > 0 ? lane() - 1 : 0);
    return lane() == 0 ? first : below;
  }

  template <class T>
  __device__ static T last(T value) {
    return __shfl_sync(everyone, value, size - 1);
  }

  template <class T>
  __device__ static T value_of(T value, int lane) {
    return __shfl_sync(everyone, value, Order::thread(lane));
  }

  template <class T>
  __device__ static T load(const T* from) {
    return from[lane()];
  }
  template <class T>
  __device__ static T load(const T* from, int count, T rest) {
    return lane() < count ? from[lane()] : rest;
  }
  template <class T>
  __device__ static T load_strided(const T* from, std::int64_t stride, int count, T rest) {
    return lane() < count ? from[lane() * stride] : rest;
  }
  __device__ static std::uint32_t load_words(const std::uint16_t* from, std::int64_t stride, int count) {
    return lane() < count ? from[lane() * stride] : 0U;
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
