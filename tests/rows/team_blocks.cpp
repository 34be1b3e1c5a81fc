// The blocks of a device, by teams of a host's threads: the results of single threads, and stretches filled later.
#include "support/spaces.hpp"
#include <santa/rows/ancestors.hpp>
#include <santa/rows/cell_table.hpp>
#include <santa/rows/residual.hpp>
#include <santa/rows/whole_mass.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::detail;

namespace {

using Host = Kokkos::DefaultHostExecutionSpace;

/// Launches as a device does, with fewer threads.
template <class Kernel>
void by_teams(std::int64_t blocks, const Kernel& kernel) {
  using Launch = BlockLaunch<Host, Kernel>;
  using Policy = typename Launch::Policy;
  const Launch launch{kernel};
  const int most = Policy(static_cast<int>(blocks), 1)
                       .set_scratch_size(int{Launch::level}, Kokkos::PerTeam(Launch::bytes + 16))
                       .team_size_max(launch, Kokkos::ParallelForTag{});
  Kokkos::parallel_for("test::teams",
                       Policy(static_cast<int>(blocks), std::min(most, 4))
                           .set_scratch_size(int{Launch::level}, Kokkos::PerTeam(Launch::bytes + 16)),
                       launch);
  Kokkos::fence();
}
template <class Kernel>
void by_threads(std::int64_t blocks, const Kernel& kernel) {
  launch_blocks("test::threads", Host{}, blocks, kernel);
  Kokkos::fence();
}

/// All that a resampling leaves in memory, by one way of launching.
struct Run {
  std::vector<BlockSum> sums;
  std::vector<double> share;
  std::vector<std::uint64_t> begin;
  std::vector<BlockRest> rests;
  std::vector<std::uint32_t> groups, table;
  std::vector<std::int64_t> marks;
  std::vector<std::int32_t> ancestors;
  WholeMass whole{};
  double log_mean = 0., effective = 0.;

  template <class Launch>
  Run(const std::vector<double>& log_weights, std::int64_t samples, bool residual, bool marked, const Launch& launch) {
    const LogRows<double> rows{log_weights.data(), {0, 1}, static_cast<std::int64_t>(log_weights.size())};
    const std::int64_t blocks = rows.blocks();
    const auto points = static_cast<std::uint64_t>(samples);
    const auto size = static_cast<std::size_t>(blocks);
    sums.resize(size);
    share.resize(size);
    begin.resize(size + 1);
    rests.resize(size + 1);
    table.resize(points);
    ancestors.assign(points, -7);
    AncestorList<std::int32_t> list{ancestors.data(), samples, samples, nullptr};
    marks.assign(static_cast<std::size_t>(list.stretches()), 0);
    if (marked) list.marks = marks.data();
    launch(blocks, SumBlocks<double, false>{rows, sums.data(), &whole, true});
    launch(1, LayOutBlocks{blocks, rows.rows, points, sums.data(), share.data(), begin.data(), &whole, &log_mean,
                           &effective});
    const BlockPlaces<double> places{rows, sums.data(), begin.data(), &whole, points};
    if (!residual) {
      launch(blocks, WriteAncestors<double, std::int32_t, StratumPoints, false>{places, {}, nullptr, list});
    } else {
      launch(blocks, SumRests<double>{places, rests.data()});
      launch(1, LayOutRests{blocks, points, rests.data(), &whole});
      CellTable cells{{}, samples, &whole, nullptr, table.data()};
      groups.assign(static_cast<std::size_t>(cells.group_count()) + 1, 0);
      cells.groups = groups.data();
      for (std::int64_t i = 0; i < cells.pairs(); ++i) CountGroups{cells}(i);
      launch(1, SumGroups{cells});
      launch(cells.group_count(), FillCells{cells});
      launch(blocks, WriteResidualAncestors<double, std::int32_t>{places, {}, table.data(), list, rests.data()});
    }
    if (marked) launch(list.fillers(), FillStretches<std::int32_t>{list});
  }
};

}  // namespace

TEST_CASE("teams_resample_as_single_threads_do") {
  std::mt19937_64 random(1);
  for (const double spread : {1., 8.})  // with 8, single rows have whole stretches of ancestors
    for (const std::size_t rows : {1U, 5000U})
      for (const std::int64_t samples : {1, 300, 20000})
        for (const bool residual : {false, true}) {
          std::normal_distribution<double> normal(0., spread);
          std::vector<double> log_weights(rows);
          for (double& x : log_weights) x = normal(random);
          CAPTURE(spread);
          CAPTURE(rows);
          CAPTURE(samples);
          const Run alone(log_weights, samples, residual, false,
                          [](std::int64_t n, const auto& kernel) { by_threads(n, kernel); });
          const Run team(log_weights, samples, residual, true,
                         [](std::int64_t n, const auto& kernel) { by_teams(n, kernel); });
          CHECK(alone.ancestors == team.ancestors);
          CHECK(alone.begin == team.begin);
          CHECK(alone.log_mean == team.log_mean);
          CHECK(alone.effective == team.effective);
          CHECK(std::count(alone.ancestors.begin(), alone.ancestors.end(), -7) == 0);
          const bool stretches =
              std::any_of(team.marks.begin(), team.marks.end(), [](std::int64_t m) { return m > 0; });
          if (samples == 20000 && (spread == 8. || rows == 1)) CHECK(stretches);
        }
}

TEST_CASE("teams_say_where_nothing_can_be_drawn") {
  const std::vector<double> nothing(3000, -std::numeric_limits<double>::infinity());
  const Run team(nothing, 700, true, true, [](std::int64_t n, const auto& kernel) { by_teams(n, kernel); });
  CHECK(std::count(team.ancestors.begin(), team.ancestors.end(), -1) == 700);
  CHECK(team.log_mean == -std::numeric_limits<double>::infinity());
  CHECK(team.effective == 0.);
}

TEST_CASE("the_lowest_log_weight_there_is_weighs_to_a_team_what_it_does_to_a_thread") {
  const std::vector<double> log_weights(5000, std::numeric_limits<double>::lowest());
  const Run alone(log_weights, 300, false, false, [](std::int64_t n, const auto& kernel) { by_threads(n, kernel); });
  const Run team(log_weights, 300, false, true, [](std::int64_t n, const auto& kernel) { by_teams(n, kernel); });
  CHECK(alone.ancestors.back() > 4000);
  CHECK(alone.ancestors == team.ancestors);
  CHECK(alone.log_mean == team.log_mean);
}
