// Averages of a lattice field over a stored ensemble, reweighted to another coupling: by all stored configurations, and
// by a few drawn by their weight. Link santa::santa.
#include "field_ensemble.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <cstdio>

namespace {

using Space = Kokkos::DefaultExecutionSpace;  // draws and adds up, beside the ensemble in its memory
using Memory = Space::memory_space;
using Rows = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using HostRows = field::Rows;
using field::Ensemble, field::configurations, field::distances, field::mass2, field::sites, field::target_mass2;

/// The mean of a few rows: what the estimate falls back to for the weight that was not drawn.
HostRows some_mean(const Ensemble& ensemble) {
  constexpr int stride = 100;
  HostRows mean("center", 1, distances);
  for (int i = 0; i < configurations; i += stride)
    for (int r = 0; r < distances; ++r) mean(0, r) += ensemble.rows(i, r) * stride / configurations;
  return mean;
}

template <class View>
auto on_device(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Memory{}, view);
}
template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Space space;
  const Ensemble ensemble = field::simulate();

  const auto rows = on_device(ensemble.rows);
  const auto log_weights = on_device(ensemble.log_weights);
  const santa::DrawnRows<Memory> all(space, 1, configurations), few(space, 1, configurations);
  const Rows exact_there("exact", 1, distances), sampled_there("sampled", 1, distances),
      error_there("error", 1, distances);
  santa::draw_rows(space, santa::Exact{}, log_weights, all);
  santa::gather_add(space, all, rows, exact_there);
  santa::draw_rows(space, santa::MassUnit{.rows = santa::share(0.05)}, log_weights, few, {.seed = 7});
  santa::gather_add(space, few, rows, sampled_there, {.center = on_device(some_mean(ensemble)), .error = error_there});
  space.fence();

  const auto exact = on_host(exact_there), sampled = on_host(sampled_there), error = on_host(error_there);
  const auto listed = on_host(all.rows);
  const auto weights = on_host(all.weights);
  const auto count = on_host(all.count)(0);
  const auto rows_read = static_cast<long>(on_host(few.count)(0));
  double squares = 0.;
  double own[distances] = {};  // variance of the exact average: the ensemble is finite
  for (std::int64_t i = 0; i < count; ++i) {
    const double square = std::pow(weights(0, i), 2);
    squares += square;
    for (int r = 0; r < distances; ++r) own[r] += square * std::pow(ensemble.rows(listed(0, i), r) - exact(0, r), 2);
  }
  std::printf("phi^4 chain of %d sites: %d configurations at mass2 = %.1f, averages at mass2 = %.1f\n", sites,
              configurations, mass2, target_mass2);
  std::printf("all of them are worth %.0f of equal weight; sampled: %ld rows read (%.1f %%)\n\n", 1. / squares,
              rows_read, 100. * static_cast<double>(rows_read) / configurations);
  std::printf("            all rows             sampled\n");
  std::printf("distance     average     +-      average     +-    off by\n");
  int far = 0;
  for (int r = 0; r < distances; ++r) {
    const double off = static_cast<double>(sampled(0, r) - exact(0, r));
    const double bars = off / static_cast<double>(error(0, r));
    std::printf("%8d     %7.4f  %.4f     %7.4f  %.4f    %+.1f\n", r, static_cast<double>(exact(0, r)),
                std::sqrt(own[r]), static_cast<double>(sampled(0, r)), static_cast<double>(error(0, r)), bars);
    far += std::abs(bars) > 4. ? 1 : 0;
  }
  std::printf(
      "\nall rows +-: from a finite ensemble; sampled +-: what reading few rows adds; off by: in units of it\n");
  return far == 0 ? 0 : 1;
}
