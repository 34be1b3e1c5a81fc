// The queries of a slice, for the teams that draw its clusters.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Queries times the scale in log2 units to to(head), [width], by all groups of a team, each some of the heads.
template <class Group, class To>
KOKKOS_FUNCTION void read_queries(const Group& group, const ClusterArguments& a, const ClusterSlice& slice,
                                  const To& to) {
  for (int head = group.rank(); head < slice.heads; head += Group::groups_per_team) {
    const std::int64_t from =
        slice.batch * a.query_stride[0] + std::int64_t{slice.first_head + head} * a.query_stride[1];
    float* const query = to(head);
    group.for_each(a.clusters.width,
                   [&](int j) { query[j] = j < a.dim ? a.query.value(a.query.load(from + j)) * a.score_factor : 0.F; });
  }
  group.sync();
  group.team_barrier();
}

}  // namespace santa::detail::inline SANTA_BUILD
