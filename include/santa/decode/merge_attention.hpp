// Merging whole states of attention over parts of the keys into outputs.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/element.hpp>
#include <santa/core/statistics.hpp>
#include <santa/decode/bind.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/merge/attention_states.hpp>
#include <santa/merge/outputs.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa {

/// Options of merging AttentionStates; all views are optional, and as those of RunOptions.
template <class MemorySpace>
struct MergeOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  Kokkos::View<const float*, MemorySpace> sinks = {};  // [heads]: counted once, here
  HeadView<MemorySpace> lse = {};                      // [batch, heads] or [batch, tokens, heads] out
  HeadView<MemorySpace> error = {};                    // the same: of states with error bars
  View<Statistics**> statistics = {};                  // [batch, kv_heads] out
  View<const float***> center = {};                    // [batch, kv_heads, dim]: the one that the parts were given
};

namespace detail::inline SANTA_BUILD {

/// What merging parts is given besides the outputs: parts of [batch][heads][part_floats]. `apart`: their masses have
/// references of their own. Those of shards of a whole are merged with the arguments of the whole's method.
template <class Base, bool apart>
struct PartsOf : Base {
  const float* parts = nullptr;
  std::int64_t part_stride = 0;
  std::int32_t part_count = 0;

  /// The state of a part's head.
  [[nodiscard]] KOKKOS_FUNCTION const float* state(std::int32_t part, const Unit& unit, int head) const {
    return parts + part * part_stride + unit.head_row(*this, head) * part_floats(this->dim);
  }
  [[nodiscard]] KOKKOS_FUNCTION const Statistics& statistics_of(std::int32_t part, const Unit& unit, int head) const {
    return statistics_of_part(state(part, unit, head), this->dim);
  }
  [[nodiscard]] KOKKOS_FUNCTION SplitStates<apart> states_of_head(const Unit& unit, int head) const {
    return {state(0, unit, head), part_stride, part_count};
  }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t group_heads() const {
    return static_cast<std::int32_t>(this->kv_heads.quotient(static_cast<std::uint32_t>(this->heads)));
  }
};
using PartsArguments = PartsOf<Arguments, false>;

/// Where no part has a bar, whether one of them left rows to chance. Of shards, whether the whole did.
template <class Base, bool apart>
KOKKOS_FUNCTION bool has_no_bar(const PartsOf<Base, apart>& a, const Unit& unit, int head, const HeadState& total) {
  if (total.variance != 0.F) return false;
  if (a.sharded) {
    if (!wants_samples(a) || !(total.uncertain > 0.F)) return false;
    if (a.separate) return a.with_spread ? leaves_mass(total) : total.used == 0.F;
    std::int64_t rows = 0;
    for (std::int32_t part = 0; part < a.part_count; ++part) rows += a.statistics_of(part, unit, 0).rows_read;
    return static_cast<float>(rows) <= total.certain;
  }
  std::uint32_t flags = 0;
  for (std::int32_t part = 0; part < a.part_count; ++part) flags |= a.statistics_of(part, unit, head).flags;
  return (flags & Statistics::no_error_bar) != 0;
}

/// The sum over parts and heads, which have their slice's counts each in its first one.
template <class Base, bool apart>
KOKKOS_FUNCTION Statistics counts_of_slice(const PartsOf<Base, apart>& a, const Unit& unit) {
  Statistics result;
  for (std::int32_t part = 0; part < a.part_count; ++part)
    for (int head = 0; head < unit.heads; ++head) {
      const Statistics& own = a.statistics_of(part, unit, head);
      result.rows_read += own.rows_read;
      result.samples += own.samples;
      result.flags |= own.flags & ~std::uint32_t{Statistics::no_error_bar};
    }
  return result;
}

/// Whether the shards of a request's head, all of them and of one run, are what is merged.
template <class Base, bool apart>
KOKKOS_FUNCTION bool are_of_one_run(const PartsOf<Base, apart>& a, const Unit& unit, int head) {
  const std::uint64_t first = ticket_of_part(a.state(0, unit, head), a.dim);
  bool same = first != 0;
  for (std::int32_t part = 1; part < a.part_count; ++part)
    same = same && ticket_of_part(a.state(part, unit, head), a.dim) == first;
  return same;
}

/// Merges the parts of a head and writes its outputs, one team a head; that of a kv head's first one also writes the
/// statistics. Reads: the states. Order: that of the parts: always the same bits. Shards that are not of one run give
/// NaN and Statistics::shards_disagree, and nothing is carried to the next step.
template <class Space, class Base = Arguments, bool apart = false>
struct MergePartsKernel {
  using Extents = lanes::Teams<1>;
  using Group = lanes::GroupOf<Space, Extents>;

  PartsOf<Base, apart> arguments;

  /// An output, and what each of some heads adds to the statistics.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats() const {
    return static_cast<std::size_t>(arguments.dim) + max_heads * sizeof(HeadSample) / sizeof(float);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const auto& a = arguments;
    const Group group(member);
    float* result = group.template scratch<float>(member, scratch_floats());
    auto* samples = reinterpret_cast<HeadSample*>(result + a.dim);
    const std::int32_t heads = a.group_heads();
    Unit unit{};
    unit.batch = static_cast<std::int32_t>(member.league_rank() / a.heads);
    const auto row = static_cast<std::int32_t>(member.league_rank() % a.heads);
    unit.kv_head = row / heads;
    const std::int32_t of_group = row % heads;
    unit.slice = of_group / a.slice_heads;
    const std::int32_t before = unit.slice * a.slice_heads;
    unit.first_head = unit.kv_head * heads + before;
    unit.heads = heads - before < a.slice_heads ? heads - before : std::int32_t{a.slice_heads};
    const int head = of_group - before;
    if (a.sharded) {
      take_whole_keys(a, before, unit);
      if (!are_of_one_run(a, unit, head)) return refuse(group, unit, head);
    }
    write_head(group, a, unit, head, a.states_of_head(unit, head), result, samples[0]);
    if (a.statistics && of_group == 0) write_statistics(group, unit, samples);
  }

 private:
  /// Of all heads of a kv head, some at a time: those that were read together.
  KOKKOS_FUNCTION void write_statistics(const Group& group, Unit unit, HeadSample* samples) const {
    const auto& a = arguments;
    const std::int32_t heads = a.group_heads();
    const std::int32_t most = a.slice_heads < max_heads ? std::int32_t{a.slice_heads} : std::int32_t{max_heads};
    for (std::int32_t done = 0; done < heads; done += most, ++unit.slice) {
      group.sync();
      unit.first_head = unit.kv_head * heads + done;
      unit.heads = heads - done < most ? heads - done : most;
      for (int head = 0; head < unit.heads; ++head) {
        const HeadState total = merge_heads(group, a.states_of_head(unit, head));
        group.single([&] { samples[head] = sample_of(a, unit, head, total); });
      }
      add_statistics(group, a, unit, samples);
    }
  }

  KOKKOS_FUNCTION void refuse(const Group& group, const Unit& unit, int head) const {
    const auto& a = arguments;
    const auto place = unit.place(a, head);
    const std::int64_t offset =
        unit.batch * a.out_stride[0] + place.token * a.out_token_stride + place.head * a.out_stride[1];
    group.for_each(a.dim, [&](int d) { a.out.store(offset + d, lanes::not_a_number); });
    group.single([&] {
      if (a.lse) a.lse(unit.batch, place) = lanes::not_a_number;
      if (a.error) a.error(unit.batch, place) = lanes::not_a_number;
      if (a.statistics && unit.slice == 0 && head == 0)
        a.statistics(unit.batch, unit.kv_head) = {0, 0, 0.F, Statistics::shards_disagree};
    });
  }
};

/// Launches it, a team for each head.
template <class Space, class Base, bool apart>
void launch_merge(const Space& space, const MergePartsKernel<Space, Base, apart>& kernel) {
  using Kernel = MergePartsKernel<Space, Base, apart>;
  if (kernel.arguments.batch == 0) return;
  Kokkos::parallel_for("santa::merge_states",
                       Kokkos::Experimental::require(lanes::Seam<Space>::template policy<typename Kernel::Extents>(
                                                         space, kernel.arguments.head_rows(), kernel.scratch_floats()),
                                                     Kokkos::Experimental::WorkItemProperty::HintLightWeight),
                       kernel);
}

/// Checks and notes what merging is given.
template <class MemorySpace>
PartsArguments bind_parts(const AttentionStates<MemorySpace>& states, const Array& out, void* to, ElementType type,
                          const MergeOptions<MemorySpace>& options) {
  states.require_kept();
  const Shape& shape = states.shape();
  PartsArguments a;
  set_heads(a, shape, static_cast<int>(shape.group() * shape.tokens));
  bind_out(a, shape, out, to, type);
  bind_outputs(a, shape, options);
  if (a.error && !states.error_bars()) reject("error", "given", "none: the states were made without error bars");
  a.parts = states.data().data();
  a.part_stride = static_cast<std::int64_t>(states.data().stride(0));
  a.part_count = static_cast<std::int32_t>(states.parts());
  return a;
}

}  // namespace detail::inline SANTA_BUILD

/// Merges attention over parts of the keys, of any number. Neither allocates nor fences, and can be captured.
/// Computes: what one run over the keys of all parts gives, by the sums that the parts hold: outputs, lse and
///           statistics; error bars as the sum of the parts', which is what one run draws in expectation. Of exact
///           parts within rounding of one run. In the order of the parts: the same bits every time.
/// Shapes:   out [batch, heads, dim] or [batch, tokens, heads, dim], float, santa::half or santa::bfloat16, dim
/// contiguous. Errors:   std::invalid_argument before anything is launched or written. Bytes:    all of `states` once,
/// its first 32 bytes a head once more for the statistics.
template <class Space, class MemorySpace, class OutView, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void merge(const Space& space, const AttentionStates<MemorySpace>& states, const OutView& out,
           const MergeOptions<MemorySpace>& options = {}) {
  static_assert(Kokkos::is_view_v<OutView> && (OutView::rank() == 3 || OutView::rank() == 4),
                "santa::merge: out must be a Kokkos view [batch, heads, dim] or [batch, tokens, heads, dim]");
  static_assert(Element<typename OutView::value_type> && !std::is_const_v<typename OutView::value_type>,
                "santa::merge: out must be float, santa::half or santa::bfloat16, and not const");
  static_assert(Kokkos::SpaceAccessibility<Space, MemorySpace>::accessible &&
                    Kokkos::SpaceAccessibility<Space, typename OutView::memory_space>::accessible,
                "santa::merge: states and out must be accessible from the execution space");
  lanes::require_launchable(space);
  detail::launch_merge(space, detail::MergePartsKernel<Space>{
                                  detail::bind_parts(states, detail::array_of("out", out), out.data(),
                                                     element_type_of<typename OutView::value_type>, options)});
}

}  // namespace santa
