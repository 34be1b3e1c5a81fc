// What score stages are compared with: exact attention over narrow keys and values, and the rows of largest weight.
#pragma once

#include "accuracy/stages.hpp"

namespace santa::accuracy {

/// How a narrow copy is scaled.
enum class Scaling : std::uint8_t {
  rows,              // one scale a row
  channels_and_rows  // as NarrowKeys: mean and spread by channel, then one scale a row
};

/// Rows [length][dim] of keys or values after a copy in `Code` and back.
template <class Code>
std::vector<float> rounded_rows(const std::vector<float>& rows, std::size_t dim, Scaling scaling);

/// Exact attention over copies of keys and values in `Code`. Values have one scale a row: by channels their error is
/// larger, as the first key, on which much weight rests, has a value near 0 and far from the mean.
template <class Code, Scaling of_keys>
GroupOutcome run_exact_narrow(const GroupProblem& group, const StageReads& reads, int seeds);

/// Attention over the `reads.rows` rows of largest weight, that of the head where it is largest, renormalised.
GroupOutcome run_top_rows(const GroupProblem& group, const StageReads& reads, int seeds);

/// The same with the rows chosen by int4 keys, and weighed by their own.
GroupOutcome run_top_rows_int4(const GroupProblem& group, const StageReads& reads, int seeds);

}  // namespace santa::accuracy
