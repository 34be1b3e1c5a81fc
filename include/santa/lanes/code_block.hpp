// How a host thread holds a piece of a narrow key row: 32 codes as floats.
#pragma once

#include <santa/core/narrow.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>

namespace santa::lanes {

/// 16 bytes as numbers 0 to 255, or -128 to 127 where Byte is signed.
template <class Byte>
SANTA_INLINE Simd<std::int32_t, 16> widen_bytes(const void* from) {
  using Result = Simd<std::int32_t, 16>;
  // NOLINTNEXTLINE(modernize-use-using): attribute
  typedef Byte Bytes __attribute__((vector_size(Result::native), aligned(1), may_alias));
  Result result;
  static_for<Result::parts>([&](auto i) SANTA_INLINE_LAMBDA {
    result.part[i] = __builtin_convertvector(static_cast<const Bytes*>(from)[i], typename Result::Part);
  });
  return result;
}

/// What blocks of codes have in common: a block whose codes are not all there is padded with zeros.
template <class T, class Block>
struct CodeBlock {
  static constexpr int size = 32;
  Simd<float, 16> part[2];

  /// The first `count` features (a multiple of 8), the rest as zero; reads nothing beyond them.
  SANTA_INLINE static Block load_some(const T* from, int count) {
    T padded[size / santa::detail::features_per_element<T>] = {};
    for (int i = 0; i < count / santa::detail::features_per_element<T>; ++i) padded[i] = from[i];
    return Block::load(padded);
  }
};

template <>
struct FeatureBlock<std::int8_t> : CodeBlock<std::int8_t, FeatureBlock<std::int8_t>> {
  static constexpr int feature(int h, int lane) { return 16 * h + lane; }

  SANTA_INLINE static FeatureBlock load(const std::int8_t* from) {
    FeatureBlock block;
    static_for<2>([&](auto h)
                      SANTA_INLINE_LAMBDA { block.part[h] = convert<float>(widen_bytes<signed char>(from + 16 * h)); });
    return block;
  }
  SANTA_INLINE static FeatureBlock load(const std::int8_t* from, int count) { return load_some(from, count); }
};

template <>
struct FeatureBlock<float8> : CodeBlock<float8, FeatureBlock<float8>> {
  static constexpr int feature(int h, int lane) { return 16 * h + lane; }

  /// The exponent's bits go to where those of a float lie; their origins differ by 120.
  SANTA_INLINE static FeatureBlock load(const float8* from) {
    using Words = Simd<std::int32_t, 16>;
    FeatureBlock block;
    static_for<2>([&](auto h) SANTA_INLINE_LAMBDA {
      const Words code = widen_bytes<unsigned char>(from + 16 * h);
      const Words bits = ((code & Words(0x80)) << 24) | ((code & Words(0x7f)) << 20);
      block.part[h] = bit_cast<float>(bits) * Simd<float, 16>(0x1p120F);
    });
    return block;
  }
  SANTA_INLINE static FeatureBlock load(const float8* from, int count) { return load_some(from, count); }
};

template <>
struct FeatureBlock<int4x2> : CodeBlock<int4x2, FeatureBlock<int4x2>> {
  static constexpr int feature(int h, int lane) { return 2 * lane + h; }

  SANTA_INLINE static FeatureBlock load(const int4x2* from) {
    using Words = Simd<std::int32_t, 16>;
    const Words both = widen_bytes<unsigned char>(from);
    FeatureBlock block;
    block.part[0] = convert<float>((both & Words(15)) - Words(8));
    block.part[1] = convert<float>((both >> 4) - Words(8));
    return block;
  }
  SANTA_INLINE static FeatureBlock load(const int4x2* from, int count) { return load_some(from, count); }
};

}  // namespace santa::lanes
