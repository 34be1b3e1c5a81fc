// Which lane group and tile products an execution space has: the seam between backends.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/piece_rows.hpp>
#include <santa/lanes/cuda_seam.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/host_seam.hpp>
#include <santa/lanes/piece_tile.hpp>
#include <santa/lanes/team_seam.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::lanes::inline SANTA_BUILD {

/// True for spaces whose threads are those of the host.
template <class Space>
inline constexpr bool is_host_space = std::is_same_v<typename Space::memory_space, Kokkos::HostSpace>&&
    Kokkos::SpaceAccessibility<Kokkos::DefaultHostExecutionSpace, typename Space::memory_space>::accessible;

/// Spaces that run their kernels by TeamSeam: devices without a lane group of their own. -DSANTA_GENERIC_DEVICE says so
/// of all spaces, so that what those devices run can be tested on one that is at hand; for tests alone.
#if defined(SANTA_GENERIC_DEVICE)
template <class Space>
concept GenericSpace = Kokkos::is_execution_space_v<Space>;
#else
template <class Space>
concept GenericSpace = Kokkos::is_execution_space_v<Space> && !is_host_space<Space>;
#endif

/// Any device but CUDA's.
template <GenericSpace Space>
struct Seam<Space> : TeamSeam<Space> {};

/// Whether kernels of a space call the stages of caches through tables.
template <class Space>
inline constexpr bool has_calls = requires {
  Seam<Space>::calls_stages;
};

/// Whether teams may take units one after the other: those of an execution space, not of what takes its place.
template <class Space>
inline constexpr bool takes_units = Kokkos::is_execution_space_v<Space>;

/// So many requests with lengths are cut into equally many splits each, without a schedule of their own.
template <class Space>
constexpr std::int64_t requests_cut_evenly() {
  if constexpr (requires { Seam<Space>::few_requests; })
    return Seam<Space>::few_requests;
  else
    return 1;
}

/// The lane group of an execution space: the threads that work on one tile together.
template <class Space, class Extents = Extents<max_heads, max_dim, false>>
using GroupOf = typename Seam<Space>::template Group<Extents>;

namespace detail {

template <class Space, class K, class Extents, class Scored, bool rescored, class V, bool scaled>
struct TileFor {
  using type = typename Seam<Space>::template Tile<K, Extents, Scored, rescored, V, scaled>;
};
template <class Space, class K, class Extents, PieceRows Scored, bool rescored, class V, bool scaled>
struct TileFor<Space, K, Extents, Scored, rescored, V, scaled> {
  using type =
      PieceTile<GroupOf<Space, Extents>, typename Seam<Space>::template Tile<K, Plain<Extents>, K, false, V>, Scored>;
};

}  // namespace detail

/// The tile products of an execution space: scores of rows of Scored (keys, of K, or what stands for them), or of
/// PieceRows by their own rule; sums of rows of V, which have scales of their own where `scaled`.
template <class Space, class K, class Extents = Extents<max_heads, max_dim, false>, class Scored = K,
          bool rescored = false, class V = K, bool scaled = false>
using TileOf = typename detail::TileFor<Space, K, Extents, Scored, rescored, V, scaled>::type;

/// Products of rows of T with many vectors, of an execution space.
template <class Space, class T, class Extents>
using DotsOf = typename Seam<Space>::template Dots<T, Extents>;

}  // namespace santa::lanes::inline SANTA_BUILD
