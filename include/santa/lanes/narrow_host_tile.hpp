// The tile products of a host where keys are scored by a narrow copy.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/code_block.hpp>
#include <santa/lanes/host_tile.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Scores of rows of Code; scores of drawn rows, of rows of K, and sums of rows of V.
template <class K, class Code, class V = K>
class NarrowHostTile : public HostTile<K, V> {
  using Full = HostTile<K, V>;
  using Codes = HostTile<Code>;

 public:
  using RowDims = santa::detail::RowDims;
  static constexpr std::size_t scratch_floats(int heads, RowDims dims) {
    return Full::scratch_floats(heads, dims) + Codes::scratch_floats(heads, dims.keys);
  }

  SANTA_INLINE NarrowHostTile(const HostGroup& group, float* shared, float* scratch, int heads, RowDims dims)
      : Full(group, shared, scratch, heads, dims),
        _codes(group, shared, scratch + Full::scratch_floats(heads, dims), heads, dims.keys),
        _heads(heads),
        _dim(dims.keys) {}

  template <class Meanwhile>
  void begin(const santa::detail::FoldedQueryRows& query, float factor, const Meanwhile& meanwhile) {
    _codes.begin(query, factor, meanwhile);
    Full::begin(static_cast<const santa::detail::QueryRows&>(query), factor, meanwhile);
    for (int head = 0; head < _heads; ++head) _offset[head] = factor * query.offset_part(head, 0, _dim);
  }

  /// What scores of a head have in common, besides the products.
  [[nodiscard]] float offset(int head) const { return _offset[head]; }

  template <class Rows, class Ahead, class DrawnRows>
  void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count, const Ahead& ahead,
              Simd<float, 32>* scores, const DrawnRows& drawn) const {
    _codes.scores(rows, first, step, count, ahead, scores, drawn);
  }

 private:
  Codes _codes;
  int _heads;
  int _dim;
  float _offset[max_heads] = {};
};

}  // namespace santa::lanes::inline SANTA_BUILD
