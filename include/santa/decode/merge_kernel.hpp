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
/// that a balanced schedule names. One group merges what there is of the head besides N and notes it, the others share
/// out the splits' N, and afterwards those the features. What is done first is what the loads of states follow
/// from. Reads: the states. Order: fixed by the number of groups.
template <class Context, bool apart>
struct MergeKernel : Context {
  using typename Context::Arguments;
  using Extents = lanes::Teams<8, 1, 2>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit MergeKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: N of each group that adds, an output, what the output is made of besides, the head's effective
  /// sample size; samples of all heads later.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    const int merging = (adding + 1) * floats_of_sum(dim) + 8;
    const int samples = 2 * heads;
    const int most = merging > samples ? merging : samples;
    return static_cast<std::size_t>(most);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(1, a.dim));
    for_each_head_apart(a, member.league_rank(), member.league_size(), [&](Unit unit, int head) {
      merge(
          group, unit, head, scratch, [&] { take_keys<false>(a, unit); },
          [](const HeadState&, const auto&, const float*, const HeadSample&) {});
      group.team_barrier();  // before scratch is used for the next one
    });
  }

 protected:
  /// Calls meanwhile() by the group that notes, before it looks at the unit's keys, and then(merged state, its N,
  /// output, sample) by it when a head's outputs are written.
  template <class Meanwhile, class Then>
  KOKKOS_FUNCTION void merge(const Group& group, const Unit& unit, int head, float* scratch, const Meanwhile& meanwhile,
                             const Then& then) const {
    const Arguments& a = this->arguments;
    const int floats = floats_of_sum(a.dim);
    const SplitStates<apart> all = states_of<apart>(a, unit, head);
    float* result = scratch + adding * floats;
    auto& parts = *reinterpret_cast<OutputParts*>(result + floats);
    auto& sample = *reinterpret_cast<HeadSample*>(result + floats + 4);
    const auto add = [&] { add_share(group, all, scratch + group.rank() * floats); };
    const auto write = [&] {
      group.team_barrier();
      if (group.rank() < adding) write_features(group, unit, head, parts, scratch, result);
      if (a.with_spread || a.keeps_states) group.team_barrier();  // the output is looked at
    };
    if (group.rank() == noting) {
      const auto carry = carry_of(a, unit, head);  // on its way meanwhile
      const MergedHead<apart> of(a, unit.place(a, head).head, merge_heads(group, all));
      group.single([&] { parts = OutputParts(of); });
      if constexpr (noting == 0) add();
      meanwhile();
      write();
      note_head(group, a, unit, head, of, carry, result, sample);
      const auto sums = [&](int begin, int end, MergeVectors<Group>& sum) {
        add_shares(group, scratch + begin, floats, end - begin, sum);
      };
      then(of.merged, sums, result, sample);
    } else {
      add();
      write();
    }
    if (a.statistics && unit.slice == 0 && head == 0)
      write_statistics(group, unit, reinterpret_cast<HeadSample*>(scratch));
  }

 private:
  static constexpr int noting = Group::groups_per_team - 1;
  /// Groups that add up N: the first ones.
  static constexpr int adding = noting > 0 ? noting : 1;

  KOKKOS_FUNCTION static int floats_of_sum(int dim) { return (dim + 3) / 4 * 4; }

  /// Stores N of the group's share of the states, at the reference of all.
  KOKKOS_FUNCTION void add_share(const Group& group, const SplitStates<apart>& all, float* to) const {
    const SplitStates<apart> own{all.first + group.rank() * all.stride, all.stride * adding,
                                 (all.count - group.rank() + adding - 1) / adding};
    const int dim = this->arguments.dim;
    StateBatch<Group> first(group, own, 0, 0, dim < merge_features ? dim : merge_features);  // on its way meanwhile
    const auto own_references = own.lanes_of(group, &HeadState::reference, 0, empty_reference);
    float reference = empty_reference;
    SANTA_UNROLL(1)
    for (int at = 0; at < all.count; at += Group::size)
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
    SANTA_UNROLL(adding)
    for (int i = 0; i < adding; ++i) {
      MergeVectors<Group> share;
      load_vectors<true>(group, shares + i * stride, count, share);
      for (int k = 0; k < merge_vectors; ++k) sum[k] += share[k];
    }
  }

  /// Writes the output of a head, and to `result`; the groups share out the features.
  KOKKOS_FUNCTION void write_features(const Group& group, const Unit& unit, int head, const OutputParts& parts,
                                      const float* shares, float* result) const {
    using Float = typename Group::template Vector<float>;
    const Arguments& a = this->arguments;
    const float* center = center_of(a, unit);
    const std::int64_t offset = offset_of_output(a, unit, head);
    SANTA_UNROLL(1)
    for (int at = group.rank() * Group::size; at < a.dim; at += adding * Group::size) {
      const int count = a.dim - at < Group::size ? a.dim - at : Group::size;
      Float sum = 0.F;
      SANTA_UNROLL(adding)
      for (int i = 0; i < adding; ++i) sum += group.load(shares + i * floats_of_sum(a.dim) + at, count, 0.F);
      group.store(parts.output(
                      sum, [&] { return group.load(center + at, count, 0.F); }, center != nullptr),
                  result + at, count);
      group.sync();
      if (a.out.data != nullptr) group.for_each(count, [&](int i) { a.out.store(offset + at + i, result[at + i]); });
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
