// Ranks on hosts: mpirun -n <ranks> santa_ranks_bench [<batch> <tokens>]...: rows of JSON, and exit code 1 for a wrong
// result. To compare: one process with two threads, two with one each.
#include "median.hpp"
#include "run.hpp"
#include <santa/ranks/mpi.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <mpi.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace {

/// The median of some steps, each of which all ranks begin together: that of the slowest.
struct HostClock {
  int repeats = 21;

  template <class Space, class Ranks, class Step>
  double microseconds(const Space& space, const Ranks& /*ranks*/, const Step& step) const {
    std::vector<double> times;
    for (int i = 0; i < repeats; ++i) {
      MPI_Barrier(MPI_COMM_WORLD);
      const double begin = MPI_Wtime();
      step();
      space.fence();
      const double own = 1e6 * (MPI_Wtime() - begin);
      double slowest = 0.;
      MPI_Allreduce(&own, &slowest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
      times.push_back(slowest);
    }
    return santa_bench::median(times);
  }
};

}  // namespace

int main(int argc, char* argv[]) {
  MPI_Init(&argc, &argv);
  bool right = true;
  {
    const Kokkos::ScopeGuard kokkos(argc, argv);
    using Space = Kokkos::DefaultExecutionSpace;
    const santa::MpiRanks ranks(MPI_COMM_WORLD);
    std::vector<santa_bench::RankShape> shapes;
    for (int i = 1; i + 1 < argc; i += 2) shapes.push_back({std::atol(argv[i]), std::atol(argv[i + 1])});
    if (shapes.empty()) shapes = {{1, 32768}, {4, 8192}};
    if (ranks.rank() == 0) std::printf("[\n");
    right = santa_bench::RankBench(Space{}, ranks, HostClock{}).run(shapes);
    if (ranks.rank() == 0) std::printf("]\n");
  }
  MPI_Finalize();
  return right ? 0 : 1;
}
