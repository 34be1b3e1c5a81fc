// Budgets that cover everything: exact attention, whatever the clusters.
#include "clusters/cluster_problem.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

TEST_CASE("a_budget_that_covers_all_is_exact_attention") {
  using Space = Kokkos::DefaultExecutionSpace;
  ClusterProblem<Space, bfloat16> clusters({2, 8, 2, 300, 64}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(5).set_lengths({300, 131}).upload();
  clusters.make();
  const auto given = clusters.run({.keys = share(1.), .rows = share(1.)}, {});
  const Reference right = exact_reference(clusters.problem);
  CHECK(relative_error(given.out, right.out) < 1e-4);
  for (std::size_t i = 0; i < right.lse.size(); ++i) CHECK(given.lse[i] == doctest::Approx(right.lse[i]).epsilon(1e-5));
}

TEST_CASE("queries_of_rank_4_are_those_of_their_one_token") {
  using Space = Kokkos::DefaultExecutionSpace;
  using Rank4 = Kokkos::View<float****, Kokkos::LayoutRight, Space::memory_space>;
  ClusterProblem<Space, bfloat16> clusters({2, 8, 2, 300, 64}, {.chunk = 64, .keys = 8});
  clusters.problem.fill(5).set_lengths({300, 131}).upload();
  clusters.make();
  const Clusters method{.keys = share(0.3), .rows = share(0.1)};
  const ClusterPlan plan(Space{}, method, clusters.problem.queries(), clusters.cache());
  const Rank4 query("test::query", 2, 1, 8, 64), out("test::out", 2, 1, 8, 64);
  Kokkos::deep_copy(Kokkos::subview(query, Kokkos::ALL, 0, Kokkos::ALL, Kokkos::ALL), clusters.problem.queries());
  plan.run(Space{}, query, clusters.cache(), out, {.seed = 3});
  Space{}.fence();
  CHECK(same_bits(to_host<float>(Kokkos::View<float*, Space::memory_space>(out.data(), out.size())),
                  clusters.run(plan, {.seed = 3}).out));
}
