// Ranks on the GPUs of one host, by NCCL: santa_ranks_bench <ranks> [<batch> <tokens>]...: a process for each GPU, rows
// of JSON, and exit code 1 for a wrong result.
#include "run.hpp"
#include <santa/ranks/nccl.hpp>
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cuda_runtime.h>
#include <nccl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <vector>

namespace {

using Space = Kokkos::Cuda;

/// The time of a replay of a captured step, over many replays; a step's exchange keeps ranks together.
struct GraphClock {
  int replays = 200;

  template <class Ranks, class Step>
  double microseconds(const Space& space, const Ranks& /*ranks*/, const Step& step) const {
    const cudaStream_t stream = space.cuda_stream();
    step();
    space.fence();
    cudaGraph_t graph = nullptr;
    cudaGraphExec_t captured = nullptr;
    check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal));
    step();
    check(cudaStreamEndCapture(stream, &graph));
    check(cudaGraphInstantiate(&captured, graph, 0));
    cudaEvent_t begin = nullptr, end = nullptr;
    check(cudaEventCreate(&begin));
    check(cudaEventCreate(&end));
    for (int i = 0; i < 20; ++i) check(cudaGraphLaunch(captured, stream));
    check(cudaEventRecord(begin, stream));
    for (int i = 0; i < replays; ++i) check(cudaGraphLaunch(captured, stream));
    check(cudaEventRecord(end, stream));
    check(cudaEventSynchronize(end));
    float milliseconds = 0.F;
    check(cudaEventElapsedTime(&milliseconds, begin, end));
    check(cudaGraphExecDestroy(captured));
    check(cudaGraphDestroy(graph));
    return 1e3 * static_cast<double>(milliseconds) / replays;
  }

  static void check(cudaError_t result) {
    if (result != cudaSuccess) throw std::runtime_error(cudaGetErrorString(result));
  }
};

/// One rank's process; `id` comes through a pipe from the first.
int run(int rank, int size, const ncclUniqueId& id, const std::vector<santa_bench::RankShape>& shapes) {
  Kokkos::initialize(Kokkos::InitializationSettings().set_device_id(rank));
  bool right = true;
  {
    ncclComm_t all = nullptr;
    if (ncclCommInitRank(&all, size, id, rank) != ncclSuccess) return 2;
    const santa::NcclRanks ranks(all);
    if (rank == 0) std::printf("[\n");
    right = santa_bench::RankBench(Space{}, ranks, GraphClock{}).run(shapes);
    if (rank == 0) std::printf("]\n");
    ncclCommDestroy(all);
  }
  Kokkos::finalize();
  return right ? 0 : 1;
}

}  // namespace

int main(int argc, char* argv[]) {
  const int size = argc > 1 ? std::atoi(argv[1]) : 1;
  std::vector<santa_bench::RankShape> shapes;
  for (int i = 2; i + 1 < argc; i += 2) shapes.push_back({std::atol(argv[i]), std::atol(argv[i + 1])});
  if (shapes.empty()) shapes = {{4, 131072}, {1, 1048576}};
  // Processes are made before any of them has touched a GPU.
  std::vector<int> to;
  std::vector<pid_t> others;
  for (int rank = 1; rank < size; ++rank) {
    int ends[2];
    if (pipe(ends) != 0) return 2;
    const pid_t process = fork();
    if (process == 0) {
      ncclUniqueId id;
      close(ends[1]);
      if (read(ends[0], &id, sizeof id) != static_cast<ssize_t>(sizeof id)) return 2;
      return run(rank, size, id, shapes);
    }
    close(ends[0]);
    to.push_back(ends[1]);
    others.push_back(process);
  }
  ncclUniqueId id;
  if (ncclGetUniqueId(&id) != ncclSuccess) return 2;
  for (const int pipe_end : to)
    if (write(pipe_end, &id, sizeof id) != static_cast<ssize_t>(sizeof id)) return 2;
  int result = run(0, size, id, shapes);
  for (const pid_t process : others) {
    int status = 0;
    waitpid(process, &status, 0);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) result = 1;
  }
  return result;
}
