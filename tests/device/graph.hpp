// Streams of a CUDA device, and graphs of what they were given.
#pragma once

#include <cuda_runtime.h>
#include <doctest/doctest.h>

#include <cstddef>

namespace santa::test {

/// A stream of the test's own.
class Stream {
 public:
  Stream() { REQUIRE(cudaStreamCreate(&_stream) == cudaSuccess); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  ~Stream() { cudaStreamDestroy(_stream); }
  [[nodiscard]] cudaStream_t get() const { return _stream; }

 private:
  cudaStream_t _stream = nullptr;
};

/// What a stream was given while `launch` ran, to be done again.
class Graph {
 public:
  template <class F>
  Graph(cudaStream_t stream, const F& launch) : _stream(stream) {
    REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
    launch();
    cudaGraph_t graph = nullptr;
    REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
    std::size_t nodes = 0;
    REQUIRE(cudaGraphGetNodes(graph, nullptr, &nodes) == cudaSuccess);
    CHECK(nodes > 0);
    REQUIRE(cudaGraphInstantiate(&_graph, graph, 0) == cudaSuccess);
    cudaGraphDestroy(graph);
  }
  Graph(const Graph&) = delete;
  Graph& operator=(const Graph&) = delete;
  ~Graph() { cudaGraphExecDestroy(_graph); }
  void replay() const {
    REQUIRE(cudaGraphLaunch(_graph, _stream) == cudaSuccess);
    REQUIRE(cudaStreamSynchronize(_stream) == cudaSuccess);
  }

 private:
  cudaStream_t _stream;
  cudaGraphExec_t _graph = nullptr;
};

}  // namespace santa::test
