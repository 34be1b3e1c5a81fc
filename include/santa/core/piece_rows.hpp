// Key rows that say themselves how scores are made of them: the concept of score stages, and what helps to write one.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace santa {

/// What stands for the keys of one (batch, kv head) where scores are made. A query is prepared once for a unit of work:
/// it becomes `width()` numbers, number j of which is `prepared(query, j)`, by its `dim` features in natural order. Row
/// i is a list of pieces, pairs of a place in these numbers and a value: `for_each(i, f)` calls f(place, value) for
/// each. Its score is what stands for <query, key i>:
///   s_i = sum over pieces (j, x) of row i of prepared(query, j) x
/// Scale, soft cap and window follow as for keys; the query may be prepared in any way.
/// Requires: 1 <= width() <= dim; places below width(). Members are KOKKOS_FUNCTIONs of objects that can be copied as
///           bytes; width() reads no device memory.
template <class Rows>
concept PieceRows = requires(const Rows& rows, std::int64_t i, const float* query, int place, void (*f)(int, float)) {
  { rows.width() } -> std::convertible_to<int>;
  { rows.prepared(query, place) } -> std::convertible_to<float>;
  rows.for_each(i, f);
};

namespace detail::inline SANTA_BUILD {

template <class T>
struct alignas(sizeof(T) >= 2 ? 16 : 8) Eight {
  T x[8];
};

/// Calls f(i, elements of `from`...) for i in [0, count): eight elements at a time by wide loads where `aligned` says
/// that all arrays begin at multiples of 16 bytes (of 8, for elements of one).
template <class F, class... T>
KOKKOS_FORCEINLINE_FUNCTION void for_each_element(int count, bool aligned, F&& f, T* const... from) {
  int at = 0;
  if (aligned)
    for (; at + 8 <= count; at += 8) {
      const auto eight = [&](const Eight<std::remove_const_t<T>>... block) {
        for (int k = 0; k < 8; ++k) f(at + k, block.x[k]...);
      };
      eight(*reinterpret_cast<const Eight<std::remove_const_t<T>>*>(from + at)...);
    }
  for (; at < count; ++at) f(at, from[at]...);
}

/// <x, y> of `dim` features, a multiple of 8.
KOKKOS_INLINE_FUNCTION float dot(const float* x, const float* y, int dim) {
  float part[8] = {};
  for (int d = 0; d < dim; d += 8)
    for (int k = 0; k < 8; ++k) part[k] = Kokkos::fma(x[d + k], y[d + k], part[k]);
  for (int width = 4; width > 0; width /= 2)
    for (int k = 0; k < width; ++k) part[k] += part[k + width];
  return part[0];
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
