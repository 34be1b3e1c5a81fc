// The lane group of a CUDA device: one warp of a team of several.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/lanes/warp_lanes.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <cstring>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::lanes::inline SANTA_BUILD {

/// 32 threads of a warp that work through tiles of 32 keys together; lane i owns key i of the tile. The same members as
/// HostGroup, with a plain T for a Vector<T>. `Heads` is the largest number of heads, by which arrays are sized.
template <int Heads, int Groups, class Order = PlainOrder>
struct WarpGroup : WarpLanes<Order> {
  using WarpLanes<Order>::everyone, WarpLanes<Order>::size, WarpLanes<Order>::lane, WarpLanes<Order>::lanes_of;
  using WarpLanes<Order>::value_of;
  static constexpr int max_heads = Heads;
  static constexpr int groups_per_team = Groups;
  static constexpr int scratch_level = 0;
  static constexpr int scratch_alignment = 128;
  static constexpr int queue_capacity = 80;
  static constexpr int newest_kept = 0;  // drawn rows are gathered as soon as a batch is full

  template <class Member>
  KOKKOS_FUNCTION explicit WarpGroup(const Member& /*team*/) {}

  /// All scratch of the team. It is as much as the launch said; to work that out again would take a microsecond, so
  /// only the first number is asked for. (Nor none: the compiler would lose that the pointer is to shared memory.)
  template <class T, class Member>
  KOKKOS_FUNCTION static T* scratch(const Member& team, std::size_t /*count*/) {
    constexpr int bytes = sizeof(T);
    return static_cast<T*>(team.team_scratch(int{scratch_level}).get_shmem_aligned(bytes, int{scratch_alignment}));
  }

  /// Which group of the team this is.
  __device__ static int rank() { return static_cast<int>(threadIdx.y); }
  /// Makes memory written by one lane seen by the others of the group.
  __device__ static void sync() { __syncwarp(); }
  __device__ static void team_barrier() { __syncthreads(); }

  template <class T, int N>
  __device__ static void team_sum(T (&values)[N], int /*count*/, T* exchange) {
    combine(values, exchange, [](T so_far, T value) { return so_far + value; });
  }
  template <int N>
  __device__ static void team_max(float (&values)[N], int /*count*/, float* exchange) {
    combine(values, exchange, [](float so_far, float value) { return value > so_far ? value : so_far; });
  }
  template <class T>
  __device__ static T team_sum_before(T value, T* exchange) {
    if (threadIdx.x == 0) exchange[threadIdx.y] = value;
    __syncthreads();
    T sum{};
    for (int i = 0; i < static_cast<int>(threadIdx.y); ++i) sum += exchange[i];
    __syncthreads();
    return sum;
  }
  __device__ static bool last_of(std::int32_t& arrived, std::int32_t expected) {
    __syncthreads();
    bool last = false;
    if (threadIdx.x == 0 && threadIdx.y == 0) {  // the barriers pass on what this thread's fences order
      __threadfence();
      last = atomicAdd(&arrived, 1) == expected - 1;
      if (last) arrived = 0;
      __threadfence();
    }
    return __syncthreads_or(last) != 0;
  }

  static constexpr bool heads_side_by_side = true;
  template <class Integer, class Wanted>
  __device__ static void for_all_scans(int /*heads*/, Integer (&values)[Heads], const Wanted& /*wanted*/) {
    Order::scan(values);
  }

  /// States of 128 features whose loads are on their way together.
  static constexpr int states_at_once = 8;
  /// Four numbers a lane of one piece of memory: lane i has those from 4 i on; from `count` on they are any number, or
  /// 0. `aligned`: whole fours of it may be read.
  template <bool aligned>
  __device__ static void load_four(const float* from, int count, float (&to)[4]) {
    const int first = 4 * lane();
    if constexpr (aligned) {
      const float4 all =
          first < count ? *reinterpret_cast<const float4*>(from + first) : make_float4(0.F, 0.F, 0.F, 0.F);
      to[0] = all.x;
      to[1] = all.y;
      to[2] = all.z;
      to[3] = all.w;
    } else {
#pragma unroll
      for (int k = 0; k < 4; ++k) to[k] = first + k < count ? from[first + k] : 0.F;
    }
  }
  __device__ static void store_four(const float (&from)[4], float* to, int count) {
#pragma unroll
    for (int k = 0; k < 4; ++k)
      if (4 * lane() + k < count) to[4 * lane() + k] = from[k];
  }

  template <class T>
  __device__ static T gather(const T* from, std::int32_t index) {
    return from[index];
  }
  template <class T>
  __device__ static void store(T value, T* to) {
    to[lane()] = value;
  }
  template <class T>
  __device__ static void store(T value, T* to, int count) {
    if (lane() < count) to[lane()] = value;
  }

  template <class T>
  __device__ static void compact(std::uint32_t bits, T value, T* to, int at, int capacity) {
    const int place = at + __popc(bits & ((1U << threadIdx.x) - 1U));
    if (lanes_of(bits)) to[place < capacity ? place : place - capacity] = value;
  }

  KOKKOS_FUNCTION static constexpr int padded(int /*heads*/) { return Heads; }

  template <int N, class F>
  __device__ static void for_each_lane(int count, float* out, F&& f) {
    f(lane() < count ? lane() : count - 1, out);
  }

  template <class F>
  __device__ static void for_all_heads(int /*heads*/, F&& f) {
#pragma unroll
    for (int head = 0; head < Heads; ++head) f(head);
  }

  template <class F>
  __device__ static void for_heads(int heads, F&& f) {
#pragma unroll
    for (int head = 0; head < Heads; ++head)
      if (head < heads) f(head);
  }

  __device__ static std::uint32_t coming_tiles(std::uint32_t tile) {
    return tile + static_cast<std::uint32_t>(lane() * Groups);
  }
  struct Ahead {
    static constexpr int tiles = size / Heads;
    static constexpr int slots = 1;
    __device__ static int slot(int /*head*/) { return 0; }
    __device__ static int lane(int head, int i) { return i * Heads + head; }
    template <class F>
    __device__ static void find(const WarpGroup& group, int heads, std::uint32_t tile, F&& f) {
      const int head = group.lane() % Heads;
      const auto number = tile + static_cast<std::uint32_t>(group.lane() / Heads * Groups);
      f(head < heads ? head : 0, head < heads ? number : ~0U);
    }
  };

  template <class T>
  struct PerHead {
    __device__ T get(int head) const {
      std::uint32_t words[sizeof(T) / 4];
      memcpy(words, &_of_lane, sizeof(T));
#pragma unroll
      for (std::uint32_t& word : words) word = value_of(word, head);
      T result;
      memcpy(&result, words, sizeof(T));
      return result;
    }
    __device__ void set(int head, T value) {
      if (lane() == head) _of_lane = value;
    }

   private:
    static_assert(sizeof(T) % 4 == 0 && Heads <= size);
    T _of_lane{};
  };

  template <class T>
  struct PerTile {
    template <class F>
    __device__ T get(std::uint32_t tile, F&& f) {
      if (_next == 0) _ahead = f(coming_tiles(tile));
      const T result = value_of(_ahead, _next);
      _next = (_next + 1) % size;
      return result;
    }

   private:
    T _ahead{};
    int _next = 0;
  };

  template <class F>
  __device__ static void single(F&& f) {
    if (threadIdx.x == 0) f();
  }

  template <class F>
  __device__ static void for_each(int count, F&& f) {
    for (int i = lane(); i < count; i += size) f(i);
  }
  template <class F>
  __device__ static void for_each_in_turn(int count, F&& f) {
#pragma unroll 1
    for (int i = lane(); i < count; i += size) f(i);
  }

 private:
  template <class T, int N, class F>
  __device__ static void combine(T (&values)[N], T* exchange, const F& f) {
    if (threadIdx.x == 0)
#pragma unroll
      for (int n = 0; n < N; ++n) exchange[N * threadIdx.y + n] = values[n];
    __syncthreads();
#pragma unroll
    for (int n = 0; n < N; ++n) {
      values[n] = exchange[n];
      for (int i = 1; i < Groups; ++i) values[n] = f(values[n], exchange[N * i + n]);
    }
    __syncthreads();
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
