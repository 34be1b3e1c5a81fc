// Merging partial states.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// States of one head over parts of the keys, `stride` floats apart; `apart`: their masses have references of their
/// own.
template <bool apart>
struct SplitStates {
  const float* first;
  std::int64_t stride;
  int count;

  [[nodiscard]] KOKKOS_FUNCTION const HeadState& head(int split) const {
    return *reinterpret_cast<const HeadState*>(first + split * stride);
  }
  [[nodiscard]] KOKKOS_FUNCTION const float* sum(int split) const { return first + split * stride + head_state_floats; }

  /// A member of the states of lanes `begin`, `begin + 1`, ...; `rest` beyond the last.
  template <class Group>
  [[nodiscard]] KOKKOS_FUNCTION auto lanes_of(const Group& group, const float HeadState::*member, int begin,
                                              float rest) const {
    return group.load_strided(&(head(begin).*member), stride, count - begin, rest);
  }
};

/// Heads of 32 states, one a lane; empty ones beyond the last.
template <class Group, bool apart>
struct HeadLanes {
  using Float = typename Group::template Vector<float>;
  Float reference, mass_reference, mass, used, squares, variance, certain, uncertain;

  /// Those from the `begin`-th on: all are asked for before any is looked at.
  KOKKOS_FORCEINLINE_FUNCTION HeadLanes(const Group& group, const SplitStates<apart>& states, int begin)
      : reference(states.lanes_of(group, &HeadState::reference, begin, empty_reference)),
        mass_reference(apart ? states.lanes_of(group, &HeadState::mass_reference, begin, empty_reference) : reference),
        mass(states.lanes_of(group, &HeadState::mass, begin, 0.F)),
        used(states.lanes_of(group, &HeadState::used, begin, 0.F)),
        squares(states.lanes_of(group, &HeadState::squares, begin, 0.F)),
        variance(states.lanes_of(group, &HeadState::variance, begin, 0.F)),
        certain(states.lanes_of(group, &HeadState::certain, begin, 0.F)),
        uncertain(states.lanes_of(group, &HeadState::uncertain, begin, 0.F)) {}
};

/// The larger of a reference and those of all lanes; NaN is none.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION float largest_reference(const Group& group, float so_far,
                                                    const typename Group::template Vector<float>& reference) {
  using Float = typename Group::template Vector<float>;
  return lanes::max(so_far, group.max(lanes::max(Float(empty_reference), reference)));
}

/// Brings all states to the largest reference and adds them up in one fixed order: always the same bits. References are
/// integers, so that what has been added up is brought to a larger one without rounding. `heads` are those of the first
/// states.
template <class Group, bool apart>
KOKKOS_FUNCTION HeadState merge_heads(const Group& group, const SplitStates<apart>& states,
                                      HeadLanes<Group, apart> heads) {
  using Float = typename Group::template Vector<float>;
  HeadState total;
  Float mass = 0.F, used = 0.F, squares = 0.F, variance = 0.F, certain = 0.F, uncertain = 0.F;
  for (int begin = 0; begin < states.count; begin += Group::size) {
    if (begin > 0) heads = HeadLanes<Group, apart>(group, states, begin);
    const float largest = largest_reference(group, total.reference, heads.reference);
    const float largest_mass = apart ? largest_reference(group, total.mass_reference, heads.mass_reference) : largest;
    const Float before = lanes::exp2(total.reference - largest);
    const Float factor = lanes::exp2(heads.reference - Float(largest));
    const Float mass_before = apart ? Float(lanes::exp2(total.mass_reference - largest_mass)) : before;
    const Float mass_factor = apart ? lanes::exp2(heads.mass_reference - Float(largest_mass)) : factor;
    // By explicit fma: which product of a * b + c * d compilers round first differs from one build to another.
    mass = lanes::fma(mass, mass_before, heads.mass * mass_factor);
    total.reference = largest;
    total.mass_reference = largest_mass;
    used = lanes::fma(used, before, heads.used * factor);
    squares = lanes::fma(squares * before, before, heads.squares * factor * factor);
    variance = lanes::fma(variance * before, before, heads.variance * factor * factor);
    certain += heads.certain;
    uncertain += heads.uncertain;
  }
  total.mass = group.sum(mass);
  total.used = group.sum(used);
  total.squares = group.sum(squares);
  total.variance = group.sum(variance);
  total.certain = group.sum(certain);
  total.uncertain = group.sum(uncertain);
  return total;
}
template <class Group, bool apart>
KOKKOS_FUNCTION HeadState merge_heads(const Group& group, const SplitStates<apart>& states) {
  return merge_heads(group, states, HeadLanes<Group, apart>(group, states, 0));
}

/// Features that are merged at once: several vectors.
inline constexpr int merge_vectors = 4;
inline constexpr int merge_features = merge_vectors * tile_keys;
template <class Group>
using MergeVectors = typename Group::template Vector<float>[merge_vectors];

/// Loads from[0..count), at most `merge_features` numbers; those beyond are any. Which of them a lane has is the
/// group's own affair. `aligned`: `from` is a multiple of 16 bytes.
template <bool aligned, class Group>
KOKKOS_FORCEINLINE_FUNCTION void load_vectors(const Group& group, const float* from, int count,
                                              MergeVectors<Group>& to) {
  if constexpr (requires { Group::states_at_once; })
    group.template load_four<aligned>(from, count, to);
  else
    for (int k = 0; k < merge_vectors; ++k) to[k] = group.load(from + k * Group::size, count - k * Group::size, 0.F);
}
/// Stores what was loaded so, to to[0..count).
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION void store_vectors(const Group& group, const MergeVectors<Group>& from, float* to,
                                               int count) {
  if constexpr (requires { Group::states_at_once; })
    group.store_four(from, to, count);
  else
    for (int k = 0; k < merge_vectors; ++k) group.store(from[k], to + k * Group::size, count - k * Group::size);
}
/// N of a few states: as many as can be on their way together.
template <class Group>
struct StateBatch {
  static constexpr int states = [] {
    if constexpr (requires { Group::states_at_once; })
      return Group::states_at_once;
    else
      return 1;
  }();
  static_assert(Group::size % states == 0);

  MergeVectors<Group> part[states];

  /// Features [begin, end) of the states from the `first` on.
  template <bool apart>
  KOKKOS_FORCEINLINE_FUNCTION StateBatch(const Group& group, const SplitStates<apart>& all, int first, int begin,
                                         int end) {
    const float* from = all.sum(first) + begin;
    SANTA_UNROLL(states)
    for (int i = 0; i < states; ++i) {
      load_vectors<true>(group, from, first + i < all.count ? end - begin : 0, part[i]);
      from += all.stride;
    }
  }
};

/// Sets sum to N of all states at one reference, for `merge_features` features from `begin` on. `batch` is their first
/// states, `references` those of the first 32.
template <class Group, bool apart>
KOKKOS_FUNCTION void merge_sum(const Group& group, const SplitStates<apart>& states, float reference, int begin,
                               int end, StateBatch<Group>& batch, typename Group::template Vector<float> references,
                               MergeVectors<Group>& sum) {
  using Float = typename Group::template Vector<float>;
  constexpr int at_once = StateBatch<Group>::states;
  Float factor(0.F);
  for (Float& part : sum) part = Float(0.F);
  for (int i = 0; i < states.count; i += at_once) {
    if (i > 0) batch = StateBatch<Group>(group, states, i, begin, end);
    if (i % Group::size == 0) {
      if (i > 0) references = states.lanes_of(group, &HeadState::reference, i, empty_reference);
      factor = lanes::exp2(references - Float(reference));
    }
    SANTA_UNROLL(at_once)
    for (int j = 0; j < at_once; ++j) {
      const Float by = group.value_of(factor, i % Group::size + j);
      for (int k = 0; k < merge_vectors; ++k) sum[k] = lanes::fma(batch.part[j][k], by, sum[k]);
    }
  }
}

/// Calls f(begin, end) for all features, `merge_features` at a time.
template <class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_feature_block(int dim, const F& f) {
  SANTA_UNROLL(1)
  for (int begin = 0; begin < dim; begin += merge_features)
    f(begin, begin + merge_features < dim ? begin + merge_features : dim);
}

/// N of all states at the reference of their merged head, as what follows takes it: sums(begin, end, sum).
template <class Group, bool apart>
struct StateSums {
  const Group& group;
  const SplitStates<apart>& states;
  float reference;

  KOKKOS_FORCEINLINE_FUNCTION void operator()(int begin, int end, MergeVectors<Group>& sum) const {
    StateBatch<Group> first(group, states, 0, begin, end);
    const auto references = states.lanes_of(group, &HeadState::reference, 0, empty_reference);
    merge_sum(group, states, reference, begin, end, first, references, sum);
  }
};

/// Stores sums of all features, to to[0..dim).
template <class Group, class Sums>
KOKKOS_FORCEINLINE_FUNCTION void store_sums(const Group& group, int dim, const Sums& sums, float* to) {
  for_each_feature_block(dim, [&](int begin, int end) {
    MergeVectors<Group> sum;
    sums(begin, end, sum);
    store_vectors(group, sum, to + begin, end - begin);
  });
}

/// Where drawn rows were scored again: outputs are over the weights of rows read, not over the mass of all keys. A NaN
/// that no row read has shows as well.
KOKKOS_INLINE_FUNCTION void normalise_by_rows_read(HeadState& total) {
  total.mass = total.mass != total.mass ? total.mass : total.used;
  total.mass_reference = total.reference;
}

/// Adds a sink to a head's whole state: a key that is read with certainty and whose value row is 0. Its weight is
/// 2^log2_weight, 0 for -infinity, which leaves the bits as they are; infinity leaves nothing of the rest. Returns its
/// mass in the state's units. Requires: one reference for the mass and all else. N is as it was, in units of the
/// reference before.
KOKKOS_INLINE_FUNCTION float add_sink(HeadState& total, float log2_weight) {
  const float reference = lanes::max(total.reference, lanes::ceil(log2_weight));
  const float before = lanes::exp2_near(total.reference - reference);
  const float own = log2_weight == lanes::infinity ? 1.F : lanes::exp2_near(log2_weight - reference);
  total.reference = total.mass_reference = reference;
  total.mass = lanes::fma(total.mass, before, own);
  total.used = lanes::fma(total.used, before, own);
  total.variance *= before * before;
  return own;
}

/// log2 of a sum in units of 2^reference; -infinity for 0.
KOKKOS_INLINE_FUNCTION float log2_sum_of(float reference, float sum) {
  return sum == 0.F ? -lanes::infinity : reference + lanes::log2(sum);
}
/// log2 of the sum of exponentials; -infinity where nothing was visible.
KOKKOS_INLINE_FUNCTION float log2_mass(const HeadState& total) { return log2_sum_of(total.mass_reference, total.mass); }

/// The states of a team's groups, each `stride` floats apart in scratch, as one state per head: [heads][state_floats].
/// The groups share out the heads. What a head's state holds is added up as HeadState says, a lane for each float.
template <bool apart, class Group>
KOKKOS_FUNCTION void merge_groups(const Group& group, const float* parts, std::int64_t stride, int heads, int dim,
                                  float* to) {
  constexpr int count = Group::groups_per_team;
  for (int head = group.rank(); head < heads; head += count) {
    const SplitStates<apart> states{parts + head * state_floats(dim), stride, count};
    float* place = to + head * state_floats(dim);
    float reference = empty_reference;
    float mass_reference = empty_reference;
    for (int i = 0; i < count; ++i) {
      reference = lanes::max(reference, states.head(i).reference);
      if constexpr (apart) mass_reference = lanes::max(mass_reference, states.head(i).mass_reference);
    }
    float factor[count], mass_factor[count];
    for (int i = 0; i < count; ++i) {
      factor[i] = lanes::exp2(states.head(i).reference - reference);
      mass_factor[i] = apart ? lanes::exp2(states.head(i).mass_reference - mass_reference) : factor[i];
    }
    group.for_each_in_turn(head_state_floats + dim, [&](int at) {
      const int power = at < head_state_floats ? HeadState::power(at) : 1;
      float sum = 0.F;
      for (int i = 0; i < count; ++i) {
        const float of_sum = power == 0 ? 1.F : (power == 1 ? factor[i] : factor[i] * factor[i]);
        const float by = at == HeadState::mass_place ? mass_factor[i] : of_sum;
        sum = lanes::fma(states.first[i * stride + at], by, sum);
      }
      place[at] = at == HeadState::reference_place        ? reference
                  : at == HeadState::mass_reference_place ? (apart ? mass_reference : reference)
                                                          : sum;
    });
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
