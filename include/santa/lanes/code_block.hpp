// How a host thread holds a piece of a narrow key row.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/feature_block.hpp>
#include <santa/lanes/simd.hpp>

#include <cstdint>
#include <cstring>

namespace santa::lanes::inline SANTA_BUILD {

/// 32 bytes as numbers 0 to 255, or -128 to 127 where Byte is signed. To twice the width: other conversions of vectors
/// are made lane by lane.
template <class Byte>
SANTA_INLINE Simd<std::int16_t, 32> widen_bytes(const void* from) {
  using Result = Simd<std::int16_t, 32>;
  // NOLINTNEXTLINE(modernize-use-using): attribute
  typedef Byte Bytes __attribute__((vector_size(Result::native), aligned(1), may_alias));
  Result result;
  static_for<Result::parts>([&](auto i) SANTA_INLINE_LAMBDA {
    result.part[i] = __builtin_convertvector(static_cast<const Bytes*>(from)[i], typename Result::Part);
  });
  return result;
}

/// Codes that are integers are multiplied as such. `zero` is what is to be taken from each of them.
template <>
struct FeatureBlock<std::int8_t> {
  static constexpr int size = 64;
  static constexpr bool integers = true;
  static constexpr int zero = 0;
  using Part = Simd<std::int16_t, 32>;
  Part part[2];

  static constexpr int feature(int h, int lane) { return 32 * h + lane; }

  SANTA_INLINE static FeatureBlock load(const std::int8_t* from) {
    return {{widen_bytes<signed char>(from), widen_bytes<signed char>(from + 32)}};
  }
};

template <>
struct FeatureBlock<int4x2> {
  static constexpr int size = 64;
  static constexpr bool integers = true;
  static constexpr int zero = 8;
  using Part = Simd<std::int16_t, 32>;
  Part part[2];

  static constexpr int feature(int h, int lane) { return 2 * lane + h; }

  SANTA_INLINE static FeatureBlock load(const int4x2* from) {
    const Part both = widen_bytes<unsigned char>(from);
    return {{both & Part(15), both >> 4}};
  }
};

template <>
struct FeatureBlock<float8> {
  static constexpr int size = 32;
  static constexpr bool integers = false;
  using Part = Simd<float, 16>;
  Part part[2];

  static constexpr int feature(int h, int lane) { return 2 * lane + h; }

  static constexpr auto sign_and_number = static_cast<std::int32_t>(0x87f00000U);

  /// The exponent's bits go to where those of a float lie; their origins differ by 120.
  SANTA_INLINE static FeatureBlock load(const float8* from) {
    using Words = Simd<std::int32_t, 16>;
    const auto bytes = widen_bytes<unsigned char>(from);
    Words pairs;
    static_for<Words::parts>([&](auto i) SANTA_INLINE_LAMBDA { pairs.part[i] = (typename Words::Part)bytes.part[i]; });
    const Words even = ((pairs << 24) >> 4) & Words(sign_and_number);
    const Words odd = ((pairs << 8) >> 4) & Words(sign_and_number);
    return {{bit_cast<float>(even) * Part(0x1p120F), bit_cast<float>(odd) * Part(0x1p120F)}};
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD
