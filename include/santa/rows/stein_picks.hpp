// Rows whose averages are right by a target whose score is known, whatever distribution they come from.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/kernel_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// One pick of Stein thinning: the row that brings the sum of Stein kernels of all picks nearest to 0. A thread goes
/// through `own` rows; the smallest effect wins, of equal ones the first row.
template <class Space, class Kernel>
struct SteinPick {
  using Best = Kokkos::ValLocScalar<double, std::int64_t>;
  using Rows = KernelRows<Kernel, true>;
  static constexpr int own = lanes::is_host_space<Space> ? Rows::width : 1;

  Rows rows;
  std::int64_t count;
  double* effect;  // [count]: k(i, i) / 2 + sum over picks of k(i, pick)
  const Best* last;
  std::int64_t* picked;  // where the last pick goes; null: there is none

  KOKKOS_FUNCTION void operator()(std::int64_t part, Best& best) const {
    const std::int64_t first = part * own;
    const int here = count - first < own ? static_cast<int>(count - first) : own;
    if (picked != nullptr && last->loc >= 0 && last->loc < count) add(last->loc, first, here);
    if (picked != nullptr && part == 0) *picked = last->loc >= 0 && last->loc < count ? last->loc : -1;
    for (int i = 0; i < here; ++i)
      if (effect[first + i] < best.val) best = {effect[first + i], first + i};
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void add(std::int64_t x, std::int64_t first, int here) const {
    if (own > 1 && here == own) {
      double value[Rows::width];
      rows.tile(x, first, value);
      for (int i = 0; i < Rows::width; ++i) effect[first + i] += value[i];
    } else {
      for (int i = 0; i < here; ++i) effect[first + i] += rows.at(x, first + i);
    }
  }
};

/// Greedy picks of `picks.extent(0)` rows with finite log-weights, which count for nothing else. -1: none could be
/// picked. Reads: all rows for each pick. Source: Riabiz et al., "Optimal thinning of MCMC output", JRSS B 2022.
template <class Space, class Kernel, class T, class Picks>
void pick_by_stein(const Space& space, const KernelRows<Kernel, true>& rows, const LogRows<T>& log_weights,
                   const Picks& picks) {
  using Pick = SteinPick<Space, Kernel>;
  using Best = typename Pick::Best;
  using Memory = typename Space::memory_space;
  const std::int64_t count = log_weights.rows, parts = (count + Pick::own - 1) / Pick::own;
  const auto effect = allocate<Kokkos::View<double*, Memory>, Fresh::unset>(space, "santa::stein::effect", count);
  const Kokkos::View<Best, Memory> best[2] = {Kokkos::View<Best, Memory>("santa::stein::best"),
                                              Kokkos::View<Best, Memory>("santa::stein::best")};
  Kokkos::parallel_for(
      "santa::stein_effects", Range<Space>(space, 0, count),
      KOKKOS_LAMBDA(std::int64_t i) { effect(i) = log_weights.at(0, i) > -infinite ? 0.5 * rows.at(i, i) : infinite; });
  const auto all = static_cast<std::int64_t>(picks.extent(0));
  for (std::int64_t i = 0; i <= all; ++i)  // one more, which writes the last pick
    Kokkos::parallel_reduce(
        "santa::stein_pick", Range<Space>(space, 0, parts),
        Pick{rows, count, effect.data(), best[(i + 1) % 2].data(), i > 0 ? picks.data() + (i - 1) : nullptr},
        Kokkos::MinFirstLoc<double, std::int64_t, Memory>(best[i % 2]));
  space.fence("santa::stein_pick");
}

}  // namespace santa::detail::inline SANTA_BUILD
