// The kernels of a step over clusters, in their order.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/draw_kernel.hpp>
#include <santa/clusters/merge_kernel.hpp>
#include <santa/clusters/mma_draw_kernel.hpp>
#include <santa/clusters/mma_gather_kernel.hpp>
#include <santa/clusters/mma_means_kernel.hpp>
#include <santa/core/build.hpp>
#include <santa/core/element.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/host_seam.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

template <class Kernel>
void start_teams(const char* label, const typename Kernel::Space& space, std::int64_t units, const Kernel& kernel) {
  static_assert(lanes::has_calls<typename Kernel::Space> || sizeof(Kernel) <= 1024,
                "santa::ClusterPlan: kernels must stay small enough to be passed by value");
  const auto policy = lanes::Seam<typename Kernel::Space>::template policy<typename Kernel::Extents>(
      space, units, kernel.scratch_floats());
  Kokkos::parallel_for(
      label, Kokkos::Experimental::require(policy, Kokkos::Experimental::WorkItemProperty::HintLightWeight), kernel);
}

/// By one kernel: plain loops.
template <class Space, class Addresses, class Extents>
struct WholePass {
  static void draw(const Space& space, const ClusterArguments& a, const Addresses& addresses) {
    using Chosen = ClusterExtents<Extents::heads, Extents::dim>;
    start_teams("santa::draw_clusters", space, a.slice_rows() * a.units(),
                DrawKernel<Space, Addresses, Chosen>{a, addresses});
    start_teams("santa::merge_clusters", space, std::int64_t{a.batch} * a.kv_heads, MergeClustersKernel<Space>{a});
  }
  static void sight(const Space& space, const ClusterArguments& a, const Addresses& addresses) {
    if (a.sighted) draw(space, a.of_sighting(), addresses);
  }
};

/// Whether means, codes and rows have kernels of their own: on tensor cores, for rows that they take.
template <class Addresses, class Extents>
inline constexpr bool has_parts =
    Extents::tensor_cores&& std::is_same_v<typename Addresses::Element, bfloat16>&& Extents::dim % 64 == 0 &&
    (Extents::dim & (Extents::dim - 1)) == 0;

#if defined(KOKKOS_ENABLE_CUDA)
/// By those.
template <class Space, class Addresses, class Extents>
struct PartPasses {
  static constexpr int heads = Extents::heads;
  static constexpr int dim = Extents::dim;

  static void draw(const Space& space, const ClusterArguments& a, const Addresses& addresses) {
    start_teams("santa::draw_clusters", space, a.slice_rows() * a.chunk_units,
                MmaDrawKernel<Space, MmaDrawExtents<heads, dim>>{a});
    start_teams("santa::gather_clusters", space, a.slice_rows() * (a.gather_units + a.row_units),
                MmaGatherKernel<Space, Addresses, GatherExtents<heads, dim>>{a, addresses});
    start_teams("santa::merge_clusters", space, std::int64_t{a.batch} * a.kv_heads, MergeClustersKernel<Space>{a});
  }
  static void sight(const Space& space, const ClusterArguments& a, const Addresses& /*addresses*/) {
    start_teams("santa::score_clusters", space, a.slice_rows() * a.parts.mean_units,
                MmaMeansKernel<Space, MeansExtents<heads, dim>>{a});
  }
};
#endif

/// All passes of a step: the sighting; where nothing is carried so many rehearsals; the step.
template <class Passes, class Space, class Addresses>
void run_passes(const Space& space, ClusterArguments a, const Addresses& addresses, std::int32_t rehearsals) {
  Passes::sight(space, a, addresses);
  for (a.rehearsal = 1; a.rehearsal <= rehearsals; ++a.rehearsal) Passes::draw(space, a, addresses);
  a.rehearsal = 0;
  Passes::draw(space, a, addresses);
}

/// By the kernels that take what is asked for. Error bars need every term by itself: by one kernel.
template <class Extents, class Space, class Addresses>
void run_clusters(const Space& space, ClusterArguments a, const Addresses& addresses, std::int32_t rehearsals) {
#if defined(KOKKOS_ENABLE_CUDA)
  if constexpr (has_parts<Addresses, Extents>)
    if (a.parts.used && !a.with_error && a.dim == Extents::dim && a.storage < (std::int64_t{1} << 32) &&
        addresses.aligned())
      return run_passes<PartPasses<Space, Addresses, Extents>>(space, a, addresses, rehearsals);
#endif
  a.parts.used = false;
  a.gather_units = 0;
  run_passes<WholePass<Space, Addresses, Extents>>(space, a, addresses, rehearsals);
}

}  // namespace santa::detail::inline SANTA_BUILD
