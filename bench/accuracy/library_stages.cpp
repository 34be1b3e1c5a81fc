#include "accuracy/library_stages.hpp"

#include "accuracy/sample_cache.hpp"

namespace santa::accuracy {

GroupOutcome run_full_keys(const GroupProblem& group, const StageReads& reads, int seeds) {
  return sample_cache<false>(group, shared_cache(group, 1), reads, seeds);
}

}  // namespace santa::accuracy
