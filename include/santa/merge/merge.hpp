// Merging partial states into outputs.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// States of one head over a number of splits, `stride` floats apart.
struct SplitStates {
  const float* first;
  std::int64_t stride;
  int count;

  [[nodiscard]] KOKKOS_FUNCTION const HeadState& head(int split) const {
    return *reinterpret_cast<const HeadState*>(first + split * stride);
  }
  [[nodiscard]] KOKKOS_FUNCTION const float* sum(int split) const { return first + split * stride + head_state_floats; }
};

/// Brings all states to the largest reference and adds them up, in order of the splits: always the same bits.
KOKKOS_INLINE_FUNCTION HeadState merge_heads(const SplitStates& states) {
  HeadState total;
  for (int split = 0; split < states.count; ++split)
    total.reference = lanes::max(total.reference, states.head(split).reference);
  for (int split = 0; split < states.count; ++split) {
    const HeadState& part = states.head(split);
    const float factor = lanes::exp2(part.reference - total.reference);
    total.mass += part.mass * factor;
    total.used += part.used * factor;
    total.squares += part.squares * factor * factor;
    total.variance += part.variance * factor * factor;
    total.certain += part.certain;
    total.uncertain += part.uncertain;
  }
  return total;
}

/// out = (N + (Z - W) c) / Z, or 0 where nothing was visible. `sum` is room for dim floats, used by one lane group.
template <class Group>
KOKKOS_FUNCTION void merge_sums(const Group& group, const SplitStates& states, const HeadState& total, int dim,
                                const float* center, float* sum) {
  group.for_each(dim, [&](int d) { sum[d] = 0.F; });
  for (int split = 0; split < states.count; ++split) {
    if (states.head(split).used == 0.F) continue;  // N is 0 as well
    const float factor = lanes::exp2(states.head(split).reference - total.reference);
    const float* part = states.sum(split);
    group.for_each(dim, [&](int d) { sum[d] = lanes::fma(part[d], factor, sum[d]); });
  }
  const bool empty = total.mass == 0.F;
  const float rest = total.mass - total.used;
  group.for_each(dim, [&](int d) {
    const float whole = center != nullptr && rest != 0.F ? lanes::fma(rest, center[d], sum[d]) : sum[d];
    sum[d] = empty ? 0.F : whole / total.mass;
  });
}

/// log2 of the sum of exponentials; -infinity where nothing was visible.
KOKKOS_INLINE_FUNCTION float log2_mass(const HeadState& total) {
  return total.mass == 0.F ? -lanes::infinity : total.reference + lanes::log2(total.mass);
}

}  // namespace santa::detail
