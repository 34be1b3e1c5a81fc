// How a host thread holds a piece of a key or value row: 32 features as floats.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/simd.hpp>
#include <santa/lanes/x86.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// 32 consecutive features of a row as two vectors of floats. Which feature is where depends on the storage type
/// (`feature`): products may permute features as long as both factors agree, and bfloat16 unpacks fastest as the even
/// and the odd ones.
template <class T>
struct FeatureBlock {
  static constexpr int size = 32;
  static constexpr bool integers = false;
  using Part = Simd<float, 16>;
  Part part[2];

  /// The feature at lane `lane` of `part[h]`.
  static constexpr int feature(int h, int lane) { return std::is_same_v<T, bfloat16> ? 2 * lane + h : 16 * h + lane; }

  SANTA_INLINE static FeatureBlock load(const T* from) {
    FeatureBlock block;
    if constexpr (std::is_same_v<T, bfloat16>) {
      unpack(Simd<std::uint32_t, 16>::load_bytes(from), block);
    } else if constexpr (std::is_same_v<T, half>) {
      static_for<2>([&](auto h) SANTA_INLINE_LAMBDA { block.part[h] = widen(from + 16 * h); });
    } else {
      static_for<2>([&](auto h) SANTA_INLINE_LAMBDA { block.part[h] = Simd<float, 16>::load(from + 16 * h); });
    }
    return block;
  }

  /// The first `count` features (a multiple of 8), the rest as zero; reads nothing beyond them.
  SANTA_INLINE static FeatureBlock load(const T* from, int count) {
    FeatureBlock block;
    if constexpr (std::is_same_v<T, bfloat16>) {
      unpack(Simd<std::uint32_t, 16>::load_bytes(from, count / 2), block);
    } else if constexpr (std::is_same_v<T, half>) {
      alignas(native_bytes) std::uint32_t padded[size / 2];
      Simd<std::uint32_t, 16>::load_bytes(from, count / 2).store(padded);
      return load(reinterpret_cast<const half*>(padded));
    } else {
      block.part[0] = Simd<float, 16>::load_bytes(from, count < 16 ? count : 16);
      block.part[1] = Simd<float, 16>::load_bytes(from + 16, count < 16 ? 0 : count - 16);
    }
    return block;
  }

 private:
  SANTA_INLINE static void unpack(const Simd<std::uint32_t, 16>& pairs, FeatureBlock& block) {
    block.part[0] = bit_cast<float>(pairs << 16);
    block.part[1] = bit_cast<float>(pairs & Simd<std::uint32_t, 16>(0xffff0000U));
  }

  SANTA_INLINE static Simd<float, 16> widen(const half* from) {
#if defined(SANTA_AVX512)
    Simd<float, 16> result;
    result.part[0] = widen_halves(Simd<std::int16_t, 16>::load_bytes(from).part[0]);
    return result;
#elif defined(__AVX2__) && defined(__F16C__)
    Simd<float, 16> result;
    static_for<2>([&](auto i) SANTA_INLINE_LAMBDA {
      result.part[i] = widen_halves(Simd<std::int16_t, 8>::load_bytes(from + 8 * i).part[0]);
    });
    return result;
#else
    float each[16];
    for (int i = 0; i < 16; ++i) each[i] = static_cast<float>(from[i]);
    return Simd<float, 16>::load(each);
#endif
  }
};

/// Calls f(place, feature) for a block from feature `block` on: which of its features lies where.
template <class T, class F>
SANTA_INLINE void for_each_place(int block, F&& f) {
  constexpr int lanes = FeatureBlock<T>::size / 2;
  for (int lane = 0; lane < lanes; ++lane)
    for (int part = 0; part < 2; ++part) f(block + lanes * part + lane, block + FeatureBlock<T>::feature(part, lane));
}

}  // namespace santa::lanes::inline SANTA_BUILD
