// Kernels of teams on CUDA, launched without what Kokkos' teams need besides.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#if defined(KOKKOS_ENABLE_CUDA) && !defined(SANTA_GENERIC_DEVICE)

namespace santa::lanes::inline SANTA_BUILD {

/// A team, as kernels see it: the members of Kokkos' that they use.
class BlockMember {
 public:
  class Scratch {
   public:
    /// All of it: there is one array of scratch.
    __device__ static void* get_shmem_aligned(std::size_t /*bytes*/, std::size_t /*alignment*/) {
      extern __shared__ __align__(128) char santa_team_scratch[];
      return santa_team_scratch;
    }
  };

  __device__ static int league_rank() { return static_cast<int>(blockIdx.x); }
  __device__ static int league_size() { return static_cast<int>(gridDim.x); }
  __device__ static Scratch team_scratch(int /*level*/) { return {}; }
  __device__ static void team_barrier() { __syncthreads(); }
};

/// Kokkos' own kernel finds its way through leagues larger than a grid and through scratch in memory first: some 50
/// instructions and 100 bytes of arguments that each team would wait for.
template <class Kernel, int threads, int teams>
__global__ void __launch_bounds__(threads, teams) run_teams(const __grid_constant__ Kernel kernel) {
  kernel(BlockMember{});
}

/// Errors: std::runtime_error with CUDA's words, which nobody finds again.
inline void require_success(cudaError_t error, const char* what) {
  if (error == cudaSuccess) return;
  cudaGetLastError();
  throw std::runtime_error(std::string("santa: ") + what + ": " + cudaGetErrorString(error));
}

inline constexpr std::size_t kept_by_the_system = 1024;  // bytes of shared memory, for each team

/// Prepares a kernel for teams with so much scratch, on each device that it is launched on: that as many fit on a
/// multiprocessor as it is compiled for.
template <class Kernel, int threads, int teams>
void prepare_kernel(const Kokkos::Cuda& space, std::size_t scratch_bytes) {
  struct Device {
    int number;
    std::size_t bytes;
  };
  static std::mutex mutex;
  static std::vector<Device> known;
  const std::lock_guard lock(mutex);
  auto device =
      std::find_if(known.begin(), known.end(), [&](const Device& of) { return of.number == space.cuda_device(); });
  if (device == known.end()) device = known.insert(device, {space.cuda_device(), 0});
  if (device->bytes >= scratch_bytes) return;
  const std::size_t all = space.cuda_device_prop().sharedMemPerMultiprocessor;
  const std::size_t percent = (100 * teams * (scratch_bytes + kept_by_the_system) + all - 1) / all;
  const auto run = run_teams<Kernel, threads, teams>;
  require_success(
      cudaFuncSetAttribute(run, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(scratch_bytes)),
      "scratch of a team");
  require_success(cudaFuncSetAttribute(run, cudaFuncAttributePreferredSharedMemoryCarveout,
                                       static_cast<int>(std::min(percent, std::size_t{100}))),
                  "scratch of a multiprocessor");
  device->bytes = scratch_bytes;
}

/// Launches a kernel of `units` teams of so many warps, with `scratch_bytes` each; `teams`: as many as a multiprocessor
/// is to hold. Tools of Kokkos are told.
/// Errors: std::runtime_error where CUDA has any.
template <int warps, int teams, class Kernel>
void launch_teams(const char* label, const Kokkos::Cuda& space, std::int64_t units, std::size_t scratch_bytes,
                  const Kernel& kernel) {
  require_success(cudaSetDevice(space.cuda_device()), "cudaSetDevice");
  prepare_kernel<Kernel, 32 * warps, teams>(space, scratch_bytes);
  std::uint64_t noted = 0;
  const bool tools = Kokkos::Tools::profileLibraryLoaded();
  if (tools) Kokkos::Tools::beginParallelFor(label, Kokkos::Tools::Experimental::device_id(space), &noted);
  run_teams<Kernel, 32 * warps, teams>
      <<<static_cast<unsigned>(units), dim3(32, warps), scratch_bytes, space.cuda_stream()>>>(kernel);
  if (tools) Kokkos::Tools::endParallelFor(noted);
  require_success(cudaGetLastError(), label);
}

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
