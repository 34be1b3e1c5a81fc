// Blocks of rows: what one thread of a host, or one team of a device, goes through at once.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/team_numbers.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace santa::detail::inline SANTA_BUILD {

/// Rows of a block: so many weights of 51 bits add up within 62.
inline constexpr int block_rows = 2048;

/// Two arrays of a block's own, a word for each row, and a word for each of a team's threads.
struct BlockMemory {
  static constexpr std::size_t words = 2 * std::size_t{block_rows};
  std::uint64_t* first;
  [[nodiscard]] KOKKOS_FUNCTION std::uint64_t* second() const { return first + block_rows; }
  template <class T>
  [[nodiscard]] KOKKOS_FUNCTION T* exchange() const {
    static_assert(sizeof(T) <= sizeof(std::uint64_t));
    return reinterpret_cast<T*>(first + words);
  }
};

/// One thread in the place of a block's threads. The members are those of TeamBlock: loops over 0 to count - 1.
struct ThreadBlock {
  static constexpr bool in_order = true;  // for_each goes from 0 up
  BlockMemory memory;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t count, const F& f) const {
    for (std::int64_t i = 0; i < count; ++i) f(i);
  }
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION double largest(std::int64_t count, const F& f) const {
    constexpr int lanes = 8;  // a maximum each, which compilers make vectors of
    double most[lanes];
    for (double& m : most) m = -std::numeric_limits<double>::infinity();
    std::int64_t i = 0;
    for (; i + lanes <= count; i += lanes)
      for (int k = 0; k < lanes; ++k) {
        const double value = f(i + k);
        most[k] = value > most[k] ? value : most[k];
      }
    for (; i < count; ++i) most[0] = f(i) > most[0] ? f(i) : most[0];
    for (const double m : most) most[0] = m > most[0] ? m : most[0];
    return most[0];
  }
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION std::uint64_t sum(std::int64_t count, const F& f) const {
    std::uint64_t total = 0;
    for (std::int64_t i = 0; i < count; ++i) total += f(i);
    return total;
  }
  /// A sum of doubles: the same in every run on one machine, but not on another backend.
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION double real_sum(std::int64_t count, const F& f) const {
    double total = 0.;
    for (std::int64_t i = 0; i < count; ++i) total += f(i);
    return total;
  }
  /// The first i for which f holds; count: none.
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION std::int64_t first_of(std::int64_t count, const F& f) const {
    std::int64_t i = 0;
    while (i < count && !f(i)) ++i;
    return i;
  }
  template <class Of, class F>
  KOKKOS_FORCEINLINE_FUNCTION void scan(std::int64_t count, const Of& of, const F& f) const {
    std::uint64_t total = 0;
    for (std::int64_t i = 0; i < count; ++i) {
      total += of(i);
      f(i, total);
    }
  }
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void single(const F& f) const {
    f();
  }
  /// Counts in memory of the block's.
  KOKKOS_FORCEINLINE_FUNCTION static void increment(std::uint64_t& counter) { ++counter; }
};

/// The threads of a team. Each call ends with a barrier; results are all threads'.
template <class Member>
struct TeamBlock {
  static constexpr bool in_order = false;
  const Member& member;
  BlockMemory memory;

  template <class Count, class F>
  KOKKOS_FUNCTION void for_each(Count count, const F& f) const {
    Kokkos::parallel_for(Kokkos::TeamThreadRange(member, count), f);
    member.team_barrier();
  }
  KOKKOS_FUNCTION void barrier() const { member.team_barrier(); }
  /// Whether its threads hold its rows, 8 each: not so where a host's stand in for a device's. See OwnRows.
  [[nodiscard]] KOKKOS_FUNCTION bool holds_rows() const { return member.team_size() * 8 == block_rows; }
  /// The largest value, -infinity of none; NaN is ignored.
  template <class F>
  KOKKOS_FUNCTION double largest(std::int64_t count, const F& f) const {
    double most = -std::numeric_limits<double>::infinity();
    for_own(count, [&](std::int64_t i) {
      const double value = f(i);
      most = value > most ? value : most;
    });
    return join<lanes::Larger>(most).all;
  }
  template <class F>
  KOKKOS_FUNCTION std::uint64_t sum(std::int64_t count, const F& f) const {
    std::uint64_t total = 0;
    for_own(count, [&](std::int64_t i) { total += f(i); });
    return join<lanes::Plus>(total).all;
  }
  /// Of a number of each thread.
  template <class Join, class T>
  KOKKOS_FUNCTION lanes::TeamNumbers<T> join(T value) const {
    return lanes::join_threads<Join>(member, value, memory.template exchange<T>());
  }
  template <class F>
  KOKKOS_FUNCTION double real_sum(std::int64_t count, const F& f) const {
    double total = 0.;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(member, count), [&](std::int64_t i, double& of_thread) { of_thread += f(i); }, total);
    member.team_barrier();
    return total;
  }
  template <class F>
  KOKKOS_FUNCTION std::int64_t first_of(std::int64_t count, const F& f) const {
    std::int64_t first = count;
    Kokkos::parallel_reduce(
        Kokkos::TeamThreadRange(member, count),
        [&](std::int64_t i, std::int64_t& of_thread) {
          if (i < of_thread && f(i)) of_thread = i;
        },
        Kokkos::Min<std::int64_t>(first));
    member.team_barrier();
    return first < count ? first : count;
  }
  /// f(i, of(0) + ... + of(i)); f may overwrite what `of` reads of the same i. A thread has a stretch of each piece.
  template <class Of, class F>
  KOKKOS_FUNCTION void scan(std::int64_t count, const Of& of, const F& f) const {
    std::uint64_t before = 0;
    for (std::int64_t first = 0; first < count; first += block_rows) {
      const std::int64_t here = count - first < block_rows ? count - first : block_rows;
      const std::int64_t begin = first + stretch_begin(here, 0), end = first + stretch_begin(here, 1);
      std::uint64_t own = 0;
      for (std::int64_t i = begin; i < end; ++i) own += of(i);
      const auto sums = join<lanes::Plus>(own);
      std::uint64_t up_to = before + sums.before;
      for (std::int64_t i = begin; i < end; ++i) {
        up_to += of(i);
        f(i, up_to);
      }
      before += sums.all;
      member.team_barrier();
    }
  }
  /// f(i, from[i * stride]), 8 of a thread's numbers on their way at once.
  template <class T, class F>
  KOKKOS_FUNCTION void load(std::int64_t count, const T* from, std::int64_t stride, const F& f) const {
    constexpr int ahead = 8;
    const auto threads = static_cast<std::int64_t>(member.team_size());
    for (std::int64_t first = member.team_rank(); first < count; first += ahead * threads) {
      T value[ahead];
      for (int k = 0; k < ahead; ++k)
        value[k] = from[(first + k * threads < count ? first + k * threads : first) * stride];
      for (int k = 0; k < ahead; ++k)
        if (first + k * threads < count) f(first + k * threads, value[k]);
    }
    member.team_barrier();
  }
  /// Each number becomes the largest of those up to it. A thread has a stretch of them.
  template <class T>
  KOKKOS_FUNCTION void scan_largest(int count, T* numbers) const {
    const auto begin = static_cast<int>(stretch_begin(count, 0)), end = static_cast<int>(stretch_begin(count, 1));
    std::uint32_t own = 0;
    for (int i = begin; i < end; ++i) own = numbers[i] > own ? numbers[i] : own;
    own = join<lanes::Larger>(own).before;
    for (int i = begin; i < end; ++i) {
      own = numbers[i] > own ? numbers[i] : own;
      numbers[i] = static_cast<T>(own);
    }
    member.team_barrier();
  }
  template <class F>
  KOKKOS_FUNCTION void single(const F& f) const {
    Kokkos::single(Kokkos::PerTeam(member), f);
    member.team_barrier();
  }
  KOKKOS_FUNCTION static void increment(std::uint64_t& counter) { Kokkos::atomic_add(&counter, std::uint64_t{1}); }

 private:
  /// A thread's part of a loop.
  template <class F>
  KOKKOS_FUNCTION void for_own(std::int64_t count, const F& f) const {
    SANTA_UNROLL(4)  // several loads on their way
    for (std::int64_t i = member.team_rank(); i < count; i += member.team_size()) f(i);
  }
  /// Stretches of an odd number of words: threads side by side use different banks of a block's memory.
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t stretch_begin(std::int64_t count, int next) const {
    const auto threads = static_cast<std::int64_t>(member.team_size());
    const std::int64_t each = (count + threads - 1) / threads | 1, begin = (member.team_rank() + next) * each;
    return begin < count ? begin : count;
  }
};

/// A kernel(block, index) over blocks, as Kokkos launches it: by 256 threads, or as many as the kernel's `threads`, and
/// so that two blocks, or as many as its `side_by_side`, find registers on a multiprocessor.
template <class Space, class Kernel>
struct BlockLaunch {
  static constexpr int threads = [] {
    if constexpr (requires { Kernel::threads; })
      return Kernel::threads;
    else
      return 256;
  }();
  static constexpr int side_by_side = [] {
    if constexpr (requires { Kernel::side_by_side; })
      return Kernel::side_by_side;
    else
      return 512 / threads;
  }();
  static_assert(threads * side_by_side <= 1024);
  // Registers are shared out by threads: see Seam<Kokkos::Cuda>.
  using Policy = Kokkos::TeamPolicy<Space, Kokkos::LaunchBounds<threads * side_by_side, 1>>;
  using Member = typename Policy::member_type;
  static constexpr int level = lanes::is_host_space<Space> ? 1 : 0;  // of scratch: 0 is too small on hosts
  static constexpr std::size_t bytes = sizeof(std::uint64_t) * (BlockMemory::words + std::size_t{threads});

  Kernel kernel;

  KOKKOS_FUNCTION void operator()(const Member& member) const {
    auto* const memory =
        static_cast<std::uint64_t*>(member.team_scratch(int{level}).get_shmem_aligned(std::size_t{bytes}, 16));
    kernel(TeamBlock<Member>{member, {memory}}, static_cast<std::int64_t>(member.league_rank()));
  }
  void operator()(std::int64_t index) const {
    alignas(64) std::uint64_t memory[BlockMemory::words];  // NOLINT(cppcoreguidelines-pro-type-member-init)
    kernel(ThreadBlock{{memory}}, index);
  }
};

template <class Kernel, class Space>
void launch_blocks(const char* label, const Space& space, std::int64_t blocks, const Kernel& kernel) {
  using Launch = BlockLaunch<Space, Kernel>;
  if (blocks == 0) return;
  require(blocks <= most_counted, "blocks of 2048 rows in the batch", blocks, "less than 2^31");
  if constexpr (lanes::is_host_space<Space>) {
    Kokkos::parallel_for(label, Range<Space>(space, 0, blocks), Launch{kernel});
  } else {
    Kokkos::parallel_for(label,
                         typename Launch::Policy(space, static_cast<int>(blocks), Launch::threads)
                             .set_scratch_size(int{Launch::level}, Kokkos::PerTeam(Launch::bytes + 16)),
                         Launch{kernel});
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
