// Shards on the ranks of MPI: mpirun -n <1 to 4> santa_test_mpi. With an argument, how ranks fail:
//   late   rank 1 does not come to a step: the others throw, and end all
//   ends   rank 1 ends within a step
#define DOCTEST_CONFIG_IMPLEMENT
#include "ranks/sharded_problem.hpp"
#include <santa/ranks/mpi.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>
#include <mpi.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;

Problem<Space, float> ragged() {
  Problem<Space, float> problem({.batch = 3, .heads = 6, .kv_heads = 2, .length = 3072, .dim = 64});
  return problem.fill(3, 2.F).set_lengths({3072, 1333, 40}).upload();
}

int wrong(int rank, const char* what) {
  std::printf("rank %d: WRONG: %s\n", rank, what);
  return 1;
}

/// Runs a step with rank 1 late, or gone.
int fail(std::string_view how) {
  const MpiRanks ranks(MPI_COMM_WORLD, {.seconds = 1.});
  const auto problem = ragged();
  Shape shape = problem.shape;
  shape.length /= ranks.size();
  const std::int64_t begin = shape.length * ranks.rank();
  const auto cache = shards_of(problem)(begin, begin + shape.length);
  const DecodePlan own(Space{}, MassUnit{}, shape, cache_of<decltype(cache)>,
                       {.shard = {.first_row = begin, .length = problem.shape.length}});
  const ShardedPlan plan(Space{}, ranks, own);
  const Outputs<Space> to(problem.shape);
  Kokkos::deep_copy(to.out, quiet_nan);
  if (ranks.rank() == 1 && how == "ends") std::_Exit(3);
  if (ranks.rank() == 1) std::this_thread::sleep_for(std::chrono::seconds(60));
  for (int attempt = 0; attempt < 2; ++attempt)  // the second at once
    try {
      plan.run(Space{}, ranks, problem.queries(), cache, to.out, {}, problem.length_view());
      return wrong(ranks.rank(), "a step without rank 1");
    } catch (const RankError& error) {
      std::printf("rank %d: %s\n", ranks.rank(), error.what());
    }
  for (const float number : to.result().out)
    if (number == number) return wrong(ranks.rank(), "something was written");
  std::printf("rank %d: nothing written\n", ranks.rank());
  std::fflush(stdout);
  MPI_Abort(MPI_COMM_WORLD, 2);
  return 2;
}

}  // namespace

TEST_CASE("mpi_ranks_draw_the_rows_of_the_whole") {
  const MpiRanks ranks(MPI_COMM_WORLD);
  const auto problem = ragged();
  const auto check = [&](const auto& method, const Steps& steps) {
    CAPTURE(std::string(detail::Recipe<std::decay_t<decltype(method)>>::name));
    const auto whole = run_whole(method, problem, problem.cache(), steps);
    const auto own =
        run_rank(ranks, method, problem, even_ends(problem.shape.length, ranks.size(), 256), steps, shards_of(problem));
    for (std::size_t step = 0; step < whole.size(); ++step) check_same_draws(whole[step], own[step]);
  };
  check(Exact{}, {});
  check(MassUnit{.rows = 200}, {.count = 3, .with_state = true});
  check(MassUnit{.rows = 200, .steered = true}, {.count = 3, .with_state = true});
  check(Systematic{.samples = 200}, {});
}

TEST_CASE("shards_of_whole_units_have_the_bits_of_one_plan_on_any_number_of_mpi_ranks") {
  const MpiRanks ranks(MPI_COMM_WORLD);
  const auto problem = ragged();
  Steps steps{.count = 2, .plan = {.keys_per_split = 256}, .with_state = true};
  const auto whole = run_whole(MassUnit{.rows = 200}, problem, problem.cache(), steps);
  steps.parts = 12 / ranks.size();
  const auto own =
      run_rank(ranks, MassUnit{.rows = 200}, problem, even_ends(3072, ranks.size(), 256), steps, shards_of(problem));
  for (std::size_t step = 0; step < whole.size(); ++step) CHECK(same_bits(own[step].out, whole[step].out));
}

TEST_CASE("mpi_ranks_that_disagree_throw_on_all_ranks") {
  const MpiRanks ranks(MPI_COMM_WORLD, {.seconds = 30.});
  if (ranks.size() == 1) return;
  const bool odd = ranks.rank() == ranks.size() - 1;
  const std::string expected = "ranks 0 and " + std::to_string(ranks.size() - 1) + " disagree";
  std::vector<std::byte> blocks(std::size_t{128} * static_cast<std::size_t>(ranks.size()));
  const Kokkos::DefaultHostExecutionSpace host;
  CHECK_THROWS_WITH_AS(ranks.all_gather(host, blocks.data(), odd ? 64 : 128, 1), doctest::Contains(expected.c_str()),
                       RankError);
  CHECK_THROWS_WITH_AS(ranks.all_gather(host, blocks.data(), 64, odd ? 1 : 2), doctest::Contains(expected.c_str()),
                       RankError);
  // What they agree on goes on as before.
  for (std::size_t i = 0; i < 16; ++i) blocks[16 * static_cast<std::size_t>(ranks.rank()) + i] = std::byte{42};
  ranks.all_gather(host, blocks.data(), 16, 5);
  for (std::size_t i = 0; i < 16 * static_cast<std::size_t>(ranks.size()); ++i) CHECK(blocks[i] == std::byte{42});
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int result = 0;
  {
    const Kokkos::ScopeGuard kokkos(argc, argv);
    if (argc > 1 && (std::string_view(argv[1]) == "late" || std::string_view(argv[1]) == "ends")) {
      result = fail(argv[1]);
    } else {
      doctest::Context context(argc, argv);
      result = context.run();
    }
  }
  MPI_Finalize();
  return result;
}
