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

/// What merging parts is given besides the outputs: parts of [batch][heads][part_floats].
struct PartsArguments : Arguments {
  const float* parts = nullptr;
  std::int64_t part_stride = 0;
  std::int32_t part_count = 0;

  /// The state of a part's head.
  [[nodiscard]] KOKKOS_FUNCTION const float* state(std::int32_t part, const Unit& unit, int head) const {
    return parts + part * part_stride + unit.head_row(*this, head) * part_floats(dim);
  }
  [[nodiscard]] KOKKOS_FUNCTION SplitStates<false> states_of_head(const Unit& unit, int head) const {
    return {state(0, unit, head), part_stride, part_count};
  }
};

/// Where no part has a bar, whether one of them left rows to chance.
KOKKOS_INLINE_FUNCTION bool has_no_bar(const PartsArguments& a, const Unit& unit, int head, const HeadState& total) {
  if (total.variance != 0.F) return false;
  std::uint32_t flags = 0;
  for (std::int32_t part = 0; part < a.part_count; ++part)
    flags |= statistics_of_part(a.state(part, unit, head), a.dim).flags;
  return (flags & Statistics::no_error_bar) != 0;
}

/// The sum over parts and heads, which have their slice's counts each in its first one.
KOKKOS_INLINE_FUNCTION Statistics counts_of_slice(const PartsArguments& a, const Unit& unit) {
  Statistics result;
  for (std::int32_t part = 0; part < a.part_count; ++part)
    for (int head = 0; head < unit.heads; ++head) {
      const Statistics& own = statistics_of_part(a.state(part, unit, head), a.dim);
      result.rows_read += own.rows_read;
      result.samples += own.samples;
      result.flags |= own.flags & Statistics::length_clamped;
    }
  return result;
}

/// Merges the parts of a head and writes its outputs, one team a head; that of a kv head's first one also writes the
/// statistics. Reads: the states. Order: that of the parts: always the same bits.
template <class Space>
struct MergePartsKernel {
  using Extents = lanes::Teams<1>;
  using Group = lanes::GroupOf<Space, Extents>;

  PartsArguments arguments;

  /// An output, and what each of some heads adds to the statistics.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats() const {
    return static_cast<std::size_t>(arguments.dim) + max_heads * sizeof(HeadSample) / sizeof(float);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const PartsArguments& a = arguments;
    const Group group(member);
    float* result = group.template scratch<float>(member, scratch_floats());
    auto* samples = reinterpret_cast<HeadSample*>(result + a.dim);
    Unit unit{};
    unit.batch = static_cast<std::int32_t>(member.league_rank() / a.heads);
    const auto row = static_cast<std::int32_t>(member.league_rank() % a.heads);
    unit.kv_head = row / a.slice_heads;
    unit.first_head = row;
    unit.heads = 1;
    write_head(group, a, unit, 0, a.states_of_head(unit, 0), result, samples[0]);
    if (a.statistics && row % a.slice_heads == 0) write_statistics(group, unit, samples);
  }

 private:
  /// Of all heads of a kv head, some at a time.
  KOKKOS_FUNCTION void write_statistics(const Group& group, Unit unit, HeadSample* samples) const {
    const PartsArguments& a = arguments;
    for (std::int32_t done = 0; done < a.slice_heads; done += max_heads, ++unit.slice) {
      group.sync();
      unit.first_head = unit.kv_head * a.slice_heads + done;
      unit.heads = a.slice_heads - done < max_heads ? a.slice_heads - done : std::int32_t{max_heads};
      for (int head = 0; head < unit.heads; ++head) {
        const HeadState total = merge_heads(group, a.states_of_head(unit, head));
        group.single([&] { samples[head] = sample_of(a, unit, head, total); });
      }
      add_statistics(group, a, unit, samples);
    }
  }
};

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
  const detail::MergePartsKernel<Space> kernel{detail::bind_parts(
      states, detail::array_of("out", out), out.data(), element_type_of<typename OutView::value_type>, options)};
  if (kernel.arguments.head_rows() == 0) return;
  Kokkos::parallel_for("santa::merge_states",
                       Kokkos::Experimental::require(
                           lanes::Seam<Space>::template policy<typename detail::MergePartsKernel<Space>::Extents>(
                               space, kernel.arguments.head_rows(), kernel.scratch_floats()),
                           Kokkos::Experimental::WorkItemProperty::HintLightWeight),
                       kernel);
}

}  // namespace santa
