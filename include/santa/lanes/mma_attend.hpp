// All rows of some tiles on tensor cores: what is left where nothing is drawn.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/mma.hpp>
#include <santa/lanes/mma_operand.hpp>
#include <santa/lanes/product_scores.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

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
template <class Panels, class Query, class Ring, class Sums>
struct MmaAttend {
  const Query& query;
  Ring& ring;
  Sums& sums;
  santa::detail::RowDims dims;

  /// Adds up the rows of the tiles that begin at first, first + turn, ... of keys up to `end`, each read once. Calls
  /// weigh(first, products) for each tile, which makes weights of them, 0 for rows before `start` and from `end` on.
  /// What waits in the ring are the first tile's first panels.
  template <class Keys, class Values, class Weigh>
  __device__ __forceinline__ void run(const Keys& keys, const Values& values, std::int64_t first, std::int64_t turn,
                                      std::int64_t start, std::int64_t end, const Weigh& weigh) {
    std::int64_t asked = first;
    int part = ring.waiting();  // of the tile's panels: keys, then values
    const auto ask_next = [&] {
      if (asked >= end) return;
      if (part < key_panels)
        ask<Panels::key_rows, Panels::key_bytes, typename Panels::Key>(keys, asked + Panels::key_rows * part, start,
                                                                       end, dims.keys);
      else
        ask<Panels::value_rows, Panels::value_bytes, typename Panels::Value>(
            values, asked + Panels::value_rows * (part - key_panels), start, end, dims.values);
      part = (part + 1) % (key_panels + value_panels);
      asked += part == 0 ? turn : 0;
    };
    const auto take = [&] {
      ring.pop();
      ask_next();
    };
    while (ring.waiting() < Ring::slots && asked < end) ask_next();
#pragma unroll 1
    for (std::int64_t at = first; at < end; at += turn) {
      Scores scores;
      score(scores, take);
      weigh(at, scores);
      add(scores, take);
    }
  }

 private:
  static constexpr int key_panels = 32 / Panels::key_rows;
  static constexpr int value_panels = 32 / Panels::value_rows;
  using Scores = ProductScores<Query::heads_max>;

  template <class Take>
  __device__ __forceinline__ void score(Scores& scores, const Take& take) const {
    std::uint32_t panel = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if (half < key_panels) panel = ring.front() + row_place<Panels::key_bytes>(warp_lane() % 16);
      float c[Scores::blocks][4];
      query.products(pieces_on(panel + row_of_half<Panels::key_bytes>(half, key_panels), Query::lane_piece()), c, [&] {
        if (key_panels == 2 || half == 1) take();
      });
      scores.take(half, c);
    }
  }
  template <class Take>
  __device__ __forceinline__ void add(const Scores& scores, const Take& take) const {
    std::uint32_t panel = 0;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      std::uint32_t weights[Scores::operands][2];
      scores.template weigh_rows<typename Sums::Factor>(half, Sums::first_scale, weights);
      if (half < value_panels) panel = ring.front() + row_place<Panels::value_bytes>(Sums::lane_row());
      sums.add(pieces_on(panel + row_of_half<Panels::value_bytes>(half, value_panels), Sums::lane_piece()), weights);
      if (value_panels == 2 || half == 1) take();
    }
  }
  /// Where the rows of half a tile begin in their panel.
  template <int bytes>
  __device__ static constexpr std::uint32_t row_of_half(int half, int panels) {
    return panels == 1 ? static_cast<std::uint32_t>(half * 16 * bytes) : 0U;
  }

  /// Asks for `count` rows from `first` on. Those before `start` and from `end` on are others of between: they count
  /// for nothing, but what they hold is multiplied.
  template <int count, int bytes, class T, class Rows>
  __device__ __forceinline__ void ask(const Rows& rows, std::int64_t first, std::int64_t start, std::int64_t end,
                                      int features) {
    const bool whole = first >= start && first + count <= end;
    const T* from[count / Ring::row_step];
#pragma unroll
    for (int j = 0; j < count / Ring::row_step; ++j) {
      const std::int64_t row = first + Ring::lane_row() + Ring::row_step * j;
      if constexpr (requires { rows.stride; }) {
        if (whole) {
          from[j] = rows[first + Ring::lane_row()] + j * Ring::row_step * rows.stride;
          continue;
        }
      }
      from[j] = rows[row < start ? start : (row < end ? row : end - 1)];
    }
    const int present = whole || first + count <= end ? count : (first < end ? static_cast<int>(end - first) : 1);
    ring.template ask<bytes>(from, present, features * int{sizeof(T)});
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
