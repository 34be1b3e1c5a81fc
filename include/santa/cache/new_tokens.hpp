// The tokens that a step appends: whose they are, and which rows of a cache they become.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>
#include <string>

namespace santa::detail::inline SANTA_BUILD {

/// Tokens of all requests, numbered: `each` of every request, of which `counts`, where given, says how many there are;
/// or, with `indptr`, `all` of them in one list, where those of a request are side by side.
struct NewTokens {
  std::int64_t batch, each, all;
  const std::int32_t* counts;
  const std::int32_t* indptr;

  /// A token of a request, and the row it becomes; -1: none.
  struct Place {
    std::int64_t batch, row;
  };
  /// Where token i lies: among the last rows of its request, which is as long as it will be with all of its new tokens.
  /// Lengths and numbers may be anything; rows are from 0 to `storage` - 1.
  [[nodiscard]] KOKKOS_FUNCTION Place place(std::int64_t i, const Lengths& lengths, std::int64_t storage) const {
    const std::int64_t request = indptr == nullptr ? i / each : request_of(i);
    const std::int64_t rank = indptr == nullptr ? i % each : i - indptr[request];
    const std::int64_t count = count_of(request);
    const std::int64_t length = lengths.get(request, storage);
    const bool can_be = length == lengths.clamped(request, storage) && count <= length;
    return {request, rank >= 0 && rank < count && can_be ? length - count + rank : -1};
  }

  /// How many a request has; negative where the numbers can't be.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t count_of(std::int64_t request) const {
    if (indptr != nullptr) return std::int64_t{indptr[request + 1]} - indptr[request];
    const std::int64_t given = counts != nullptr ? counts[request] : each;
    return given < each ? given : each;
  }

 private:
  /// The last request that begins at token i or before it.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t request_of(std::int64_t i) const {
    std::int64_t first = 0;
    for (std::int64_t end = batch; end - first > 1;) {
      const std::int64_t middle = (first + end) / 2;
      (indptr[middle] <= i ? first : end) = middle;
    }
    return first;
  }
};

/// New rows as they are given.
template <class T>
struct NewRows {
  const T* data;
  std::int64_t stride[3];  // request (or token, where `each` is 1), token, head

  /// Of keys or values [batch, tokens, kv_heads, dim] or [all tokens, kv_heads, dim].
  template <class View>
  explicit NewRows(const View& view) : data(reinterpret_cast<const T*>(view.data())), stride{0, 0, 0} {
    constexpr std::size_t heads = View::rank() - 2;
    for (std::size_t i = 0; i < heads; ++i) stride[i] = static_cast<std::int64_t>(view.stride(i));
    stride[2] = static_cast<std::int64_t>(view.stride(heads));
  }
  [[nodiscard]] KOKKOS_FUNCTION const T* row(std::int64_t token, std::int64_t each, std::int64_t head) const {
    return data + token / each * stride[0] + token % each * stride[1] + head * stride[2];
  }
};

template <class View>
inline constexpr bool is_new_rows = Kokkos::is_view_v<View> &&
                                    (View::rank() == 3 || View::rank() == 4) && Element<typename View::value_type>;

/// Checks views of new tokens, for a cache of a shape. Errors: std::invalid_argument: name, given, accepted.
template <class Keys, class Values>
NewTokens check_new_tokens(const Keys& keys, const Values& values, const Shape& shape, bool listed) {
  constexpr int rank = Keys::rank();
  const Array array = array_of("new keys", keys);
  const Array other = array_of("new values", values);
  if (!listed) require_extent(array, 0, shape.batch, "the batch of the cache");
  require_extent(array, rank - 2, shape.kv_heads, "kv_heads of the cache");
  require_extent(array, rank - 1, shape.dim, "dim of the cache");
  for (int i = 0; i + 1 < rank; ++i) require_extent(other, i, array.extent[i], "the same as new keys");
  require_extent(other, rank - 1, shape.values(), shape.value_dim == 0 ? "dim of the cache" : "value_dim of the cache");
  require_rows(array);
  require_rows(other);
  const std::int64_t each = rank == 4 ? array.extent[1] : 1;
  return {shape.batch, each, rank == 4 ? array.extent[0] * each : array.extent[0], nullptr, nullptr};
}

}  // namespace santa::detail::inline SANTA_BUILD
