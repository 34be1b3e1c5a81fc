// The seam of a device that has no lane group of its own: what makes any of Kokkos' devices run every kernel.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/division.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/feature_plain_tile.hpp>
#include <santa/lanes/narrow_plain_tile.hpp>
#include <santa/lanes/plain_dots.hpp>
#include <santa/lanes/plain_tile.hpp>
#include <santa/lanes/team_group.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// Teams of one TeamGroup each, plain loops for products of all element types, and one kernel for all shapes: those of
/// 16 heads of 256 features need 43 KiB of scratch at most. The last team of a kv head to finish merges.
template <class Space>
struct TeamSeam {
  template <class Extents>
  using Group = TeamGroup<Space, Extents::heads>;
  static constexpr bool many_groups = false;
  template <class K, class Extents, class Scored = K, bool rescored = false, class V = K, bool scaled = false>
  using Tile =
      std::conditional_t<std::is_same_v<K, Scored>, PlainTile<Group<Extents>, K, Extents::dim, V>,
                         std::conditional_t<std::is_same_v<Scored, FeatureMajor<K>>,
                                            FeaturePlainTile<Group<Extents>, K, Extents::dim, rescored, V>,
                                            NarrowPlainTile<Group<Extents>, K, Scored, Extents::dim, rescored, V>>>;
  template <class T, class Extents>
  using Dots = PlainDots<Group<Extents>, T>;

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
    using G = Group<Extents>;
    const std::size_t bytes = scratch_floats * sizeof(float) + G::scratch_alignment + G::exchange_bytes;
    return Kokkos::TeamPolicy<Space>(space, static_cast<int>(units), G::size, 1)
        .set_scratch_size(G::scratch_level, Kokkos::PerTeam(bytes));
  }

  /// A quarter of the teams that a device of one thread a lane holds, but no more splits than one group merges in a few
  /// turns.
  static Division divide(const Space& space, const Work& work) {
    constexpr std::int64_t most = most_splits;
    const std::int64_t teams = space.concurrency() / (4 * 32);
    const std::int64_t rows = work.rows > 0 ? work.rows : 1;
    const std::int64_t share = teams / rows < most ? teams / rows : most;
    const std::int64_t pieces = (work.length + santa::detail::split_keys - 1) / santa::detail::split_keys;
    const std::int64_t splits = share < pieces ? share : pieces;
    return {0, splits > 1 ? splits : 1};
  }
  static Shares shares(const Space& space, const Work& work, std::int64_t batch) {
    const Shares all = shares_of(space.concurrency() / (4 * 32), work.rows, batch);
    return {all.parts < most_splits ? all.parts : most_splits, all.least};
  }
  template <class Extents>
  static std::int64_t teams_at_once(const Space& space, std::size_t /*scratch_floats*/) {
    constexpr int threads = Group<Extents>::size;
    return space.concurrency() > threads ? space.concurrency() / threads : 1;
  }
  static constexpr std::int32_t most_merged(int /*heads*/, int /*dim*/) { return every_state; }

 private:
  static constexpr std::int32_t most_splits = 128;
};

}  // namespace santa::lanes::inline SANTA_BUILD
