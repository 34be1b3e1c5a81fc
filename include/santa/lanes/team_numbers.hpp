// What the threads of a team make of a number each: of those up to each thread, and of all.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

namespace santa::lanes::inline SANTA_BUILD {

/// How two numbers become one.
struct Plus {
  template <class T>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static T join(T a, T b) {
    return a + b;
  }
};
struct Larger {
  template <class T>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static T join(T a, T b) {
    return b > a ? b : a;
  }
};

/// What the threads before this one join to (0 of none), and what all do.
template <class T>
struct TeamNumbers {
  T before, all;
};

#if defined(__CUDA_ARCH__) && !defined(SANTA_GENERIC_DEVICE)
/// A warp by shuffles, and warps through memory: two barriers, where Kokkos' own scans take several.
template <class Join, class T>
__device__ TeamNumbers<T> join_warps(int threads, T value, T* exchange) {
  const int lane = static_cast<int>(threadIdx.y) % 32, warp = static_cast<int>(threadIdx.y) / 32;
#pragma unroll
  for (int width = 1; width < 32; width *= 2) {
    const T below = __shfl_up_sync(0xffffffffU, value, width);
    if (lane >= width) value = Join::join(below, value);
  }
  if (lane == 31) exchange[warp] = value;
  __syncthreads();
  T all = exchange[0], before = T{};
  for (int i = 1; i < threads / 32; ++i) {
    if (i == warp) before = all;
    all = Join::join(all, exchange[i]);
  }
  __syncthreads();
  const T below = __shfl_up_sync(0xffffffffU, value, 1);
  if (lane == 0) return {before, all};
  return {warp > 0 ? Join::join(before, below) : below, all};
}
#endif

/// Joins the numbers of a team's threads, in their order. `exchange`: memory of the team, a T for each thread. Begins
/// and ends with a barrier. Requires: on CUDA, teams of whole warps.
template <class Join, class Member, class T>
KOKKOS_FUNCTION TeamNumbers<T> join_threads(const Member& member, T value, T* exchange) {
#if defined(__CUDA_ARCH__) && !defined(SANTA_GENERIC_DEVICE)
  return join_warps<Join>(member.team_size(), value, exchange);
#else
  exchange[member.team_rank()] = value;
  member.team_barrier();
  TeamNumbers<T> result{T{}, exchange[0]};
  for (int i = 1; i < member.team_size(); ++i) {
    if (i == member.team_rank()) result.before = result.all;
    result.all = Join::join(result.all, exchange[i]);
  }
  member.team_barrier();
  return result;
#endif
}

}  // namespace santa::lanes::inline SANTA_BUILD
