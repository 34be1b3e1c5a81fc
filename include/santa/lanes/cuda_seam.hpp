// The seam of CUDA.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/lanes/cuda_launch.hpp>
#include <santa/lanes/division.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/feature_plain_tile.hpp>
#include <santa/lanes/host_seam.hpp>
#include <santa/lanes/mma_code_scores.hpp>
#include <santa/lanes/mma_copy_tile.hpp>
#include <santa/lanes/mma_direct_tile.hpp>
#include <santa/lanes/mma_dots.hpp>
#include <santa/lanes/mma_feature_scores.hpp>
#include <santa/lanes/mma_tile.hpp>
#include <santa/lanes/narrow_plain_tile.hpp>
#include <santa/lanes/plain_dots.hpp>
#include <santa/lanes/plain_tile.hpp>
#include <santa/lanes/warp_group.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#if defined(KOKKOS_ENABLE_CUDA) && !defined(SANTA_GENERIC_DEVICE)

namespace santa::lanes::inline SANTA_BUILD {

template <>
struct Seam<Kokkos::Cuda> {
  /// Warps a team: as many as 48 KiB of scratch have room for, which is all that Kokkos gives a team.
  static constexpr int warps(int heads, int dim, bool roomy, bool lean, bool joint) {
    if (lean) return dim > 128 ? 2 : 4;
    if (joint) return dim > 128 || heads * dim > 1024 ? 2 : 4;
    const int most = heads * dim > 1024 ? 1 : heads * dim > 512 ? 2 : 4;
    return roomy && most > 1 ? most / 2 : most;
  }
  template <class Extents>
  static constexpr int warps_of = Extents::groups > 0 ? Extents::groups
                                                      : warps(Extents::heads, Extents::dim, Extents::roomy,
                                                              Extents::lean, Extents::joint);

  /// Warps that a multiprocessor holds: with two panels on their way to each, as many as it takes to keep the memory
  /// busy. Measured at 4 heads of 128: 12 are slower, and leave each thread fewer registers. At 4 heads of 64, whose
  /// panels are half as large, 12 are faster, even where they leave too few registers.
  static constexpr int resident_warps = 8;
  /// With narrow keys the memory is not what is waited for: as many as leave each thread 168 registers.
  static constexpr int crowded_warps = 12;
  /// Where nothing is drawn, the chain on a panel is short of warps rather than of registers: those of up to 8 heads
  /// leave room for as many.
  static constexpr int scoring_warps = 12;
  static constexpr int resident(int warps, int heads, int dim, bool narrow_keys) {
    const bool few = warps == 4 && heads * dim <= 512;  // sums of more need more registers
    return few && (narrow_keys || (heads <= 4 && dim == 64)) ? crowded_warps : resident_warps;
  }

  /// Query heads of a slice at most: scores of a tile and queries must fit in scratch.
  static constexpr int most_heads(int dim) { return dim > 128 ? 8 : 16; }

  /// States of 128 features that a warp merges in the time that another kernel takes to begin.
  static constexpr int few_states = 16;

  static constexpr bool many_groups = true;
  template <class Extents>
  using Group = WarpGroup<Extents::heads, warps_of<Extents>,
                          std::conditional_t<Extents::product_order, ProductOrder, PlainOrder>>;
  template <class K, class Extents, class Scored = K, bool rescored = false, class V = K, bool scaled = false,
            class G = Group<Extents>, int key_dim = Extents::key_dim, int dim = Extents::value_dim,
            bool fast = Extents::tensor_cores>
  using Tile = std::conditional_t<
      Extents::joint && goes_direct<Scored, Extents::heads, key_dim, dim>,
      MmaDirectTile<G, K, Scored, key_dim, rescored, V, dim, scaled>,
      std::conditional_t<
          std::is_same_v<K, Scored>,
          std::conditional_t<fast, MmaTile<G, K, key_dim, V, dim, scaled>, PlainTile<G, K, dim, V>>,
          std::conditional_t<
              std::is_same_v<Scored, FeatureMajor<K>>,
              std::conditional_t<fast, MmaCopyTile<G, K, MmaFeatureScores, Scored, key_dim, rescored, V, dim>,
                                 FeaturePlainTile<G, K, dim, rescored, V>>,
              std::conditional_t<fast, MmaCopyTile<G, K, MmaCodeScores, Scored, key_dim, rescored, V, dim>,
                                 NarrowPlainTile<G, K, Scored, dim, rescored, V>>>>>;
  template <class T, class Extents>
  using Dots = std::conditional_t<Extents::tensor_cores, MmaDots<Group<Extents>, T>, PlainDots<Group<Extents>, T>>;

  /// Those that the build names, or all that there are; T is the larger of the elements of keys and values.
  template <class T, class Build, class F>
  static void with_extents(int heads, santa::detail::RowDims dims, bool aligned, F&& f) {
    constexpr bool fast = sizeof(T) <= 2;  // where rows are aligned
    if constexpr (!Build::Extents::any) {
      with_any<T>(heads, dims.most(), aligned, f);
    } else if (aligned || !fast) {
      with_first<fast>(typename Build::Extents{}, heads, dims, f);
    } else if constexpr (Build::MisalignedExtents::any) {
      with_first<false>(typename Build::MisalignedExtents{}, heads, dims, f);
    } else {
      santa::detail::reject("alignment of rows", "0", "16 bytes, where extents of kernels are named");
    }
  }

  template <class T, class F>
  static void with_vectors(int vectors, bool aligned, F&& f) {
    if constexpr (sizeof(T) == 2)
      if (aligned) {
        if (vectors <= 8) return f(Products<8, true>{});
        if (vectors <= 16) return f(Products<16, true>{});
        if (vectors <= 32) return f(Products<32, true>{});
        return f(Products<64, true>{});
      }
    f(Products<64, false>{});
  }

  /// Teams that share a multiprocessor's registers.
  template <class Extents>
  static constexpr int teams_of() {
    constexpr int warps = warps_of<Extents>;
    constexpr bool few = Extents::scoring && Extents::heads <= 8;
    constexpr int most = few ? scoring_warps : resident(warps, Extents::heads, Extents::dim, Extents::crowded);
    constexpr int by_warps = warps > most ? 1 : most / warps;
    return Extents::teams > 0 ? Extents::teams : by_warps;
  }
  template <class Extents>
  static constexpr std::size_t scratch_bytes(std::size_t floats) {
    return floats * sizeof(float) + Group<Extents>::scratch_alignment;
  }

  template <class Extents>
  static auto policy(const Kokkos::Cuda& space, std::int64_t units, std::size_t scratch_floats) {
    constexpr int warps = warps_of<Extents>;
    // So many teams share a multiprocessor's registers, said by the threads that one of them might have: where their
    // number is said, Kokkos refuses teams on processors whose memory has no room for the scratch of so many.
    using Bounds = Kokkos::LaunchBounds<32 * warps * teams_of<Extents>(), 1>;
    return Kokkos::TeamPolicy<Kokkos::Cuda, Bounds>(space, static_cast<int>(units), warps, 32)
        .set_scratch_size(0, Kokkos::PerTeam(scratch_bytes<Extents>(scratch_floats)));
  }

  /// Launches a kernel in this seam's own way.
  template <class Kernel>
  static void launch(const char* label, const Kokkos::Cuda& space, std::int64_t units, std::size_t scratch_floats,
                     const Kernel& kernel) {
    using Extents = typename Kernel::Extents;
    launch_teams<warps_of<Extents>, teams_of<Extents>()>(label, space, units, scratch_bytes<Extents>(scratch_floats),
                                                         kernel);
  }

  /// At most as many units as run at once, so that all begin and end together; up to 4 splits more where the last of
  /// several rounds would be a small one. No fewer keys a split than give each of its warps a tile.
  static Division divide(const Kokkos::Cuda& space, const Work& work) {
    const int heads = padded_heads(work.heads);
    const int dim = padded_dim(work.dim);
    const auto [rows, length] = std::pair{work.rows, work.length};
    const std::int64_t resident = resident_teams(space, heads, dim, work);
    const int own = 32 * warps_of_work(heads, dim, work);
    const int step = work.tile > own ? work.tile : own;
    const std::int64_t pieces = length > 0 ? (length + step - 1) / step : 1;
    // Of more, the states take longer to merge than longer splits do.
    const std::int64_t most = 256 / ((dim + 127) / 128);
    const std::int64_t at_once = resident < rows ? 1 : resident / rows;
    const std::int64_t least = at_once < most ? at_once : most;
    const auto fullness = [&](std::int64_t splits) {
      const std::int64_t waves = (splits * rows + resident - 1) / resident;
      return static_cast<double>(splits * rows) / static_cast<double>(waves * resident);
    };
    std::int64_t best = least;
    for (std::int64_t splits = least + 1; splits <= least + 4 && splits * 1024 <= length; ++splits)
      if (fullness(splits) > fullness(best) + 0.02) best = splits;
    const std::int64_t each = best < pieces ? (pieces + best - 1) / best : 1;
    return {0, (pieces + each - 1) / each, step};  // none of them empty: as few as have so many pieces each
  }

  /// So few requests need no schedule: with as many splits each as a last unit merges, none keeps the device waiting.
  static constexpr std::int64_t few_requests = 4;
  static Shares shares(const Kokkos::Cuda& space, const Work& work, std::int64_t batch) {
    Shares shares =
        shares_of(resident_teams(space, padded_heads(work.heads), padded_dim(work.dim), work), work.rows, batch);
    if (batch <= few_requests && shares.parts > few_states) shares.parts = few_states;
    return shares;
  }
  template <class Extents>
  static std::int64_t teams_at_once(const Kokkos::Cuda& space, std::size_t scratch_floats) {
    constexpr int most = teams_of<Extents>();
    const auto& device = space.cuda_device_prop();
    const std::size_t bytes = scratch_floats * sizeof(float) + Group<Extents>::scratch_alignment + kept_by_the_system;
    const auto by_memory = static_cast<std::int64_t>(device.sharedMemPerMultiprocessor / bytes);
    return (by_memory < 1 ? 1 : by_memory < most ? by_memory : most) * device.multiProcessorCount;
  }

  /// More have a kernel of their own: one team would have to read more than a few states a warp, one after the other.
  static constexpr std::int32_t most_merged(int heads, int dim) {
    const int most = warps(padded_heads(heads), padded_dim(dim), false, false, false);
    return few_states / (((heads + most - 1) / most) * ((dim + 127) / 128));
  }

 private:
  static constexpr std::size_t most_team_bytes = 48 * 1024;

  /// The extents of the kernel that a shape takes, if none are left out.
  static constexpr int padded_heads(int heads) { return heads <= 4 ? 4 : heads <= 8 ? 8 : 16; }
  static constexpr int padded_dim(int dim) { return dim <= 64 ? 64 : dim <= 128 ? 128 : 256; }

  static constexpr int warps_of_work(int heads, int dim, const Work& work) {
    return warps(heads, dim, work.looks_ahead, work.takes_all, work.draws_jointly);
  }

  /// Shared memory of a team.
  template <int heads, int dim>
  static constexpr std::size_t team_bytes() {
    using E = Extents<heads, dim, true>;
    constexpr std::size_t queue = Group<E>::queue_capacity * (1 + heads);
    return sizeof(float) * (Tile<bfloat16, E>::shared_floats(heads, dim) +
                            warps_of<E> * (Tile<bfloat16, E>::scratch_floats(heads, dim) + queue));
  }
  static constexpr std::size_t team_bytes(int heads, int dim) {
    if (dim == 64) return heads == 4 ? team_bytes<4, 64>() : heads == 8 ? team_bytes<8, 64>() : team_bytes<16, 64>();
    if (dim == 128)
      return heads == 4 ? team_bytes<4, 128>() : heads == 8 ? team_bytes<8, 128>() : team_bytes<16, 128>();
    return heads == 4 ? team_bytes<4, 256>() : team_bytes<8, 256>();
  }

  /// Teams that all multiprocessors hold, by their warps and their shared memory.
  static std::int64_t resident_teams(const Kokkos::Cuda& space, int heads, int dim, const Work& work) {
    const auto& device = space.cuda_device_prop();
    const std::size_t bytes = work.takes_all || work.draws_jointly ? most_team_bytes : team_bytes(heads, dim);
    const auto by_memory = static_cast<std::int64_t>(device.sharedMemPerMultiprocessor / (bytes + kept_by_the_system));
    const int own = warps_of_work(heads, dim, work);
    const std::int64_t by_warps = resident(own, heads, dim, work.narrow_keys) / own;
    return (by_memory < by_warps ? by_memory : by_warps) * device.multiProcessorCount;
  }

  template <class T, class F>
  static void with_any(int heads, int dim, bool aligned, F&& f) {
    const auto with_heads = [&](auto padded_dim, auto tensor_cores) {
      constexpr int d = decltype(padded_dim)::value;
      constexpr bool fast = decltype(tensor_cores)::value;
      if (heads <= 4) return f(Extents<4, d, fast>{});
      if (heads <= 8 || (fast && d > 128)) return f(Extents<8, d, fast>{});
      if constexpr (!fast || d <= 128) return f(Extents<16, d, fast>{});
    };
    using std::integral_constant, std::bool_constant;
    if constexpr (sizeof(T) <= 2) {
      if (aligned) {
        if (dim <= 64) return with_heads(integral_constant<int, 64>{}, bool_constant<true>{});
        if (dim <= 128) return with_heads(integral_constant<int, 128>{}, bool_constant<true>{});
        return with_heads(integral_constant<int, 256>{}, bool_constant<true>{});
      }
    }
    with_heads(integral_constant<int, 256>{}, bool_constant<false>{});
  }

  /// Calls f with the first pair that holds a shape.
  template <bool tensor_cores, int most_heads, int named, int... more, class F>
  static void with_first(Named<most_heads, named, more...>, int heads, santa::detail::RowDims dims, F&& f) {
    constexpr santa::detail::RowDims most = dims_named(named);
    if (heads <= most_heads && dims.keys <= most.keys && dims.values <= most.values)
      return f(Extents<most_heads, named, tensor_cores>{});
    if constexpr (sizeof...(more) > 0) {
      with_first<tensor_cores>(Named<more...>{}, heads, dims, f);
    } else {
      constexpr const char* accepted = "at most what the named kernels take";
      santa::detail::require(heads <= most_heads, "heads / kv_heads", heads, accepted);
      santa::detail::require(dims.keys <= most.keys, "dim", dims.keys, accepted);
      santa::detail::reject("value_dim", std::to_string(dims.values), accepted);
    }
  }
};

}  // namespace santa::lanes::inline SANTA_BUILD

#endif
