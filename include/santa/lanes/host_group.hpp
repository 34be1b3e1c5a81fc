// The lane group of a host: one thread that works on vectors of 32 lanes.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/math.hpp>
#include <santa/lanes/simd.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// A group of 32 lanes that works through tiles of 32 keys together; lane i owns key i of the tile. `Vector<T>` is a
/// value that differs from lane to lane: a Simd here, a plain T on a device where lanes are threads of a warp.
/// Everything else is uniform over the group. Sums over lanes have one fixed order on all backends.
struct HostGroup {
  static constexpr int size = 32;
  static constexpr int max_heads = santa::max_heads;
  static constexpr int groups_per_team = 1;
  static constexpr int queue_capacity = 96;  // whole tiles: their rows go round the end as seldom as can be
  static constexpr int newest_kept = 24;     // drawn rows that are still on their way when older ones are gathered
  static constexpr int scratch_level = 1;    // level 0 is 32 KiB on host backends, too small for 16 heads of 256

  template <class T>
  using Vector = Simd<T, size>;
  using Mask = Simd<std::int32_t, size>;

  HostGroup() = default;
  template <class Member>
  explicit HostGroup(const Member& /*team*/) {}

  /// The group's own `count` elements of the team's scratch, aligned for vectors.
  template <class T, class Member>
  static T* scratch(const Member& team, std::size_t count) {
    return static_cast<T*>(team.team_scratch(scratch_level).get_shmem_aligned(count * sizeof(T), native_bytes));
  }

  /// Counts an arrival; true for the last of `expected`, which then sees all that the others wrote. The counter is back
  /// at zero for the next run.
  static bool last_of(std::int32_t& arrived, std::int32_t expected) {
    Kokkos::memory_fence();
    if (Kokkos::atomic_fetch_add(&arrived, 1) != expected - 1) return false;
    Kokkos::memory_fence();
    arrived = 0;
    return true;
  }

  /// Which group of the team this is.
  [[nodiscard]] static constexpr int rank() { return 0; }
  /// Makes memory written by one lane seen by the others of the group.
  static void sync() {}
  /// Waits for all groups of the team.
  static void team_barrier() {}
  /// `count` numbers of each group of the team added up, or the largest of them; `exchange` is room for those of all.
  template <class T, int N>
  static void team_sum(T (&/*values*/)[N], int /*count*/, T* /*exchange*/) {}
  template <int N>
  static void team_max(float (&/*values*/)[N], int /*count*/, float* /*exchange*/) {}

  /// Lane numbers 0 to 31.
  SANTA_INLINE static Vector<std::int32_t> lane() {
    alignas(native_bytes) std::int32_t numbers[size];
    for (int i = 0; i < size; ++i) numbers[i] = i;
    return Vector<std::int32_t>::load(numbers);
  }

  /// Lanes from `begin` to `end` - 1.
  SANTA_INLINE static Mask lanes_between(std::int32_t begin, std::int32_t end) {
    const auto number = lane();
    return (number >= Vector<std::int32_t>(begin)) & (number < Vector<std::int32_t>(end));
  }

  template <class T>
  SANTA_INLINE static T sum(const Vector<T>& values) {
    return lanes::sum(values);
  }

  SANTA_INLINE static float max(const Vector<float>& values) {
    alignas(native_bytes) float each[size];
    values.store(each);
    for (int width = size / 2; width > 0; width /= 2)
      for (int i = 0; i < width; ++i) each[i] = each[i + width] > each[i] ? each[i + width] : each[i];
    return each[0];
  }

  /// Bit i is set where lane i of the mask is.
  SANTA_INLINE static std::uint32_t ballot(const Mask& mask) { return bits_of(mask); }

  /// The mask whose ballot is `bits`.
  SANTA_INLINE static Mask lanes_of(std::uint32_t bits) {
    return ((Vector<std::int32_t>(static_cast<std::int32_t>(bits)) >> lane()) & Vector<std::int32_t>(1)) !=
           Vector<std::int32_t>(0);
  }
  SANTA_INLINE static bool holds(std::uint32_t bits, int lane) { return ((bits >> lane) & 1U) != 0; }
  SANTA_INLINE static bool any(const Mask& mask) { return ballot(mask) != 0; }

  /// Sums over lanes 0 to i, in integers: no rounding, hence no order.
  template <class Integer>
  SANTA_INLINE static Vector<Integer> inclusive_scan(const Vector<Integer>& values) {
    alignas(native_bytes) Integer running[size];
    values.store(running);
    for (int i = 1; i < size; ++i) running[i] += running[i - 1];
    return Vector<Integer>::load(running);
  }

  /// Whether work on all heads at once, needed or not, is faster than on each that needs it: chains of dependent steps
  /// then wait together.
  static constexpr bool heads_side_by_side = false;
  /// Scans of a vector of each head, in their place; of those that are wanted(head) at least.
  template <class Integer, int N, class Wanted>
  SANTA_INLINE static void for_all_scans(int heads, Vector<Integer> (&values)[N], const Wanted& wanted) {
    for (int head = 0; head < heads; ++head)
      if (wanted(head)) values[head] = inclusive_scan(values[head]);
  }

  /// The value of the lane before; `first` in the first.
  template <class T>
  SANTA_INLINE static Vector<T> previous(const Vector<T>& values, T first) {
    alignas(native_bytes) T each[size + 1];
    each[0] = first;
    values.store(each + 1);
    return Vector<T>::load(each);
  }

  /// The value of the last lane, for all.
  template <class T>
  SANTA_INLINE static T last(const Vector<T>& values) {
    return values[size - 1];
  }

  /// The value of one lane, for all.
  template <class T>
  SANTA_INLINE static T value_of(const Vector<T>& values, int lane) {
    return values[lane];
  }

  template <class T>
  SANTA_INLINE static Vector<T> load(const T* from) {
    return Vector<T>::load(from);
  }
  template <class T>
  SANTA_INLINE static void store(const Vector<T>& values, T* to) {
    values.store(to);
  }
  /// The first `count` lanes from memory, `rest` in the others; reads nothing beyond them.
  template <class T>
  SANTA_INLINE static Vector<T> load(const T* from, int count, T rest) {
    if (count >= size) return Vector<T>::load(from);
    return count <= 0 ? Vector<T>(rest) : load_strided(from, 1, count, rest);
  }
  /// The same of elements `stride` apart.
  template <class T>
  static Vector<T> load_strided(const T* from, std::int64_t stride, int count, T rest) {
    alignas(native_bytes) T each[size];
    for (int i = 0; i < size; ++i) each[i] = i < count ? from[i * stride] : rest;
    return Vector<T>::load(each);
  }
  /// The same of half words; 0 in lanes from `count` on.
  static Vector<std::uint32_t> load_words(const std::uint16_t* from, std::int64_t stride, int count) {
    alignas(native_bytes) std::uint32_t each[size];
    for (int i = 0; i < size; ++i) each[i] = i < count ? from[i * stride] : 0U;
    return Vector<std::uint32_t>::load(each);
  }
  /// The elements at each lane's own index.
  template <class T>
  static Vector<T> gather(const T* from, const Vector<std::int32_t>& index) {
    alignas(native_bytes) T each[size];
    for (int i = 0; i < size; ++i) each[i] = from[index[i]];
    return Vector<T>::load(each);
  }
  /// Writes the first `count` lanes.
  template <class T>
  SANTA_INLINE static void store(const Vector<T>& values, T* to, int count) {
    alignas(native_bytes) T each[size];
    if (count >= size) return values.store(to);
    values.store(each);
    for (int i = 0; i < count; ++i) to[i] = each[i];
  }

  /// Writes the values of the lanes in `bits` next to each other, in lane order, from to[at] on: a ring of `capacity`
  /// elements, of which no other is touched.
  template <class T>
  SANTA_INLINE static void compact(std::uint32_t bits, const Vector<T>& values, T* to, int at, int capacity) {
    if (bits == ~std::uint32_t{0} && at + size <= capacity) return values.store(to + at);
    alignas(native_bytes) T each[size];
    values.store(each);
    for (; bits != 0; bits &= bits - 1) {
      to[at] = each[__builtin_ctz(bits)];
      at = at + 1 < capacity ? at + 1 : 0;
    }
  }

  /// Heads that scratch has room for, and that `for_all_heads` goes through.
  static constexpr int padded(int heads) { return heads; }

  /// Calls f(head) for `padded(heads)` heads. A device always goes through as many as its kernel is compiled for,
  /// without a branch: f must do no harm beyond `heads`, where scores are -infinity.
  template <class F>
  SANTA_INLINE static void for_all_heads(int heads, F&& f) {
    for (int head = 0; head < heads; ++head) f(head);
  }

  /// Calls f(head) for each of `heads` heads; unrolled on a device, so that arrays over heads live in registers.
  template <class F>
  SANTA_INLINE static void for_heads(int heads, F&& f) {
    for (int head = 0; head < heads; ++head) f(head);
  }

  /// Lane i of out[n] is value[n] after f(i, value), for i < `count`; other lanes are undefined.
  template <int N, class F>
  SANTA_INLINE static void for_each_lane(int count, Vector<float>* out, F&& f) {
    alignas(native_bytes) float each[N][size] = {};
    for (int i = 0; i < count; ++i) {
      float value[N];
      f(i, value);
      for (int n = 0; n < N; ++n) each[n][i] = value[n];
    }
    for (int n = 0; n < N; ++n) out[n] = Vector<float>::load(each[n]);
  }

  /// The numbers of the group's next tiles from `tile` on, one in each lane.
  SANTA_INLINE static Vector<std::uint32_t> coming_tiles(std::uint32_t tile) {
    return bit_cast<std::uint32_t>(lane()) + Vector<std::uint32_t>(tile);
  }

  /// How what the group's next tiles have for each head is found: for `tiles` tiles at once, by calls of
  /// f(head, numbers) that leave it in lanes of a record, records[slot(head)] of `slots`; lane(head, i) has the i-th
  /// tile's. On a host a call for each head; a warp makes one, each lane of it for a head and a tile of its own
  /// (or for no tile: a number beyond all of them).
  struct Ahead {
    static constexpr int tiles = size;
    static constexpr int slots = max_heads;
    static int slot(int head) { return head; }
    static int lane(int /*head*/, int i) { return i; }
    template <class F>
    SANTA_INLINE static void find(const HostGroup& /*group*/, int heads, std::uint32_t tile, F&& f) {
      for (int head = 0; head < heads; ++head) f(head, coming_tiles(tile));
    }
  };

  /// A number, or a few, of each head: in a warp's lanes, so that it takes no register for each of them.
  template <class T>
  struct PerHead {
    [[nodiscard]] SANTA_INLINE const T& get(int head) const { return _of_head[head]; }
    SANTA_INLINE void set(int head, T value) { _of_head[head] = value; }

   private:
    T _of_head[max_heads];
  };

  /// A number of each of the group's tiles in turn; f(tiles) gives those of several tiles, one in each lane.
  template <class T>
  struct PerTile {
    template <class F>
    SANTA_INLINE T get(std::uint32_t tile, F&& f) {
      if (_next == 0) f(coming_tiles(tile)).store(_ahead);
      const T result = _ahead[_next];
      _next = (_next + 1) % size;
      return result;
    }

   private:
    alignas(native_bytes) T _ahead[size];
    int _next = 0;
  };

  /// Calls f once for the group.
  template <class F>
  SANTA_INLINE static void single(F&& f) {
    f();
  }

  /// Calls f(i) for i in [0, count), shared out over the lanes.
  template <class F>
  SANTA_INLINE static void for_each(int count, F&& f) {
    for (int i = 0; i < count; ++i) f(i);
  }

  /// Asks for the cache lines of [address, address + bytes) ahead of their use: into the second-level cache, which can
  /// have more lines on their way than the first, or (`level` 1) past it into the first.
  template <int level = 2>
  SANTA_INLINE static void prefetch(const void* address, int bytes) {
    for (int at = 0; at < bytes; at += 64)
      __builtin_prefetch(static_cast<const char*>(address) + at, 0, level == 1 ? 0 : 2);
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD
