// The default method by the library's score stages.
#pragma once

#include "accuracy/stages.hpp"
#include <santa/score/bernoulli.hpp>
#include <santa/score/systematic_features.hpp>
#include <santa/score/top_features.hpp>

namespace santa::accuracy {

/// Scores from the keys themselves.
GroupOutcome run_full_keys(const GroupProblem& group, const StageReads& reads, int seeds);

/// Scores from a copy of the keys, NarrowKeys, LowRankKeys or SparseKeys, calibrated on all of them.
template <class Copy, bool rescore>
GroupOutcome run_copy(const GroupProblem& group, const StageReads& reads, int seeds);

// Policies that choose so many features.
inline Bernoulli bernoulli_once(int /*features*/) { return {}; }
inline SystematicFeatures systematic_features(int features) { return {features}; }
inline TopFeatures top_features(int features) { return {features}; }
inline TopFeatures top_features_by_query(int features) { return {features, true}; }

/// Scores from the features that such a policy chooses.
template <auto make_choice, bool rescore>
GroupOutcome run_features(const GroupProblem& group, const StageReads& reads, int seeds);

}  // namespace santa::accuracy
