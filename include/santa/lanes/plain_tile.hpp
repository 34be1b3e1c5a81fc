// The two tile products of a device in plain loops: any element type, any alignment.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/narrow.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Queries of a team's heads in its scratch, and running weighted sums in a group's registers. Scores: lane i works on
/// row i. Sums: lane i works on features i, i + 32, ... up to `Dim`, which values have.
template <class Group, class K, int Dim, class V = K>
class PlainTile {
  static constexpr int parts = Dim / Group::size;

 public:
  using RowDims = santa::detail::RowDims;
  static constexpr bool asynchronous = false;

  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return static_cast<std::size_t>(heads) * static_cast<std::size_t>(dims.keys);
  }
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats(int /*heads*/, RowDims /*dims*/) { return 0; }

  KOKKOS_FUNCTION PlainTile(const Group& group, float* shared, float* /*scratch*/, int heads, RowDims dims)
      : _group(group), _query(shared), _heads(heads), _dims(dims) {}

  template <class Query, class Meanwhile>
  KOKKOS_FUNCTION void begin(const Query& query, float factor, const Meanwhile& /*meanwhile*/) {
    for (int head = _group.rank(); head < _heads; head += Group::groups_per_team)
      _group.for_each(_dims.keys, [&](int d) {
        float q = 0.F;
        query.read(head, d, 1, &q);
        _query[head * _dims.keys + d] = q * factor;
      });
    _group.team_barrier();
  }
  KOKKOS_FUNCTION void clear() {
    for (auto& head : _sum)
      for (float& x : head) x = 0.F;
  }

  template <class Rows, class Coming, class DrawnRows>
  KOKKOS_FUNCTION void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                              const Coming& /*coming*/, float* scores, const DrawnRows& /*drawn*/) const {
    const int lane = _group.lane();
    product(rows[first + step * (lane < count ? lane : count - 1)], scores);
  }
  template <class Rows>
  KOKKOS_FUNCTION void scores_of(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                                 float* scores) const {
    const int lane = _group.lane();
    product(rows[first + index[lane < count ? lane : count - 1]], scores);
  }

  template <class Rows, class Ahead>
  KOKKOS_FUNCTION void add_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                                const Ahead& ahead, const float* weight, int weight_stride) {
    add_scaled_rows(rows, first, index, count, ahead, weight, weight_stride, [](int /*i*/) { return 1.F; });
  }
  template <class Rows, class Ahead, class Scale>
  KOKKOS_FUNCTION void add_scaled_rows(const Rows& rows, std::int64_t first, const std::int32_t* index, int count,
                                       const Ahead& /*ahead*/, const float* weight, int weight_stride,
                                       const Scale& scale) {
    for (int i = 0; i < count; ++i) {
      const V* row = rows[first + index[i]];
      const float by = scale(i);
      float value[parts];
      for (int p = 0; p < parts; ++p) {
        const int d = _group.lane() + p * Group::size;
        value[p] = d < _dims.values ? static_cast<float>(row[d]) * by : 0.F;
      }
      _group.for_heads(_heads, [&](int head) {
        const float w = weight[head * weight_stride + i];
        for (int p = 0; p < parts; ++p) _sum[head][p] = fma(w, value[p], _sum[head][p]);
      });
    }
  }

  KOKKOS_FUNCTION float squared_distance(const V* row, const float* center, float scale) const {
    float total = 0.F;
    for (int d = _group.lane(); d < _dims.values; d += Group::size) {
      const float difference = static_cast<float>(row[d]) * scale - (center != nullptr ? center[d] : 0.F);
      total = fma(difference, difference, total);
    }
    return _group.sum(total);
  }

  KOKKOS_FUNCTION void rescale(int head, float factor) {
    _group.for_heads(_heads, [&](int h) {
      for (int p = 0; p < parts; ++p) _sum[h][p] *= h == head ? factor : 1.F;
    });
  }

  KOKKOS_FUNCTION void store_sums(float* to, int head_stride, float scale) const {
    _group.for_heads(_heads, [&](int head) {
      for (int p = 0; p < parts; ++p) {
        const int d = _group.lane() + p * Group::size;
        if (d < _dims.values) to[head * head_stride + d] = _sum[head][p] * scale;
      }
    });
  }

 private:
  KOKKOS_FUNCTION void product(const K* row, float* scores) const {
    _group.for_all_heads(_heads, [&](int head) { scores[head] = head < _heads ? 0.F : -infinity; });
    for (int d = 0; d < _dims.keys; d += 8) {
      float key[8];
      santa::detail::read_features(row, d, 8, key);
      _group.for_heads(_heads, [&](int head) {
        for (int k = 0; k < 8; ++k) scores[head] = fma(_query[head * _dims.keys + d + k], key[k], scores[head]);
      });
    }
  }

  Group _group;   // by value: of a warp's, which is empty, nothing is left
  float* _query;  // [head][dim]
  int _heads;
  RowDims _dims;
  float _sum[Group::max_heads][parts];
};

}  // namespace santa::lanes::inline SANTA_BUILD
