// The kernel that merges the states of many splits.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/merge/merge.hpp>
#include <santa/merge/outputs.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Merges the states of a head's splits and writes its outputs, one team a head, or as many as run at once for those
/// that a balanced schedule names: its groups share out the splits, the
/// first merges what they found. Reads: the states. Order: fixed by the number of groups.
template <class Context, bool apart>
struct MergeKernel : Context {
  using typename Context::Arguments;
  using Extents = lanes::Teams<16>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit MergeKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: a state of each group, an output, the head's effective sample size.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int /*heads*/, int dim) const {
    return Group::groups_per_team * static_cast<std::size_t>(state_floats(dim)) + static_cast<std::size_t>(dim) + 2;
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    float* states = group.template scratch<float>(member, scratch_floats(1, this->arguments.dim));
    for_each_head_apart(this->arguments, member.league_rank(), member.league_size(), [&](const Unit& unit, int head) {
      merge(group, unit, head, states);
      group.team_barrier();  // before scratch is used for the next one
    });
  }

 private:
  KOKKOS_FUNCTION void merge(const Group& group, const Unit& unit, int head, float* states) const {
    const Arguments& a = this->arguments;
    const std::int64_t stride = state_floats(a.dim);
    merge_into(group, share_of(states_of<apart>(a, unit, head), group.rank()), a.dim, states + group.rank() * stride);
    group.team_barrier();
    if (group.rank() == 0) {
      float* result = states + Group::groups_per_team * stride;
      write_head(group, a, unit, head, SplitStates<apart>{states, stride, Group::groups_per_team}, result,
                 *reinterpret_cast<HeadSample*>(result + a.dim));
    }
    if (a.statistics && unit.slice == 0 && head == 0)
      write_statistics(group, unit, reinterpret_cast<HeadSample*>(states));
  }

  /// A group's share of the splits.
  KOKKOS_FUNCTION static SplitStates<apart> share_of(const SplitStates<apart>& all, int rank) {
    const int share = (all.count + Group::groups_per_team - 1) / Group::groups_per_team;
    const int begin = rank * share < all.count ? rank * share : all.count;
    const int count = all.count - begin < share ? all.count - begin : share;
    return {all.first + begin * all.stride, all.stride, count};
  }

  /// Of all heads and slices of a kv head, by one team: the smallest effective sample size is over all of them.
  KOKKOS_FUNCTION void write_statistics(const Group& group, const Unit& unit, HeadSample* samples) const {
    const Arguments& a = this->arguments;
    for_each_slice(a, unit, [&](const Unit& part) {
      group.team_barrier();  // also after scratch was used otherwise
      for (int head = group.rank(); head < part.heads; head += Group::groups_per_team) {
        const HeadState total = merge_heads(group, states_of<apart>(a, part, head));
        group.single([&] { samples[head] = sample_of(a, part, total); });
      }
      group.team_barrier();
      if (group.rank() == 0) add_statistics(group, a, part, samples);
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
