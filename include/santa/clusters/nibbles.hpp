// Rows of 4-bit codes: made from floats, and taken apart.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The code of half a byte: -8 to 7, exactly. By bits, as devices convert integers slowly.
KOKKOS_FORCEINLINE_FUNCTION float code_of(std::uint32_t nibble) {
  return Kokkos::bit_cast<float>(0x4b000000U | nibble) - 8388616.F;  // 2^23 + 8
}

/// The feature in the low half of a row's byte j; the one 32 further on is in the high half.
KOKKOS_FORCEINLINE_FUNCTION int low_feature(int j) { return j / 32 * 64 + j % 32; }

/// A row's codes and its scale: x(j) is about scale * code(j), the farthest feature has the code 7 or -7. Where some
/// x(j) is no finite number the scale is NaN, so that scores are NaN; it is 1 where all are 0 or next to nothing.
template <class X>
KOKKOS_FUNCTION bfloat16 encode_nibbles(const X& x, int width, std::uint8_t* codes) {
  float largest = 0.F;
  bool finite = true;
  for (int j = 0; j < width; ++j) {
    const float size = Kokkos::fabs(x(j));
    finite = finite && is_finite(size);
    largest = size > largest ? size : largest;
  }
  bfloat16 scale(largest / 7.F);
  if (static_cast<float>(scale) < largest / 7.F) ++scale.bits;  // rounded down
  if (!(static_cast<float>(scale) >= 0x1p-120F)) scale = bfloat16(1.F);
  if (!finite) scale = bfloat16(Kokkos::Experimental::quiet_NaN_v<float>);
  const float inverse = 1.F / static_cast<float>(scale);
  const auto code = [&](int j) {
    const float rounded = finite ? Kokkos::floor(lanes::fma(x(j), inverse, 0.5F)) : 0.F;
    return static_cast<std::uint32_t>((rounded < -7.F ? -7.F : (rounded > 7.F ? 7.F : rounded)) + 8.F);
  };
  for (int j = 0; j < width / 2; ++j) {
    const int low = low_feature(j);
    codes[j] = static_cast<std::uint8_t>(code(low) | (code(low + 32) << 4));
  }
  return scale;
}

/// Feature j of a row of codes, in units of its scale.
KOKKOS_FUNCTION inline float decode_nibble(const std::uint8_t* codes, int j) {
  const std::uint32_t byte = codes[j / 64 * 32 + j % 32];
  return code_of(j % 64 < 32 ? byte & 15U : byte >> 4);
}

/// Products of a row of codes, in units of its scale, with the vectors of several heads: query(head), [width]; sums in
/// one order on all backends.
template <int most_heads, class Query>
KOKKOS_FORCEINLINE_FUNCTION void dot_nibbles(const std::uint8_t* codes, const Query& query, int heads, int width,
                                             float (&dot)[most_heads]) {
  struct alignas(4) Bytes {
    std::uint8_t of[4];
  };
  float sum[most_heads][4] = {};
  for (int j = 0; j < width / 2; j += 4) {
    const Bytes bytes = *reinterpret_cast<const Bytes*>(codes + j);
    SANTA_UNROLL(16)
    for (int head = 0; head < most_heads; ++head)
      if (head < heads) {
        const float* q = query(head) + low_feature(j);
        SANTA_UNROLL(4)
        for (int k = 0; k < 4; ++k) {
          sum[head][k] = lanes::fma(code_of(bytes.of[k] & 15U), q[k], sum[head][k]);
          sum[head][k] = lanes::fma(code_of(static_cast<std::uint32_t>(bytes.of[k] >> 4)), q[k + 32], sum[head][k]);
        }
      }
  }
  SANTA_UNROLL(16)
  for (int head = 0; head < most_heads; ++head)
    dot[head] = head < heads ? (sum[head][0] + sum[head][1]) + (sum[head][2] + sum[head][3]) : 0.F;
}

}  // namespace santa::detail::inline SANTA_BUILD
