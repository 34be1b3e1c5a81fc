// Simd<T, N>: N values of a host thread that are worked on together, whatever the width of the machine's registers.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/x86.hpp>

#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace santa::lanes::inline SANTA_BUILD {

/// Bytes of one native vector register.
#if defined(SANTA_AVX512)
inline constexpr int native_bytes = 64;
#elif defined(__AVX2__)
inline constexpr int native_bytes = 32;
#else
inline constexpr int native_bytes = 16;
#endif

/// Calls f(integral_constant<int, 0>) to f(integral_constant<int, N - 1>): a loop that is unrolled for certain, which
/// arrays of vectors need to live in registers.
template <int N, class F>
SANTA_INLINE constexpr void static_for(F&& f) {
  [&]<int... I>(std::integer_sequence<int, I...>) SANTA_INLINE_LAMBDA { (f(std::integral_constant<int, I>{}), ...); }
  (std::make_integer_sequence<int, N>{});
}

/// Makes a compiler take an address as it stands. Otherwise it keeps what it can work out from addresses in registers
/// that innermost loops lack.
template <class T>
SANTA_INLINE void as_it_stands(T*& address) {
  asm("" : "+r"(address));
}

/// N lanes of T in native vectors. Operators work lane by lane. Comparisons give a mask: a Simd<int32 or int64, N> of 0
/// and -1. The order of every sum is fixed by N alone. Builds for different instruction sets still differ in last bits
/// of what no draw depends on, as compilers contract products and sums in their own ways: see tests/builds.
template <class T, int N>
struct Simd {
  static constexpr int native = N * int{sizeof(T)} < native_bytes ? N : native_bytes / int{sizeof(T)};
  static constexpr int parts = N / native;
  typedef T Part __attribute__((vector_size(native * sizeof(T))));  // NOLINT(modernize-use-using): attribute
  // One vector move from any address; a memcpy may be split in two, which stalls the load that follows.
  typedef T Unaligned __attribute__((vector_size(native * sizeof(T)), aligned(1), may_alias));  // NOLINT
  using MaskElement = std::conditional_t<sizeof(T) == 8, std::int64_t, std::int32_t>;
  using Mask = Simd<MaskElement, N>;

  Part part[parts];

  Simd() = default;
  SANTA_INLINE Simd(T value) {  // NOLINT(google-explicit-constructor): a scalar is the same in all lanes
    static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA { part[i] = value - Part{}; });
  }

  SANTA_INLINE static Simd load(const T* from) { return load_bytes(from); }
  /// The bytes at any address, whatever their type.
  SANTA_INLINE static Simd load_bytes(const void* from) {
    Simd result;
    static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA { result.part[i] = static_cast<const Unaligned*>(from)[i]; });
    return result;
  }
  /// The first `count` lanes from memory, the rest 0; reads nothing beyond them.
  SANTA_INLINE static Simd load_bytes(const void* from, int count) {
#if defined(SANTA_AVX512)
    if constexpr (sizeof(T) == 4 && parts == 1 && native == 16) {
      Simd result;
      result.part[0] = (Part)load_lanes(from, count >= 16 ? 0xffffU : (1U << count) - 1U);
      return result;
    }
#elif defined(__AVX2__)
    if constexpr (sizeof(T) == 4 && native == 8) {
      const Native<std::int32_t, 8> lane{0, 1, 2, 3, 4, 5, 6, 7};
      Simd result;
      static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA {
        const auto wanted = (Native<std::int32_t, 8>)(lane < count - 8 * i);
        result.part[i] = (Part)load_lanes(static_cast<const int*>(from) + 8 * i, wanted);
      });
      return result;
    }
#endif
    T each[N] = {};
    std::memcpy(each, from, static_cast<std::size_t>(count) * sizeof(T));
    return load(each);
  }
  SANTA_INLINE void store(T* to) const {
    static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA { reinterpret_cast<Unaligned*>(to)[i] = part[i]; });
  }

  /// The same in registers, where there are 32 of them: a compiler would read it from memory again for each use.
  SANTA_INLINE Simd in_registers() const {
    Simd result = *this;
#if defined(SANTA_AVX512)
    static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA {
      auto& each = result.part[i];  // clang 14 does not see what asm names
      asm("" : "+v"(each));
    });
#endif
    return result;
  }

  SANTA_INLINE T operator[](int lane) const { return part[lane / native][lane % native]; }

  /// Applies f to each native vector of the operands.
  template <class Result = Simd, class F, class... Operands>
  SANTA_INLINE static Result map(F&& f, const Operands&... operands) {
    Result result;
    static_for<parts>([&](auto i) SANTA_INLINE_LAMBDA { result.part[i] = f(operands.part[i]...); });
    return result;
  }

  // Friends, so that a scalar on either side converts.
  SANTA_INLINE friend Simd operator+(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x + y; }, a, b);
  }
  SANTA_INLINE friend Simd operator-(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x - y; }, a, b);
  }
  SANTA_INLINE friend Simd operator*(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x * y; }, a, b);
  }
  SANTA_INLINE friend Simd operator/(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x / y; }, a, b);
  }
  SANTA_INLINE friend Simd operator&(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x & y; }, a, b);
  }
  SANTA_INLINE friend Simd operator|(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x | y; }, a, b);
  }
  SANTA_INLINE friend Simd operator^(const Simd& a, const Simd& b) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x ^ y; }, a, b);
  }
  SANTA_INLINE friend Simd operator<<(const Simd& a, int bits) {
    return map([bits](Part x) SANTA_INLINE_LAMBDA { return x << bits; }, a);
  }
  SANTA_INLINE friend Simd operator>>(const Simd& a, int bits) {
    return map([bits](Part x) SANTA_INLINE_LAMBDA { return x >> bits; }, a);
  }
  SANTA_INLINE friend Simd operator>>(const Simd& a, const Simd& bits) {
    return map([](Part x, Part y) SANTA_INLINE_LAMBDA { return x >> y; }, a, bits);
  }
  SANTA_INLINE friend Mask operator<(const Simd& a, const Simd& b) {
    return compare(a, b, [](Part x, Part y) SANTA_INLINE_LAMBDA { return x < y; });
  }
  SANTA_INLINE friend Mask operator>(const Simd& a, const Simd& b) { return b < a; }
  SANTA_INLINE friend Mask operator>=(const Simd& a, const Simd& b) {
    return compare(a, b, [](Part x, Part y) SANTA_INLINE_LAMBDA { return x >= y; });
  }
  SANTA_INLINE friend Mask operator!=(const Simd& a, const Simd& b) {
    return compare(a, b, [](Part x, Part y) SANTA_INLINE_LAMBDA { return x != y; });
  }
  SANTA_INLINE Simd& operator+=(const Simd& other) { return *this = *this + other; }

 private:
  template <class F>
  SANTA_INLINE static Mask compare(const Simd& a, const Simd& b, F&& f) {
    return map<Mask>([&](Part x, Part y) SANTA_INLINE_LAMBDA { return (typename Mask::Part)f(x, y); }, a, b);
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD
