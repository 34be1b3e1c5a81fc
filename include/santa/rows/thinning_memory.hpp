// What thinning works on: rows and scores feature by feature, in double, and the kernel's bandwidth.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/kernel_rows.hpp>
#include <santa/rows/resample.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

namespace santa::detail::inline SANTA_BUILD {

/// Copies a matrix' columns to where features lie.
template <class T>
struct CopyColumns {
  const T* from;
  std::int64_t row_stride, column_stride, rows;
  double* to;
  std::int64_t stride;  // of `to`, from feature to feature
  int columns;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    for (int f = 0; f < columns; ++f)
      to[f * stride + i] = i < rows ? static_cast<double>(from[i * row_stride + f * column_stride]) : 0.;
  }
};

/// Checks a matrix of float or double, [rows, columns].
template <class Space, class Matrix>
Array bind_columns(const char* name, const Matrix& matrix) {
  static_assert(Kokkos::is_view_v<Matrix>, "santa: rows must be a Kokkos view");
  using T = typename Matrix::non_const_value_type;
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "santa: rows must be float or double");
  static_assert(Matrix::rank() == 2, "santa: rows must have rank 2: [rows, dim]");
  static_assert(Kokkos::SpaceAccessibility<Space, typename Matrix::memory_space>::accessible,
                "santa: rows must be accessible from the execution space");
  const Array array = array_of(name, matrix);
  require_data(array);
  return array;
}

/// Checks rows, and the log-weights that they are told to have: what all that thins or measures by kernels is given.
template <class Space, class LogWeights, class Rows>
Array bind_weighted_rows(const Space& space, const LogWeights& log_weights, const Rows& rows) {
  static_assert(LogWeights::rank() == 1, "santa: log_weights of rows must have rank 1: [rows]");
  lanes::require_launchable(space);
  const std::int64_t n = bind_log_rows<Space>(log_weights).rows;
  const Array array = bind_columns<Space>("rows", rows);
  require_extent(array, 0, n, "that of log_weights");
  require(n >= 1 && n <= (1 << 29), "rows", n, "1 to 2^29");
  require(array.extent[1] >= 1 && array.extent[1] <= 4096, "rows.extent(1)", array.extent[1], "1 to 4096");
  return array;
}

/// Rows, and scores where there are any.
template <class Space>
struct ThinningMemory {
  using Numbers = Kokkos::View<double*, typename Space::memory_space>;

  std::int64_t rows, stride;
  int dim;
  Numbers data;

  ThinningMemory(const Space& space, std::int64_t count, int features, bool scores)
      : rows(count),
        stride(KernelRows<int, false>::padded(count)),
        dim(features),
        data(allocate<Numbers, Fresh::unset>(space, "santa::thinning::data", stride * features * (scores ? 2 : 1))) {}

  template <class Matrix>
  void copy(const Space& space, const Matrix& matrix, int first_feature) const {
    using T = typename Matrix::non_const_value_type;
    Kokkos::parallel_for("santa::copy_columns", Range<Space>(space, 0, stride),
                         CopyColumns<T>{matrix.data(), static_cast<std::int64_t>(matrix.stride(0)),
                                        static_cast<std::int64_t>(matrix.stride(1)), rows,
                                        data.data() + first_feature * stride, stride, dim});
  }
  template <bool stein, class Kernel>
  [[nodiscard]] KernelRows<Kernel, stein> with(const Kernel& kernel) const {
    return {kernel, data.data(), stride, dim};
  }
};

/// The median distance of different rows that are drawn by weight; 1 where its square is no normal number, or no two
/// rows are drawn. Fences.
template <class Space, class LogWeights>
double median_of(const Space& space, const ThinningMemory<Space>& memory, const LogWeights& log_weights) {
  constexpr std::int64_t most = 512;
  const Kokkos::View<std::int64_t*, typename Space::memory_space> picked("santa::thinning::picked", most);
  resample(space, Systematic{.samples = most}, log_weights, picked);
  const Kokkos::View<double**, Kokkos::LayoutRight, typename Space::memory_space> there("santa::thinning::there", most,
                                                                                        memory.dim);
  const auto data = memory.data;
  const std::int64_t stride = memory.stride;
  const int dim = memory.dim;
  Kokkos::parallel_for(
      "santa::picked_rows", Range<Space>(space, 0, most), KOKKOS_LAMBDA(std::int64_t i) {
        for (int f = 0; f < dim; ++f) there(i, f) = picked(i) >= 0 ? data(f * stride + picked(i)) : 0.;
      });
  space.fence("santa::median");
  const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, there);
  const auto row = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, picked);
  std::vector<double> squares;
  for (std::int64_t i = 0; i < most; ++i)
    for (std::int64_t j = 0; j < i && row(j) < row(i); ++j) {  // in order: from there on they are one row
      double square = 0.;
      for (int f = 0; f < dim; ++f) square += (here(i, f) - here(j, f)) * (here(i, f) - here(j, f));
      if (square >= 0.) squares.push_back(square);
    }
  if (squares.empty()) return 1.;
  const auto middle = squares.begin() + static_cast<std::ptrdiff_t>(squares.size() / 2);
  std::nth_element(squares.begin(), middle, squares.end());
  return std::isnormal(*middle) ? std::sqrt(*middle) : 1.;
}

/// The kernel, with a bandwidth where it has none.
template <class Space, class Kernel, class LogWeights>
Kernel with_bandwidth(const Space& space, Kernel kernel, const ThinningMemory<Space>& memory,
                      const LogWeights& log_weights) {
  if constexpr (requires { kernel.bandwidth = 1.; })
    if (kernel.bandwidth == 0.) kernel.bandwidth = median_of(space, memory, log_weights);
  return kernel;
}

}  // namespace santa::detail::inline SANTA_BUILD

namespace santa {

/// The median distance of two different rows of those that have weight, of 512 systematic draws: the usual bandwidth of
/// kernels; 1 where it is 0, or nearly, or these draws are of one row.
/// Shapes, errors: as thin_rows. Allocates and fences.
template <class Space, class LogWeights, class Rows>
  requires Kokkos::is_execution_space_v<Space>
double median_distance(const Space& space, const LogWeights& log_weights, const Rows& rows) {
  const auto array = detail::bind_weighted_rows(space, log_weights, rows);
  const detail::ThinningMemory<Space> memory(space, array.extent[0], static_cast<int>(array.extent[1]), false);
  memory.copy(space, rows, 0);
  return detail::median_of(space, memory, log_weights);
}

}  // namespace santa
