// Weights, inclusion probabilities and spreads of rows that were drawn without replacement.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/fixed_exp.hpp>
#include <santa/rows/list_ancestors.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A vector a team. Rows that are drawn by chance have one weight: W = (sum of theirs / sum of all) / how many.
template <class T, class MemorySpace>
struct DistinctWeights {
  LogRows<T> rows;
  std::uint64_t points;
  const WholeMass* all;    // [vectors], of all rows
  const WholeMass* whole;  // [vectors], of rows that are not certain
  DrawnRows<MemorySpace, double> drawn;
  Kokkos::View<double**, Kokkos::LayoutRight, MemorySpace> inclusion;  // may be without data
  double* log_sum;                                                     // [vectors], may be null
  WeightSum sum;

  template <class Block>
  KOKKOS_FUNCTION void operator()(const Block& block, std::int64_t vector) const {
    const WholeMass everything = all[vector], light = whole[vector];
    const auto b = static_cast<std::size_t>(vector);
    const std::int64_t count = light.drawable() ? static_cast<std::int64_t>(light.strata) : 0;
    const auto by_chance = static_cast<double>(count - light.whole);
    const double log_of_all = everything.largest + Kokkos::log(everything.sum);
    const double of_chance =
        light.sum > 0. ? light.sum * fixed_exp(light.largest - everything.largest) / everything.sum : 0.;
    const auto log_weight = [&](std::int64_t i) { return rows.at(vector, drawn.rows(b, static_cast<std::size_t>(i))); };
    const auto certain = [&](std::int64_t i) { return light.cut.takes(log_weight(i)); };
    const auto share = [&](std::int64_t i) { return fixed_exp(log_weight(i) - everything.largest) / everything.sum; };
    const auto units = [&](std::int64_t i) {
      return static_cast<std::uint64_t>(certain(i) ? share(i) * below_all : 0.);
    };
    // What certain rows leave of 2^52 units is shared out over the others.
    const std::uint64_t used = sum == WeightSum::exact ? block.sum(count, units) : 0;
    const Proportion rest(static_cast<std::uint64_t>(count - light.whole), (std::uint64_t{1} << 52) - used);
    const bool none_by_chance = count == light.whole;
    block.scan(
        count, [&](std::int64_t i) { return std::uint64_t{certain(i) ? 0U : 1U}; },
        [&](std::int64_t i, std::uint64_t rank) {
          const auto at = static_cast<std::size_t>(i);
          const bool whole_row = certain(i);
          double weight = whole_row ? share(i) : of_chance / by_chance;
          if (sum == WeightSum::exact) {
            std::uint64_t own = whole_row ? units(i) : rest.of(rank) - rest.of(rank - 1);
            // Where all rows are certain the first takes what was cut off.
            if (none_by_chance && i == 0) own += (std::uint64_t{1} << 52) - used;
            weight = static_cast<double>(own) * 0x1p-52;
          }
          const double chance = whole_row ? 1. : by_chance * (fixed_exp(log_weight(i) - light.largest) / light.sum);
          drawn.weights(b, at) = weight;
          if (drawn.spreads.data() != nullptr)
            drawn.spreads(b, at) = whole_row ? 0. : spread_of(weight, chance, by_chance);
          if (inclusion.data() != nullptr) inclusion(b, at) = chance;
        });
    block.single([&] {
      drawn.count(b) = count;
      if (log_sum != nullptr) log_sum[vector] = log_of_all;
    });
  }

 private:
  /// A little less than 2^52, so that rounded shares don't add up to more.
  static constexpr double below_all = 0x1p52 - 16.;

  KOKKOS_FUNCTION static double spread_of(double weight, double chance, double by_chance) {
    if (chance >= 1.) return 0.;
    if (by_chance < 2.) return Kokkos::Experimental::quiet_NaN_v<double>;
    return (1. - chance) * weight * weight * by_chance / (by_chance - 1.);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
