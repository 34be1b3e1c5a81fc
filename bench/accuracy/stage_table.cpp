#include "accuracy/library_stages.hpp"
#include "accuracy/plain_stages.hpp"
#include "accuracy/stages.hpp"
#include <santa/cache/low_rank_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/cache/sparse_keys.hpp>

#include <algorithm>
#include <cmath>

namespace santa::accuracy {
namespace {

using LowRank = LowRankKeys<bfloat16, Kokkos::HostSpace>;
using Sparse = SparseKeys<Kokkos::HostSpace>;
template <class Code>
using Narrow = NarrowKeys<Code, Kokkos::HostSpace>;

/// By key, of float vectors [dim] that all keys of a kv head have in common.
double common_bytes(const GroupProblem& group, double vectors) {
  return vectors * 4. * static_cast<double>(group.dim) / static_cast<double>(group.length);
}

StageReads full_scores(const GroupProblem& group, double /*most*/) {
  return {.key_bytes = 2. * static_cast<double>(group.dim)};
}

/// Codes of a row and its scale.
template <class Code>
double code_bytes(const GroupProblem& group) {
  return static_cast<double>(group.dim) / detail::NarrowTraits<Code>::features + 2.;
}

template <class Code>
StageReads narrow_scores(const GroupProblem& group, double /*most*/) {
  return {.key_bytes = code_bytes<Code>(group) + common_bytes(group, 2.)};
}

/// Narrow keys and, row by row, values.
template <class Code, Scaling of_keys>
StageReads narrow_cache(const GroupProblem& group, double /*most*/) {
  const double common = of_keys == Scaling::rows ? 0. : common_bytes(group, 2.);
  return {.key_bytes = 2. * code_bytes<Code>(group) + common};
}

/// As many numbers as come to `most` bytes or less, at least one.
StageReads numbers_within(const GroupProblem& group, double most, double common, double each) {
  const double numbers = std::clamp(std::floor((most - common) / each), 1., static_cast<double>(group.dim));
  return {.key_bytes = common + numbers * each, .numbers = static_cast<int>(numbers)};
}

/// Rows of the feature-major copy, and the deviation by which they are chosen.
StageReads feature_scores(const GroupProblem& group, double most) {
  return numbers_within(group, most, common_bytes(group, 1.), 2.);
}

/// Numbers in bfloat16, and for each a row of the projection.
StageReads low_rank_scores(const GroupProblem& group, double most) {
  return numbers_within(group, most, 0., 2. + common_bytes(group, 1.));
}

/// A feature's number and its value.
StageReads sparse_scores(const GroupProblem& group, double most) { return numbers_within(group, most, 0., 3.); }

/// The expected union of the features that the heads draw by the same uniforms.
StageReads bernoulli_scores(const GroupProblem& group, double /*most*/) {
  std::vector<double> probability(size(group.dim), 0.);
  for (std::size_t head = 0; head < size(group.heads); ++head) {
    const float* const query = group.query.data() + head * probability.size();
    double largest = 0.;
    for (std::size_t d = 0; d < probability.size(); ++d)
      largest = std::max(largest, static_cast<double>(std::fabs(query[d])));
    for (std::size_t d = 0; d < probability.size(); ++d)
      probability[d] = std::max(probability[d], static_cast<double>(std::fabs(query[d])) / largest);
  }
  double features = 0.;
  for (const double p : probability) features += p;
  return {.key_bytes = 2. * features};
}

}  // namespace

const std::vector<Stage>& all_stages() {
  using std::int8_t;
  constexpr auto value = RowReads::value;
  constexpr auto both = RowReads::key_and_value;
  constexpr auto none = RowReads::none;
  constexpr auto channels = Scaling::channels_and_rows;
  constexpr const char* again = "the same, drawn rows weighed by their keys";
  static const std::vector<Stage> stages = {
      {"bf16", "the default by the keys themselves", value, full_scores, run_full_keys},
      {"int8", "by int8 keys", value, narrow_scores<int8_t>, run_copy<Narrow<int8_t>, false>},
      {"int8-rescored", again, both, narrow_scores<int8_t>, run_copy<Narrow<int8_t>, true>},
      {"fp8", "by fp8 keys (e4m3)", value, narrow_scores<float8>, run_copy<Narrow<float8>, false>},
      {"fp8-rescored", again, both, narrow_scores<float8>, run_copy<Narrow<float8>, true>},
      {"int4", "by int4 keys", value, narrow_scores<int4x2>, run_copy<Narrow<int4x2>, false>},
      {"int4-rescored", again, both, narrow_scores<int4x2>, run_copy<Narrow<int4x2>, true>},
      {"bernoulli", "by features drawn for a ternary query, once", value, bernoulli_scores,
       run_features<bernoulli_once, false>},
      {"bernoulli-rescored", again, both, bernoulli_scores, run_features<bernoulli_once, true>},
      {"systematic-features", "by large features and a systematic draw of the others", value, feature_scores,
       run_features<systematic_features, false>},
      {"systematic-features-rescored", again, both, feature_scores, run_features<systematic_features, true>},
      {"top-features", "by the features of largest |q| times deviation of the keys", value, feature_scores,
       run_features<top_features, false>},
      {"top-features-rescored", again, both, feature_scores, run_features<top_features, true>},
      {"top-query-features", "by the features of largest |q|", value, feature_scores,
       run_features<top_features_by_query, false>},
      {"top-query-features-rescored", again, both, feature_scores, run_features<top_features_by_query, true>},
      {"low-rank", "by keys in their principal directions", value, low_rank_scores, run_copy<LowRank, false>},
      {"low-rank-rescored", again, both, low_rank_scores, run_copy<LowRank, true>},
      {"sparse-keys", "by the largest features of each key", value, sparse_scores, run_copy<Sparse, false>},
      {"sparse-keys-rescored", again, both, sparse_scores, run_copy<Sparse, true>},
      {"exact-int8", "exact attention over int8 keys and values", none, narrow_cache<int8_t, channels>,
       run_exact_narrow<int8_t, channels>},
      {"exact-int8-rows", "the same, keys with row scales alone", none, narrow_cache<int8_t, Scaling::rows>,
       run_exact_narrow<int8_t, Scaling::rows>},
      {"exact-int4", "exact attention over int4 keys and values", none, narrow_cache<int4x2, channels>,
       run_exact_narrow<int4x2, channels>},
      {"exact-int4-rows", "the same, keys with row scales alone", none, narrow_cache<int4x2, Scaling::rows>,
       run_exact_narrow<int4x2, Scaling::rows>},
      {"top-rows", "the rows of largest weight by their keys, renormalised", value, full_scores, run_top_rows},
      {"top-rows-int4", "the rows of largest weight by int4 keys, weighed by their keys, renormalised", both,
       narrow_scores<int4x2>, run_top_rows_int4},
  };
  return stages;
}

}  // namespace santa::accuracy
