// The extents of one decode step.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <limits>
#include <string_view>

namespace santa {

/// Extents of a decode step: a query per (batch, token, head) against up to `length` cached keys per (batch, kv head).
struct Shape {
  std::int64_t batch = 1;      // may be 0: then there is nothing to do
  std::int64_t heads = 1;      // query heads, a multiple of kv_heads
  std::int64_t kv_heads = 1;   // key/value heads
  std::int64_t length = 0;     // storage for keys of a request; a request's valid length may be shorter
  std::int64_t dim = 0;        // of queries and key rows: a multiple of 8, at most 256
  std::int64_t tokens = 1;     // query tokens of a request in this step, or as many at most
  std::int64_t value_dim = 0;  // of value rows and outputs, as dim; 0: the same as dim

  /// Query heads of a kv head.
  [[nodiscard]] std::int64_t group() const { return heads / kv_heads; }
  /// Rows of queries of a request: heads of all its tokens.
  [[nodiscard]] std::int64_t query_rows() const { return heads * tokens; }
  /// Features of a value row.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t values() const { return value_dim != 0 ? value_dim : dim; }
  bool operator==(const Shape& other) const {
    return batch == other.batch && heads == other.heads && kv_heads == other.kv_heads && length == other.length &&
           tokens == other.tokens && dim == other.dim && values() == other.values();
  }
};

/// Largest head dimension.
inline constexpr int max_dim = 256;

/// Query heads that one lane group works on together, at most; larger groups run in slices of equal size.
inline constexpr int max_heads = 16;

/// A window that hides nothing: as many of the last keys as there can be.
inline constexpr std::int64_t every_key = std::numeric_limits<std::int64_t>::max();

namespace detail {

/// Keys of a tile, which a lane group works on together.
inline constexpr int tile_keys = 32;

/// The largest number of keys that splits are made of.
inline constexpr int split_keys = 256;

/// Features of key rows, and of value rows.
struct RowDims {
  int keys, values;

  KOKKOS_FUNCTION constexpr RowDims(int both)
      : RowDims(both, both) {}  // NOLINT(google-explicit-constructor): most often they are equal
  KOKKOS_FUNCTION constexpr RowDims(int of_keys, int of_values) : keys(of_keys), values(of_values) {}
  [[nodiscard]] KOKKOS_FUNCTION constexpr int most() const { return keys > values ? keys : values; }
};

}  // namespace detail

namespace detail::inline SANTA_BUILD {

inline void check_heads(const Shape& shape) {
  require(shape.batch >= 0 && shape.batch <= most_query_heads, "batch", shape.batch, "0 to 2^27");
  require(shape.heads >= 1 && shape.heads < 65536, "heads", shape.heads, "1 to 65535");
  require(shape.tokens >= 1 && shape.tokens < 65536, "tokens", shape.tokens, "1 to 65535");
  product("tokens * heads", {shape.tokens, shape.heads}, 65535, "65535 or less");
  const bool one = shape.tokens == 1;
  product(one ? "batch * heads" : "batch * (tokens * heads)", {shape.batch, shape.query_rows()}, most_query_heads,
          "2^27 or less");
}

inline void check_shape(const Shape& shape) {
  require(shape.kv_heads >= 1 && shape.kv_heads < 65536, "kv_heads", shape.kv_heads, "1 to 65535");
  check_heads(shape);
  require(shape.heads % shape.kv_heads == 0, "heads", shape.heads, {"a multiple of kv_heads (", shape.kv_heads, ")"});
  const auto require_dim = [](std::string_view name, std::int64_t dim) {
    require(dim >= 8 && dim <= max_dim && dim % 8 == 0, name, dim, "a multiple of 8 from 8 to 256");
  };
  require_dim("dim", shape.dim);
  require_dim("value_dim", shape.values());
  require(shape.length >= 0 && shape.length <= most_rows, "length", shape.length, "0 to 2^36");
  product("batch * kv_heads * length * dim", {shape.batch, shape.kv_heads, shape.length, shape.dim},
          std::int64_t{1} << 60, "2^60 or less");
  product("batch * kv_heads * length * value_dim", {shape.batch, shape.kv_heads, shape.length, shape.values()},
          std::int64_t{1} << 60, "2^60 or less");
}

KOKKOS_INLINE_FUNCTION RowDims dims_of(const Shape& shape) {
  return {static_cast<int>(shape.dim), static_cast<int>(shape.values())};
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
