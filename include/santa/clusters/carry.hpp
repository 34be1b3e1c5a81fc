// What a step over clusters hands to the next.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/carry.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Each member by one lane.
struct ClusterCarry {
  const ClusterArguments& a;

  /// M and A for the next step; of a sighting, moved as far as the mass of clusters has moved since the last step.
  KOKKOS_FUNCTION void note_masses(std::int64_t row, const ClusterHead& sum, float mass_of_clusters) const {
    if (a.rehearsal == ClusterArguments::sighting) return note_sighting(row, {sum.reference, mass_of_clusters});
    const float codes = sum.reference + lanes::log2(sum.codes);
    a.log_means[row] = sum.reference + lanes::log2(sum.means);
    a.log_codes[row] = is_finite(codes) ? codes : a.log_means[row];
    a.log_clusters[row] = sum.reference + lanes::log2(mass_of_clusters);
  }
  KOKKOS_FUNCTION void note_sighting(std::int64_t row, const SightedMass& sum) const {
    const float clusters = sum.reference + lanes::log2(sum.mass);
    const float moved = clusters - a.log_clusters[row];
    if (is_finite(moved)) {
      a.log_means[row] += moved;
      a.log_codes[row] += moved;
    }
    a.log_clusters[row] = clusters;
  }

  /// How badly means predict masses: log2(A / M) that more than half of the heads have, a running mean over steps.
  /// Where the mass by codes is far above that by means, keys of one cluster weigh so differently that codes of more
  /// keys say more than those of values do: the next step leaves these out. Not by the largest: a single such head is
  /// drawn for in any case, by the largest ratio of the heads, while codes of values serve the others.
  KOKKOS_FUNCTION void note_mismatch(const ClusterSlice& slice) const {
    float& mean = a.mismatch[slice.head_row(a, 0)];
    if (a.rehearsal == 1) {  // by means alone; what a run before has left is none of this one's
      mean = lanes::not_a_number;
      return;
    }
    float apart[max_heads];
    for (int head = 0; head < slice.heads; ++head) {
      const std::int64_t row = slice.head_row(a, head);
      apart[head] = a.log_codes[row] - a.log_means[row];
    }
    float middle = -lanes::infinity;
    for (int head = 0; head < slice.heads; ++head) {
      int as_high = 0;
      for (int other = 0; other < slice.heads; ++other) as_high += apart[other] >= apart[head] ? 1 : 0;
      if (2 * as_high > slice.heads) middle = lanes::max(middle, apart[head]);
    }
    mean = is_finite(mean) && is_finite(middle) ? lanes::fma(0.25F, middle - mean, mean) : middle;
  }

  /// Corrects tau and delta, which a step `before` has used, for the next. Steps go up to a factor 2^2, the first
  /// rehearsals up to 2^6.
  KOKKOS_FUNCTION void correct(const ClusterSlice& before, const ClusterSlice& slice,
                               const ClusterCounts& counts) const {
    const ClusterTargets targets(a, slice);
    const ClusterTargets met(a, before);
    const std::int64_t row = slice.head_row(a, 0);
    float& tau = a.log_tau[row];
    float& delta = a.log_delta[row];
    if (a.rehearsal == 1 || !is_finite(tau) || !is_finite(delta)) {  // as where all keys are alike
      tau = -lanes::log2(static_cast<float>(targets.keys() > 1. ? targets.keys() : 1.));
      delta = -lanes::log2(static_cast<float>(targets.rows() > 1. ? targets.rows() : 1.));
      return;
    }
    const auto change = [&](float certain, float uncertain, double wanted, bool all) {
      if (all) return 0.F;
      const float step = correct_log_delta({certain, uncertain}, wanted);
      const bool far = Kokkos::fabs(step) >= 2.F;
      return far && a.rehearsal != 0 && a.rehearsal <= far_rehearsals ? 3.F * step : step;
    };
    if (met.all_keys() && !targets.all_keys())  // nothing is known of tau: rather too many keys than too few
      tau = -lanes::log2(static_cast<float>(targets.keys() > 1. ? targets.keys() : 1.)) - 4.F;
    else
      tau += change(counts.certain_keys, counts.uncertain_keys, targets.keys(), targets.all_keys());
    delta += change(counts.certain_rows, counts.uncertain_rows, targets.rows(), targets.all_rows() || met.all_rows());
  }

 private:
  static constexpr std::int32_t far_rehearsals = 5;
};

}  // namespace santa::detail::inline SANTA_BUILD
