// LaneGroup: what kernels ask of the threads that work through a tile of keys together.
#pragma once

#include <santa/core/build.hpp>

#include <concepts>
#include <cstdint>

namespace santa::lanes::inline SANTA_BUILD {

/// The constants and types of a group, by which kernels size what they keep.
///   size             lanes: 32, one for each key of a tile
///   max_heads        query heads that it works on together, at most: extents of arrays over heads
///   groups_per_team  groups that share a team's scratch; the units of a team are theirs together
///   queue_capacity   drawn rows that may wait, at least a tile and a batch of 16
///   newest_kept      of these, how many stay behind when older ones are gathered, their rows being asked for by
///                    `prefetch`; 0: none, and there need be no `prefetch`
///   scratch_level    Kokkos' level of a team's scratch
///   Vector<T>        a value that differs from lane to lane: 32 numbers of a host's thread, a plain T of a device's.
///                    Arithmetic, comparisons, and the functions of lanes/math.hpp work lane by lane
///   Mask             what comparisons of vectors give; |, &
///   PerHead<T>       a number of each head: get(head), set(head, value)
///   PerTile<T>       a number of each of the group's tiles in turn: get(tile, f), f(numbers) being those of several
///   Ahead            how what the group's next tiles have is found for several at once (see HostGroup)
template <class G>
concept LaneGroupShape = requires {
  typename G::template Vector<float>;
  typename G::template Vector<std::uint64_t>;
  typename G::Mask;
  typename G::template PerHead<float>;
  typename G::template PerTile<std::uint32_t>;
  typename G::Ahead;
  requires G::size == 32 && G::max_heads >= 1 && G::groups_per_team >= 1;
  requires G::queue_capacity >= G::size + 16 && G::newest_kept >= 0;
  { G::scratch_level } -> std::convertible_to<int>;
};

/// What all lanes do together: every lane comes to these, and gets the same answer, or its own of a vector.
///   sync()                          memory that one lane wrote is seen by the others
///   sum(v), max(v)                  over lanes; sums of floats by halving, in one order on all backends
///   ballot(mask) -> bits            a set of lanes, a bit each; whose bit is which is the group's own affair
///   lanes_of(bits), holds(bits, lane), any(mask)  the mask of such bits; whether a lane is of them; whether any is
///   lanes_between(begin, end)       the mask of lanes from begin to end - 1
///   inclusive_scan(v)               integer sums over lanes 0 to i
///   for_all_scans(heads, v, wanted) the same of a vector of each head, of those wanted(head) at least, in their place
///   previous(v, first)              the value of the lane before; `first` in lane 0
///   last(v), value_of(v, lane)      one lane's, for all
///   lane(), coming_tiles(tile)      lane numbers; tile + lane
template <class G>
concept JoinsLanes = LaneGroupShape<G> &&
    requires(const G& group, const typename G::template Vector<float>& value,
             const typename G::template Vector<std::uint32_t>& number,
             typename G::template Vector<std::uint32_t> (&of_head)[G::max_heads], const typename G::Mask& mask,
             std::uint32_t bits, int i, bool (*wanted)(int)) {
  group.sync();
  { group.sum(value) } -> std::same_as<float>;
  { group.sum(number) } -> std::same_as<std::uint32_t>;
  { group.max(value) } -> std::same_as<float>;
  { group.ballot(mask) } -> std::same_as<std::uint32_t>;
  { group.lanes_of(bits) } -> std::convertible_to<typename G::Mask>;
  { group.lanes_between(i, i) } -> std::convertible_to<typename G::Mask>;
  { group.holds(bits, i) } -> std::same_as<bool>;
  { group.any(mask) } -> std::same_as<bool>;
  { group.inclusive_scan(number) } -> std::convertible_to<typename G::template Vector<std::uint32_t>>;
  group.for_all_scans(i, of_head, wanted);
  { group.previous(number, bits) } -> std::convertible_to<typename G::template Vector<std::uint32_t>>;
  { group.last(number) } -> std::same_as<std::uint32_t>;
  { group.value_of(number, i) } -> std::same_as<std::uint32_t>;
  { group.lane() } -> std::convertible_to<typename G::template Vector<std::int32_t>>;
  { group.coming_tiles(bits) } -> std::convertible_to<typename G::template Vector<std::uint32_t>>;
};

/// How lanes read and write memory: lane i element i.
///   load(from), store(v, to)                   all 32 lanes
///   load(from, count, rest), store(v, to, count)  of the first `count` lanes; `rest` in the others. No other is
///   touched load_strided(from, stride, count, rest)    elements `stride` apart gather(from, index) the element at each
///   lane's own index compact(bits, v, to, at, capacity)         of the lanes in `bits`, side by side from to[at] on,
///   in a ring
template <class G>
concept LoadsLanes = LaneGroupShape<G> &&
    requires(const G& group, const typename G::template Vector<float>& value,
             const typename G::template Vector<std::int32_t>& index, const float* from, float* to, std::int64_t stride,
             std::uint32_t bits, int count, float rest) {
  { group.load(from) } -> std::convertible_to<typename G::template Vector<float>>;
  { group.load(from, count, rest) } -> std::convertible_to<typename G::template Vector<float>>;
  { group.load_strided(from, stride, count, rest) } -> std::convertible_to<typename G::template Vector<float>>;
  { group.gather(from, index) } -> std::convertible_to<typename G::template Vector<float>>;
  group.store(value, to);
  group.store(value, to, count);
  group.compact(bits, value, to, count, count);
};

/// A group of lanes that goes through tiles of 32 keys together; lane i owns key i of the tile. Constructed by each
/// thread of a team from the team's member. HostGroup says what every member does; WarpGroup and TeamGroup have the
/// same.
///   for_all_heads(heads, f)  f(head) of padded(heads) heads, without a branch: harmless beyond `heads`
///   for_heads(heads, f)      f(head) of `heads` heads
///   for_each(count, f)       f(i) of i in [0, count), shared out over the lanes
///   single(f)                f() once for the group
///   rank(), team_barrier()   which group of the team; waits for all of them
///   last_of(arrived, expected)  counts an arrival; true for the last, which sees what the others wrote
/// Beside these, templates that only a kernel can ask for: scratch<T>(member, count), for_each_lane, team_sum,
/// team_max.
template <class G>
concept LaneGroup = JoinsLanes<G> && LoadsLanes<G> &&
    requires(const G& group, void (*work)(int), void (*task)(), std::int32_t& arrived, int count) {
  { G::padded(count) } -> std::convertible_to<int>;
  group.for_all_heads(count, work);
  group.for_heads(count, work);
  group.for_each(count, work);
  group.single(task);
  { group.rank() } -> std::convertible_to<int>;
  group.team_barrier();
  { group.last_of(arrived, std::int32_t{count}) } -> std::same_as<bool>;
  requires G::newest_kept == 0 || requires(const void* address) { group.prefetch(address, count); };
};

}  // namespace santa::lanes::inline SANTA_BUILD
