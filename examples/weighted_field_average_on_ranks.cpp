// The averages of weighted_field_average.cpp over an ensemble that several processes keep:
// mpirun -n 4 weighted_field_average_on_ranks. Link santa::santa and MPI.
//
// Each rank has made some of the walks, and keeps their rows. The rows that are drawn of all of them, and the averages,
// are the same on any number of ranks; each reads its own.
#include "field_ensemble.hpp"
#include <santa/ranks/mpi.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <mpi.h>

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Rows = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using santa::MpiRanks;

template <class View>
auto on_device(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Memory{}, view);
}
template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

/// The mean of a few rows of all ranks, each of which brings its own.
Rows some_mean(const Space& space, const MpiRanks& ranks, const field::Ensemble& own) {
  constexpr int stride = 100;
  const Rows all("means", static_cast<std::size_t>(ranks.size()), field::distances);
  const auto here = Kokkos::create_mirror_view(all);
  for (std::size_t i = 0; i < own.rows.extent(0); i += stride)
    for (std::size_t r = 0; r < field::distances; ++r)
      here(static_cast<std::size_t>(ranks.rank()), r) += own.rows(i, r) * stride / field::configurations;
  Kokkos::deep_copy(space, all, here);
  ranks.all_gather(space, all.data(), field::distances * sizeof(float), 0);
  Kokkos::deep_copy(space, here, all);
  const field::Rows mean("center", 1, field::distances);
  for (std::size_t rank = 0; rank < here.extent(0); ++rank)
    for (std::size_t r = 0; r < field::distances; ++r) mean(0, r) += here(rank, r);
  return on_device(mean);
}

/// What a method's draw gives, on all ranks.
struct Average {
  field::Rows value, error;
  double log_sum;
  std::int64_t own_rows;
};

template <class Method>
Average average(const Space& space, const MpiRanks& ranks, const Method& method, const field::Ensemble& own,
                std::int64_t first_row, const Rows& center) {
  const auto count = static_cast<std::int64_t>(own.rows.extent(0));
  const santa::DrawPlan plan(space, method, 1, count,
                             santa::Shard{.first_row = first_row, .length = field::configurations});
  const santa::ShardedDraw draw(space, ranks, plan);
  const santa::RankSums<Space> sums(space, ranks, 1, field::distances);
  const santa::DrawnRows<Memory> drawn(space, 1, count);
  const Rows value("value", 1, field::distances), error("error", 1, field::distances);
  const Kokkos::View<double*, Memory> log_sum("log_sum", 1);
  draw.run(space, ranks, on_device(own.log_weights), drawn, {.seed = 7, .log_sum = log_sum});
  sums.run(space, ranks, drawn, on_device(own.rows), value, {.center = center, .error = error});
  space.fence();
  return {on_host(value), on_host(error), on_host(log_sum)(0), on_host(drawn.count)(0)};
}

/// What each rank has read, on all of them.
std::vector<std::int64_t> of_all(const Space& space, const MpiRanks& ranks, std::int64_t own) {
  const Kokkos::View<std::int64_t*, Memory> all("counts", static_cast<std::size_t>(ranks.size()));
  const auto here = Kokkos::create_mirror_view(all);
  here(static_cast<std::size_t>(ranks.rank())) = own;
  Kokkos::deep_copy(space, all, here);
  ranks.all_gather(space, all.data(), sizeof(std::int64_t), 0);
  Kokkos::deep_copy(space, here, all);
  return std::vector<std::int64_t>(here.data(), here.data() + here.extent(0));
}

int print(const Average& exact, const Average& sampled, const std::vector<std::int64_t>& read) {
  std::int64_t rows = 0;
  for (const std::int64_t own : read) rows += own;
  std::printf("phi^4 chain of %d sites: %d configurations on %d ranks at mass2 = %.1f, averages at mass2 = %.1f\n",
              field::sites, field::configurations, static_cast<int>(read.size()), field::mass2, field::target_mass2);
  std::printf("log of the mean weight %.6f; %ld rows read (%.1f %%), by rank:",
              exact.log_sum - std::log(static_cast<double>(field::configurations)), static_cast<long>(rows),
              100. * static_cast<double>(rows) / field::configurations);
  for (const std::int64_t own : read) std::printf(" %ld", static_cast<long>(own));
  std::printf("\n\ndistance    all rows    sampled      +-    off by\n");
  int far = 0;
  for (std::size_t r = 0; r < field::distances; ++r) {
    const auto bars = static_cast<double>((sampled.value(0, r) - exact.value(0, r)) / sampled.error(0, r));
    std::printf("%8d     %7.4f    %7.4f  %.4f    %+.1f\n", static_cast<int>(r), static_cast<double>(exact.value(0, r)),
                static_cast<double>(sampled.value(0, r)), static_cast<double>(sampled.error(0, r)), bars);
    far += std::abs(bars) > 4. ? 1 : 0;
  }
  std::printf("\n+-: what reading few rows adds; off by: in units of it\n");
  return far == 0 ? 0 : 1;
}

int run() {
  const Space space;
  const MpiRanks ranks(MPI_COMM_WORLD);
  const int begin = field::walks * ranks.rank() / ranks.size();
  const field::Ensemble own = field::simulate(begin, field::walks * (ranks.rank() + 1) / ranks.size());
  const std::int64_t first_row = std::int64_t{begin} * field::of_walk;
  const Rows center = some_mean(space, ranks, own);
  const Average exact = average(space, ranks, santa::Exact{}, own, first_row, center);
  const Average sampled = average(space, ranks, santa::MassUnit{.rows = santa::share(0.05)}, own, first_row, center);
  const auto read = of_all(space, ranks, sampled.own_rows);
  return ranks.rank() == 0 ? print(exact, sampled, read) : 0;
}

}  // namespace

int main(int argc, char* argv[]) {
  MPI_Init(&argc, &argv);
  int result = 0;
  {
    const Kokkos::ScopeGuard kokkos(argc, argv);
    result = run();
  }
  MPI_Finalize();
  return result;
}
