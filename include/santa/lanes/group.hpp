// Which lane group and tile products an execution space has: the seam between backends.
#pragma once

#include <santa/core/check.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/host_group.hpp>
#include <santa/lanes/host_tile.hpp>
#include <santa/lanes/mma_tile.hpp>
#include <santa/lanes/plain_tile.hpp>
#include <santa/lanes/warp_group.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace santa::lanes {

/// True for spaces whose threads are those of the host.
template <class Space>
inline constexpr bool is_host_space = std::is_same_v<typename Space::memory_space, Kokkos::HostSpace>&&
    Kokkos::SpaceAccessibility<Kokkos::DefaultHostExecutionSpace, typename Space::memory_space>::accessible;

/// How the units of a plan are cut, and how many run at once.
struct Division {
  std::int64_t keys_per_split = 0;  // 0: the visible keys of a request are shared out evenly
  std::int64_t splits = 1;
};

/// The seam of an execution space; the general one is the host's.
///   Group<Extents>, Tile<T, Extents>   lane group and tile products
///   with_extents(...)                  calls f with the extents that a shape's kernels are compiled for
///   policy(...)                        a league of `units` teams
///   divide(...)                        how many units a plan makes
template <class Space>
struct Seam {
  static_assert(is_host_space<Space>, "santa::lanes: no lane group for this execution space");

  template <class Extents>
  using Group = HostGroup;
  template <class T, class Extents>
  using Tile = HostTile<T>;

  template <class T, class F>
  static void with_extents(int /*heads*/, int /*dim*/, bool /*aligned*/, F&& f) {
    f(Extents<max_heads, max_dim, false>{});
  }

  template <class Extents>
  static auto policy(const Space& space, std::int64_t units, std::size_t scratch_floats) {
    using Policy = Kokkos::TeamPolicy<Space, Kokkos::Schedule<Kokkos::Dynamic>>;
    const auto bytes = static_cast<int>(scratch_floats * sizeof(float) + native_bytes);
    return Policy(space, static_cast<int>(units), 1, 1)
        .set_scratch_size(HostGroup::scratch_level, Kokkos::PerTeam(bytes));
  }

  /// Few enough keys a unit that the rows of all kv heads of a token-major cache, read one head after the other, stay
  /// within the reach of the address translation, and independent of the number of threads.
  static Division divide(const Space& /*space*/, std::int64_t /*rows*/, std::int64_t length) {
    std::int64_t keys = 256;
    while (length / keys > 1024) keys *= 2;
    return {keys, (length + keys - 1) / keys};
  }
};

#if defined(KOKKOS_ENABLE_CUDA)

template <>
struct Seam<Kokkos::Cuda> {
  /// Warps a team, and teams that a multiprocessor holds: as few as leave a thread the registers that sums of its heads
  /// and features need. Measured: 4 x 3 beats 8 x 2 (128 registers, spills) and 8 x 1 at 4 heads of 128. Where 16 heads
  /// share a kv head, 4 warps would need more scratch than the 48 KiB that a team may have.
  template <class Extents>
  static constexpr int warps = Extents::heads > 8 ? 2 : 4;
  template <class Extents>
  static constexpr int teams = (Extents::heads * Extents::dim > 4 * 128 ? 8 : 12) / warps<Extents>;

  template <class Extents>
  using Group = WarpGroup<Extents::heads, warps<Extents>>;
  template <class T, class Extents>
  using Tile = std::conditional_t<Extents::tensor_cores, MmaTile<Group<Extents>, T, Extents::dim>,
                                  PlainTile<Group<Extents>, T, Extents::dim>>;

  /// Each combination is a kernel to compile. A program that knows its models saves most of that time by naming what it
  /// needs, -DSANTA_ONLY_EXTENTS=<heads>,<dim>[,<heads>,<dim>...] (4, 8 or 16; 64, 128 or 256) from small to large: a
  /// shape takes the first pair that holds it, others are refused. So are then rows that are not aligned to 16 bytes,
  /// if of 2-byte elements, unless -DSANTA_ONLY_MISALIGNED_EXTENTS=<heads>,<dim>[,...] names some for them.
  template <class T, class F>
  static void with_extents(int heads, int dim, bool aligned, F&& f) {
#if defined(SANTA_ONLY_EXTENTS)
    if constexpr (sizeof(T) == 2) {
#if defined(SANTA_ONLY_MISALIGNED_EXTENTS)
      if (!aligned) return with_first<false, SANTA_ONLY_MISALIGNED_EXTENTS>(heads, dim, f);
#else
      santa::detail::require(aligned, "alignment of rows", 0, "16 bytes with SANTA_ONLY_EXTENTS");
#endif
    }
    with_first<sizeof(T) == 2, SANTA_ONLY_EXTENTS>(heads, dim, f);
#else
    const auto with_heads = [&](auto padded_dim, auto tensor_cores) {
      constexpr int d = decltype(padded_dim)::value;
      constexpr bool fast = decltype(tensor_cores)::value;
      if (heads <= 4) return f(Extents<4, d, fast>{});
      if (heads <= 8) return f(Extents<8, d, fast>{});
      return f(Extents<16, d, fast>{});
    };
    using std::integral_constant, std::bool_constant;
    if constexpr (sizeof(T) == 2) {
      if (aligned) {
        if (dim <= 64) return with_heads(integral_constant<int, 64>{}, bool_constant<true>{});
        if (dim <= 128) return with_heads(integral_constant<int, 128>{}, bool_constant<true>{});
        return with_heads(integral_constant<int, 256>{}, bool_constant<true>{});
      }
    }
    with_heads(integral_constant<int, 256>{}, bool_constant<false>{});
#endif
  }

  template <class Extents>
  static auto policy(const Kokkos::Cuda& space, std::int64_t units, std::size_t scratch_floats) {
    using Bounds = Kokkos::LaunchBounds<32 * warps<Extents>, teams<Extents>>;
    return Kokkos::TeamPolicy<Kokkos::Cuda, Bounds>(space, static_cast<int>(units), warps<Extents>, 32)
        .set_scratch_size(0, Kokkos::PerTeam(static_cast<int>(scratch_floats * sizeof(float) + 16)));
  }

  /// As many units as run at once where 4 heads of 128 share a kv head, or twice as many where each still has a lot to
  /// do: the second half evens out what multiprocessors differ in. Then up to 4 splits more for the fullest last wave.
  static Division divide(const Kokkos::Cuda& space, std::int64_t rows, std::int64_t length) {
    const std::int64_t resident =
        std::int64_t{teams<Extents<4, 128, true>>} * space.cuda_device_prop().multiProcessorCount;
    const std::int64_t panels = length > 0 ? (length + 255) / 256 : 1;
    const std::int64_t units = rows * length >= 16384 * resident ? 2 * resident : resident;
    const std::int64_t least = units < rows ? 1 : units / rows;
    const auto fullness = [&](std::int64_t splits) {
      const std::int64_t waves = (splits * rows + resident - 1) / resident;
      return static_cast<double>(splits * rows) / static_cast<double>(waves * resident);
    };
    std::int64_t best = least;
    for (std::int64_t splits = least + 1; splits <= least + 4 && splits * 1024 <= length; ++splits)
      if (fullness(splits) > fullness(best) + 0.02) best = splits;
    return {0, best < panels ? best : panels};
  }

 private:
  /// Calls f with the first pair that holds a shape.
  template <bool tensor_cores, int most_heads, int most_dim, int... more, class F>
  static void with_first(int heads, int dim, F&& f) {
    if (heads <= most_heads && dim <= most_dim) return f(Extents<most_heads, most_dim, tensor_cores>{});
    if constexpr (sizeof...(more) > 0) {
      with_first<tensor_cores, more...>(heads, dim, f);
    } else {
      santa::detail::require(heads <= most_heads, "heads / kv_heads", heads, "at most what SANTA_ONLY_EXTENTS says");
      santa::detail::reject("dim", std::to_string(dim), "at most what SANTA_ONLY_EXTENTS says");
    }
  }
};

#endif

/// The lane group of an execution space: the threads that work on one tile together.
template <class Space, class Extents = Extents<max_heads, max_dim, false>>
using GroupOf = typename Seam<Space>::template Group<Extents>;

/// The tile products of an execution space for rows of T.
template <class Space, class T, class Extents = Extents<max_heads, max_dim, false>>
using TileOf = typename Seam<Space>::template Tile<T, Extents>;

}  // namespace santa::lanes
