// The lane group of any device that Kokkos knows: the threads of a team, in nothing but Kokkos' own calls.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// A team of 32 threads that work through tiles of 32 keys together; lane i is thread i and owns key i of the tile. The
/// same members as HostGroup, with a plain T for a Vector<T>. Lanes see each other's values through scratch, between
/// two barriers of the team: all of them call these members, in the same order. Correct before fast: a backend that
/// matters deserves a group of its own, as CUDA has in WarpGroup. `Heads` is the largest number of heads, by which
/// arrays are sized.
///
/// Objects may be copied: what lanes exchange is over before a member returns.
template <class Space, int Heads>
class TeamGroup {
  using Team = typename Kokkos::TeamPolicy<Space>::member_type;

 public:
  static constexpr int size = 32;
  static constexpr int max_heads = Heads;
  static constexpr int groups_per_team = 1;
  static constexpr int scratch_level = 0;
  static constexpr int scratch_alignment = 16;
  static constexpr int queue_capacity = 80;
  static constexpr int newest_kept = 0;  // no rows are asked for ahead of time

  /// Scratch that lanes exchange values in, beside what kernels ask for.
  static constexpr std::size_t exchange_bytes = size * sizeof(std::uint64_t) + scratch_alignment;

  template <class T>
  using Vector = T;
  using Mask = bool;

  KOKKOS_FUNCTION explicit TeamGroup(const Team& team)
      : _team(team),
        _exchange(scratch<std::uint64_t>(team, size)),
        _lane(static_cast<std::int32_t>(team.team_rank())) {}

  template <class T>
  KOKKOS_FUNCTION static T* scratch(const Team& team, std::size_t count) {
    return static_cast<T*>(
        team.team_scratch(int{scratch_level}).get_shmem_aligned(count * sizeof(T), int{scratch_alignment}));
  }

  [[nodiscard]] KOKKOS_FUNCTION static constexpr int rank() { return 0; }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t lane() const { return _lane; }
  KOKKOS_FUNCTION void sync() const { _team.team_barrier(); }
  KOKKOS_FUNCTION void team_barrier() const { sync(); }

  // A team has this group alone.
  template <class T, int N>
  KOKKOS_FUNCTION static void team_sum(T (&/*values*/)[N], int /*count*/, T* /*exchange*/) {}
  template <int N>
  KOKKOS_FUNCTION static void team_max(float (&/*values*/)[N], int /*count*/, float* /*exchange*/) {}

  KOKKOS_FUNCTION bool last_of(std::int32_t& arrived, std::int32_t expected) const {
    Kokkos::memory_fence();
    sync();
    std::int32_t before = 0;
    single([&] { before = Kokkos::atomic_fetch_add(&arrived, 1); });
    const bool last = value_of(before, 0) == expected - 1;
    if (last) single([&] { arrived = 0; });
    Kokkos::memory_fence();
    return last;
  }

  [[nodiscard]] KOKKOS_FUNCTION bool lanes_between(std::int32_t begin, std::int32_t end) const {
    return _lane >= begin && _lane < end;
  }

  /// By halving, in the order of a butterfly over a warp.
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T sum(T value) const {
    return exchanged(value, [](const T* of_lane) {
      T part[size];
      for (int i = 0; i < size; ++i) part[i] = of_lane[i];
      for (int width = size / 2; width > 0; width /= 2)
        for (int i = 0; i < width; ++i) part[i] += part[i + width];
      return part[0];
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION float max(float value) const {
    return exchanged(value, [](const float* of_lane) {
      float largest = of_lane[0];
      for (int i = 1; i < size; ++i) largest = of_lane[i] > largest ? of_lane[i] : largest;
      return largest;
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t ballot(bool mask) const {
    return exchanged(std::uint32_t{mask ? 1U : 0U}, [](const std::uint32_t* of_lane) {
      std::uint32_t bits = 0;
      for (int i = 0; i < size; ++i) bits |= of_lane[i] << i;
      return bits;
    });
  }
  [[nodiscard]] KOKKOS_FUNCTION bool lanes_of(std::uint32_t bits) const { return ((bits >> _lane) & 1U) != 0; }
  KOKKOS_FUNCTION static bool holds(std::uint32_t bits, int lane) { return ((bits >> lane) & 1U) != 0; }
  [[nodiscard]] KOKKOS_FUNCTION bool any(bool mask) const { return ballot(mask) != 0; }

  template <class Integer>
  [[nodiscard]] KOKKOS_FUNCTION Integer inclusive_scan(Integer value) const {
    return exchanged(value, [lane = _lane](const Integer* of_lane) {
      Integer sum = of_lane[0];
      for (int i = 1; i <= lane; ++i) sum += of_lane[i];
      return sum;
    });
  }

  static constexpr bool heads_side_by_side = false;
  template <class Integer, int N, class Wanted>
  KOKKOS_FUNCTION void for_all_scans(int heads, Integer (&values)[N], const Wanted& wanted) const {
    for (int head = 0; head < heads; ++head)
      if (wanted(head)) values[head] = inclusive_scan(values[head]);
  }

  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T previous(T value, T first) const {
    return exchanged(value, [lane = _lane, first](const T* of_lane) { return lane == 0 ? first : of_lane[lane - 1]; });
  }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T last(T value) const {
    return value_of(value, size - 1);
  }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T value_of(T value, int lane) const {
    return exchanged(value, [lane](const T* of_lane) { return of_lane[lane]; });
  }

  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T load(const T* from) const {
    return from[_lane];
  }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T load(const T* from, int count, T rest) const {
    return _lane < count ? from[_lane] : rest;
  }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T load_strided(const T* from, std::int64_t stride, int count, T rest) const {
    return _lane < count ? from[_lane * stride] : rest;
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t load_words(const std::uint16_t* from, std::int64_t stride,
                                                         int count) const {
    return _lane < count ? from[_lane * stride] : 0U;
  }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION static T gather(const T* from, std::int32_t index) {
    return from[index];
  }
  template <class T>
  KOKKOS_FUNCTION void store(T value, T* to) const {
    to[_lane] = value;
  }
  template <class T>
  KOKKOS_FUNCTION void store(T value, T* to, int count) const {
    if (_lane < count) to[_lane] = value;
  }

  template <class T>
  KOKKOS_FUNCTION void compact(std::uint32_t bits, T value, T* to, int at, int capacity) const {
    const int place = at + Kokkos::popcount(bits & ((std::uint32_t{1} << _lane) - 1U));
    if (lanes_of(bits)) to[place < capacity ? place : place - capacity] = value;
  }

  template <int N, class F>
  KOKKOS_FUNCTION void for_each_lane(int count, float* out, F&& f) const {
    f(_lane < count ? _lane : count - 1, out);
  }

  KOKKOS_FUNCTION static constexpr int padded(int heads) { return heads; }
  template <class F>
  KOKKOS_FUNCTION static void for_all_heads(int heads, F&& f) {
    for (int head = 0; head < heads; ++head) f(head);
  }
  template <class F>
  KOKKOS_FUNCTION static void for_heads(int heads, F&& f) {
    for (int head = 0; head < heads; ++head) f(head);
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t coming_tiles(std::uint32_t tile) const {
    return tile + static_cast<std::uint32_t>(_lane);
  }
  struct Ahead {
    static constexpr int tiles = size;
    static constexpr int slots = Heads;
    KOKKOS_FUNCTION static int slot(int head) { return head; }
    KOKKOS_FUNCTION static int lane(int /*head*/, int i) { return i; }
    template <class F>
    KOKKOS_FUNCTION static void find(const TeamGroup& group, int heads, std::uint32_t tile, F&& f) {
      for (int head = 0; head < heads; ++head) f(head, group.coming_tiles(tile));
    }
  };

  template <class T>
  struct PerHead {
    [[nodiscard]] KOKKOS_FUNCTION const T& get(int head) const { return _of_head[head]; }
    KOKKOS_FUNCTION void set(int head, T value) { _of_head[head] = value; }

   private:
    T _of_head[Heads];
  };

  /// Every lane finds the number of every tile: cheaper than an exchange.
  template <class T>
  struct PerTile {
    template <class F>
    KOKKOS_FUNCTION T get(std::uint32_t tile, F&& f) {
      return f(tile);
    }
  };

  template <class F>
  KOKKOS_FUNCTION void single(F&& f) const {
    if (_lane == 0) f();
  }
  template <class F>
  KOKKOS_FUNCTION void for_each(int count, F&& f) const {
    for (int i = _lane; i < count; i += size) f(i);
  }

 private:
  /// What `read` makes of the values of all lanes. The first barrier has them all written, the second all read, before
  /// their place is used again.
  template <class T, class Read>
  KOKKOS_FUNCTION auto exchanged(T value, const Read& read) const {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    T* const of_lane = reinterpret_cast<T*>(_exchange);
    of_lane[_lane] = value;
    sync();
    const auto result = read(of_lane);
    sync();
    return result;
  }

  const Team& _team;
  std::uint64_t* _exchange;  // [lane]
  std::int32_t _lane;
};

}  // namespace santa::lanes::inline SANTA_BUILD
