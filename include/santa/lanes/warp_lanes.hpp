// What the 32 threads of a CUDA warp do with values of their own.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Sums, scans and votes of a warp, and loads and stores of a number a lane. Members as HostGroup's.
struct WarpLanes {
  static constexpr int size = 32;

  template <class T>
  using Vector = T;
  using Mask = bool;

  static constexpr unsigned everyone = 0xffffffffU;

  /// A lane's number, of which the compiler sees that it is no less than 0: divisions of it are shifts then.
  __device__ static std::int32_t lane() { return static_cast<std::int32_t>(threadIdx.x % size); }

  __device__ static bool lanes_between(std::int32_t begin, std::int32_t end) { return lane() >= begin && lane() < end; }

  template <class T>
  __device__ static T sum(T value) {
#if __CUDA_ARCH__ >= 800
    if constexpr (std::is_same_v<T, std::uint32_t> || std::is_same_v<T, std::int32_t>)
      return __reduce_add_sync(everyone, value);
    else
#endif
      return butterfly(value);
  }

  template <class T>
  __device__ static T butterfly(T value) {
#pragma unroll
    for (int width = size / 2; width > 0; width /= 2) value += __shfl_xor_sync(everyone, value, width);
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

  __device__ static std::uint32_t ballot(bool mask) { return __ballot_sync(everyone, mask); }
  __device__ static bool lanes_of(std::uint32_t bits) { return ((bits >> threadIdx.x) & 1U) != 0; }
  __device__ static bool any(bool mask) { return __any_sync(everyone, mask) != 0; }

  template <class Integer>
  __device__ static Integer inclusive_scan(Integer value) {
#pragma unroll
    for (int width = 1; width < size; width *= 2) {
      const Integer below = __shfl_up_sync(everyone, value, width);
      if (lane() >= width) value += below;
    }
    return value;
  }

  template <class T>
  __device__ static T previous(T value, T first) {
    const T below = __shfl_up_sync(everyone, value, 1);
    return lane() == 0 ? first : below;
  }

  template <class T>
  __device__ static T last(T value) {
    return __shfl_sync(everyone, value, size - 1);
  }

  template <class T>
  __device__ static T value_of(T value, int lane) {
    return __shfl_sync(everyone, value, lane);
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
