// Rows in registers as operands of the tensor cores' product.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/mma_int_query.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/mma_query.hpp>
#include <santa/lanes/row_words.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// Elements of rows that may be loaded so.
template <class T>
concept DirectElement =
    CacheByte<T> || std::is_same_v<T, std::int8_t> || std::is_same_v<T, float8> || std::is_same_v<T, int4x2>;
/// Where that is done: kernels for up to 8 heads of 128 features. Those of 16 spill; smaller and larger rows are not
/// measured.
template <class T, int heads, int key_dim, int value_dim>
inline constexpr bool goes_direct = DirectElement<T>&& heads <= 8 && key_dim == 128 && value_dim == 128;

/// How rows of `Dim` elements that RowWords32 has loaded become the product's first operand: the members of MmaOperand,
/// for rows of one byte that are multiplied as halves; or those of MmaIntOperand, for integer codes.
template <class T, int Dim>
struct DirectOperand {
  using Words = RowWords32<Dim>;
  using Factor = half;
  static constexpr float unit = MmaOperand<T>::unit;

  __device__ __forceinline__ static void load(const HalfOf<Words>& from, int i, std::uint32_t (&a)[2][4]) {
#pragma unroll
    for (int step = 0; step < 2; ++step) {
      MmaOperand<T>::widen(from.upper(2 * i + step), a[step][0], a[step][2]);
      MmaOperand<T>::widen(from.lower(2 * i + step), a[step][1], a[step][3]);
    }
  }
  __device__ static int feature(int i, int k, int e, int t) {
    return Words::byte_of(2 * i + k / 2, t) + 2 * (k % 2) + e;
  }
};

template <int Dim>
struct DirectOperand<std::int8_t, Dim> {
  using Words = RowWords32<Dim>;
  static constexpr int zero = 0;

  __device__ __forceinline__ static void load(const HalfOf<Words>& from, int i, std::uint32_t (&a)[4]) {
#pragma unroll
    for (int word = 0; word < 2; ++word) {
      a[2 * word] = from.upper(2 * i + word);
      a[2 * word + 1] = from.lower(2 * i + word);
    }
  }
  __device__ static int feature(int i, int word, int byte, int t) { return Words::byte_of(2 * i + word, t) + byte; }
};

/// A word holds 8 of a row's features: the even ones in low nibbles, the odd ones in high.
template <int Dim>
struct DirectOperand<int4x2, Dim> {
  using Words = RowWords32<Dim / 2>;
  static constexpr int zero = 8;

  __device__ __forceinline__ static void load(const HalfOf<Words>& from, int i, std::uint32_t (&a)[4]) {
    constexpr std::uint32_t low = 0x0f0f0f0fU;
    a[0] = from.upper(i) & low;
    a[1] = from.lower(i) & low;
    a[2] = (from.upper(i) >> 4) & low;
    a[3] = (from.lower(i) >> 4) & low;
  }
  __device__ static int feature(int i, int word, int byte, int t) { return 2 * (Words::byte_of(i, t) + byte) + word; }
};

/// The query for such rows: of integers for codes that are integers, else of halves.
template <class Group, class T, int Dim>
struct DirectQueryOf {
  using Type = MmaQuery<Group, T, Dim, DirectOperand<T, Dim>, false>;
};
template <class Group, class T, int Dim>
  requires requires { DirectOperand<T, Dim>::zero; }
struct DirectQueryOf<Group, T, Dim> {
  using Type = MmaIntQuery<Group, T, Dim, DirectOperand<T, Dim>>;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
