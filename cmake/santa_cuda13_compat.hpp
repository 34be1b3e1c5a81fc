// Kokkos 4.6 with CUDA 13: two runtime calls in the form that CUDA 13 dropped, as overloads that call today's.
// Kokkos 4.7 and later don't need it. Code that links santa::santa gets it by itself; where Kokkos 4.6 is compiled, say
//   -DCMAKE_CXX_FLAGS="-include <santa>/cmake/santa_cuda13_compat.hpp"
#pragma once

#include <cuda_runtime.h>

#if CUDART_VERSION >= 13000

#include <cstddef>

inline cudaError_t cudaMemPrefetchAsync(const void* pointer, std::size_t bytes, int device, cudaStream_t stream) {
  cudaMemLocation where{};
  where.type = device == cudaCpuDeviceId ? cudaMemLocationTypeHost : cudaMemLocationTypeDevice;
  where.id = device == cudaCpuDeviceId ? 0 : device;
  return cudaMemPrefetchAsync(pointer, bytes, where, 0U, stream);
}

inline cudaError_t cudaGraphAddDependencies(cudaGraph_t graph, const cudaGraphNode_t* from, const cudaGraphNode_t* to,
                                            std::size_t count) {
  return cudaGraphAddDependencies(graph, from, to, nullptr, count);
}

#endif
