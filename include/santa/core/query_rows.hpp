// The query rows of a unit of work, as tile products take them.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/random/stream_key.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Queries of the heads that are worked on together.
struct QueryRows {
  AnyInput input;
  std::int64_t offset;  // of the first head's first feature
  std::int64_t head_stride;

  /// A feature that may still be on its way.
  using Feature = std::uint32_t;
  [[nodiscard]] KOKKOS_FUNCTION Feature load(int head, int feature) const {
    return input.load(offset + head * head_stride + feature);
  }
  [[nodiscard]] KOKKOS_FUNCTION float value(Feature feature) const { return input.value(feature); }

  /// Reads `count` features of a head from `first` on.
  KOKKOS_FUNCTION void read(int head, int first, int count, float* to) const {
    input.read(offset + head * head_stride + first, count, to);
  }
};

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
    return offset_part(QueryRows::value(feature.bits), feature.spread, feature.center);
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
      sum += offset_part(q, spread[first + i], center[first + i]);
    }
    return sum;
  }

 private:
  KOKKOS_FUNCTION static float offset_part(float q, float spread, float center) {
    return is_finite(q * spread) ? q * center : Kokkos::Experimental::quiet_NaN_v<float>;
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
