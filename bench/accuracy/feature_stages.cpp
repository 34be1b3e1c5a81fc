#include "accuracy/library_stages.hpp"
#include "accuracy/sample_cache.hpp"
#include <santa/cache/feature_keys.hpp>
#include <santa/cache/transpose_keys.hpp>

namespace santa::accuracy {

template <auto make_choice, bool rescore>
GroupOutcome run_features(const GroupProblem& group, const StageReads& reads, int seeds) {
  const Space space;
  const auto full = shared_cache(group, 1);
  const FeatureKeys<bfloat16, Memory> keys(space, full.shape());
  transpose_keys(space, full, keys);
  return sample_cache<rescore>(group, FeatureCache{full, keys, make_choice(reads.numbers)}, reads, seeds);
}

template GroupOutcome run_features<bernoulli_once, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<bernoulli_once, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<systematic_features, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<systematic_features, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<top_features, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<top_features, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<top_features_by_query, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_features<top_features_by_query, true>(const GroupProblem&, const StageReads&, int);

}  // namespace santa::accuracy
