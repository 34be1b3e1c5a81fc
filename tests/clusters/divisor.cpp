// Z that is not fit to divide by: outputs are by rows alone then.
#include "clusters/cluster_problem.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;

}  // namespace

TEST_CASE("a_mass_is_divided_by_above_half_of_what_rows_alone_say") {
  const auto divides = [](float mass, float used) { return detail::divides_by_mass({.mass = mass, .used = used}); };
  CHECK(divides(1.F, 1.F));
  CHECK(divides(0.51F, 1.F));
  CHECK(divides(1.F, 0.F));  // no row was drawn
  CHECK(!divides(0.49F, 1.F));
  CHECK(!divides(0.F, 0.F));
  CHECK(!divides(-1.F, 1.F));
  CHECK(!divides(lanes::not_a_number, 1.F));
}

TEST_CASE("outputs_are_by_rows_alone_where_z_is_far_below_what_these_say") {
  constexpr Shape one{.batch = 1, .heads = 1, .kv_heads = 1, .length = 1024, .dim = 32};
  ClusterProblem<Space, bfloat16> clusters(one, {.chunk = 256});
  fill_kinds(clusters.problem, 13, 16, 1.F, 2.5F);
  clusters.problem.upload();
  clusters.make();
  const auto plan_of = [&](ClusterEstimate estimate) {
    return ClusterPlan(Space{}, {.keys = 50, .rows = 2, .estimate = estimate, .value_codes = false},
                       clusters.problem.queries(), clusters.cache());
  };
  const auto telescoping = plan_of(ClusterEstimate::telescoping);
  const auto by_rows = plan_of(ClusterEstimate::self_normalised);
  int below = 0;
  constexpr std::uint64_t seeds = 200;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    CAPTURE(seed);
    const ClusterResult given = clusters.run(telescoping, {.seed = seed});
    const ClusterResult rows = clusters.run(by_rows, {.seed = seed});
    REQUIRE(given.statistics[0].rows_read == rows.statistics[0].rows_read);  // both draw alike
    if ((given.statistics[0].flags & ClusterStatistics::self_normalised) == 0) {
      CHECK(given.lse[0] > rows.lse[0] + std::log(0.5F) - 1e-3F);
      continue;
    }
    ++below;
    CHECK(std::isnan(given.error[0]));
    CHECK(given.lse[0] == doctest::Approx(rows.lse[0]).epsilon(1e-5));
    CHECK(relative_error(given.out, rows.out) < 1e-5);
  }
  CHECK(below > 0);
  CHECK(below < static_cast<int>(seeds) / 2);
}
