// Merging partial states.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// States of one head over parts of the keys, `stride` floats apart.
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

/// Brings all states to the largest reference and adds them up in one fixed order: always the same bits.
template <class Group>
KOKKOS_FUNCTION HeadState merge_heads(const Group& group, const SplitStates& states) {
  using Float = typename Group::template Vector<float>;
  Float largest = empty_reference;
  for (int begin = 0; begin < states.count; begin += Group::size)
    largest = lanes::max(largest, states.lanes_of(group, &HeadState::reference, begin, empty_reference));
  HeadState total;
  total.reference = group.max(largest);
  Float mass = 0.F, used = 0.F, squares = 0.F, variance = 0.F, certain = 0.F, uncertain = 0.F;
  for (int begin = 0; begin < states.count; begin += Group::size) {
    const auto part = [&](const float HeadState::*member) { return states.lanes_of(group, member, begin, 0.F); };
    const Float factor =
        lanes::exp2(states.lanes_of(group, &HeadState::reference, begin, empty_reference) - Float(total.reference));
    mass += part(&HeadState::mass) * factor;
    used += part(&HeadState::used) * factor;
    squares += part(&HeadState::squares) * factor * factor;
    variance += part(&HeadState::variance) * factor * factor;
    certain += part(&HeadState::certain);
    uncertain += part(&HeadState::uncertain);
  }
  total.mass = group.sum(mass);
  total.used = group.sum(used);
  total.squares = group.sum(squares);
  total.variance = group.sum(variance);
  total.certain = group.sum(certain);
  total.uncertain = group.sum(uncertain);
  return total;
}

/// Features that are merged at once: several vectors, so that more loads are on their way.
inline constexpr int merge_vectors = 4;
inline constexpr int merge_features = merge_vectors * tile_keys;

/// Sets sum to N of all states at one reference, for `merge_features` features from `begin` on; those from `end` on are
/// 0.
template <class Group>
KOKKOS_FUNCTION void merge_sum(const Group& group, const SplitStates& states, float reference, int begin, int end,
                               typename Group::template Vector<float> (&sum)[merge_vectors]) {
  using Float = typename Group::template Vector<float>;
  for (Float& part : sum) part = Float(0.F);
  for (int base = 0; base < states.count; base += Group::size) {
    const Float factor =
        lanes::exp2(states.lanes_of(group, &HeadState::reference, base, empty_reference) - Float(reference));
    const int count = states.count - base < Group::size ? states.count - base : Group::size;
    SANTA_UNROLL(4)
    for (int i = 0; i < count; ++i) {
      const float* from = states.sum(base + i) + begin;
      const Float by = group.value_of(factor, i);
      for (int k = 0; k < merge_vectors; ++k) {
        const int at = k * Group::size;
        sum[k] = lanes::fma(group.load(from + at, end - begin - at, 0.F), by, sum[k]);
      }
    }
  }
}

/// out = (N + (Z - W) c) / Z, or 0 where nothing was visible, for at most `merge_features` features from `begin` on:
/// to[begin..end).
template <class Group>
KOKKOS_FUNCTION void merge_output(const Group& group, const SplitStates& states, const HeadState& total, int begin,
                                  int end, const float* center, float* to) {
  using Float = typename Group::template Vector<float>;
  const float rest = total.mass - total.used;
  Float sum[merge_vectors];
  merge_sum(group, states, total.reference, begin, end, sum);
  for (int k = 0; k < merge_vectors; ++k) {
    const int at = begin + k * Group::size;
    if (center != nullptr && rest != 0.F)
      sum[k] = lanes::fma(Float(rest), group.load(center + at, end - at, 0.F), sum[k]);
    group.store(total.mass == 0.F ? Float(0.F) : sum[k] / Float(total.mass), to + at, end - at);
  }
}

/// log2 of the sum of exponentials; -infinity where nothing was visible.
KOKKOS_INLINE_FUNCTION float log2_mass(const HeadState& total) {
  return total.mass == 0.F ? -lanes::infinity : total.reference + lanes::log2(total.mass);
}

/// Merges states of one head into one, in memory: HeadState, then `dim` sums.
template <class Group>
KOKKOS_FUNCTION void merge_into(const Group& group, const SplitStates& states, int dim, float* to) {
  const HeadState total = merge_heads(group, states);
  group.single([&] { *reinterpret_cast<HeadState*>(to) = total; });
  for (int begin = 0; begin < dim; begin += merge_features) {
    const int end = begin + merge_features < dim ? begin + merge_features : dim;
    typename Group::template Vector<float> sum[merge_vectors];
    merge_sum(group, states, total.reference, begin, end, sum);
    for (int k = 0; k < merge_vectors; ++k) {
      const int at = begin + k * Group::size;
      group.store(sum[k], to + head_state_floats + at, end - at);
    }
  }
}

/// The states of a team's groups, each `stride` floats apart in scratch, as one state per head: [heads][8 + dim].
/// The groups share out the heads. What a head's state holds is added up as HeadState says, a lane for each member.
template <class Group>
KOKKOS_FUNCTION void merge_groups(const Group& group, const float* parts, std::int64_t stride, int heads, int dim,
                                  float* to) {
  constexpr int count = Group::groups_per_team;
  for (int head = group.rank(); head < heads; head += count) {
    const SplitStates states{parts + head * state_floats(dim), stride, count};
    float* place = to + head * state_floats(dim);
    float reference = empty_reference;
    for (int i = 0; i < count; ++i) reference = lanes::max(reference, states.head(i).reference);
    float factor[count];
    for (int i = 0; i < count; ++i) factor[i] = lanes::exp2(states.head(i).reference - reference);
    const auto add_up = [&](const float* first, int power) {
      float sum = 0.F;
      for (int i = 0; i < count; ++i) {
        const float by = power == 0 ? 1.F : (power == 1 ? factor[i] : factor[i] * factor[i]);
        sum = lanes::fma(first[i * stride], by, sum);
      }
      return sum;
    };
    group.for_each(dim, [&](int d) { place[head_state_floats + d] = add_up(states.sum(0) + d, 1); });
    group.for_each(head_state_floats, [&](int member) {
      const float* first = states.first + member;
      place[member] = member == 0 ? reference : add_up(first, HeadState::power(member));
    });
  }
}

}  // namespace santa::detail
