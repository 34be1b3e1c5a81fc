// The kernel that makes outputs of what the teams of a step have added up, and what the next step starts from.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/carry.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Merges the states of the units of each slice, in their order, one team a (request, kv head), a head a group at a
/// time. Writes outputs, and
/// for the next step M and A of each head, tau and delta corrected by what was expected to be read. In rehearsals it
/// does the latter alone. Reads: the states.
template <class ExecutionSpace>
struct MergeClustersKernel {
  using Space = ExecutionSpace;
  using Extents = lanes::Teams<4, 1, 2>;
  using Group = lanes::GroupOf<Space, Extents>;
  using Float = typename Group::template Vector<float>;

  ClusterArguments arguments;

  /// Of each group: an output, and whether a head's Z was no number to divide by.
  [[nodiscard]] std::size_t scratch_floats() const { return Group::groups_per_team * (32 + 1); }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int groups = Group::groups_per_team;
    const ClusterArguments& a = arguments;
    const Group group(member);
    float* const scratch = group.template scratch<float>(member, groups * (32 + 1));
    float* const failed = scratch + groups * 32;
    const std::int64_t first = std::int64_t{member.league_rank()} * a.slices;
    bool fails = false;
    for (int n = 0; n < a.slices; ++n) {
      const ClusterSlice slice(a, first + n);
      for (int head = group.rank(); head < slice.heads; head += groups)
        fails = merge(group, slice, head, scratch + 32 * group.rank()) || fails;
    }
    group.single([&] { failed[group.rank()] = fails ? 1.F : 0.F; });
    group.team_barrier();
    if (group.rank() != 0) return;
    group.single([&] {
      for (int i = 1; i < groups; ++i) fails = fails || failed[i] > 0.F;
      finish(first, fails);
    });
  }

 private:
  static constexpr std::int32_t far_rehearsals = 5;

  [[nodiscard]] KOKKOS_FUNCTION const float* state(const ClusterSlice& slice, int unit, int head) const {
    const ClusterArguments& a = arguments;
    return a.states + ((slice.row * a.units() + unit) * a.slice_heads + head) * a.state_floats();
  }
  [[nodiscard]] KOKKOS_FUNCTION const ClusterHead& head_of(const ClusterSlice& slice, int unit, int head) const {
    return *reinterpret_cast<const ClusterHead*>(state(slice, unit, head));
  }

  /// One head; true if its Z can't be divided by.
  KOKKOS_FUNCTION bool merge(const Group& group, const ClusterSlice& slice, int head, float* scratch) const {
    const ClusterArguments& a = arguments;
    ClusterHead sum;
    for (int i = 0; i < a.units(); ++i) sum.reference = lanes::max(sum.reference, head_of(slice, i, head).reference);
    for (int i = 0; i < a.units(); ++i) add(sum, head_of(slice, i, head));
    ClusterHead of_clusters;
    of_clusters.reference = sum.reference;
    for (int i = 0; i < a.chunk_units; ++i) add(of_clusters, head_of(slice, i, head));
    group.single([&] { carry(slice.head_row(a, head), sum, of_clusters.means); });
    if (a.rehearsal != 0) return false;
    const bool divides = sum.mass > 0.F;
    const bool none = slice.length == 0;
    float norms[2] = {0.F, 0.F};  // |out|^2, <E, out>
    write_out(group, slice, head, sum, divides, scratch, norms);
    const float mass = divides ? sum.mass : sum.used;
    const float squared = lanes::fma(sum.doubt_of_mass, norms[0], sum.doubt - 2.F * norms[1]);
    const float bar = divides ? Kokkos::sqrt(squared > 0.F ? squared : 0.F) / mass : lanes::not_a_number;
    group.single([&] {
      if (a.lse) a.lse(slice.batch, slice.first_head + head) = (sum.reference + lanes::log2(mass)) * lanes::ln_of_2;
      if (a.error) a.error(slice.batch, slice.first_head + head) = none ? 0.F : bar;
    });
    return !divides && !none;
  }

  /// M and A for the next step; of a sighting, moved as far as the mass of clusters has moved since the last step.
  KOKKOS_FUNCTION void carry(std::int64_t row, const ClusterHead& sum, float mass_of_clusters) const {
    const ClusterArguments& a = arguments;
    const float clusters = sum.reference + lanes::log2(mass_of_clusters);
    const float moved = clusters - a.log_clusters[row];
    const float codes = sum.reference + lanes::log2(sum.codes);
    if (a.rehearsal != ClusterArguments::sighting) {
      a.log_means[row] = sum.reference + lanes::log2(sum.means);
      a.log_codes[row] = is_finite(codes) ? codes : a.log_means[row];
    } else if (is_finite(moved)) {
      a.log_means[row] += moved;
      a.log_codes[row] += moved;
    }
    a.log_clusters[row] = clusters;
  }

  /// out = N / Z; or, where Z is not positive, S / sum W.
  KOKKOS_FUNCTION void write_out(const Group& group, const ClusterSlice& slice, int head, const ClusterHead& sum,
                                 bool divides, float* scratch, float (&norms)[2]) const {
    const ClusterArguments& a = arguments;
    const int width = a.clusters.width;
    const float mass = divides ? sum.mass : sum.used;
    const float inverse = slice.length == 0 ? 0.F : 1.F / mass;
    const std::int64_t to = slice.batch * a.out_stride[0] + std::int64_t{slice.first_head + head} * a.out_stride[1];
    Float squares = 0.F;
    Float products = 0.F;
    for (int first = 0; first < a.dim; first += 32) {
      Float out = 0.F;
      Float doubt = 0.F;
      for (int i = 0; i < a.units(); ++i) {
        const float factor = brought_to(sum.reference, head_of(slice, i, head).reference);
        const float* const sums = state(slice, i, head) + cluster_head_floats + first;
        out = lanes::fma(Float(factor), group.load(sums + (divides ? 0 : width)), out);
        doubt = lanes::fma(Float(factor * factor), group.load(sums + 2 * width), doubt);
      }
      out = out * Float(inverse);
      squares = lanes::fma(out, out, squares);
      products = lanes::fma(out, doubt, products);
      const int count = a.dim - first < 32 ? a.dim - first : 32;
      group.sync();
      group.store(out, scratch);
      group.sync();
      group.for_each(count, [&](int j) { a.out.store(to + first + j, scratch[j]); });
    }
    norms[0] = group.sum(squares);
    norms[1] = group.sum(products);
  }
  /// Counts of all slices, and tau and delta of the next step.
  KOKKOS_FUNCTION void finish(std::int64_t first, bool fails) const {
    const ClusterArguments& a = arguments;
    if (a.rehearsal == ClusterArguments::sighting) return;
    ClusterStatistics all;
    const ClusterSlice slice(a, first);
    for (int n = 0; n < a.slices; ++n) {
      ClusterCounts counts;
      for (int i = 0; i < a.units(); ++i) add(counts, a.counts[(first + n) * a.units() + i]);
      correct(ClusterSlice(a, first + n), counts);
      all.clusters_read += static_cast<std::int64_t>(counts.clusters);
      all.keys_read += static_cast<std::int64_t>(counts.keys);
      all.rows_read += static_cast<std::int64_t>(counts.rows + counts.certain);
      all.bytes_read += static_cast<std::int64_t>(
          a.fixed_bytes(static_cast<double>(slice.chunks), static_cast<double>(counts.certain)) +
          static_cast<double>(counts.keys) * a.bytes_of_code() + static_cast<double>(counts.rows) * a.row_bytes);
    }
    if (a.rehearsal != 0 || !a.statistics) return;
    if (slice.given != slice.length) all.flags |= ClusterStatistics::length_clamped;
    if (fails) all.flags |= ClusterStatistics::self_normalised;
    if (a.clusters.clustered[slice.batch] * std::int64_t{a.clusters.chunk} > slice.length)
      all.flags |= ClusterStatistics::clusters_ahead;
    a.statistics(slice.batch, slice.kv_head) = all;
  }

  /// Steps go up to a factor 2^2, the first rehearsals up to 2^6.
  KOKKOS_FUNCTION void correct(const ClusterSlice& slice, const ClusterCounts& counts) const {
    const ClusterArguments& a = arguments;
    const ClusterTargets targets(a, slice);
    const std::int64_t row = slice.head_row(a, 0);
    float& tau = a.log_tau[row];
    float& delta = a.log_delta[row];
    if (a.rehearsal == 1 || !is_finite(tau) || !is_finite(delta)) {  // as where all keys are alike
      tau = -lanes::log2(static_cast<float>(targets.keys > 1. ? targets.keys : 1.));
      delta = -lanes::log2(static_cast<float>(targets.rows > 1. ? targets.rows : 1.));
      return;
    }
    const auto change = [&](float certain, float uncertain, double wanted, bool all) {
      if (all) return 0.F;
      const float step = correct_log_delta({certain, uncertain}, wanted);
      const bool far = Kokkos::fabs(step) >= 2.F;
      return far && a.rehearsal != 0 && a.rehearsal <= far_rehearsals ? 3.F * step : step;
    };
    tau += change(counts.certain_keys, counts.uncertain_keys, targets.keys, targets.all_keys(a, slice));
    delta += change(counts.certain_rows, counts.uncertain_rows, targets.rows, targets.all_rows(a, slice));
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
