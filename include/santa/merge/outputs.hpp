// Outputs of a decode step from the merged states.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/merge/merge.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Whether some of a head's mass is of rows that were not read.
KOKKOS_INLINE_FUNCTION bool leaves_mass(const HeadState& total) {
  const float apart = total.reference - total.mass_reference;
  return lanes::fma(-total.used, lanes::exp2(apart < 126.F ? apart : 126.F), total.mass) > 1e-6F * total.mass;
}

/// Whether it is told what a head's sample is.
KOKKOS_INLINE_FUNCTION bool wants_samples(const Arguments& a) {
  return a.with_spread || static_cast<bool>(a.statistics);
}

/// Whether rows of a head were left to chance, and none of them was read: the bar's sum is 0 then, and says nothing.
/// Without sums, of heads that draw separately, whether nothing was read at all. Overloads, as of carry_of, are for
/// arguments of another kind.
KOKKOS_INLINE_FUNCTION bool has_no_bar(const Arguments& a, const Unit& unit, int /*head*/, const HeadState& total) {
  if (!wants_samples(a) || total.variance != 0.F || !(total.uncertain > 0.F)) return false;
  if (a.separate) return a.with_spread ? leaves_mass(total) : total.used == 0.F;  // rows of other heads count too
  const auto [first, count] = states_of_slice(a, unit);
  std::int64_t rows = 0;
  SANTA_UNROLL(1)  // rare: kept small
  for (std::int32_t i = 0; i < count; ++i) rows += a.counts[first + i].rows;
  return static_cast<float>(rows) <= total.certain;
}

/// The estimated square of the L2 norm of a head's error. `sink` is what of the mass is no key's; `self_normalised`:
/// see write_head.
template <bool self_normalised>
KOKKOS_INLINE_FUNCTION float squared_error_bar(const Arguments& a, const HeadState& total, float sink,
                                               const float* center, const float* out) {
  if (total.mass == 0.F) return 0.F;
  float variance = total.variance / (total.mass * total.mass);
  if (!self_normalised && a.equal_draws > 0) {  // E|v - c|^2 / S - |o - c|^2 / S, both in units of the keys' share
    const float keys = sink > 0.F ? lanes::fma(-sink, lanes::inverse_near(total.mass), 1.F) : 1.F;
    float shift = 0.F;
    for (int d = 0; d < a.dim; ++d) {
      const float difference = center != nullptr ? lanes::fma(-keys, center[d], out[d]) : out[d];
      shift = lanes::fma(difference, difference, shift);
    }
    variance -= variance > 0.F ? shift / static_cast<float>(a.equal_draws) : 0.F;
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

/// What a method hands to the next step when a head's states are merged; overloads are for arguments of its own.
struct NothingCarried {
  [[nodiscard]] KOKKOS_FUNCTION static bool wants_norm() { return false; }
  KOKKOS_FUNCTION static void note(const HeadState& /*total*/, float /*log2_sum*/, float /*relative_squared_bar*/,
                                   bool /*no_bar*/) {}
};
KOKKOS_INLINE_FUNCTION NothingCarried carry_of(const Arguments& /*a*/, const Unit& /*unit*/, int /*head*/) {
  return {};
}

/// States of a slice's head over all splits.
template <bool apart>
KOKKOS_INLINE_FUNCTION SplitStates<apart> states_of(const Arguments& a, const Unit& unit, int head) {
  const std::int64_t stride = a.slice_heads * state_floats(a.dim);
  const auto [first, count] = states_of_slice(a, unit);
  return {a.states + first * stride + head * state_floats(a.dim), stride, count};
}

/// What a head adds to the statistics.
struct HeadSample {
  float effective_size;  // infinity of a head that sees nothing
  std::uint32_t flags;
};

/// What the units of a slice have counted: no effective sample size.
KOKKOS_INLINE_FUNCTION Statistics counts_of_slice(const Arguments& a, const Unit& unit) {
  Statistics result;
  const auto [first, count] = states_of_slice(a, unit);
  for (std::int32_t i = 0; i < count; ++i) {
    result.rows_read += a.counts[first + i].rows;
    result.samples += a.counts[first + i].samples;
    result.flags |= a.counts[first + i].flags;
  }
  if (a.lengths.get(unit.batch, a.storage) != unit.length) result.flags |= Statistics::length_clamped;
  return result;
}

/// Counts, and what each head's sample says; by one group.
template <class Group, class Args>
KOKKOS_FUNCTION void add_statistics(const Group& group, const Args& a, const Unit& unit, const HeadSample* samples) {
  group.single([&] {
    const Statistics counts = counts_of_slice(a, unit);
    float smallest = lanes::infinity;
    std::uint32_t flags = counts.flags;
    for (int head = 0; head < unit.heads; ++head) {
      smallest = samples[head].effective_size < smallest ? samples[head].effective_size : smallest;
      flags |= samples[head].flags;
    }
    Statistics& total = a.statistics(unit.batch, unit.kv_head);
    if (unit.slice == 0) total = {0, 0, smallest, 0};
    total.rows_read += counts.rows_read;
    total.samples += counts.samples;
    if (smallest < total.effective_sample_size) total.effective_sample_size = smallest;
    const bool last =
        (unit.first_head + unit.heads) * std::int64_t{a.kv_heads} == (unit.kv_head + 1) * std::int64_t{a.heads};
    if (last && total.effective_sample_size == lanes::infinity) total.effective_sample_size = 0.F;
    total.flags |= flags;
  });
}

/// Kish's effective sample size of a head's drawn rows; infinity where no key has mass, as of tokens that are not
/// there.
KOKKOS_INLINE_FUNCTION float effective_samples(const HeadState& total) {
  if (total.mass == 0.F) return lanes::infinity;
  return total.squares > 0.F ? total.used * total.used / total.squares : 0.F;
}
/// What a head adds to the statistics.
template <class Args>
KOKKOS_INLINE_FUNCTION HeadSample sample_of(const Args& a, const Unit& unit, int head, const HeadState& total) {
  return {effective_samples(total), has_no_bar(a, unit, head, total) ? std::uint32_t{Statistics::no_error_bar} : 0U};
}

/// A head of which all states are merged: as it is, and as outputs are made of it. Where drawn rows were scored again
/// (`apart`), outputs are over the weights of rows read, not over the mass of all keys; a sink is no key's.
template <bool apart>
struct MergedHead {
  HeadState merged, total;
  float sink;

  template <class Args>
  KOKKOS_FUNCTION MergedHead(const Args& a, std::int64_t query_head, const HeadState& head)
      : merged(head), total(head) {
    if constexpr (apart) normalise_by_rows_read(total);
    sink = a.sinks != nullptr ? add_sink(total, a.sinks[query_head] * lanes::log2_of_e) : 0.F;
  }
};

/// Where a head's center lies; null for 0.
template <class Args>
KOKKOS_INLINE_FUNCTION const float* center_of(const Args& a, const Unit& unit) {
  return a.center ? &a.center(unit.batch, unit.kv_head) : nullptr;
}

/// What an output is made of besides N and the center.
struct OutputParts {
  float unit;  // of N: 1, but with a large sink
  float mass;  // Z
  float rest;  // Z - W

  template <bool apart>
  KOKKOS_FUNCTION explicit OutputParts(const MergedHead<apart>& of)
      : unit(lanes::exp2_near(of.merged.reference - of.total.reference)),
        mass(of.total.mass),
        rest(of.total.mass - of.total.used) {}

  /// (N + (Z - W) c) / Z, or 0 where nothing was visible; `center()` gives c, where it is.
  template <class Float, class Center>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float output(Float sum, const Center& center, bool is_given) const {
    sum = sum * Float(unit);
    if (is_given && rest != 0.F) sum = lanes::fma(Float(rest), center(), sum);
    return mass == 0.F ? Float(0.F) : sum / Float(mass);
  }
};

/// Where a head's output begins.
template <class Args>
KOKKOS_INLINE_FUNCTION std::int64_t offset_of_output(const Args& a, const Unit& unit, int head) {
  const auto place = unit.place(a, head);
  return unit.batch * a.out_stride[0] + place.token * a.out_token_stride + place.head * a.out_stride[1];
}

/// Writes out = (N + (Z - W) c) / Z, or 0 where nothing was visible, of a head whose N is given by `sums`. `result` is
/// room for [dim] floats, and has the output even where there is no other place for it.
template <class Group, class Args, bool apart, class Sums>
KOKKOS_FUNCTION void write_output(const Group& group, const Args& a, const Unit& unit, int head,
                                  const MergedHead<apart>& of, const Sums& sums, float* result) {
  const float* center = center_of(a, unit);
  const OutputParts parts(of);
  store_sums(
      group, a.dim,
      [&](int begin, int end, MergeVectors<Group>& sum) {
        sums(begin, end, sum);
        MergeVectors<Group> of_center;
        if (center != nullptr) load_vectors<false>(group, center + begin, end - begin, of_center);
        for (int k = 0; k < merge_vectors; ++k)
          sum[k] = parts.output(
              sum[k], [&] { return of_center[k]; }, center != nullptr);
      },
      result);
  group.sync();
  const std::int64_t offset = offset_of_output(a, unit, head);
  if (a.out.data != nullptr) group.for_each(a.dim, [&](int d) { a.out.store(offset + d, result[d]); });
}

/// Writes what there is of a head besides its output, which `result` has where error bars are made, and what it hands
/// to the next step.
template <class Group, class Args, bool apart, class Carry>
KOKKOS_FUNCTION void note_head(const Group& group, const Args& a, const Unit& unit, int head,
                               const MergedHead<apart>& of, const Carry& carry, const float* result,
                               HeadSample& sample) {
  const float norm = carry.wants_norm() ? squared_norm(group, result, a.dim) : 0.F;
  group.single([&] {
    const auto place = unit.place(a, head);
    if (a.lse) a.lse(unit.batch, place) = log2_mass(of.total) * lanes::ln_of_2;
    const float bar = a.with_spread ? squared_error_bar<apart>(a, of.total, of.sink, center_of(a, unit), result) : 0.F;
    sample = sample_of(a, unit, head, of.merged);
    const bool no_bar = sample.flags != 0;
    if (a.error) a.error(unit.batch, place) = no_bar ? lanes::not_a_number : Kokkos::sqrt(bar);
    const float relative = bar == 0.F ? 0.F : bar / norm;  // an output of 0 without an error has none
    carry.note(of.merged, log2_mass(of.merged), relative, no_bar);
  });
}

/// Writes the outputs of one head from the states of its splits.
template <class Group, class Args, bool apart>
KOKKOS_FUNCTION void write_head(const Group& group, const Args& a, const Unit& unit, int head,
                                const SplitStates<apart>& states, float* result, HeadSample& sample) {
  const MergedHead<apart> of(a, unit.place(a, head).head, merge_heads(group, states));
  write_output(group, a, unit, head, of, StateSums<Group, apart>{group, states, of.merged.reference}, result);
  note_head(group, a, unit, head, of, carry_of(a, unit, head), result, sample);
}

/// Writes the outputs of one slice from the states of its splits; the groups of a team share out the heads. `scratch`
/// is room for [heads][dim + 2] floats.
template <bool apart, class Group, class Args>
KOKKOS_FUNCTION void write_outputs(const Group& group, const Args& a, const Unit& unit, float* scratch) {
  auto* samples = reinterpret_cast<HeadSample*>(scratch + unit.heads * a.dim);
  for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team)
    write_head(group, a, unit, head, states_of<apart>(a, unit, head), scratch + head * a.dim, samples[head]);
  group.team_barrier();  // also before scratch is used for the next slice
  if (a.statistics && group.rank() == 0) add_statistics(group, a, unit, samples);
  group.team_barrier();
}

}  // namespace santa::detail::inline SANTA_BUILD
