// The query rows of a unit of work, as tile products take them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/divisor.hpp>
#include <santa/core/element.hpp>
#include <santa/random/stream_key.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Queries of the heads that are worked on together: of several tokens, they lie in rows of `group` heads.
struct QueryRows {
  AnyInput input;
  std::int64_t offset;  // of the first head's first feature; of several tokens, of the first token's first head
  std::int64_t head_stride;
  std::int64_t token_stride = 0;  // 0: one token
  std::int32_t before = 0;        // the first head's place among those of all tokens
  std::int32_t tokens = 1;        // those that there are; heads beyond take the last one's queries
  Divisor group = 1;

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t row(int head) const {
    if (token_stride == 0) return offset + head * head_stride;
    const auto place = static_cast<std::uint32_t>(before + head);
    const auto token = static_cast<std::int32_t>(group.quotient(place));
    const std::int32_t of_token = static_cast<std::int32_t>(place) - token * group;
    return offset + (token < tokens ? token : tokens - 1) * token_stride + of_token * head_stride;
  }

  /// A feature that may still be on its way.
  using Feature = std::uint32_t;
  [[nodiscard]] KOKKOS_FUNCTION Feature load(int head, int feature) const { return input.load(row(head) + feature); }
  [[nodiscard]] KOKKOS_FUNCTION float value(Feature feature) const { return input.value(feature); }

  /// Whether features are numbers of T: rounding them to it, perhaps after a power of two, leaves no rest.
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION bool holds() const {
    return input.type == element_type_of<T>;
  }

  /// Reads `count` features of a head from `first` on.
  KOKKOS_FUNCTION void read(int head, int first, int count, float* to) const {
    input.read(row(head) + first, count, to);
  }
};

/// Those of a unit.
template <class Arguments, class Unit>
KOKKOS_FORCEINLINE_FUNCTION QueryRows query_rows(const Arguments& a, const Unit& unit) {
  const auto& rows = a.token_rows;
  std::int64_t request = unit.batch;
  std::int32_t tokens = rows.tokens;
  if (rows.shared.given()) {  // those beyond the last may be in no memory
    const std::int32_t first = rows.shared.first(unit.batch);
    request = first < rows.shared.all ? first : rows.shared.all - 1;
    tokens = rows.count(unit.batch) > 0 ? rows.count(unit.batch) : 1;
  }
  request *= a.query_stride[0];
  if (rows.tokens == 1) return {a.query, request + unit.first_head * a.query_stride[1], a.query_stride[1]};
  const std::int32_t before = unit.kv_head * rows.group;
  return {a.query,
          request + before * a.query_stride[1],
          a.query_stride[1],
          a.query_token_stride,
          unit.first_head - before * rows.tokens,
          tokens,
          rows.group};
}

/// Queries for narrow keys: times the spread of each channel. <q, center> is what all scores of a head have in common.
struct FoldedQueryRows : QueryRows {
  const float* center;
  const float* spread;

  struct Feature {
    std::uint32_t bits;
    float spread, center;
  };
  [[nodiscard]] KOKKOS_FUNCTION Feature load(int head, int feature) const {
    return {QueryRows::load(head, feature), spread[feature], center[feature]};
  }
  [[nodiscard]] KOKKOS_FUNCTION float value(const Feature& feature) const {
    return QueryRows::value(feature.bits) * feature.spread;
  }
  /// Part of <q, center>; NaN where the query is infinite, or is with the spread: integer codes take no such number.
  [[nodiscard]] KOKKOS_FUNCTION float offset_part(const Feature& feature) const {
    return add_offset_part(QueryRows::value(feature.bits), feature.spread, feature.center, 0.F);
  }

  KOKKOS_FUNCTION void read(int head, int first, int count, float* to) const {
    QueryRows::read(head, first, count, to);
    for (int i = 0; i < count; ++i) to[i] *= spread[first + i];
  }
  /// Part of <q, center>: of `count` features from `first` on.
  KOKKOS_FUNCTION float offset_part(int head, int first, int count) const {
    float sum = 0.F;
    for (int i = 0; i < count; ++i) {
      float q = 0.F;
      QueryRows::read(head, first + i, 1, &q);
      sum = add_offset_part(q, spread[first + i], center[first + i], sum);
    }
    return sum;
  }

 private:
  // By explicit fma, which compilers put here or do not.
  KOKKOS_FUNCTION static float add_offset_part(float q, float spread, float center, float sum) {
    return is_finite(q * spread) ? Kokkos::fma(q, center, sum) : Kokkos::Experimental::quiet_NaN_v<float>;
  }
};

/// Queries of which a few features are used: which and how `choice` says, by chance that `key` and `kv_head` name.
template <class Choice>
struct ChosenQueryRows : QueryRows {
  Choice choice;
  const float* mean;       // [dim], of the keys
  const float* deviation;  // [dim]
  StreamKey key;
  std::int32_t kv_head;
};

}  // namespace santa::detail::inline SANTA_BUILD
