// The tile products of a device in plain loops where keys are scored by a narrow copy.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/plain_tile.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Scores of rows of Code; sums, and scores of drawn rows (`rescored`), of rows of K and V.
template <class Group, class K, class Code, int Dim, bool rescored, class V = K>
class NarrowPlainTile : public PlainTile<Group, K, Dim, V> {
  using Full = PlainTile<Group, K, Dim, V>;
  using Codes = PlainTile<Group, Code, Dim>;

 public:
  using RowDims = santa::detail::RowDims;
  /// The queries for codes, those for keys if they are needed, and what scores of a head have in common.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return (rescored ? 2 : 1) * Codes::shared_floats(heads, dims.keys) + 16;
  }

  KOKKOS_FUNCTION NarrowPlainTile(const Group& group, float* shared, float* scratch, int heads, RowDims dims)
      : Full(group, rescored ? shared + Codes::shared_floats(heads, dims.keys) : shared, scratch, heads, dims),
        _codes(group, shared, scratch, heads, dims.keys),
        _offset(shared + (rescored ? 2 : 1) * Codes::shared_floats(heads, dims.keys)),
        _group(group),
        _heads(heads),
        _dim(dims.keys) {}

  template <class Meanwhile>
  KOKKOS_FUNCTION void begin(const santa::detail::FoldedQueryRows& query, float factor, const Meanwhile& meanwhile) {
    for (int head = _group.rank(); head < _heads; head += Group::groups_per_team) {
      float sum = 0.F;
      for (int d = _group.lane(); d < _dim; d += Group::size) sum += query.offset_part(head, d, 1);
      sum = _group.sum(sum);
      _group.single([&] { _offset[head] = factor * sum; });
    }
    Full::begin(static_cast<const santa::detail::QueryRows&>(query), factor, meanwhile);
    _codes.begin(query, factor, meanwhile);
  }

  [[nodiscard]] KOKKOS_FUNCTION float offset(int head) const { return head < _heads ? _offset[head] : 0.F; }

  template <class Rows, class Coming, class DrawnRows>
  KOKKOS_FUNCTION void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count, const Coming& coming,
                              float* scores, const DrawnRows& drawn) const {
    _codes.scores(rows, first, step, count, coming, scores, drawn);
  }

 private:
  Codes _codes;
  float* _offset;  // [head]
  Group _group;
  int _heads;
  int _dim;
};

}  // namespace santa::lanes::inline SANTA_BUILD
