// Outputs of a decode step from the merged states.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>
#include <santa/sample/budget.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// The estimated L2 norm of a head's error.
KOKKOS_INLINE_FUNCTION float error_bar(const Arguments& a, const HeadState& total, const float* center,
                                       const float* out, bool multinomial_error) {
  if (total.mass == 0.F) return 0.F;
  float variance = total.variance / (total.mass * total.mass);
  if (multinomial_error) {  // E|v - c|^2 / S - |o - c|^2 / S
    float shift = 0.F;
    for (int d = 0; d < a.dim; ++d) {
      const float difference = out[d] - (center != nullptr ? center[d] : 0.F);
      shift = lanes::fma(difference, difference, shift);
    }
    variance -= variance > 0.F ? shift / static_cast<float>(a.budget.samples) : 0.F;
  }
  return variance > 0.F ? Kokkos::sqrt(variance) : (variance == variance ? 0.F : variance);
}

/// Hands delta to the next step: relative to this step's Z and corrected by the rows that it gave. The next step takes
/// this step's Z for its own, so scores that shift between steps cost rows or variance until the corrections catch up.
KOKKOS_INLINE_FUNCTION void carry(const Arguments& a, const Unit& unit, int head, const HeadState& total,
                                  float log2_sum) {
  const float log_delta = a.work.log_delta[unit.head_row(a, head)];
  const float correction = correct_log_delta({total.certain, total.uncertain}, a.budget.rows_of(unit.visible()));
  a.state_log_ratio[unit.head_row(a, head)] = log_delta - log2_sum + correction;
  a.state_lse[unit.head_row(a, head)] = log2_sum;
}

/// States of a slice's head over all splits.
KOKKOS_INLINE_FUNCTION SplitStates states_of(const Arguments& a, const Unit& unit, int head) {
  const std::int64_t stride = a.slice_heads * state_floats(a.dim);
  return {a.work.states + unit.slice_row(a) * a.splits * stride + head * state_floats(a.dim), stride, a.splits};
}

/// Counts and effective sample size; by one group.
template <class Group>
KOKKOS_FUNCTION void add_statistics(const Group& group, const Arguments& a, const Unit& unit) {
  float smallest_sample = lanes::infinity;
  for (int head = 0; head < unit.heads; ++head) {
    const HeadState total = merge_heads(group, states_of(a, unit, head));
    const float sample = total.squares > 0.F ? total.used * total.used / total.squares : 0.F;
    smallest_sample = sample < smallest_sample ? sample : smallest_sample;
  }
  group.single([&] {
    const UnitCounts* counts = a.work.counts + unit.slice_row(a) * a.splits;
    std::int64_t rows = 0;
    std::int64_t samples = 0;
    for (std::int32_t split = 0; split < a.splits; ++split) {
      rows += counts[split].rows;
      samples += counts[split].samples;
    }
    Statistics& total = a.statistics(unit.batch, unit.kv_head);
    if (unit.slice == 0) total = {0, 0, smallest_sample, 0};
    total.rows_read += rows;
    total.samples += samples;
    if (smallest_sample < total.effective_sample_size) total.effective_sample_size = smallest_sample;
    if (a.lengths.get(unit.batch, a.storage) != unit.length) total.flags |= Statistics::length_clamped;
  });
}

/// Writes the outputs of one slice from the states of its splits; the groups of a team share out heads and features.
/// `scratch` is room for [heads][dim] floats.
template <class Group>
KOKKOS_FUNCTION void write_outputs(const Group& group, const Arguments& a, const Unit& unit, bool multinomial_error,
                                   float* scratch) {
  const float* center = a.center ? &a.center(unit.batch, unit.kv_head) : nullptr;
  const int parts = (a.dim + merge_features - 1) / merge_features;
  for (int i = group.rank(); i < unit.heads * parts; i += Group::groups_per_team) {
    const int head = i / parts;
    const int begin = i % parts * merge_features;
    const int end = begin + merge_features < a.dim ? begin + merge_features : a.dim;
    const SplitStates states = states_of(a, unit, head);
    float* result = scratch + head * a.dim;
    merge_output(group, states, merge_heads(group, states), begin, end, center, result);
    group.sync();
    const std::int64_t offset = unit.batch * a.out_stride[0] + (unit.first_head + head) * a.out_stride[1];
    group.for_each(end - begin, [&](int d) { a.out.store(offset + begin + d, result[begin + d]); });
  }
  group.team_barrier();
  if (a.lse || a.error || a.state_lse != nullptr)
    for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team) {
      const HeadState total = merge_heads(group, states_of(a, unit, head));
      const std::int64_t query_head = unit.first_head + head;
      const float log2_sum = log2_mass(total);
      group.single([&] {
        if (a.lse) a.lse(unit.batch, query_head) = log2_sum * lanes::ln_of_2;
        if (a.error)
          a.error(unit.batch, query_head) = error_bar(a, total, center, scratch + head * a.dim, multinomial_error);
        if (a.state_lse != nullptr) carry(a, unit, head, total, log2_sum);
      });
    }
  if (a.statistics && group.rank() == 0) add_statistics(group, a, unit);
  group.team_barrier();  // before scratch is used for the next slice
}

}  // namespace santa::detail
