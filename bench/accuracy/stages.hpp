// Score stages of the default method, and what is exact or fixed beside them, at a number of bytes.
#pragma once

#include "accuracy/group_problem.hpp"
#include "accuracy/outcome.hpp"

#include <string_view>
#include <vector>

namespace santa::accuracy {

/// What is read of a row beyond what scores are made from.
enum class RowReads : std::uint8_t { none, value, key_and_value };

/// What a stage reads of a group.
struct StageReads {
  double rows = 0.;       // value rows
  double key_bytes = 0.;  // by key, for the scores
  int numbers = 0;        // by key, of stages that take any number: features, or the rank
};

/// A way to attend to a group, the default method's or another, that reads bytes of every key for scores and then whole
/// rows.
struct Stage {
  std::string_view name;
  std::string_view description;
  RowReads reads;
  /// What scores read, scales and all that a kv head has in common included; rows are 0. Stages that take any number
  /// of numbers a key choose it by the bytes they may read at most.
  StageReads (*scores)(const GroupProblem& group, double most);
  GroupOutcome (*run)(const GroupProblem& group, const StageReads& reads, int seeds);
};

const std::vector<Stage>& all_stages();

/// Bytes that a stage's reads are, as a share of exact attention's: all keys and values as bfloat16.
double bytes_share(const GroupProblem& group, const Stage& stage, const StageReads& reads);

/// Fewest rows that a stage is run with, as a share of the visible ones.
inline constexpr double fewest_rows = 0.02;

/// The reads that come to a share of exact attention's bytes; those of the fewest rows where it can't be reached. Where
/// a stage may choose, scores take half of the bytes.
StageReads reads_of_bytes(const GroupProblem& group, const Stage& stage, double share);

/// The reads with a share of the rows; where a stage may choose, scores take as many bytes as these.
StageReads reads_of_rows(const GroupProblem& group, const Stage& stage, double share);

}  // namespace santa::accuracy
