// Features of rows whose products are nearly a kernel: a Cholesky factor of low rank.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/rows/halve_rows.hpp>
#include <santa/rows/kernel_rows.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// One column of the factor: of pivot s, (k(i, s) - sum over columns before of theirs) / root of what is left of s.
template <class Space, class Rows>
struct FactorColumn {
  static constexpr int own = lanes::is_host_space<Space> ? Rows::width : 1;

  Rows rows;
  std::int64_t count, stride, pivot;
  int column;
  double* factor;  // [columns][stride]
  double* left;    // [count]: k(i, i) less the squares of columns so far
  double scale;

  KOKKOS_FUNCTION void operator()(std::int64_t part) const {
    const std::int64_t first = part * own;
    const int here = count - first < own ? static_cast<int>(count - first) : own;
    double value[own];
    if (own > 1 && here == own)
      tile(first, value);
    else
      for (int i = 0; i < here; ++i) value[i] = rows.at(pivot, first + i);
    for (int c = 0; c < column; ++c) {
      const double* const before = factor + c * stride;
      const double of_pivot = before[pivot];
      for (int i = 0; i < here; ++i) value[i] -= of_pivot * before[first + i];
    }
    for (int i = 0; i < here; ++i) {
      value[i] *= scale;
      factor[column * stride + first + i] = value[i];
      const double rest = left[first + i] - value[i] * value[i];
      left[first + i] = rest > 0. && first + i != pivot ? rest : 0.;
    }
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void tile(std::int64_t first, double (&value)[own]) const {
    if constexpr (own == Rows::width) rows.tile(pivot, first, value);
  }
};

/// A factor of columns of `rows` numbers each, and what it leaves of each k(i, i).
template <class Space>
struct KernelFeatures {
  Kokkos::View<double**, Kokkos::LayoutRight, typename Space::memory_space> factor;
  Kokkos::View<double*, typename Space::memory_space> left;
  int columns = 0;
};

/// Pivots are drawn by weight times what is left of the kernel there, until `most` columns are made or 1e-12 of it all
/// is left. Bytes: the columns so far for each column. Source: Chen, Epperly, Tropp, Webber, "Randomly pivoted
/// Cholesky", 2023.
template <class Space, class Rows>
KernelFeatures<Space> kernel_features(const Space& space, const Rows& rows, const std::vector<double>& weight, int most,
                                      const HalvingNumbers& numbers) {
  using Memory = typename Space::memory_space;
  const auto count = static_cast<std::int64_t>(weight.size());
  KernelFeatures<Space> result;
  result.factor =
      allocate<decltype(result.factor), Fresh::unset>(space, "santa::features::factor", std::int64_t{most}, count);
  result.left = allocate<Kokkos::View<double*, Memory>, Fresh::unset>(space, "santa::features::left", count);
  const auto left = result.left;
  Kokkos::parallel_for(
      "santa::features_left", Range<Space>(space, 0, count),
      KOKKOS_LAMBDA(std::int64_t i) { left(i) = rows.at(i, i); });
  const auto here = Kokkos::create_mirror_view(left);
  const auto chance = [&](std::int64_t i) {
    const double value = weight[static_cast<std::size_t>(i)] * here(static_cast<std::size_t>(i));
    return value > 0. ? value : 0.;
  };
  double all = 0.;
  for (; result.columns < most; ++result.columns) {
    space.fence("santa::features");
    Kokkos::deep_copy(here, left);
    double total = 0.;
    for (std::int64_t i = 0; i < count; ++i) total += chance(i);
    if (result.columns == 0) all = total;
    if (!(total > 1e-12 * all) || !std::isfinite(total)) break;
    double rest = numbers.uniform(result.columns) * total;
    std::int64_t pivot = -1;
    for (std::int64_t i = 0; i < count && (pivot < 0 || rest >= 0.); ++i)
      if (const double own = chance(i); own > 0.) {
        pivot = i;
        rest -= own;
      }
    using Column = FactorColumn<Space, Rows>;
    Kokkos::parallel_for("santa::features_column", Range<Space>(space, 0, (count + Column::own - 1) / Column::own),
                         Column{rows, count, count, pivot, result.columns, result.factor.data(), left.data(),
                                1. / std::sqrt(here(static_cast<std::size_t>(pivot)))});
  }
  space.fence("santa::features");
  return result;
}

}  // namespace santa::detail::inline SANTA_BUILD
