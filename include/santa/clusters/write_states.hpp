// What the groups of a team have added up of a slice, as one state.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Adds up the sums of the team's groups, each group some of the heads, and writes them as those of `unit`: `sums`
/// rows of them, which the groups' scratch has as kept(which, head), the third one of squares.
template <class Group, class Scratch>
KOKKOS_FUNCTION void write_states(const Group& group, const Scratch& own, const ClusterArguments& a,
                                  const ClusterSlice& slice, std::int32_t unit, int sums) {
  constexpr int groups = Group::groups_per_team;
  const int width = a.clusters.width;
  const std::int64_t at = slice.row * a.units() + unit;
  for (int head = group.rank(); head < slice.heads; head += groups) {
    float* const to = a.states + (at * a.slice_heads + head) * a.state_floats();
    ClusterHead sum;
    for (int n = 0; n < groups; ++n) sum.reference = lanes::max(sum.reference, own.of(n).result(head).reference);
    for (int n = 0; n < groups; ++n) add(sum, own.of(n).result(head));
    group.single([&] { *reinterpret_cast<ClusterHead*>(to) = sum; });
    group.for_each(sums * width, [&](int j) {
      const int which = j / width;
      float total = 0.F;
      for (int n = 0; n < groups; ++n) {
        const float factor = brought_to(sum.reference, own.of(n).result(head).reference);
        const float squared = which == 2 ? factor * factor : factor;
        total = lanes::fma(squared, own.of(n).kept(which, head)[j % width], total);
      }
      to[cluster_head_floats + j] = total;
    });
  }
  if (group.rank() != 0) return;
  group.single([&] {
    ClusterCounts sum;
    for (int n = 0; n < groups; ++n) add(sum, own.of(n).counts());
    a.counts[at] = sum;
  });
}

}  // namespace santa::detail::inline SANTA_BUILD
