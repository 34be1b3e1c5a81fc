// The default method on a cache. For the files that instantiate it.
#pragma once

#include "accuracy/decode_group.hpp"
#include "accuracy/stages.hpp"
#include <santa/sample/mass_unit.hpp>

namespace santa::accuracy {

/// Seeds follow each other on one request: its delta settles once, and no copy of the keys is made twice.
template <bool rescore, class Cache>
GroupOutcome sample_cache(const GroupProblem& group, const Cache& cache, const StageReads& reads, int seeds) {
  const MassUnit method{.rows = reads.rows};
  if constexpr (rescore)
    return decode_group(group, method, rescored(cache), false, seeds);
  else
    return decode_group(group, method, cache, false, seeds);
}

}  // namespace santa::accuracy
