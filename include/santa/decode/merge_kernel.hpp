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
/// that a balanced schedule names: a team's groups share out the splits. What one group makes of their sums and what
/// another makes of the rest are made side by side. Reads: the states. Order: fixed by the number of groups.
template <class Context, bool apart>
struct MergeKernel : Context {
  using typename Context::Arguments;
  using Extents = lanes::Teams<8, 1, 2>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit MergeKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: N of each group, an output, the head's effective sample size; samples of all heads later.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    const int merging = (Group::groups_per_team + 1) * floats_of_sum(dim) + 2;
    const int samples = 2 * heads;
    const int most = merging > samples ? merging : samples;
    return static_cast<std::size_t>(most);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(1, this->arguments.dim));
    for_each_head_apart(this->arguments, member.league_rank(), member.league_size(), [&](const Unit& unit, int head) {
      merge(group, unit, head, scratch, [](const HeadState&, const auto&, const float*, const HeadSample&) {});
      group.team_barrier();  // before scratch is used for the next one
    });
  }

 protected:
  /// Calls then(merged state, its N, output, sample) by one group, when a head's outputs are written.
  template <class Then>
  KOKKOS_FUNCTION void merge(const Group& group, const Unit& unit, int head, float* scratch, const Then& then) const {
    constexpr int groups = Group::groups_per_team;
    constexpr int noting = groups > 1 ? 1 : 0;
    const Arguments& a = this->arguments;
    const int floats = floats_of_sum(a.dim);
    const SplitStates<apart> all = states_of<apart>(a, unit, head);
    const HeadLanes<Group, apart> heads(group, all, 0);
    const auto carry = carry_of(a, unit, head);  // on its way meanwhile
    add_share(group, all, heads.reference, scratch + group.rank() * floats);
    HeadState merged;
    if (group.rank() <= noting) merged = merge_heads(group, all, heads);
    group.team_barrier();
    const auto sums = [&](int begin, int end, MergeVectors<Group>& sum) {
      add_shares(group, scratch + begin, floats, end - begin, sum);
    };
    float* result = scratch + groups * floats;
    auto& sample = *reinterpret_cast<HeadSample*>(result + floats);
    const MergedHead<apart> of(a, unit.place(a, head).head, merged);
    if (group.rank() == 0) write_output(group, a, unit, head, of, sums, result);
    if (a.with_spread || a.keeps_states) group.team_barrier();  // they look at the output
    if (group.rank() == noting) {
      note_head(group, a, unit, head, of, carry, result, sample);
      then(of.merged, sums, result, sample);
    }
    if (a.statistics && unit.slice == 0 && head == 0)
      write_statistics(group, unit, reinterpret_cast<HeadSample*>(scratch));
  }

 private:
  KOKKOS_FUNCTION static int floats_of_sum(int dim) { return (dim + 3) / 4 * 4; }

  /// Stores N of the group's share of the states, at the reference of all.
  KOKKOS_FUNCTION void add_share(const Group& group, const SplitStates<apart>& all,
                                 const typename Group::template Vector<float>& references, float* to) const {
    constexpr int groups = Group::groups_per_team;
    const SplitStates<apart> own{all.first + group.rank() * all.stride, all.stride * groups,
                                 (all.count - group.rank() + groups - 1) / groups};
    const int dim = this->arguments.dim;
    StateBatch<Group> first(group, own, 0, 0, dim < merge_features ? dim : merge_features);  // on its way meanwhile
    const auto own_references = own.lanes_of(group, &HeadState::reference, 0, empty_reference);
    float reference = largest_reference(group, empty_reference, references);
    for (int at = Group::size; at < all.count; at += Group::size)
      reference = largest_reference(group, reference, all.lanes_of(group, &HeadState::reference, at, empty_reference));
    store_sums(
        group, dim,
        [&](int begin, int end, MergeVectors<Group>& sum) {
          if (begin > 0) first = StateBatch<Group>(group, own, 0, begin, end);
          merge_sum(group, own, reference, begin, end, first, own_references, sum);
        },
        to);
  }
  /// Adds up what the groups stored, `count` features of each.
  KOKKOS_FUNCTION static void add_shares(const Group& group, const float* shares, int stride, int count,
                                         MergeVectors<Group>& sum) {
    for (auto& part : sum) part = 0.F;
    SANTA_UNROLL(Group::groups_per_team)
    for (int i = 0; i < Group::groups_per_team; ++i) {
      MergeVectors<Group> share;
      load_vectors<true>(group, shares + i * stride, count, share);
      for (int k = 0; k < merge_vectors; ++k) sum[k] += share[k];
    }
  }

  /// Of all heads and slices of a kv head, by one team: the smallest effective sample size is over all of them.
  KOKKOS_FUNCTION void write_statistics(const Group& group, const Unit& unit, HeadSample* samples) const {
    const Arguments& a = this->arguments;
    for_each_slice(a, unit, [&](const Unit& part) {
      group.team_barrier();  // also after scratch was used otherwise
      for (int head = group.rank(); head < part.heads; head += Group::groups_per_team) {
        const HeadState total = merge_heads(group, states_of<apart>(a, part, head));
        group.single([&] { samples[head] = sample_of(a, part, head, total); });
      }
      group.team_barrier();
      if (group.rank() == 0) add_statistics(group, a, part, samples);
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
