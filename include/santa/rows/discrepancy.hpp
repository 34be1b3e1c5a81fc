// How far a list of rows is from all: the largest error of an average of any function of a kernel's unit ball.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/recombine_rows.hpp>
#include <santa/rows/row_kernels.hpp>
#include <santa/rows/thin_options.hpp>
#include <santa/rows/thinning_memory.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// The root of sum_ij u_i u_j k(i, j); NaN where a row that has weight is not finite, whatever kernels take it for.
template <class Space, class Rows>
double kernel_norm(const Space& space, const Rows& rows, const std::vector<double>& of) {
  const auto n = static_cast<std::int64_t>(of.size());
  const Kokkos::View<const double*, Kokkos::HostSpace> here(of.data(), of.size());
  const auto weight = Kokkos::create_mirror_view_and_copy(typename Space::memory_space{}, here);
  double sum = 0.;
  Kokkos::parallel_reduce(
      "santa::kernel_norm", Range<Space>(space, 0, n),
      KOKKOS_LAMBDA(std::int64_t i, double& total) {
        if (weight(i) == 0.) return;
        bool finite = true;
        for (int f = 0; f < rows.features(); ++f) finite = finite && Kokkos::isfinite(rows.data[f * rows.stride + i]);
        total += finite ? weight(i) * rows.sum(i, n, weight.data()) : Kokkos::Experimental::quiet_NaN_v<double>;
      },
      sum);
  return sum < 0. ? 0. : std::sqrt(sum);  // by rounding
}

/// Adds a list's weights, times a factor; NaN where there are none.
template <class MemorySpace>
void add_list(std::vector<double>& to, const DrawnRows<MemorySpace, double>& drawn, double factor) {
  const auto rows = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.rows);
  const auto weights = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.weights);
  const auto count = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.count);
  if (count(0) <= 0) to.assign(to.size(), std::numeric_limits<double>::quiet_NaN());
  for (std::size_t i = 0; i < static_cast<std::size_t>(count(0)) && i < rows.extent(1); ++i)
    to.at(static_cast<std::size_t>(rows(0, i))) += factor * weights(0, i);
}

}  // namespace detail::inline SANTA_BUILD

/// The maximum mean discrepancy of the first list of `drawn`: the most that an average over it is off from one by all
/// log-weights, over functions whose norm in the kernel's space is 1. With scores: that of Stein's kernel, from the
/// target's averages. NaN where it can't be told: the list is empty, a log-weight is NaN or +infinity, or all are
/// -infinity, or a row that has weight is not finite.
/// Shapes, options, errors: as thin_rows, of whose options only scores are looked at. A kernel without a bandwidth
/// takes the median distance, as there. Time: n^2 kernels, with scores the list's rows times n. Allocates and fences.
template <class Space, class LogWeights, class Rows, RowKernel Kernel = GaussianKernel>
  requires Kokkos::is_execution_space_v<Space>
double discrepancy(const Space& space, const LogWeights& log_weights, const Rows& rows,
                   const DrawnRows<typename Space::memory_space, double>& drawn,
                   const ThinOptions<typename Space::memory_space>& options = {}, const Kernel& kernel = {}) {
  const auto array = detail::bind_weighted_rows(space, log_weights, rows);
  const std::int64_t n = array.extent[0];
  detail::check_thinning<Kernel>(options, n, n, array.extent[1]);
  detail::check_bandwidth(kernel);
  detail::require_drawn_room(drawn, 1);
  const bool stein = options.scores.data() != nullptr;
  const detail::ThinningMemory<Space> memory(space, n, static_cast<int>(array.extent[1]), stein);
  memory.copy(space, rows, 0);
  if constexpr (SmoothKernel<Kernel>)
    if (stein) {
      memory.copy(space, options.scores, memory.dim);
      std::vector<double> weight(static_cast<std::size_t>(n), 0.);
      detail::add_list(weight, drawn, 1.);
      return detail::kernel_norm(
          space, memory.template with<true>(detail::with_bandwidth(space, kernel, memory, log_weights)), weight);
    }
  std::vector<double> weight = detail::parts_of(space, log_weights);
  detail::add_list(weight, drawn, -1.);
  return detail::kernel_norm(
      space, memory.template with<false>(detail::with_bandwidth(space, kernel, memory, log_weights)), weight);
}

}  // namespace santa
