// Rows and simplex weights that hold the means of all rows: recombination of a kernel's features and of moments.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/random/stream_key.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/kernel_features.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/recombine.hpp>
#include <santa/rows/simplex_weights.hpp>
#include <santa/rows/stein_exchange.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <type_traits>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// Each row's part of the whole, on the host.
template <class Space, class LogWeights>
std::vector<double> parts_of(const Space& space, const LogWeights& log_weights) {
  const auto n = static_cast<std::int64_t>(log_weights.extent(0));
  const Kokkos::View<double*, typename Space::memory_space> there("santa::thinning::parts", n);
  Kokkos::parallel_for(
      "santa::parts", Range<Space>(space, 0, n),
      KOKKOS_LAMBDA(std::int64_t i) { there(i) = static_cast<double>(log_weights(i)); });
  space.fence("santa::parts");
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, there);
  std::vector<double> result(here.data(), here.data() + n);
  double most = -HUGE_VAL, sum = 0.;
  for (const double x : result) most = std::fmax(most, x);
  for (double& x : result) sum += x = std::exp(x - most);
  for (double& x : result) x /= sum;
  return result;
}

/// Numbers of columns that recombination holds: 1, the rows' features, moments; from their mean, relative to their
/// spread, so that sums of them lose nothing.
class HeldColumns {
 public:
  explicit HeldColumns(const std::vector<double>& weight) : _weight(weight) {
    _columns.emplace_back(weight.size(), 1.);
    _sums.push_back(std::accumulate(weight.begin(), weight.end(), 0.));
  }
  template <class F>
  void add(const F& value) {
    long double mean = 0.L, square = 0.L, sum = 0.L;
    const auto add_up = [&](long double& to, const auto& of) {
      for (std::size_t i = 0; i < _weight.size(); ++i)
        if (_weight[i] > 0.) to += static_cast<long double>(_weight[i]) * of(i);
    };
    add_up(mean, value);
    add_up(square, [&](std::size_t i) { return (value(i) - mean) * (value(i) - mean); });
    const auto center = static_cast<double>(mean);
    const double spread = square > 0.L ? std::sqrt(static_cast<double>(square)) : 1.;
    std::vector<double>& column = _columns.emplace_back();
    for (std::size_t i = 0; i < _weight.size(); ++i) {
      column.push_back(_weight[i] > 0. ? (value(i) - center) / spread : 0.);
      sum += static_cast<long double>(_weight[i]) * static_cast<long double>(column.back());
    }
    _sums.push_back(static_cast<double>(sum));
  }
  [[nodiscard]] const std::vector<std::vector<double>>& columns() const { return _columns; }
  [[nodiscard]] const std::vector<double>& sums() const { return _sums; }

 private:
  const std::vector<double>& _weight;
  std::vector<std::vector<double>> _columns;
  std::vector<double> _sums;
};

/// Writes columns as the list of the first vector; none where a weight is not finite.
template <class Space>
void write_columns(const Space& space, const WeightedColumns& columns,
                   const DrawnRows<typename Space::memory_space, double>& drawn) {
  const auto first = [](const auto& view) { return Kokkos::subview(view, 0, Kokkos::ALL); };
  const auto rows = Kokkos::create_mirror_view(first(drawn.rows));
  const auto weights = Kokkos::create_mirror_view(first(drawn.weights));
  std::vector<std::size_t> order;  // exchanged rows are not in order
  for (std::size_t i = 0; i < columns.column.size(); ++i)
    if (!(columns.weight[i] <= 0.)) order.push_back(i);
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return columns.column[a] < columns.column[b]; });
  auto count = static_cast<std::int64_t>(order.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    rows(i) = columns.column[order[i]];
    weights(i) = columns.weight[order[i]];
    if (!std::isfinite(weights(i))) count = 0;
  }
  Kokkos::deep_copy(space, first(drawn.rows), rows);
  Kokkos::deep_copy(space, first(drawn.weights), weights);
  if (drawn.spreads.data() != nullptr) Kokkos::deep_copy(space, first(drawn.spreads), 0.);
  Kokkos::deep_copy(space, Kokkos::subview(drawn.count, 0), count);
}

/// Better weights for the columns that recombination left: nearest by the kernel to all rows' weights, or to 0. Some
/// are 0 then.
template <class Space, class Rows>
void improve_weights(const Space& space, const Rows& rows, const std::vector<double>& weight, bool mean_zero,
                     const std::vector<double>& sums, WeightedColumns& of) {
  using Memory = typename Space::memory_space;
  const auto m = static_cast<std::int64_t>(of.column.size()), n = static_cast<std::int64_t>(weight.size());
  const auto there = [](const auto& from) {
    using T = typename std::remove_reference_t<decltype(from)>::value_type;
    return Kokkos::create_mirror_view_and_copy(Memory{},
                                               Kokkos::View<const T*, Kokkos::HostSpace>(from.data(), from.size()));
  };
  const auto column = there(of.column);
  const auto all = there(weight);
  const auto values = allocate<Kokkos::View<double**, Kokkos::LayoutRight, Memory>, Fresh::unset>(
      space, "santa::thinning::kernel", m, m + 1);
  Kokkos::parallel_for(
      "santa::kernel_matrix", Range<Space>(space, 0, m * (m + 1)), KOKKOS_LAMBDA(std::int64_t index) {
        const std::int64_t i = index / (m + 1), j = index % (m + 1);
        if (j < m)
          values(i, j) = rows.at(column(i), column(j));
        else
          values(i, j) = mean_zero ? 0. : rows.sum(column(i), n, all.data());
      });
  space.fence("santa::kernel_matrix");
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, values);
  DenseMatrix matrix(of.column.size(), of.column.size());
  std::vector<double> b;
  double most = 0.;
  for (std::size_t i = 0; i < of.column.size(); ++i) most = std::fmax(most, here(i, i));
  for (std::size_t i = 0; i < of.column.size(); ++i) {
    for (std::size_t j = 0; j < of.column.size(); ++j) matrix[i][j] = here(i, j) + (i == j ? 1e-10 * most : 0.);
    b.push_back(here(i, of.column.size()));
  }
  DenseMatrix inverse = matrix;
  if (invert(inverse)) of.weight = SimplexWeights(matrix, inverse, b, of, sums.size()).run(sums);
}

/// Holds sums to the last bits, where steps get there.
inline void hold(WeightedColumns& of, const std::vector<double>& sums) {
  for (int i = 0; i < 2; ++i) hold_sums(of, sums);
  for (int i = 0; i < 30 && most_off(of, sums) > 1e-14; ++i) hold_sums(of, sums);
}

/// Thins by recombination, and writes the list. weight: each row's part of the whole. barred: rows that may not come.
/// moments: [n, q], may be without data.
template <class Space, class Rows, class Moments>
void recombine_rows(const Space& space, const Rows& rows, const std::vector<double>& weight, const Moments& moments,
                    std::int64_t m, const StreamKey& key, bool mean_zero, const std::vector<char>& barred,
                    const DrawnRows<typename Space::memory_space, double>& drawn) {
  HeldColumns held(weight);
  const Kokkos::View<const double*, typename Space::memory_space> data(rows.data, rows.features() * rows.stride);
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, data);
  for (int f = 0; f < rows.dim && !mean_zero; ++f)
    held.add([&](std::size_t i) { return here(static_cast<std::size_t>(f * rows.stride) + i); });
  if (moments.data() != nullptr) {
    const Kokkos::View<double**, Kokkos::LayoutRight, typename Space::memory_space> packed(
        "santa::thinning::moments", moments.extent(0), moments.extent(1));
    Kokkos::deep_copy(packed, moments);
    const auto there = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, packed);
    for (std::size_t q = 0; q < there.extent(1); ++q) held.add([&](std::size_t i) { return there(i, q); });
  }
  const int most = static_cast<int>(m) - static_cast<int>(held.sums().size());
  const auto features = kernel_features(space, rows, weight, most, HalvingNumbers{key, HalvingNumbers::of_features});
  const auto factor = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, features.factor);
  WeightedColumns all;
  for (const auto& column : held.columns()) all.feature.push_back(column.data());
  for (int c = 0; c < features.columns; ++c) all.feature.push_back(&factor(static_cast<std::size_t>(c), 0));
  for (std::size_t i = 0; i < weight.size(); ++i)
    if (weight[i] > 0.) {
      all.column.push_back(static_cast<std::int64_t>(i));
      all.weight.push_back(weight[i]);
    }
  recombine(all);
  hold(all, held.sums());
  const WeightedColumns recombined = all;
  improve_weights(space, rows, weight, mean_zero, held.sums(), all);
  for (int sweep = 0; sweep < 3 && mean_zero; ++sweep) {
    WeightedColumns other = all;
    SteinExchange<Space, Rows>(space, rows, barred, false).sweep(other);
    for (int i = 0; i < 4; ++i) hold_sums(other, held.sums());
    if (most_off(other, held.sums()) > 1e-9) break;
    improve_weights(space, rows, weight, mean_zero, held.sums(), other);
    all = other;
  }
  hold(all, held.sums());
  const double off = most_off(all, held.sums());
  write_columns(space, off <= 1e-14 || off <= 2. * most_off(recombined, held.sums()) ? all : recombined, drawn);
  space.fence("santa::recombine");
}

}  // namespace santa::detail::inline SANTA_BUILD
