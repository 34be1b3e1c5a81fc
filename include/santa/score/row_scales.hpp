// What turns products into scores, row by row.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// What turns products into scores: nothing where rows are full keys.
template <class Group, class Rows>
struct RowScales {
  static constexpr bool of_rows = false;
  KOKKOS_FUNCTION explicit RowScales(const Rows& /*rows*/) {}
  KOKKOS_FUNCTION static void turn(const Group& /*group*/, std::int64_t /*first*/, std::int64_t /*step*/, int /*count*/,
                                   std::int64_t /*next*/, int /*next_count*/) {}
  template <class Tile, class Float>
  KOKKOS_FORCEINLINE_FUNCTION static Float apply(const Tile& /*tile*/, int /*head*/, const Float& product) {
    return product;
  }
};

/// Keys that have a scale each: rows of one float, loaded while the tile before is worked on.
template <class Group, class Scales>
struct KeyScales {
  using Float = typename Group::template Vector<float>;
  static constexpr bool of_rows = true;

  Scales scales;
  Float now = 0.F;
  Float ahead = 0.F;
  bool loaded = false;

  KOKKOS_FUNCTION explicit KeyScales(const Scales& rows) : scales(rows) {}

  /// Turns to a tile, and loads those of the next.
  KOKKOS_FORCEINLINE_FUNCTION void turn(const Group& group, std::int64_t first, std::int64_t step, int count,
                                        std::int64_t next, int next_count) {
    if (!loaded) load(group, first, step, count);
    now = ahead;
    loaded = next_count > 0;
    if (loaded) load(group, next, step, next_count);
  }
  /// By fma, so that no build makes one of this product and what follows.
  template <class Tile>
  KOKKOS_FORCEINLINE_FUNCTION Float apply(const Tile& /*tile*/, int /*head*/, const Float& product) const {
    return lanes::fma(product, now, Float(0.F));
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void load(const Group& group, std::int64_t first, std::int64_t step, int count) {
    group.template for_each_lane<1>(count, &ahead, [&](int lane, float* to) { *to = *scales[first + step * lane]; });
  }
};

/// Rows that have scales, side by side; or in the order of a pool's slots.
template <class Rows>
concept ScaledRows = requires(const Rows& rows) {
  rows.scale;
};
template <class Rows>
concept PooledScaledRows = ScaledRows<Rows> && requires(const Rows& rows) {
  rows.slots;
};

/// Narrow rows: a scale for each, loaded while the tile before is worked on, and what all scores of a head have in
/// common.
template <class Group, ScaledRows Rows>
struct RowScales<Group, Rows> {
  using Float = typename Group::template Vector<float>;
  static constexpr bool of_rows = true;

  const std::uint16_t* scales;  // upper halves of floats
  Float now = 0.F;
  typename Group::template Vector<std::uint32_t> ahead = 0U;  // as they were loaded: to look at them is to wait
  bool loaded = false;

  KOKKOS_FUNCTION explicit RowScales(const Rows& rows) : scales(&rows.scale->bits) {}

  /// Turns to a tile, and loads those of the next.
  KOKKOS_FORCEINLINE_FUNCTION void turn(const Group& group, std::int64_t first, std::int64_t step, int count,
                                        std::int64_t next, int next_count) {
    if (!loaded) ahead = group.load_words(scales + first, step, count);
    now = lanes::bit_cast<float>(ahead << 16);
    loaded = next_count > 0;
    if (loaded) ahead = group.load_words(scales + next, step, next_count);
  }
  template <class Tile>
  KOKKOS_FORCEINLINE_FUNCTION Float apply(const Tile& tile, int head, const Float& product) const {
    return lanes::fma(product, now, Float(tile.offset(head)));
  }
};

/// The same of rows in pages: each lane looks up its own.
template <class Group, PooledScaledRows Rows>
struct RowScales<Group, Rows> {
  using Float = typename Group::template Vector<float>;
  static constexpr bool of_rows = true;

  const bfloat16* scales;
  decltype(std::declval<const Rows&>().slots) slots;
  Float now = 0.F;
  Float ahead = 0.F;  // as they were loaded, in lower halves
  bool loaded = false;

  KOKKOS_FUNCTION explicit RowScales(const Rows& rows) : scales(rows.scale), slots(rows.slots) {}

  KOKKOS_FORCEINLINE_FUNCTION void turn(const Group& group, std::int64_t first, std::int64_t step, int count,
                                        std::int64_t next, int next_count) {
    if (!loaded) load(group, first, step, count);
    now = lanes::bit_cast<float>(lanes::bit_cast<std::uint32_t>(ahead) << 16);
    loaded = next_count > 0;
    if (loaded) load(group, next, step, next_count);
  }
  template <class Tile>
  KOKKOS_FORCEINLINE_FUNCTION Float apply(const Tile& tile, int head, const Float& product) const {
    return lanes::fma(product, now, Float(tile.offset(head)));
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void load(const Group& group, std::int64_t first, std::int64_t step, int count) {
    group.template for_each_lane<1>(count, &ahead, [&](int lane, float* bits) {
      *bits = Kokkos::bit_cast<float>(std::uint32_t{scales[slots.slot(first + step * lane)].bits});
    });
  }
};

/// Applies the scales of a tile's rows to its products, in the order in which heads draw together.
template <class Scales, class Tile, class Scores>
KOKKOS_FORCEINLINE_FUNCTION void scale_products(const Scales& scales, const Tile& tile, Scores& scores) {
  if constexpr (Scales::of_rows) {
    float of_row[Scores::halves][2];
    Scores::for_each_row([&](int half, int r) { of_row[half][r] = Scores::of_owner(scales.now, half, r); });
    scores.for_each([&](float& score, int half, int b, int r, int k) {
      score = lanes::fma(score, of_row[half][r], tile.offset(b, k));
    });
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
