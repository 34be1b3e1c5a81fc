// Launching kernels over units of work.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Launches a kernel over `units` units. Kernels are small enough to be passed by value at launch: a larger one would
/// go through a staging buffer, which synchronises and which a captured graph would replay with stale arguments. Kokkos
/// does so from 512 bytes on, but for launches that ask to be light-weight, from 4 KiB on; those of narrow keys and
/// pages need that. A host copies them as they are. Where a seam has a way of its own, that is taken.
template <class Space, class Kernel>
void launch(const char* label, const Space& space, std::int64_t units, const Kernel& kernel) {
  static_assert(lanes::has_calls<Space> || sizeof(Kernel) <= 1024,
                "santa::launch: kernels must stay small enough to be passed by value");
  if (units == 0) return;
  const auto& a = kernel.arguments;
  using Seam = lanes::Seam<Space>;
  const std::size_t scratch_floats = kernel.scratch_floats(a.slice_heads, a.dim);
  if constexpr (requires { Seam::launch(label, space, units, scratch_floats, kernel); }) {
    Seam::launch(label, space, units, scratch_floats, kernel);
  } else {
    using Kokkos::Experimental::require, Kokkos::Experimental::WorkItemProperty;
    const auto policy = Seam::template policy<typename Kernel::Extents>(space, units, scratch_floats);
    Kokkos::parallel_for(label, require(policy, WorkItemProperty::HintLightWeight), kernel);
  }
}

/// The same for a kernel of `most` teams, or of as many as run at once where they take what there is to do.
template <class Space, class Kernel>
void launch_takers(const char* label, const Space& space, std::int64_t most, const Kernel& kernel) {
  const auto& a = kernel.arguments;
  if constexpr (lanes::takes_units<Space>)
    if (are_taken(a))
      most = std::min(most, lanes::Seam<Space>::template teams_at_once<typename Kernel::Extents>(
                                space, kernel.scratch_floats(a.slice_heads, a.dim)));
  launch(label, space, most, kernel);
}

}  // namespace santa::detail::inline SANTA_BUILD
