// Outputs of a decode step from the merged states.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>
#include <santa/sample/budget.hpp>
#include <santa/sample/target_error.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Whether rows of a head were left to chance, and none of them was read: the bar's sum is 0 then, and says nothing.
KOKKOS_INLINE_FUNCTION bool has_no_bar(const Arguments& a, const Unit& unit, const HeadState& total) {
  if (!a.with_spread || total.variance != 0.F || !(total.uncertain > 0.F)) return false;
  if (a.separate) {  // rows of other heads count too
    const float apart = total.reference - total.mass_reference;
    return total.mass - total.used * lanes::exp2(apart < 126.F ? apart : 126.F) > 1e-6F * total.mass;
  }
  const UnitCounts* counts = a.work.counts + unit.slice_row(a) * a.splits;
  std::int64_t rows = 0;
  for (std::int32_t split = 0; split < a.splits; ++split) rows += counts[split].rows;
  return static_cast<float>(rows) <= total.certain;
}

/// The estimated square of the L2 norm of a head's error.
KOKKOS_INLINE_FUNCTION float squared_error_bar(const Arguments& a, const HeadState& total, const float* center,
                                               const float* out, bool multinomial_error) {
  if (total.mass == 0.F) return 0.F;
  float variance = total.variance / (total.mass * total.mass);
  if (multinomial_error && !a.self_normalised) {  // E|v - c|^2 / S - |o - c|^2 / S
    float shift = 0.F;
    for (int d = 0; d < a.dim; ++d) {
      const float difference = out[d] - (center != nullptr ? center[d] : 0.F);
      shift = lanes::fma(difference, difference, shift);
    }
    variance -= variance > 0.F ? shift / static_cast<float>(a.budget.samples) : 0.F;
  }
  return variance > 0.F || variance != variance ? variance : 0.F;
}

/// The square of a vector's L2 norm.
template <class Group>
KOKKOS_FUNCTION float squared_norm(const Group& group, const float* vector, int dim) {
  typename Group::template Vector<float> sum = 0.F;
  for (int at = 0; at < dim; at += Group::size) {
    const auto part = group.load(vector + at, dim - at, 0.F);
    sum = lanes::fma(part, part, sum);
  }
  return group.sum(sum);
}

/// Hands delta to the next step, relative to this step's Z and corrected by the rows that it gave, and the panel's
/// delta, to see how that moves. Delta by a first step's subset is not handed on, as the panel's is what moves: it
/// starts from its own. With a target error, hands on what it takes besides. After a step that read everything, the
/// next starts anew.
KOKKOS_INLINE_FUNCTION void carry(const Arguments& a, const Unit& unit, int head, float log_delta,
                                  const HeadState& total, float log2_sum, float relative_squared_bar, bool no_bar) {
  const std::int64_t row = unit.head_row(a, head);
  const float panel = a.steered ? a.panel_log_delta(row) : lanes::not_a_number;
  const bool by_subset = !a.carried && !is_finite(carried_log_delta(a, row)) && is_finite(panel);
  const float miss = correct_log_delta({total.certain, total.uncertain}, a.budget.rows_of(unit.visible()));
  const float next = by_subset ? panel : log_delta + (is_finite(panel) ? damped(miss) : miss);
  // Without a panel to start from, a delta that gives at most the rows asked for.
  const auto anew = [&] {
    return a.steered ? lanes::not_a_number
                     : lanes::log2(static_cast<float>(unit.heads / a.budget.rows_of(unit.visible())));
  };
  a.carried_number(StateArray::log_ratio, row) = is_finite(log_delta) ? next - log2_sum : anew();
  a.carried_number(StateArray::log2_sum, row) = log2_sum;
  a.carried_number(StateArray::panel, row) = panel;
  if (a.budget.target_error > 0.F) {
    float& scale = a.carried_number(StateArray::error_scale, row);
    scale = next_error_scale(scale, relative_squared_bar, a.panel_log_spread(row), no_bar);
  }
}

/// States of a slice's head over all splits.
template <bool apart>
KOKKOS_INLINE_FUNCTION SplitStates<apart> states_of(const Arguments& a, const Unit& unit, int head) {
  const std::int64_t stride = a.slice_heads * state_floats(a.dim);
  return {a.work.states + unit.slice_row(a) * a.splits * stride + head * state_floats(a.dim), stride, a.splits};
}

/// What a head adds to the statistics.
struct HeadSample {
  float effective_size;
  std::uint32_t flags;
};

/// Counts, and what each head's sample says; by one group.
template <class Group>
KOKKOS_FUNCTION void add_statistics(const Group& group, const Arguments& a, const Unit& unit,
                                    const HeadSample* samples) {
  group.single([&] {
    const UnitCounts* counts = a.work.counts + unit.slice_row(a) * a.splits;
    std::int64_t rows = 0;
    std::int64_t drawn = 0;
    for (std::int32_t split = 0; split < a.splits; ++split) {
      rows += counts[split].rows;
      drawn += counts[split].samples;
    }
    float smallest = lanes::infinity;
    std::uint32_t flags = 0;
    for (int head = 0; head < unit.heads; ++head) {
      smallest = samples[head].effective_size < smallest ? samples[head].effective_size : smallest;
      flags |= samples[head].flags;
    }
    Statistics& total = a.statistics(unit.batch, unit.kv_head);
    if (unit.slice == 0) total = {0, 0, smallest, 0};
    total.rows_read += rows;
    total.samples += drawn;
    if (smallest < total.effective_sample_size) total.effective_sample_size = smallest;
    total.flags |= flags;
    if (a.lengths.get(unit.batch, a.storage) != unit.length) total.flags |= Statistics::length_clamped;
  });
}

/// Kish's effective sample size of a head's drawn rows.
KOKKOS_INLINE_FUNCTION float effective_samples(const HeadState& total) {
  return total.squares > 0.F ? total.used * total.used / total.squares : 0.F;
}
/// What a head adds to the statistics.
KOKKOS_INLINE_FUNCTION HeadSample sample_of(const Arguments& a, const Unit& unit, const HeadState& total) {
  return {effective_samples(total), has_no_bar(a, unit, total) ? std::uint32_t{Statistics::no_error_bar} : 0U};
}

/// Writes the outputs of one head from the states of its splits. `result` is room for [dim] floats.
template <class Group, bool apart>
KOKKOS_FUNCTION void write_head(const Group& group, const Arguments& a, const Unit& unit, int head,
                                const SplitStates<apart>& states, bool multinomial_error, float* result,
                                HeadSample& sample) {
  const float* center = a.center ? &a.center(unit.batch, unit.kv_head) : nullptr;
  // On their way meanwhile.
  const GivenDelta given(a, unit.head_row(a, head));
  StateBatch<Group> first(group, states, 0, 0, a.dim);
  const HeadState merged = merge_heads(group, states);
  HeadState total = merged;
  if (a.self_normalised) {
    total.mass = merged.mass != merged.mass ? merged.mass : merged.used;  // a NaN that no row read has shows as well
    total.mass_reference = merged.reference;
  }
  for_each_feature_block(group, states, a.dim, first, [&](int begin, int end, StateBatch<Group>& batch) {
    merge_output(group, states, total, begin, end, batch, center, result);
  });
  group.sync();
  const std::int64_t query_head = unit.first_head + head;
  const std::int64_t offset = unit.batch * a.out_stride[0] + query_head * a.out_stride[1];
  group.for_each(a.dim, [&](int d) { a.out.store(offset + d, result[d]); });
  const float norm = a.budget.target_error > 0.F ? squared_norm(group, result, a.dim) : 0.F;
  group.single([&] {
    const float log2_sum = log2_mass(total);
    if (a.lse) a.lse(unit.batch, query_head) = log2_sum * lanes::ln_of_2;
    const float bar = a.with_spread ? squared_error_bar(a, total, center, result, multinomial_error) : 0.F;
    sample = sample_of(a, unit, merged);
    const bool no_bar = sample.flags != 0;
    if (a.error) a.error(unit.batch, query_head) = no_bar ? lanes::not_a_number : Kokkos::sqrt(bar);
    if (a.state != nullptr)
      carry(a, unit, head, given.log_delta(a, unit), merged, log2_mass(merged), bar / norm, no_bar);
  });
}

/// Writes the outputs of one slice from the states of its splits; the groups of a team share out the heads. `scratch`
/// is room for [heads][dim + 2] floats.
template <bool apart, class Group>
KOKKOS_FUNCTION void write_outputs(const Group& group, const Arguments& a, const Unit& unit, bool multinomial_error,
                                   float* scratch) {
  auto* samples = reinterpret_cast<HeadSample*>(scratch + unit.heads * a.dim);
  for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team)
    write_head(group, a, unit, head, states_of<apart>(a, unit, head), multinomial_error, scratch + head * a.dim,
               samples[head]);
  group.team_barrier();  // also before scratch is used for the next slice
  if (a.statistics && group.rank() == 0) add_statistics(group, a, unit, samples);
  group.team_barrier();
}

}  // namespace santa::detail::inline SANTA_BUILD
