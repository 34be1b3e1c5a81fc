// All rows of some tiles on tensor cores: what is left where nothing is drawn.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/product_scores.hpp>
#include <santa/lanes/tile_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// How rows of keys and of values make panels of a ring.
template <class K, int KeyDim, class V, int ValueDim>
struct MmaPanels {
  using Key = K;
  using Value = V;
  static constexpr int key_bytes = padded_row_bytes<K, KeyDim>;
  static constexpr int value_bytes = padded_row_bytes<V, ValueDim>;
  /// Rows of a panel: of keys of one byte a whole tile, so that as many bytes are on their way.
  static constexpr int key_rows = sizeof(K) == 1 ? 32 : 16;
  static constexpr int bytes = key_rows * key_bytes > 16 * value_bytes ? key_rows* key_bytes : 16 * value_bytes;
  /// Of values that are summed in the order of keys.
  static constexpr int value_rows = sizeof(V) == 1 && 32 * value_bytes <= bytes ? 32 : 16;
};

/// Attention to all rows: keys and values of a tile in turn, through one ring, and scores in the order of products.
/// `alone`: of scores there is no more than that.
template <class Panels, class Query, class Ring, class Sums, bool alone = false>
struct MmaAttend {
  const Query& query;
  Ring& ring;
  Sums& sums;
  santa::detail::RowDims dims;

  /// Adds up the rows of the tiles that begin at first, first + turn, ... of keys up to `end`, each read once. Calls
  /// weigh(first, scores) for each tile, which makes weights of them, 0 for rows before `start` and from `end` on.
  /// What waits in the ring are the first tile's first panels.
  template <class Keys, class Values, class Scales, class Weigh>
  __device__ __forceinline__ void run(const Keys& keys, const Values& values, Scales scales, std::int64_t first,
                                      std::int64_t turn, std::int64_t start, std::int64_t end, const Weigh& weigh) {
    if (first >= end) return;
    TileRows<Keys, Values, Scales> rows(keys, values, scales, start, end, first, turn);
    typename Sums::template RowScale<> by;
    if (ring.waiting() < 1) ask<0>(rows, first);
    if (ring.waiting() < 2) ask<1>(rows, first);
#pragma unroll 1
    for (std::int64_t at = first; at < end; at += turn) {
      // What is asked for where a panel's room is given back is known: the panel after the one that still waits.
      const auto take = [&](auto panel) {
        constexpr int next = decltype(panel)::value + Ring::slots;
        ring.pop();
        if constexpr (next == panels) rows.turn(at + turn);
        if (next < panels || at + turn < end) ask<next % panels>(rows, next < panels ? at : at + turn);
      };
      scales.turn();
      Scores scores;
      score(scores, take);
      if constexpr (Scales::of_keys) scores.scale_rows(scales.key());
      weigh(at, scores);
      if constexpr (Scales::of_values) {
        scores.scale_rows(scales.value());
        by.fit(scores, sums);
      }
      if constexpr (!alone) add(scores, by, take);
    }
    by.close(sums);
  }

 private:
  static constexpr int key_panels = 32 / Panels::key_rows;
  static constexpr int value_panels = alone ? 0 : 32 / Panels::value_rows;
  static constexpr int panels = key_panels + value_panels;  // of a tile
  static_assert(Ring::slots == 2 && panels >= 2);
  template <int i>
  using Panel = std::integral_constant<int, i>;
  using Scores = ProductScores<Query::heads_max>;

  template <class Take>
  __device__ __forceinline__ void score(Scores& scores, const Take& take) const {
    std::uint32_t panel = 0;
    const auto half = [&](auto i) {
      constexpr int h = decltype(i)::value;
      if (h < key_panels) panel = ring.front() + row_place<Panels::key_bytes>(warp_lane() % 16);
      float c[Scores::blocks][4];
      query.products(pieces_on(panel + row_of_half<Panels::key_bytes>(h, key_panels), Query::lane_piece()), c, [&] {
        if constexpr (key_panels == 2 || h == 1) take(Panel<h * key_panels / 2>{});
      });
      scores.take(h, c);
    };
    half(Panel<0>{});
    half(Panel<1>{});
    scores.for_each([&](float& score, int, int b, int, int k) { score *= query.factor(Scores::head(b, k)); });
  }
  template <class Take>
  __device__ __forceinline__ void add(const Scores& scores, const typename Sums::template RowScale<>& by,
                                      const Take& take) const {
    std::uint32_t panel = 0;
    const auto half = [&](auto i) {
      constexpr int h = decltype(i)::value;
      std::uint32_t weights[Scores::operands][2];
      scores.template weigh_rows<typename Sums::Factor>(h, by, weights);
      if (h < value_panels) panel = ring.front() + row_place<Panels::value_bytes>(Sums::lane_row());
      sums.add(pieces_on(panel + row_of_half<Panels::value_bytes>(h, value_panels), Sums::lane_piece()), weights);
      if constexpr (value_panels == 2 || h == 1) take(Panel<key_panels + h * value_panels / 2>{});
    };
    half(Panel<0>{});
    half(Panel<1>{});
  }
  /// Where the rows of half a tile begin in their panel.
  template <int bytes>
  __device__ static constexpr std::uint32_t row_of_half(int half, int of_panels) {
    return of_panels == 1 ? static_cast<std::uint32_t>(half * 16 * bytes) : 0U;
  }

  /// Asks for a panel of the tile that `rows` has turned to.
  template <int panel, class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t tile) const {
    constexpr bool of_keys = panel < key_panels;
    constexpr int count = of_keys ? Panels::key_rows : Panels::value_rows;
    constexpr int bytes = of_keys ? Panels::key_bytes : Panels::value_bytes;
    constexpr int at = of_keys ? panel * count : (panel - key_panels) * count;
    using T = std::conditional_t<of_keys, typename Panels::Key, typename Panels::Value>;
    const T* from[count / Ring::row_step];
    rows.template find<of_keys, at, count>(tile, from);
    ring.template ask<bytes>(from, rows.template present<count>(tile + at),
                             (of_keys ? dims.keys : dims.values) * int{sizeof(T)});
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
