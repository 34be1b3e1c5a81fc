// Exchanges rows of a weighted list for rows that bring it nearer to a target whose Stein kernel is known.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/recombine.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// For the weights left without one row, of sum 1: the row y, and its weight a, with the least norm of
/// (1 - a) left + a y.
template <class Rows>
struct BestExchange {
  using Best = Kokkos::ValLocScalar<double, std::int64_t>;

  Rows rows;
  std::int64_t count, leaving;
  double weight;       // of the row that leaves
  double norm;         // of what is left, squared
  const double* sum;   // [count]: of kernels by all weights
  const double* self;  // [count]: k(i, i)
  const char* listed;  // [count]
  double* value;       // [count] out: k(leaving, i)

  [[nodiscard]] KOKKOS_FUNCTION double of_left(std::int64_t i) const {
    return (sum[i] - weight * value[i]) / (1. - weight);
  }
  /// The weight of row i that is best.
  [[nodiscard]] KOKKOS_FUNCTION double share(std::int64_t i) const {
    const double across = of_left(i), curve = norm - 2. * across + self[i];
    const double best = curve > 0. ? (norm - across) / curve : 0.;
    return best < 0. ? 0. : (best > 0.5 ? 0.5 : best);
  }
  KOKKOS_FUNCTION void operator()(std::int64_t i, Best& best) const {
    value[i] = rows.at(leaving, i);
    if (listed[i] != 0 && i != leaving) return;
    const double a = share(i), across = of_left(i);
    const double result = (1. - a) * (1. - a) * norm + 2. * a * (1. - a) * across + a * a * self[i];
    if (a > 0. && result < best.val) best = {result, i};
  }
};

/// One sweep over the list: each row in turn. Weights stay positive and add up to 1; held sums do not stay. Rows
/// that may not come are listed. Time: count kernels for each row of the list, twice.
template <class Space, class Rows>
void exchange_rows(const Space& space, const Rows& rows, std::vector<char> listed, WeightedColumns& of) {
  using Memory = typename Space::memory_space;
  using Numbers = Kokkos::View<double*, Memory>;
  const auto count = static_cast<std::int64_t>(listed.size());
  const auto make = [&] { return allocate<Numbers, Fresh::unset>(space, "santa::exchange", count); };
  const Numbers sum = make(), self = make(), value = make();
  std::vector<double> now(listed.size(), 0.);
  for (std::size_t k = 0; k < of.column.size(); ++k) {
    now[static_cast<std::size_t>(of.column[k])] = of.weight[k];
    listed[static_cast<std::size_t>(of.column[k])] = 1;
  }
  const auto in = Kokkos::create_mirror_view_and_copy(
      Memory{}, Kokkos::View<const char*, Kokkos::HostSpace>(listed.data(), listed.size()));
  const Kokkos::View<char*, Memory> marks("santa::exchange::listed", count);
  Kokkos::deep_copy(marks, in);
  const auto first = Kokkos::create_mirror_view_and_copy(
      Memory{}, Kokkos::View<const double*, Kokkos::HostSpace>(now.data(), now.size()));
  Kokkos::parallel_for(
      "santa::exchange_sums", Range<Space>(space, 0, count), KOKKOS_LAMBDA(std::int64_t i) {
        sum(i) = rows.sum(i, count, first.data());
        self(i) = rows.at(i, i);
      });
  space.fence("santa::exchange");
  const auto read = [&](const Numbers& from, std::int64_t at) {
    double number = 0.;
    Kokkos::deep_copy(number, Kokkos::subview(from, at));
    return number;
  };
  double norm = 0.;
  for (std::size_t k = 0; k < of.column.size(); ++k) norm += of.weight[k] * read(sum, of.column[k]);
  for (std::size_t k = 0; k < of.column.size(); ++k) {
    const std::int64_t x = of.column[k];
    const double own = of.weight[k];
    if (!(own < 1.)) continue;
    const double left = (norm - 2. * own * read(sum, x) + own * own * read(self, x)) / ((1. - own) * (1. - own));
    const BestExchange<Rows> kernel{rows, count, x, own, left, sum.data(), self.data(), marks.data(), value.data()};
    typename BestExchange<Rows>::Best best;
    Kokkos::parallel_reduce("santa::exchange", Range<Space>(space, 0, count), kernel,
                            Kokkos::MinFirstLoc<double, std::int64_t>(best));
    if (!(best.val < norm) || best.loc < 0 || best.loc >= count) continue;
    const std::int64_t y = best.loc;
    const auto share = [&] {
      const double across = (read(sum, y) - own * read(value, y)) / (1. - own);
      return std::fmin(0.5, (left - across) / (left - 2. * across + read(self, y)));
    }();
    Kokkos::parallel_for(
        "santa::exchange_sums", Range<Space>(space, 0, count), KOKKOS_LAMBDA(std::int64_t i) {
          sum(i) = (1. - share) * kernel.of_left(i) + share * rows.at(y, i);
          if (i == x) marks(i) = 0;
          if (i == y) marks(i) = 1;
        });
    space.fence("santa::exchange");
    norm = best.val;
    for (double& w : of.weight) w *= (1. - share) / (1. - own);
    of.weight[k] = share;
    of.column[k] = y;
  }
}

}  // namespace santa::detail::inline SANTA_BUILD
