#include "accuracy/library_stages.hpp"
#include "accuracy/sample_cache.hpp"
#include <santa/cache/encode_keys.hpp>
#include <santa/cache/low_rank_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/cache/principal_directions.hpp>
#include <santa/cache/sparse_keys.hpp>

namespace santa::accuracy {

template <class Copy, bool rescore>
GroupOutcome run_copy(const GroupProblem& group, const StageReads& reads, int seeds) {
  const Space space;
  const auto full = shared_cache(group, 1);
  const Copy copy = [&] {
    if constexpr (std::is_constructible_v<Copy, const Space&, const Shape&, std::int64_t>)
      return Copy(space, full.shape(), std::int64_t{reads.numbers});
    else
      return Copy(space, full.shape());
  }();
  if constexpr (requires { calibrate(space, full, copy); }) calibrate(space, full, copy);
  encode_keys(space, full, copy);
  return sample_cache<rescore>(group, NarrowCache{full, copy}, reads, seeds);
}

using LowRank = LowRankKeys<bfloat16, Kokkos::HostSpace>;
using Sparse = SparseKeys<Kokkos::HostSpace>;
template <class Code>
using Narrow = NarrowKeys<Code, Kokkos::HostSpace>;
template GroupOutcome run_copy<Narrow<std::int8_t>, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Narrow<std::int8_t>, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Narrow<float8>, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Narrow<float8>, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Narrow<int4x2>, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Narrow<int4x2>, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<LowRank, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<LowRank, true>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Sparse, false>(const GroupProblem&, const StageReads&, int);
template GroupOutcome run_copy<Sparse, true>(const GroupProblem&, const StageReads&, int);

}  // namespace santa::accuracy
