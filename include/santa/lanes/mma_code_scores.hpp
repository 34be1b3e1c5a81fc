// Scores by narrow keys on CUDA tensor cores, panel by panel.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/narrow.hpp>
#include <santa/lanes/mma_int_query.hpp>
#include <santa/lanes/mma_query.hpp>

#include <cstddef>
#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// A panel is codes of some rows of a tile, as many as a unit of the ring holds.
template <class Group, class Code, int Dim, int unit_bytes>
class MmaCodeScores {
  using Query = typename CodeQueryOf<Group, Code, Dim>::Type;
  using Operand = typename CodeQueryOf<Group, Code, Dim>::Operand;
  static constexpr int packed = santa::detail::features_per_element<Code>;

 public:
  static constexpr int row_bytes = Dim / packed;
  static constexpr int rows = unit_bytes / row_bytes < 32 ? unit_bytes / row_bytes : 32;  // of a panel
  static constexpr int panels = 32 / rows;                                                // of a tile
  static constexpr std::size_t shared_floats = Query::shared_floats;
  static constexpr std::size_t working_floats = 0;
  static_assert(rows * row_bytes == unit_bytes && rows % 16 == 0);

  __device__ MmaCodeScores(const Group& /*group*/, float* shared, float* /*working*/, int heads, int dim)
      : _query(shared, heads, dim), _dim(dim) {}

  template <class QueryRows, class Meanwhile>
  __device__ __forceinline__ void begin(const QueryRows& query, float factor, const Meanwhile& meanwhile) {
    _query.begin(query, factor, meanwhile);
  }

  /// Units of a panel.
  [[nodiscard]] __device__ static constexpr int units() { return 1; }

  /// Asks for a panel: always as many as a tile has, of a short one with a row at least.
  template <class Ring, class Rows>
  __device__ __forceinline__ void ask(Ring& ring, const Rows& keys, std::int64_t first, std::int64_t step, int count,
                                      int panel) const {
    const int at = rows * panel;
    const int left = count - at;
    const std::int64_t from = first + step * (left > 0 ? at : 0);
    ring.template ask<rows, row_bytes>([&](int i) { return keys[from + step * i]; }, left < 1 ? 1 : left,
                                       _dim / packed);
  }

  /// Products of the oldest panel, the tile's `panel`-th, to scores[row of the tile][head]. Calls done() when it has
  /// been read.
  template <class Ring, class Done>
  __device__ __forceinline__ void products(const Ring& ring, int panel, float* scores, const Done& done) const {
#pragma unroll
    for (int part = 0; part < rows; part += 16) {
      const std::uint32_t row = ring.template row<row_bytes>(part + warp_lane() % 16);
      _query.products(pieces_on(row, Operand::lane_piece()), scores + (panel * rows + part) * Group::max_heads, [&] {
        if (part + 16 == rows) done();
      });
    }
  }

  /// A head's score by its product, but for what all scores of a head have in common and the row's scale.
  [[nodiscard]] __device__ float score(int head, float product) const { return product * _query.factor(head); }
  [[nodiscard]] __device__ float offset(int head) const { return _query.offset(head); }

 private:
  Query _query;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
