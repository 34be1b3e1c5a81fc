#include "accuracy/stages.hpp"

#include <algorithm>

namespace santa::accuracy {
namespace {

/// Of a row of keys or of values.
double full_row_bytes(const GroupProblem& group) { return 2. * static_cast<double>(group.dim); }

double row_bytes(const GroupProblem& group, const Stage& stage) {
  return static_cast<double>(stage.reads) * full_row_bytes(group);
}

}  // namespace

double bytes_share(const GroupProblem& group, const Stage& stage, const StageReads& reads) {
  const double bytes = static_cast<double>(group.length) * reads.key_bytes + reads.rows * row_bytes(group, stage);
  return bytes / (2. * static_cast<double>(group.length) * full_row_bytes(group));
}

StageReads reads_of_bytes(const GroupProblem& group, const Stage& stage, double share) {
  const double bytes = 2. * share * full_row_bytes(group);  // by key
  StageReads reads = stage.scores(group, 0.5 * bytes);
  if (stage.reads != RowReads::none)
    reads.rows = static_cast<double>(group.length) *
                 std::clamp((bytes - reads.key_bytes) / row_bytes(group, stage), fewest_rows, 1.);
  return reads;
}

StageReads reads_of_rows(const GroupProblem& group, const Stage& stage, double share) {
  StageReads reads = stage.scores(group, share * row_bytes(group, stage));
  if (stage.reads != RowReads::none) reads.rows = share * static_cast<double>(group.length);
  return reads;
}

}  // namespace santa::accuracy
