// What is done with Simd lane by lane or over its lanes, beyond its operators.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/scalar.hpp>
#include <santa/lanes/simd_fma.hpp>
#include <santa/lanes/simd_type.hpp>
#include <santa/lanes/x86.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// mask ? a : b, lane by lane.
template <class T, int N>
SANTA_INLINE Simd<T, N> select(const typename Simd<T, N>::Mask& mask, const std::type_identity_t<Simd<T, N>>& a,
                               const Simd<T, N>& b) {
  using Part = typename Simd<T, N>::Part;
  using MaskPart = typename Simd<T, N>::Mask::Part;
  return Simd<T, N>::map([](MaskPart m, Part x, Part y) SANTA_INLINE_LAMBDA { return m ? x : y; }, mask, a, b);
}

/// Value conversion, lane by lane, as static_cast does it.
template <class To, class From, int N>
SANTA_INLINE Simd<To, N> convert(const Simd<From, N>& from) {
  Simd<To, N> result;
  if constexpr (sizeof(To) == sizeof(From)) {
    static_for<Simd<To, N>::parts>([&](auto i) SANTA_INLINE_LAMBDA {
      result.part[i] = __builtin_convertvector(from.part[i], typename Simd<To, N>::Part);
    });
  } else {
    alignas(native_bytes) From in[N];
    alignas(native_bytes) To out[N];
    from.store(in);
    for (int i = 0; i < N; ++i) out[i] = static_cast<To>(in[i]);
    result = Simd<To, N>::load(out);
  }
  return result;
}

/// The same bits as another type of the same size.
template <class To, class From, int N>
SANTA_INLINE Simd<To, N> bit_cast(const Simd<From, N>& from) {
  static_assert(sizeof(To) == sizeof(From));
  Simd<To, N> result;
  static_for<Simd<To, N>::parts>(
      [&](auto i) SANTA_INLINE_LAMBDA { result.part[i] = (typename Simd<To, N>::Part)from.part[i]; });
  return result;
}

/// 64-bit products of a number and each lane, as two words.
template <int N>
SANTA_INLINE void multiply_wide(std::uint32_t factor, const Simd<std::uint32_t, N>& words, Simd<std::uint32_t, N>& high,
                                Simd<std::uint32_t, N>& low) {
  alignas(native_bytes) std::uint32_t word[N];
  alignas(native_bytes) std::uint32_t top[N];
  words.store(word);
  for (int i = 0; i < N; ++i) top[i] = static_cast<std::uint32_t>((std::uint64_t{factor} * word[i]) >> 32);
  high = Simd<std::uint32_t, N>::load(top);
  low = words * Simd<std::uint32_t, N>(factor);
}

/// x as it has been rounded: sums and differences with it are taken as they stand.
template <int N>
SANTA_INLINE Simd<float, N> as_rounded(const Simd<float, N>& x) {
  return Simd<float, N>::map(
      [](typename Simd<float, N>::Part part) SANTA_INLINE_LAMBDA {
        SANTA_KEEP(part);
        return part;
      },
      x);
}

/// a / b, correctly rounded.
template <int N>
SANTA_INLINE Simd<float, N> divide(const Simd<float, N>& a, const Simd<float, N>& b) {
  return a / as_rounded(b);
}

/// The square root, correctly rounded.
template <int N>
SANTA_INLINE Simd<float, N> sqrt(const Simd<float, N>& x) {
  alignas(native_bytes) float each[N];
  x.store(each);
  for (float& value : each) value = std::sqrt(value);
  return Simd<float, N>::load(each);
}

/// a * b + c with one rounding, in every build: compilers that contract on their own differ, an explicit fma does not.
template <class T, int N>
SANTA_INLINE Simd<T, N> fma(const Simd<T, N>& a, const std::type_identity_t<Simd<T, N>>& b,
                            const std::type_identity_t<Simd<T, N>>& c) {
  using Part = typename Simd<T, N>::Part;
#if defined(__SSE2__) && !defined(__FMA__)
  if constexpr (std::is_same_v<T, float> && sizeof(Part) == 16) {
    Simd<T, N> result;
    fma_parts<Simd<T, N>::parts>((const __m128*)a.part, (const __m128*)b.part, (const __m128*)c.part,
                                 (__m128*)result.part);
    return result;
  }
#endif
  return Simd<T, N>::map(
      [](Part x, Part y, Part z) SANTA_INLINE_LAMBDA {
#if defined(SANTA_AVX512)
        if constexpr (sizeof(Part) == 64) return fused(x, y, z);
#elif defined(__AVX2__) && defined(__FMA__)
        if constexpr (sizeof(Part) == 32) return fused(x, y, z);
#endif
        Part result;
        for (int i = 0; i < Simd<T, N>::native; ++i) result[i] = std::fma(x[i], y[i], z[i]);
        return result;
      },
      a, b, c);
}

/// c and the products of pairs of neighbours: lane i has c_i + a_2i b_2i + a_2i+1 b_2i+1.
SANTA_INLINE Simd<std::int32_t, 16> add_products(const Simd<std::int16_t, 32>& a, const Simd<std::int16_t, 32>& b,
                                                 const Simd<std::int32_t, 16>& c) {
  using Pairs = typename Simd<std::int16_t, 32>::Part;
  using Sums = typename Simd<std::int32_t, 16>::Part;
  return Simd<std::int32_t, 16>::map(
      [](Pairs x, Pairs y, Sums z) SANTA_INLINE_LAMBDA {
#if defined(__AVX2__)
        return add_pairs(x, y, z);
#elif defined(__SSE2__)
        return z + (Sums)_mm_madd_epi16((__m128i)x, (__m128i)y);
#else
        for (int i = 0; i < Simd<std::int32_t, 16>::native; ++i)
          z[i] += x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
        return z;
#endif
      },
      a, b, c);
}
/// The same of floats, one product a lane.
SANTA_INLINE Simd<float, 16> add_products(const Simd<float, 16>& a, const Simd<float, 16>& b,
                                          const Simd<float, 16>& c) {
  return fma(a, b, c);
}

/// Bit i is set where lane i of a mask is.
SANTA_INLINE std::uint32_t bits_of(const Simd<std::int32_t, 32>& mask) {
  std::uint32_t bits = 0;
#if defined(SANTA_AVX512)
  static_for<2>([&](auto i) SANTA_INLINE_LAMBDA { bits |= set_lanes(mask.part[i]) << (16 * i); });
#elif defined(__AVX2__) && !defined(__CUDACC__)
  static_for<4>([&](auto i) SANTA_INLINE_LAMBDA { bits |= negative_lanes((Native<float, 8>)mask.part[i]) << (8 * i); });
#else
  for (int i = 0; i < 32; ++i) bits |= static_cast<std::uint32_t>(mask[i] & 1) << i;
#endif
  return bits;
}

/// The sum over lanes, by halving: lane i and lane i + N/2, then N/4, ... (the order of a butterfly over a warp).
template <class T, int N>
SANTA_INLINE T sum(const Simd<T, N>& values) {
  alignas(native_bytes) T lane[N];
  values.store(lane);
  for (int width = N / 2; width > 0; width /= 2)
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  return lane[0];
}

/// The sums over lanes of 16 vectors of a 4-byte type as one vector, each in the order of `sum`.
#if defined(SANTA_AVX512)
template <class T>
SANTA_INLINE Simd<T, 16> sum_each(const Simd<T, 16> (&vectors)[16]) {
  Simd<T, 16> result;
  using Part = typename Simd<T, 16>::Part;
  using Floats = Native<float, 16>;
  const auto at = [&](int i) SANTA_INLINE_LAMBDA { return (Floats)vectors[i].part[0]; };
  const auto add = [](Floats x, Floats y) SANTA_INLINE_LAMBDA { return (Floats)((Part)x + (Part)y); };
  const auto fold8 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_quarters<0x44>(x, y), take_quarters<0xEE>(x, y)); };
  const auto fold4 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_quarters<0x88>(x, y), take_quarters<0xDD>(x, y)); };
  const auto fold2 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_floats<0x44>(x, y), take_floats<0xEE>(x, y)); };
  const auto fold1 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_floats<0x88>(x, y), take_floats<0xDD>(x, y)); };
  // Quads of vectors end up in the four 128-bit lanes; the order below puts vector i's sum into lane i.
  const auto quad = [&](int i)
                        SANTA_INLINE_LAMBDA { return fold4(fold8(at(i), at(i + 4)), fold8(at(i + 8), at(i + 12))); };
  result.part[0] = (Part)fold1(fold2(quad(0), quad(1)), fold2(quad(2), quad(3)));
  return result;
}
#elif defined(__AVX2__) && !defined(__CUDACC__)
template <class T>
SANTA_INLINE Simd<T, 16> sum_each(const Simd<T, 16> (&vectors)[16]) {
  Simd<T, 16> result;
  using Part = typename Simd<T, 16>::Part;
  using Floats = Native<float, 8>;
  const auto add = [](Floats x, Floats y) SANTA_INLINE_LAMBDA { return (Floats)((Part)x + (Part)y); };
  const auto fold8 = [&](int i) SANTA_INLINE_LAMBDA { return (Floats)(vectors[i].part[0] + vectors[i].part[1]); };
  const auto fold4 = [&](int i) SANTA_INLINE_LAMBDA {  // of vectors i and i + 4, one in each half
    const Floats x = fold8(i), y = fold8(i + 4);
    return add(take_halves<0x20>(x, y), take_halves<0x31>(x, y));
  };
  const auto fold2 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_floats<0x44>(x, y), take_floats<0xEE>(x, y)); };
  const auto fold1 = [&](Floats x, Floats y)
                         SANTA_INLINE_LAMBDA { return add(take_floats<0x88>(x, y), take_floats<0xDD>(x, y)); };
  static_for<2>([&](auto half) SANTA_INLINE_LAMBDA {
    constexpr int i = 8 * half;
    result.part[half] = (Part)fold1(fold2(fold4(i), fold4(i + 1)), fold2(fold4(i + 2), fold4(i + 3)));
  });
  return result;
}
#elif !defined(__CUDACC__) && __has_builtin(__builtin_shufflevector)
template <class T>
SANTA_INLINE Simd<T, 16> sum_each(const Simd<T, 16> (&vectors)[16]) {
  Simd<T, 16> result;
  using Part = typename Simd<T, 16>::Part;
  const auto fold4 = [&](int i) SANTA_INLINE_LAMBDA {
    const auto& part = vectors[i].part;
    return (Part)((part[0] + part[2]) + (part[1] + part[3]));
  };
  const auto fold2 = [&](int i) SANTA_INLINE_LAMBDA {  // of vectors i and i + 1
    const Part x = fold4(i), y = fold4(i + 1);
    return (Part)(__builtin_shufflevector(x, y, 0, 1, 4, 5) + __builtin_shufflevector(x, y, 2, 3, 6, 7));
  };
  static_for<4>([&](auto quarter) SANTA_INLINE_LAMBDA {
    const Part x = fold2(4 * quarter), y = fold2(4 * quarter + 2);
    result.part[quarter] = __builtin_shufflevector(x, y, 0, 2, 4, 6) + __builtin_shufflevector(x, y, 1, 3, 5, 7);
  });
  return result;
}
#else
template <class T>
SANTA_INLINE Simd<T, 16> sum_each(const Simd<T, 16> (&vectors)[16]) {
  Simd<T, 16> result;
  alignas(native_bytes) T each[16];
  for (int i = 0; i < 16; ++i) each[i] = sum(vectors[i]);
  result = Simd<T, 16>::load(each);
  return result;
}
#endif

}  // namespace santa::lanes::inline SANTA_BUILD
