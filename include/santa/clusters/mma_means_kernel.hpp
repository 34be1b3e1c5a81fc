// The kernel that scores the means of all clusters on CUDA's tensor cores: the first of a step.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/carry.hpp>
#include <santa/clusters/mma_codes.hpp>
#include <santa/clusters/mma_warp_sums.hpp>
#include <santa/clusters/read_queries.hpp>
#include <santa/core/build.hpp>
#include <santa/lanes/extents.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

#if defined(KOKKOS_ENABLE_CUDA)

namespace santa::detail::inline SANTA_BUILD {

template <int Heads, int Dim>
struct MeansExtents : lanes::Extents<Heads, Dim, true> {
  static constexpr int groups = 4;
  static constexpr int teams = Heads * Dim > 512 ? 3 : 5;
};

/// A warp a chunk: leaves the scores of its means and its folded queries for the kernel that draws. In a step after
/// another (`sighted`) a slice's last team moves the carried masses as far as that of its clusters has moved.
/// Reads: means of keys.
template <class ExecutionSpace, class MeansExtents>
struct MmaMeansKernel {
  using Space = ExecutionSpace;
  using Extents = MeansExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  static constexpr int heads_max = Group::max_heads;
  static constexpr int dim = Extents::dim;
  static constexpr int groups = Group::groups_per_team;
  using Rows = lanes::NibbleRows<dim>;

  ClusterArguments arguments;

  /// Queries, then the masses of each group.
  [[nodiscard]] KOKKOS_FUNCTION static std::size_t scratch_floats() {
    return std::size_t{heads_max} * (dim + 2 * groups);
  }

  template <class Member>
  __device__ void operator()(const Member& member) const {
    const ClusterArguments& a = arguments;
    const std::int32_t units = a.parts.mean_units;
    const ClusterSlice slice(a, member.league_rank() / units);
    const std::int32_t unit = member.league_rank() % units;
    const Group group(member);
    float* const queries = group.template scratch<float>(member, scratch_floats());
    auto* const masses = reinterpret_cast<SightedMass*>(queries + heads_max * dim);
    read_queries(group, a, slice, [&](int head) { return queries + head * dim; });
    Warp warp(a, slice, queries);
    for (std::int64_t chunk = unit * groups + Group::rank(); chunk < slice.chunks;
         chunk += std::int64_t{units} * groups)
      warp.score(chunk);
    if (!a.sighted) return;
    warp.write(masses + Group::rank() * heads_max);
    group.team_barrier();
    write(slice, unit, masses);
    if (group.last_of(a.parts.arrived[slice.row], units)) move_carried(group, slice);
  }

 private:
  /// What a warp works on.
  struct Warp {
    const ClusterArguments& a;
    const ClusterSlice& slice;
    const float* queries;
    MmaReferences<Group> references;
    float mass[heads_max] = {};

    __device__ Warp(const ClusterArguments& arguments, const ClusterSlice& of, const float* from)
        : a(arguments), slice(of), queries(from) {}

    /// What is loaded of a tile.
    struct Loaded {
      Rows rows;
      bfloat16 scale;
      std::uint16_t slot, end;
    };
    __device__ __forceinline__ void load(const ClusterChunk& at, int tile, Loaded& to) const {
      const int first = 32 * tile;
      const int last = a.clusters.clusters - first < 32 ? a.clusters.clusters - first - 1 : 31;
      to.rows.load([&](int i) { return at.mean(0, first + (i < last ? i : last)); });
      const int own = first + (Group::lane() < last ? Group::lane() : last);
      to.scale = at.mean_scales(0)[own];
      to.slot = at.first_slot()[own];
      to.end = at.first_slot()[own + 1];
      if (Group::lane() > last) to.end = to.slot;
    }

    __device__ __forceinline__ void score(std::int64_t chunk) {
      const ClusterChunk at(a.clusters, slice.batch, slice.kv_head, chunk);
      Loaded tile;
      load(at, 0, tile);
      MmaFolded<heads_max, dim> folded;
      float offset[heads_max];
      folded.fold(
          at, [&](int head) { return queries + head * dim; }, offset);
      folded.store(a.parts.folded +
                   (slice.row * a.clusters.chunks + chunk) * std::int64_t{ClusterParts::folded_words(dim)});
      float* to = a.parts.scores + (slice.row * a.all_tiles() + chunk * a.tiles()) * a.slice_heads * 32;
#pragma unroll 1
      for (int i = 0; i < a.tiles(); ++i, to += a.slice_heads * 32) {
        float score[heads_max];
        folded.scores(tile.rows, score);
        const auto scale = static_cast<float>(tile.scale);
        const auto size = static_cast<float>(tile.end - tile.slot);
        if (i + 1 < a.tiles()) load(at, i + 1, tile);
#pragma unroll
        for (int head = 0; head < heads_max; ++head) {
          score[head] =
              size > 0.F && head < slice.heads ? lanes::fma(score[head], scale, offset[head]) : -lanes::infinity;
          if (head < slice.heads) to[32 * head + Group::thread()] = score[head];
        }
        if (!a.sighted) continue;
        references.raise(score, [&](int head, float factor) { mass[head] *= factor; });
#pragma unroll
        for (int head = 0; head < heads_max; ++head)
          mass[head] += size > 0.F ? size * references.weight_of(score[head], head) : 0.F;
      }
    }

    __device__ void write(SightedMass* to) const {
#pragma unroll
      for (int head = 0; head < heads_max; ++head) {
        const SightedMass all{references.of(head), Group::sum(mass[head])};
        Group::single([&] { to[head] = all; });
      }
    }
  };

  /// Adds up masses of which each lane has one.
  __device__ static SightedMass sum_of(const SightedMass& own) {
    SightedMass sum;
    sum.reference = Group::max(own.reference);
    sum.mass = Group::sum(own.mass * brought_to(sum.reference, own.reference));
    return sum;
  }

  /// The team's masses of each head, to memory.
  __device__ void write(const ClusterSlice& slice, std::int32_t unit, const SightedMass* masses) const {
    const ClusterArguments& a = arguments;
    for (int head = Group::rank(); head < slice.heads; head += groups) {
      const SightedMass sum =
          sum_of(Group::thread() < groups ? masses[Group::thread() * heads_max + head] : SightedMass{});
      Group::single([&] { a.parts.masses[(slice.row * a.parts.mean_units + unit) * a.slice_heads + head] = sum; });
    }
  }

  /// Moves the carried masses of a slice, of which all teams have written theirs.
  __device__ void move_carried(const Group& /*group*/, const ClusterSlice& slice) const {
    const ClusterArguments& a = arguments;
    for (int head = Group::rank(); head < slice.heads; head += groups) {
      SightedMass sum;
      for (std::int32_t first = 0; first < a.parts.mean_units; first += 32) {
        const std::int32_t unit = first + Group::thread();
        const SightedMass* const of = a.parts.masses + slice.row * a.parts.mean_units * a.slice_heads + head;
        const SightedMass some = sum_of(unit < a.parts.mean_units ? of[unit * a.slice_heads] : SightedMass{});
        const float reference = lanes::max(sum.reference, some.reference);
        sum.mass = sum.mass * brought_to(reference, sum.reference) + some.mass * brought_to(reference, some.reference);
        sum.reference = reference;
      }
      Group::single([&] { ClusterCarry{a}.note_sighting(slice.head_row(a, head), sum); });
    }
  }
};

}  // namespace santa::detail::inline SANTA_BUILD

#endif
