// The seam of hosts, and what every seam has.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/division.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/feature_host_tile.hpp>
#include <santa/lanes/host_dots.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_tile.hpp>
#include <santa/lanes/narrow_host_tile.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// The seam of an execution space; the general one is the host's.
///   Group<Extents>                     lane group
///   Tile<K, Extents, Scored, rescored, V, scaled>  its products: scores of rows of Scored (K; or a narrow type or
///                                      FeatureMajor<K>, with drawn rows `rescored` by rows of K or not), sums of
///                                      rows of V, with scales of their own where `scaled`
///   Dots<T, Extents>                 products of rows with many vectors of any dimension
///   calls_stages (if true)             whether stages are called through tables, so that kernels fit all caches
///   many_groups                        whether a team's or a kernel's many groups share what one thread would do last
///   most_heads(dim)                    query heads that a group works on together
///   few_requests (if any)              requests with lengths that need no schedule of their own
///   with_extents(...)                  calls f with the extents that a shape's kernels are compiled for
///   with_vectors(...)                  the same with extents for so many vectors
///   policy(...)                        a league of `units` teams
///   launch(...) (if any)               launches a kernel of so many in a way of its own, not by Kokkos::parallel_for
///   divide(...)                        how many units a plan makes
///   shares(space, work, batch)         how one of `batch` requests, of which `work` is, is cut where lengths differ
///   teams_at_once<Extents>(...)        teams that run at once, which take units one after the other where lengths
///                                      differ
///   most_merged(heads, dim)            states of a slice that its last unit merges; more have a kernel of their own
template <class Space>
struct Seam {
  template <class Extents>
  using Group = HostGroup;
  static constexpr bool many_groups = false;
  template <class K, class Extents, class Scored = K, bool rescored = false, class V = K, bool scaled = false>
  using Tile = std::conditional_t<
      std::is_same_v<K, Scored>, HostTile<K, V>,
      std::conditional_t<std::is_same_v<Scored, FeatureMajor<K>>, FeatureHostTile<K, V>, NarrowHostTile<K, Scored, V>>>;
  template <class T, class Extents>
  using Dots = HostDots<T>;

#if !defined(SANTA_DIRECT_STAGES)  // to measure what the calls cost: kernels are then compiled for each kind of cache
  static constexpr bool calls_stages = true;
#endif
  static constexpr int most_heads(int /*dim*/) { return max_heads; }

  template <class T, class Build, class F>
  static void with_extents(int /*heads*/, santa::detail::RowDims /*dims*/, bool /*aligned*/, F&& f) {
    f(Extents<max_heads, max_dim, false>{});
  }
  template <class T, class F>
  static void with_vectors(int /*vectors*/, bool /*aligned*/, F&& f) {
    f(Products<64, false>{});
  }

  template <class Extents>
  static auto policy(const Space& space, std::int64_t units, std::size_t scratch_floats) {
    using Policy = Kokkos::TeamPolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>;
    const std::size_t bytes = scratch_floats * sizeof(float) + native_bytes;
    return Policy(space, static_cast<int>(units), 1, 1)
        .set_scratch_size(HostGroup::scratch_level, Kokkos::PerTeam(bytes));
  }

  /// By its own length alone, also where all requests are full: see shares.
  static Division divide(const Space& /*space*/, const Work& work) {
    constexpr std::int64_t keys = santa::detail::split_keys, most = most_splits;
    return {.splits = std::min((work.length + keys - 1) / keys, most), .by_shares = true};
  }
  /// Few enough keys a unit that the rows of all kv heads of a token-major cache, read one head after the other, stay
  /// within the reach of the address translation; twice as many where there are units for dozens of threads even so, as
  /// to begin one costs time. Independent of the number of threads.
  static Shares shares(const Space& /*space*/, const Work& /*work*/, std::int64_t /*batch*/) {
    return {most_splits, {.steps = 1, .doubled_from = 64}};
  }
  template <class Extents>
  static std::int64_t teams_at_once(const Space& space, std::size_t /*scratch_floats*/) {
    return space.concurrency();
  }
  /// The last thread to finish merges: no other has to be waited for.
  static constexpr std::int32_t most_merged(int /*heads*/, int /*dim*/) { return every_state; }

 private:
  static constexpr std::int32_t most_splits = 1024;
};

}  // namespace santa::lanes::inline SANTA_BUILD
