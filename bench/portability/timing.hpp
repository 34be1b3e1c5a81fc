// Times of work that is queued on an execution space: by plain launches, and by replays of a captured graph.
#pragma once

#include "median.hpp"

#include <Kokkos_Core.hpp>

#include <stdexcept>
#include <string>
#include <vector>

namespace santa_bench {

/// Median microseconds of work(), over `repeats` runs of which the first few don't count.
template <class Space, class Work>
double time_launches(const Space& space, int repeats, const Work& work) {
  std::vector<double> times;
  for (int i = -2; i < repeats; ++i) {
    space.fence();
    const Kokkos::Timer timer;
    work();
    space.fence();
    if (i >= 0) times.push_back(timer.seconds() * 1e6);
  }
  return median(times);
}

#if defined(KOKKOS_ENABLE_CUDA)

inline void check(cudaError_t error) {
  if (error != cudaSuccess) throw std::runtime_error(std::string("CUDA: ") + cudaGetErrorString(error));
}

/// Work captured once in a CUDA graph.
class Graph {
 public:
  template <class Work>
  Graph(const Kokkos::Cuda& space, const Work& work) : _stream(space.cuda_stream()) {
    cudaGraph_t graph = nullptr;
    check(cudaStreamBeginCapture(_stream, cudaStreamCaptureModeThreadLocal));
    work();
    check(cudaStreamEndCapture(_stream, &graph));
    check(cudaGraphInstantiate(&_graph, graph, 0));
    check(cudaGraphDestroy(graph));
    check(cudaEventCreate(&_begin));
    check(cudaEventCreate(&_end));
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() {
    cudaGraphExecDestroy(_graph);
    cudaEventDestroy(_begin);
    cudaEventDestroy(_end);
  }

  /// Microseconds of one replay, by device events.
  double replay() const {
    check(cudaEventRecord(_begin, _stream));
    check(cudaGraphLaunch(_graph, _stream));
    check(cudaEventRecord(_end, _stream));
    check(cudaEventSynchronize(_end));
    float milliseconds = 0.F;
    check(cudaEventElapsedTime(&milliseconds, _begin, _end));
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  cudaStream_t _stream;
  cudaGraphExec_t _graph = nullptr;
  cudaEvent_t _begin = nullptr, _end = nullptr;
};

#endif

}  // namespace santa_bench
