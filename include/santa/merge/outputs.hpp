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
/// After a step that read everything, the next starts from a delta that gives at most the rows asked for.
KOKKOS_INLINE_FUNCTION void carry(const Arguments& a, const Unit& unit, int head, const HeadState& total,
                                  float log2_sum) {
  const float log_delta = log_delta_of(a, unit, head);
  const double rows = a.budget.rows_of(unit.visible());
  a.state_log_ratio[unit.head_row(a, head)] =
      log_delta > -lanes::infinity ? log_delta - log2_sum + correct_log_delta({total.certain, total.uncertain}, rows)
                                   : lanes::log2(static_cast<float>(unit.heads / rows));
  a.state_lse[unit.head_row(a, head)] = log2_sum;
}

/// States of a slice's head over all splits.
KOKKOS_INLINE_FUNCTION SplitStates states_of(const Arguments& a, const Unit& unit, int head) {
  const std::int64_t stride = a.slice_heads * state_floats(a.dim);
  return {a.work.states + unit.slice_row(a) * a.splits * stride + head * state_floats(a.dim), stride, a.splits};
}

/// Counts and effective sample size, of which `samples` has each head's; by one group.
template <class Group>
KOKKOS_FUNCTION void add_statistics(const Group& group, const Arguments& a, const Unit& unit, const float* samples) {
  group.single([&] {
    const UnitCounts* counts = a.work.counts + unit.slice_row(a) * a.splits;
    std::int64_t rows = 0;
    std::int64_t drawn = 0;
    for (std::int32_t split = 0; split < a.splits; ++split) {
      rows += counts[split].rows;
      drawn += counts[split].samples;
    }
    float smallest = lanes::infinity;
    for (int head = 0; head < unit.heads; ++head) smallest = samples[head] < smallest ? samples[head] : smallest;
    Statistics& total = a.statistics(unit.batch, unit.kv_head);
    if (unit.slice == 0) total = {0, 0, smallest, 0};
    total.rows_read += rows;
    total.samples += drawn;
    if (smallest < total.effective_sample_size) total.effective_sample_size = smallest;
    if (a.lengths.get(unit.batch, a.storage) != unit.length) total.flags |= Statistics::length_clamped;
  });
}

/// Kish's effective sample size of a head's drawn rows.
KOKKOS_INLINE_FUNCTION float effective_samples(const HeadState& total) {
  return total.squares > 0.F ? total.used * total.used / total.squares : 0.F;
}

/// Writes the outputs of one head from the states of its splits. `result` is room for [dim] floats, `sample` for the
/// effective sample size.
template <class Group>
KOKKOS_FUNCTION void write_head(const Group& group, const Arguments& a, const Unit& unit, int head,
                                const SplitStates& states, bool multinomial_error, float* result, float& sample) {
  const float* center = a.center ? &a.center(unit.batch, unit.kv_head) : nullptr;
  const HeadState total = merge_heads(group, states);
  for (int begin = 0; begin < a.dim; begin += merge_features)
    merge_output(group, states, total, begin, begin + merge_features < a.dim ? begin + merge_features : a.dim, center,
                 result);
  group.sync();
  const std::int64_t query_head = unit.first_head + head;
  const std::int64_t offset = unit.batch * a.out_stride[0] + query_head * a.out_stride[1];
  group.for_each(a.dim, [&](int d) { a.out.store(offset + d, result[d]); });
  group.single([&] {
    const float log2_sum = log2_mass(total);
    if (a.lse) a.lse(unit.batch, query_head) = log2_sum * lanes::ln_of_2;
    if (a.error) a.error(unit.batch, query_head) = error_bar(a, total, center, result, multinomial_error);
    if (a.state_lse != nullptr) carry(a, unit, head, total, log2_sum);
    sample = effective_samples(total);
  });
}

/// Writes the outputs of one slice from the states of its splits; the groups of a team share out the heads. `scratch`
/// is room for [heads][dim + 1] floats.
template <class Group>
KOKKOS_FUNCTION void write_outputs(const Group& group, const Arguments& a, const Unit& unit, bool multinomial_error,
                                   float* scratch) {
  float* samples = scratch + unit.heads * a.dim;
  for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team)
    write_head(group, a, unit, head, states_of(a, unit, head), multinomial_error, scratch + head * a.dim,
               samples[head]);
  group.team_barrier();  // also before scratch is used for the next slice
  if (a.statistics && group.rank() == 0) add_statistics(group, a, unit, samples);
  group.team_barrier();
}

}  // namespace santa::detail
