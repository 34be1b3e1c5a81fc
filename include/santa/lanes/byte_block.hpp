// How a host thread holds a piece of a row of a cache with elements of one byte.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/cache_element.hpp>
#include <santa/lanes/code_block.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>

namespace santa::lanes::inline SANTA_BUILD {

/// What blocks of bytes have in common: 32 features as floats, the even and the odd ones.
struct ByteBlock {
  static constexpr int size = 32;
  static constexpr bool integers = false;
  using Part = Simd<float, 16>;
  using Words = Simd<std::int32_t, 16>;
  Part part[2];

  static constexpr int feature(int h, int lane) { return 2 * lane + h; }

 protected:
  /// 32 bytes, widened to 16 bits: a word has an even feature in its lower half and an odd one in its upper half.
  template <class Byte>
  SANTA_INLINE static Words pairs(const void* from) {
    const auto wide = widen_bytes<Byte>(from);
    Words result;
    static_for<Words::parts>([&](auto i) SANTA_INLINE_LAMBDA { result.part[i] = (typename Words::Part)wide.part[i]; });
    return result;
  }
  /// A block of which only the first `count` features are there; reads nothing beyond them.
  template <class Block, class T>
  SANTA_INLINE static Block load_some(const T* from, int count) {
    T padded[size] = {};
    std::memcpy(padded, from, static_cast<std::size_t>(count));
    return Block::load(padded);
  }
};

template <>
struct FeatureBlock<e4m3> : ByteBlock {
  /// The exponent's bits go to where those of a float lie; their origins differ by 120. NaN is made one of float.
  SANTA_INLINE static FeatureBlock load(const e4m3* from) {
    const Words both = pairs<unsigned char>(from);
    return {{{number((both << 24) >> 4), number((both << 8) >> 4)}}};
  }
  SANTA_INLINE static FeatureBlock load(const e4m3* from, int count) { return load_some<FeatureBlock>(from, count); }

 private:
  SANTA_INLINE static Part number(const Words& shifted) {
    constexpr auto sign_and_number = static_cast<std::int32_t>(0x87f00000U);
    constexpr std::int32_t largest = 0x07f00000;  // or above: not a number
    const Words bits = shifted & Words(sign_and_number);
    const Words nan = ((bits & Words(largest)) >= Words(largest)) & Words(0x7f800000);
    return bit_cast<float>(bits | nan) * Part(0x1p120F);
  }
};

template <>
struct FeatureBlock<santa::detail::Integer8> : ByteBlock {
  using T = santa::detail::Integer8;

  SANTA_INLINE static FeatureBlock load(const T* from) {
    const Words both = pairs<signed char>(from);
    return {{{convert<float>((both << 16) >> 16), convert<float>(both >> 16)}}};
  }
  SANTA_INLINE static FeatureBlock load(const T* from, int count) { return load_some<FeatureBlock>(from, count); }
};

}  // namespace santa::lanes::inline SANTA_BUILD
