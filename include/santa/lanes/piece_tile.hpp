// The tile products of any lane group where keys are scored by rows with a rule of their own.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Scores of PieceRows by queries prepared in the team's scratch; sums, and scores of drawn rows, by the `Full` tile.
/// Lane i works on row i, four heads at a time: prepared queries lie [place][head], so that one load of 16 bytes serves
/// a piece.
template <class Group, class Full, class Rows>
class PieceTile : public Full {
  using Float = typename Group::template Vector<float>;
  static constexpr int block = 4;  // heads; any Group::max_heads is a multiple

  struct alignas(block * sizeof(float)) Heads {
    float x[block];
  };

 public:
  using RowDims = santa::detail::RowDims;

  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return static_cast<std::size_t>(padded(heads)) * static_cast<std::size_t>(dims.keys) +
           Full::shared_floats(heads, dims);
  }
  /// The full tile's, and one head's query in natural order, in whole vectors.
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int heads, RowDims dims) {
    return Full::scratch_floats(heads, dims) + static_cast<std::size_t>((dims.keys + 31) / 32 * 32);
  }

  KOKKOS_FUNCTION PieceTile(const Group& group, float* shared, float* scratch, int heads, RowDims dims)
      : Full(group, shared + padded(heads) * dims.keys, scratch, heads, dims),
        _group(group),
        _prepared(reinterpret_cast<Heads*>(shared)),
        _query(scratch + Full::scratch_floats(heads, dims)),
        _heads(heads),
        _dim(dims.keys) {}

  template <class Meanwhile>
  KOKKOS_FUNCTION void begin(const Rows& rows, const santa::detail::QueryRows& query, float factor,
                             const Meanwhile& meanwhile) {
    for (int head = _group.rank(); head < padded(_heads); head += Group::groups_per_team) {
      const bool present = head < _heads;
      if (present) _group.for_each(_dim, [&](int d) { query.read(head, d, 1, _query + d); });
      _group.sync();
      _group.for_each(rows.width(), [&](int place) {
        prepared(place, head).x[head % block] = present ? factor * rows.prepared(_query, place) : 0.F;
      });
      _group.sync();
    }
    Full::begin(query, factor, meanwhile);  // a device's has the team wait
  }

  template <class Coming, class DrawnRows>
  KOKKOS_FUNCTION void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                              const Coming& /*coming*/, Float* scores, const DrawnRows& /*drawn*/) const {
    _group.for_all_heads(_heads, [&](int head) {
      if (head >= _heads)
        scores[head] = Float(-infinity);
      else if (head % block == 0)
        _group.template for_each_lane<block>(
            count, scores + head, [&](int lane, float* score) { product(rows, first + step * lane, head, score); });
    });
  }

 private:
  KOKKOS_FUNCTION static constexpr int padded(int heads) { return (heads + block - 1) / block * block; }

  /// The prepared number of the block that a head is in.
  KOKKOS_FORCEINLINE_FUNCTION Heads& prepared(int place, int head) const {
    return _prepared[place * (padded(_heads) / block) + head / block];
  }

  /// Of one row, with the block of heads from `head` on.
  KOKKOS_FORCEINLINE_FUNCTION void product(const Rows& rows, std::int64_t row, int head, float* score) const {
    float sum[block] = {};
    rows.for_each(row, [&](int place, float value) {
      const Heads query = prepared(place, head);
      for (int h = 0; h < block; ++h) sum[h] = fma(query.x[h], value, sum[h]);
    });
    for (int h = 0; h < block; ++h) score[h] = sum[h];
  }

  Group _group;      // by value: of a warp's, which is empty, nothing is left
  Heads* _prepared;  // [place][head, padded]
  float* _query;     // [dim], natural
  int _heads;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD
