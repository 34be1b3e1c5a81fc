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
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// Sums of kernels by a list's weights, at every row: a thread goes through `own` rows.
template <class Space, class Rows>
struct ListedSums {
  static constexpr int own = lanes::is_host_space<Space> ? Rows::width : 1;

  Rows rows;
  std::int64_t count;
  const std::int64_t* list;
  const double* weight;
  std::int64_t listed;
  double* sum;  // [count] out

  [[nodiscard]] std::int64_t parts() const { return (count + own - 1) / own; }

  KOKKOS_FUNCTION void operator()(std::int64_t part) const {
    const std::int64_t first = part * own;
    const int here = count - first < own ? static_cast<int>(count - first) : own;
    double total[own] = {};
    for (std::int64_t k = 0; k < listed; ++k)
      if (own > 1 && here == own) {
        double value[Rows::width];
        rows.tile(list[k], first, value);
        for (int i = 0; i < own; ++i) total[i] += weight[k] * value[i];
      } else {
        for (int i = 0; i < here; ++i) total[i] += weight[k] * rows.at(list[k], first + i);
      }
    for (int i = 0; i < here; ++i) sum[first + i] = total[i];
  }
};

/// For the weights left without one row, of sum 1: the row y, and its weight a, with the least norm of
/// (1 - a) left + a y.
struct BestExchange {
  using Best = Kokkos::ValLocScalar<double, std::int64_t>;

  std::int64_t leaving;
  double weight;        // of the row that leaves
  double norm;          // of what is left, squared
  double fixed;         // a, where it is given; 0: the best
  const double* sum;    // [count]: of kernels by all weights
  const double* self;   // [count]: k(i, i)
  const char* listed;   // [count]
  const double* value;  // [count]: k(leaving, i)

  [[nodiscard]] KOKKOS_FUNCTION double of_left(std::int64_t i) const {
    return (sum[i] - weight * value[i]) / (1. - weight);
  }
  /// The weight of row i that is best.
  [[nodiscard]] KOKKOS_FUNCTION double share(std::int64_t i) const {
    if (fixed > 0.) return fixed;
    const double across = of_left(i), curve = norm - 2. * across + self[i];
    const double best = curve > 0. ? (norm - across) / curve : 0.;
    return best < 0. ? 0. : (best > 0.5 ? 0.5 : best);
  }
  KOKKOS_FUNCTION void operator()(std::int64_t i, Best& best) const {
    if (listed[i] != 0 && i != leaving) return;
    const double a = share(i), across = of_left(i);
    const double result = (1. - a) * (1. - a) * norm + 2. * a * (1. - a) * across + a * a * self[i];
    if (a > 0. && result < best.val) best = {result, i};
  }
};

/// Moves the sums on.
struct ExchangeStep {
  BestExchange of;
  std::int64_t coming;
  double share;
  const double* value;  // [count]: k(coming, i)
  double* sum;          // of `of`
  char* listed;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    sum[i] = (1. - share) * of.of_left(i) + share * value[i];
    if (i == of.leaving) listed[i] = 0;
    if (i == coming) listed[i] = 1;
  }
};

/// Sweeps over a list of rows by a kernel whose mean is 0.
template <class Space, class Rows>
class SteinExchange {
 public:
  /// barred: rows that may not come. equal: weights stay as they are, which are all the same.
  SteinExchange(const Space& space, const Rows& rows, const std::vector<char>& barred, bool equal)
      : _space(space),
        _rows(rows),
        _barred(barred),
        _equal(equal),
        _sum(numbers("santa::exchange::sum")),
        _self(numbers("santa::exchange::self")),
        _leaving(numbers("santa::exchange::leaving")),
        _coming(numbers("santa::exchange::coming")),
        _listed("santa::exchange::listed", barred.size()) {
    Kokkos::parallel_for("santa::exchange_self", Range<Space>(space, 0, count()),
                         SelfKernels<Rows>{rows, _self.data()});
  }

  /// One sweep: each row in turn. Weights stay positive and add up to 1; held sums do not stay. Returns whether a row
  /// was exchanged. Time: count kernels for each row of the list, up to three times.
  bool sweep(WeightedColumns& of) {
    std::vector<char> marks = _barred;
    for (const std::int64_t column : of.column) marks[static_cast<std::size_t>(column)] = 1;
    Kokkos::deep_copy(_listed, Kokkos::View<const char*, Kokkos::HostSpace>(marks.data(), marks.size()));
    add_up(of.column, of.weight, _sum);
    double norm = 0.;
    for (std::size_t k = 0; k < of.column.size(); ++k) norm += of.weight[k] * read(_sum, of.column[k]);
    bool moved = false;
    for (std::size_t k = 0; k < of.column.size(); ++k)
      if (of.weight[k] < 1. && exchange(of, k, norm)) moved = true;
    return moved;
  }

 private:
  using Memory = typename Space::memory_space;
  using Numbers = Kokkos::View<double*, Memory>;

  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(_barred.size()); }
  Numbers numbers(const char* label) const { return allocate<Numbers, Fresh::unset>(_space, label, count()); }
  static double read(const Numbers& from, std::int64_t at) {
    double number = 0.;
    Kokkos::deep_copy(number, Kokkos::subview(from, at));
    return number;
  }

  void add_up(const std::vector<std::int64_t>& list, const std::vector<double>& weight, const Numbers& to) const {
    const auto there = [](const auto* data, std::size_t size) {
      return Kokkos::create_mirror_view_and_copy(Memory{}, Kokkos::View<decltype(data), Kokkos::HostSpace>(data, size));
    };
    const auto rows = there(list.data(), list.size());
    const auto weights = there(weight.data(), weight.size());
    const ListedSums<Space, Rows> kernel{
        _rows, count(), rows.data(), weights.data(), static_cast<std::int64_t>(list.size()), to.data()};
    Kokkos::parallel_for("santa::exchange_sums", Range<Space>(_space, 0, kernel.parts()), kernel);
    _space.fence("santa::exchange");
  }

  /// Exchanges the k-th row, if another lowers the norm.
  bool exchange(WeightedColumns& of, std::size_t k, double& norm) const {
    const std::int64_t x = of.column[k];
    const double own = of.weight[k];
    const double left = (norm - 2. * own * read(_sum, x) + own * own * read(_self, x)) / ((1. - own) * (1. - own));
    add_up({x}, {1.}, _leaving);
    const BestExchange kernel{x,           own,          left,           _equal ? own : 0.,
                              _sum.data(), _self.data(), _listed.data(), _leaving.data()};
    typename BestExchange::Best best;
    Kokkos::parallel_reduce("santa::exchange", Range<Space>(_space, 0, count()), kernel,
                            Kokkos::MinFirstLoc<double, std::int64_t>(best));
    if (!(best.val < norm) || best.loc < 0 || best.loc >= count()) return false;
    const std::int64_t y = best.loc;
    const double across = (read(_sum, y) - own * read(_leaving, y)) / (1. - own);
    const double share = _equal ? own : std::fmin(0.5, (left - across) / (left - 2. * across + read(_self, y)));
    add_up({y}, {1.}, _coming);
    Kokkos::parallel_for("santa::exchange_step", Range<Space>(_space, 0, count()),
                         ExchangeStep{kernel, y, share, _coming.data(), _sum.data(), _listed.data()});
    _space.fence("santa::exchange");
    norm = best.val;
    for (double& w : of.weight) w *= (1. - share) / (1. - own);
    of.weight[k] = share;
    of.column[k] = y;
    return y != x;
  }

  Space _space;
  Rows _rows;
  std::vector<char> _barred;
  bool _equal;
  Numbers _sum, _self, _leaving, _coming;
  Kokkos::View<char*, Memory> _listed;
};

}  // namespace santa::detail::inline SANTA_BUILD
