// The delta that gives the rows asked for.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/subset.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Solves sum_i c_i pi_i(lambda) = rows for lambda; c_i is what key i stands for and pi_i its inclusion probability
/// where log2(delta / Z) is lambda. `each(lambda, add)` calls add(pi, c) for the tiles of one group, that is all or
/// its share; `exchange` is room for two numbers of each group of a team. Returns -infinity (read all) where even that
/// gives fewer rows. Sums are in integers, so that they have no order and all backends find the same delta.
///
/// Method: with the certain rows as they are, the others' sum goes as 2^-lambda: a few steps of that from above, where
/// each falls short of the root; halving where a step leaves the bracket.
template <class Group, class Each>
KOKKOS_FUNCTION float solve_log_delta_of(const Group& group, double rows, const Each& each,
                                         std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  using Sum = typename Group::template Vector<std::uint64_t>;
  constexpr float unit = 0x1p20F;
  struct Expected {
    double certain, uncertain;
  };
  const auto expected = [&](float lambda) {
    Sum certain = 0U;
    Sum uncertain = 0U;
    each(lambda, [&](const Float& probability, const Float& stands_for) {
      const Float part = probability * (stands_for * Float(unit));
      const auto sure = probability >= Float(1.F);
      certain += lanes::convert<std::uint64_t>(lanes::select(sure, part, Float(0.F)));
      uncertain += lanes::convert<std::uint64_t>(lanes::select(sure, Float(0.F), part));
    });
    std::uint64_t sums[2] = {group.sum(certain), group.sum(uncertain)};
    group.team_sum(sums, 2, exchange);
    constexpr double per_unit = 1. / static_cast<double>(unit);
    return Expected{static_cast<double>(sums[0]) * per_unit, static_cast<double>(sums[1]) * per_unit};
  };
  // Below -160 all count. Normalised weights sum to about 1: with lambda = -log2(rows) at most `rows` are expected.
  constexpr float close = 1.F / 128.F;  // half a percent of the rows
  float low = -160.F;
  float high = 1.F;
  float lambda = rows > 1. ? -lanes::log2(static_cast<float>(rows)) : 0.F;
  bool enough = false;
  for (int i = 0; i < 32 && high - low > close; ++i) {
    const Expected now = expected(lambda);
    const bool more = now.certain + now.uncertain > rows;
    enough = enough || more;
    (more ? low : high) = lambda;
    const double room = rows - now.certain;
    float next = 0.5F * (low + high);
    if (room > 0. && now.uncertain > 0.) {
      const float step = lanes::log2(static_cast<float>(now.uncertain / room));
      if (Kokkos::fabs(step) < close) return lambda + step;
      if (lambda + step > low && lambda + step < high) next = lambda + step;
    }
    lambda = next;
  }
  return enough ? lambda : -lanes::infinity;
}

/// The same over the tiles of a subset, shared by the groups of a team; `pi(slot, lambda)` gives a tile's values.
template <class Group, class Values>
KOKKOS_FUNCTION float solve_log_delta(const Group& group, const Subset& subset, double rows, const Values& pi,
                                      std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  return solve_log_delta_of(
      group, rows,
      [&](float lambda, const auto& add) {
        subset.for_each_slot([&](std::int64_t slot, float stands_for) { add(pi(slot, lambda), Float(stands_for)); },
                             group.rank(), Group::groups_per_team);
      },
      exchange);
}

}  // namespace santa::detail::inline SANTA_BUILD
