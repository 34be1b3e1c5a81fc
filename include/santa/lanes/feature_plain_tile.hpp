// The tile products of a device in plain loops where keys are scored by some of their features.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/query_rows.hpp>
#include <santa/lanes/feature_coefficients.hpp>
#include <santa/lanes/plain_tile.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// Scores of keys that lie feature by feature: lane i works on key i. Scores of drawn rows (`rescored`), of rows of T,
/// and sums of rows of V.
template <class Group, class T, int Dim, bool rescored, class V = T>
class FeaturePlainTile : public PlainTile<Group, T, Dim, V> {
  using Full = PlainTile<Group, T, Dim, V>;
  using Coefficients = FeatureCoefficients<Group>;

 public:
  using RowDims = santa::detail::RowDims;
  /// What features are chosen with, and where drawn rows are scored again, the queries for that.
  KOKKOS_FUNCTION static constexpr std::size_t shared_floats(int heads, RowDims dims) {
    return Coefficients::kept_floats(heads, dims.keys) + Coefficients::working_floats(heads, dims.keys) +
           (rescored ? Full::shared_floats(heads, dims) : 0);
  }

  KOKKOS_FUNCTION FeaturePlainTile(const Group& group, float* shared, float* scratch, int heads, RowDims dims)
      : Full(group, shared + (rescored ? shared_floats(heads, dims) - Full::shared_floats(heads, dims) : 0), scratch,
             heads, dims),
        _features(group, shared, shared + Coefficients::kept_floats(heads, dims.keys), heads, dims.keys),
        _group(group) {}

  template <class Choice, class Meanwhile>
  KOKKOS_FUNCTION void begin(const santa::detail::ChosenQueryRows<Choice>& query, float factor,
                             const Meanwhile& meanwhile) {
    Full::begin(static_cast<const santa::detail::QueryRows&>(query), factor, meanwhile);
    _features.choose(query, factor);
  }

  template <class Rows, class Coming, class DrawnRows>
  KOKKOS_FUNCTION void scores(const Rows& rows, std::int64_t first, std::int64_t step, int count,
                              const Coming& /*coming*/, float* scores, const DrawnRows& /*drawn*/) const {
    const int heads = _features.heads();
    const int lane = _group.lane();
    const T* const key = rows[first + step * (lane < count ? lane : count - 1)];
    _group.for_all_heads(heads, [&](int head) { scores[head] = head < heads ? 0.F : -infinity; });
    const int read = _features.count();
    SANTA_UNROLL(8)
    for (int i = 0; i < read; ++i) {
      const int feature = _features.list()[i];
      const auto x = static_cast<float>(key[feature * rows.stride]);
      _group.for_heads(heads, [&](int head) { scores[head] = fma(_features.of(head)[feature], x, scores[head]); });
    }
    _group.for_heads(
        heads, [&](int head) { scores[head] = fma(scores[head], _features.scale(head), _features.offset(head)); });
  }

 private:
  Coefficients _features;
  Group _group;
};

}  // namespace santa::lanes::inline SANTA_BUILD
