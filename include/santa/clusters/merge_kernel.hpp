// The kernel that makes outputs of what the teams of a step have added up, and what the next step starts from.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/clusters/carry.hpp>
#include <santa/clusters/sums.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Scratch of a group that merges: a factor for each unit, sums of rows and of E.
KOKKOS_INLINE_FUNCTION constexpr int merging_floats(int units, int width) { return (units + 31) / 32 * 32 + 2 * width; }

/// Merges the states of the units of each slice, one team a (request, kv head): each head by as many of its groups as
/// there are for each, which share out the units and add up in one order. Writes outputs, and for the next step M and A
/// of each head, tau and delta corrected by what was expected to be read. In rehearsals it does the latter alone.
/// Reads: the states.
template <class ExecutionSpace>
struct MergeClustersKernel {
  using Space = ExecutionSpace;
  using Extents = lanes::Teams<16, 1, 1>;
  using Group = lanes::GroupOf<Space, Extents>;
  using Float = typename Group::template Vector<float>;
  static constexpr int most_pieces = max_dim / 32;
  static constexpr int groups = Group::groups_per_team;
  /// All that Kokkos gives a team of a device.
  static_assert(sizeof(float) * Extents::groups * (merging_floats(most_cluster_units, max_dim) + 1) + 512 <= 48 * 1024);

  ClusterArguments arguments;

  /// That of all groups, and whether some head's Z was no number to divide by.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats() const {
    return static_cast<std::size_t>(groups) * static_cast<std::size_t>(group_floats()) + groups;
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const ClusterArguments& a = arguments;
    const Group group(member);
    float* const scratch = group.template scratch<float>(member, scratch_floats());
    float* const failed = scratch + groups * group_floats();
    const std::int64_t first = std::int64_t{member.league_rank()} * a.slices;
    bool fails = false;
    for (int n = 0; n < a.slices; ++n) {
      const ClusterSlice slice(a, first + n);
      const int at_once = slice.heads < groups ? slice.heads : groups;
      const int parts = groups / at_once;
      for (int head = group.rank() / parts, from = 0; from < slice.heads; from += at_once, head += at_once) {
        const Share share{head, group.rank() % parts, parts};
        const bool takes_part = group.rank() < at_once * parts && head < slice.heads;
        fails = merge(group, slice, share, takes_part, scratch) || fails;
      }
    }
    group.single([&] { failed[group.rank()] = fails ? 1.F : 0.F; });
    group.team_barrier();
    if (group.rank() != 0) return;
    for (int i = 1; i < groups; ++i) fails = fails || failed[i] > 0.F;
    finish(group, first, fails);
  }

 private:
  /// What a group does of a slice: every `parts`-th unit of a head, from `part` on.
  struct Share {
    int head, part, parts;
  };

  [[nodiscard]] KOKKOS_FUNCTION int group_floats() const {
    return merging_floats(arguments.units(), arguments.clusters.width);
  }
  [[nodiscard]] KOKKOS_FUNCTION const float* state(const ClusterSlice& slice, int unit, int head) const {
    const ClusterArguments& a = arguments;
    return a.states + ((slice.row * a.units() + unit) * a.slice_heads + head) * a.state_floats();
  }

  /// One head; true if its Z can't be divided by. All groups of the team come here, some without a head.
  KOKKOS_FUNCTION bool merge(const Group& group, const ClusterSlice& slice, const Share& share, bool takes_part,
                             float* scratch) const {
    const ClusterArguments& a = arguments;
    const int units = (a.units() + 31) / 32 * 32;
    float* const factors = scratch + group.rank() * group_floats();
    ClusterHead sum;
    float means_of_clusters = 0.F;
    if (takes_part) sum = add_heads(group, slice, share.head, factors, means_of_clusters);
    const bool divides = divides_by_mass(sum);
    if (takes_part && a.rehearsal == 0) add_rows(group, slice, share, divides, factors, factors + units);
    group.team_barrier();
    bool fails = false;
    if (takes_part && share.part == 0) {
      group.single([&] { ClusterCarry{a}.note_masses(slice.head_row(a, share.head), sum, means_of_clusters); });
      fails = a.rehearsal == 0 && !divides && slice.length > 0;
      if (a.rehearsal == 0) write(group, slice, share, sum, factors + units);
    }
    group.team_barrier();
    return fails;
  }

  /// The sums of a head that are numbers, of all units, a unit a lane; and what brings each unit's to their reference.
  KOKKOS_FUNCTION ClusterHead add_heads(const Group& group, const ClusterSlice& slice, int head, float* factors,
                                        float& means_of_clusters) const {
    const ClusterArguments& a = arguments;
    const int units = a.units();
    ClusterHead sum;
    const auto load = [&](int first, Float* values) {
      const int count = units - first < 32 ? units - first : 32;
      group.template for_each_lane<cluster_head_floats>(count, values, [&](int lane, float* out) {
        const float* const from = state(slice, first + lane, head);
        SANTA_UNROLL(8)
        for (int n = 0; n < cluster_head_floats; ++n) out[n] = from[n];
      });
    };
    for (int first = 0; first < units; first += 32) {
      Float of[cluster_head_floats];
      load(first, of);
      const auto there = group.lanes_between(0, units - first);
      sum.reference = lanes::max(sum.reference, group.max(lanes::select(there, of[0], Float(sum.reference))));
    }
    for (int first = 0; first < units; first += 32) {
      Float of[cluster_head_floats];
      load(first, of);
      const auto there = group.lanes_between(0, units - first);
      const Float factor = lanes::select(there, lanes::exp2(of[0] - Float(sum.reference)), Float(0.F));
      group.store(factor, factors + first);
      const auto total = [&](const Float& by, const Float& value, const auto& mask) {
        return group.sum(lanes::select(mask, by * value, Float(0.F)));
      };
      const Float squared = factor * factor;
      sum.mass += total(factor, of[1], there);
      sum.used += total(factor, of[2], there);
      sum.doubt += total(squared, of[3], there);
      sum.doubt_of_mass += total(squared, of[4], there);
      sum.means += total(factor, of[5], there);
      sum.codes += total(factor, of[6], there);
      means_of_clusters += total(factor, of[5], group.lanes_between(0, a.chunk_units - first));
    }
    group.sync();
    return sum;
  }

  /// A share's sums of rows, N or S, and E after them, to scratch.
  KOKKOS_FUNCTION void add_rows(const Group& group, const ClusterSlice& slice, const Share& share, bool divides,
                                const float* factors, float* to) const {
    const ClusterArguments& a = arguments;
    const int width = a.clusters.width;
    const int pieces = width / 32;
    Features<Group, most_pieces> sum, doubt;
    for_pieces<most_pieces>(most_pieces, [&](int k) { sum.of[k] = doubt.of[k] = 0.F; });
    // Where rows have a kernel of their own, its teams' S is their part of N, and the others have none.
    const bool by_parts = a.parts.used;
    const int first = by_parts && !divides ? a.chunk_units : 0;
    const int place = by_parts || divides ? 0 : width;
    SANTA_UNROLL(4)
    for (int unit = first + share.part; unit < a.units(); unit += share.parts) {
      const float* const from = state(slice, unit, share.head) + cluster_head_floats;
      const Float factor = factors[unit];
      for_pieces<most_pieces>(
          pieces, [&](int k) { sum.of[k] = lanes::fma(factor, group.load(from + place + 32 * k), sum.of[k]); });
      if (!a.with_error) continue;
      for_pieces<most_pieces>(pieces, [&](int k) {
        doubt.of[k] = lanes::fma(factor * factor, group.load(from + 2 * width + 32 * k), doubt.of[k]);
      });
    }
    for_pieces<most_pieces>(pieces, [&](int k) {
      group.store(sum.of[k], to + 32 * k);
      group.store(doubt.of[k], to + width + 32 * k);
    });
    group.sync();
  }

  /// out = N / Z, or, where Z is not fit to divide by, S / sum W; from the shares of all groups of a head, of which
  /// this has the first.
  KOKKOS_FUNCTION void write(const Group& group, const ClusterSlice& slice, const Share& share, const ClusterHead& sum,
                             float* sums) const {
    const ClusterArguments& a = arguments;
    const int width = a.clusters.width;
    const bool divides = divides_by_mass(sum);
    const bool none = slice.length == 0;
    const float mass = divides ? sum.mass : sum.used;
    const Float inverse = none ? 0.F : 1.F / mass;
    const std::int64_t to =
        slice.batch * a.out_stride[0] + std::int64_t{slice.first_head + share.head} * a.out_stride[1];
    Float squares = 0.F;
    Float products = 0.F;
    for (int first = 0; first < width; first += 32) {
      Float out = 0.F;
      Float doubt = 0.F;
      for (int part = 0; part < share.parts; ++part) {
        const float* const of_part = sums + part * group_floats() + first;
        out = out + group.load(of_part);
        doubt = doubt + group.load(of_part + width);
      }
      out = out * inverse;
      squares = lanes::fma(out, out, squares);
      products = lanes::fma(out, doubt, products);
      group.sync();
      group.store(out, sums + first);
    }
    group.sync();
    group.for_each(a.dim, [&](int j) { a.out.store(to + j, sums[j]); });
    const float squared = lanes::fma(sum.doubt_of_mass, group.sum(squares), sum.doubt - 2.F * group.sum(products));
    const float bar = divides ? Kokkos::sqrt(squared > 0.F ? squared : 0.F) / mass : lanes::not_a_number;
    group.single([&] {
      const int head = slice.first_head + share.head;
      if (a.lse) a.lse(slice.batch, head) = (sum.reference + lanes::log2(mass)) * lanes::ln_of_2;
      if (a.error) a.error(slice.batch, head) = none ? 0.F : bar;
    });
  }

  /// Counts of all slices, and tau and delta of the next step.
  KOKKOS_FUNCTION void finish(const Group& group, std::int64_t first, bool fails) const {
    const ClusterArguments& a = arguments;
    if (a.rehearsal == ClusterArguments::sighting) return;
    ClusterStatistics all;
    const ClusterSlice slice(a, first);
    for (int n = 0; n < a.slices; ++n) {
      const ClusterCounts counts = add_counts(group, first + n);
      const ClusterSlice of(a, first + n);
      if (!of.value_codes && a.value_codes && a.telescoping) all.flags |= ClusterStatistics::value_codes_left_out;
      if (slice.chunks > 0 && ClusterTargets(a, of).all_keys()) all.flags |= ClusterStatistics::all_keys;
      group.single([&] {
        ClusterCarry{a}.note_mismatch(of);
        ClusterCarry{a}.correct(of, ClusterSlice(a, first + n), counts);
      });
      all.clusters_read += static_cast<std::int64_t>(counts.clusters);
      all.keys_read += static_cast<std::int64_t>(counts.keys);
      all.rows_read += static_cast<std::int64_t>(counts.rows + counts.certain);
      all.bytes_read += static_cast<std::int64_t>(
          a.fixed_bytes(static_cast<double>(slice.chunks), static_cast<double>(counts.certain)) +
          static_cast<double>(counts.keys) * a.bytes_of_code(of.value_codes) +
          static_cast<double>(counts.rows) * a.row_bytes);
    }
    if (a.rehearsal != 0 || !a.statistics) return;
    if (slice.given != slice.length) all.flags |= ClusterStatistics::length_clamped;
    if (fails) all.flags |= ClusterStatistics::self_normalised;
    if (a.clusters.clustered[slice.batch] * std::int64_t{a.clusters.chunk} > slice.length)
      all.flags |= ClusterStatistics::clusters_ahead;
    group.single([&] { a.statistics(slice.batch, slice.kv_head) = all; });
  }
  /// Counts of all units of a slice, a unit a lane.
  KOKKOS_FUNCTION ClusterCounts add_counts(const Group& group, std::int64_t slice_row) const {
    const int units = arguments.units();
    float sums[cluster_count_floats] = {};
    for (int first = 0; first < units; first += 32) {
      Float of[cluster_count_floats];
      group.template for_each_lane<cluster_count_floats>(
          units - first < 32 ? units - first : 32, of, [&](int lane, float* out) {
            const float* const from =
                reinterpret_cast<const float*>(arguments.counts + slice_row * units + first + lane);
            SANTA_UNROLL(8)
            for (int n = 0; n < cluster_count_floats; ++n) out[n] = from[n];
          });
      const auto there = group.lanes_between(0, units - first);
      SANTA_UNROLL(8)
      for (int n = 0; n < cluster_count_floats; ++n) sums[n] += group.sum(lanes::select(there, of[n], Float(0.F)));
    }
    return {sums[0], sums[1], sums[2], sums[3], sums[4], sums[5], sums[6], sums[7]};
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
