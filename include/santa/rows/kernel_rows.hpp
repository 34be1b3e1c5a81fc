// Rows with a kernel: its values for a row and many others, in vectors on hosts.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/row_blocks.hpp>
#include <santa/rows/row_kernels.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Rows side by side: feature f of row i at data[f * stride + i], `dim` coordinates and, with scores (Stein), as many
/// features of the score behind them.
/// With scores the kernel is Stein's, of the given one k with phi(|x - y|^2), whose mean is 0 by the distribution that
/// has the scores s: phi s_x s_y - 2 phi' ((s_x - s_y)(x - y) + dim) - 4 phi'' |x - y|^2.
template <class Kernel, bool stein>
struct KernelRows {
  static constexpr int width = 64;  // of loops that compilers make vectors of, before they unroll them

  Kernel kernel;
  const double* data;
  std::int64_t stride;
  int dim;

  KOKKOS_FUNCTION static std::int64_t padded(std::int64_t rows) { return (rows + 7) / 8 * 8; }
  [[nodiscard]] KOKKOS_FUNCTION int features() const { return stein ? 2 * dim : dim; }
  /// The rows from this one on.
  [[nodiscard]] KOKKOS_FUNCTION KernelRows from(std::int64_t row) const { return {kernel, data + row, stride, dim}; }

  [[nodiscard]] KOKKOS_FUNCTION double at(std::int64_t x, std::int64_t y) const {
    if constexpr (!RadialKernel<Kernel>) {
      return kernel(RowPair{data + x, data + y, stride, dim});
    } else {
      double square = 0., product = 0., along = 0.;
      for (int f = 0; f < dim; ++f) {
        const double away = data[f * stride + x] - data[f * stride + y];
        square += away * away;
        if constexpr (stein) {
          const double s = data[(dim + f) * stride + x], t = data[(dim + f) * stride + y];
          product += s * t;
          along += (s - t) * away;
        }
      }
      return of_sums(square, product, along);
    }
  }

  /// Of row x and rows `first` to first + width - 1.
  KOKKOS_FORCEINLINE_FUNCTION void tile(std::int64_t x, std::int64_t first, double (&value)[width]) const {
    if constexpr (!RadialKernel<Kernel>) {
      for (int i = 0; i < width; ++i) value[i] = at(x, first + i);
    } else {
      double square[width] = {}, product[width] = {}, along[width] = {};
      for (int f = 0; f < dim; ++f) {
        const double own = data[f * stride + x];
        const double* const others = data + f * stride + first;
        if constexpr (stein) {
          const double score = data[(dim + f) * stride + x];
          const double* const scores = others + dim * stride;
          for (int i = 0; i < width; ++i) {
            const double away = own - others[i];
            square[i] += away * away;
            product[i] += score * scores[i];
            along[i] += (score - scores[i]) * away;
          }
        } else {
          for (int i = 0; i < width; ++i) square[i] += (own - others[i]) * (own - others[i]);
        }
      }
      for (int i = 0; i < width; ++i) value[i] = of_sums(square[i], product[i], along[i]);
    }
  }

  /// f(j, k(x, j)) for j from 0 to count - 1, by one thread.
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each(std::int64_t x, std::int64_t count, const F& f) const {
    std::int64_t first = 0;
    KOKKOS_IF_ON_HOST((double value[width]; for (; first + width <= count; first += width) {
      tile(x, first, value);
      for (int i = 0; i < width; ++i) f(first + i, value[i]);
    }))
    for (; first < count; ++first) f(first, at(x, first));
  }

  /// sum_j weight[j] k(x, j) for two lists of weights, by one thread.
  KOKKOS_FORCEINLINE_FUNCTION void sums(std::int64_t x, std::int64_t count, const double* one, const double* two,
                                        double& of_one, double& of_two) const {
    double total[2][width] = {};
    std::int64_t first = 0;
    KOKKOS_IF_ON_HOST((double value[width]; for (; first + width <= count; first += width) {
      tile(x, first, value);
      for (int i = 0; i < width; ++i) total[0][i] += one[first + i] * value[i];
      for (int i = 0; i < width; ++i) total[1][i] += two[first + i] * value[i];
    }))
    for (; first < count; ++first) {
      const double value = at(x, first);
      total[0][0] += one[first] * value;
      total[1][0] += two[first] * value;
    }
    of_one = total_of(total[0]);
    of_two = total_of(total[1]);
  }

  /// sum_j weight[j] k(x, begin + j) over count rows, by one thread. Rows without weight are not there, whatever they
  /// are.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION double sum(std::int64_t x, std::int64_t count, const double* weight,
                                                       std::int64_t begin = 0) const {
    double total[width] = {};
    std::int64_t first = 0;
    KOKKOS_IF_ON_HOST((for (; first + width <= count; first += width) {
      double value[width];
      tile(x, begin + first, value);
      for (int i = 0; i < width; ++i) total[i] += times(weight[first + i], value[i]);
    }))
    for (; first < count; ++first) total[0] += times(weight[first], at(x, begin + first));
    return total_of(total);
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION static double times(double weight, double value) {
    return weight != 0. ? weight * value : 0.;
  }
  KOKKOS_FORCEINLINE_FUNCTION static double total_of(const double (&parts)[width]) {
    double total = 0.;
    for (const double part : parts) total += part;
    return total;
  }
  KOKKOS_FORCEINLINE_FUNCTION double of_sums(double square, double product, double along) const {
    if constexpr (stein) {
      const KernelSlopes k = kernel.slopes(square);
      return k.value * product - 2. * k.first * (along + dim) - 4. * k.second * square;
    } else {
      return kernel.of_square(square);
    }
  }
};

/// k(i, i) of each row.
template <class Rows>
struct SelfKernels {
  Rows rows;
  double* to;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const { to[i] = rows.at(i, i); }
};

/// The kernel's values for row x, shared out over a block's threads.
template <class Block, class Rows, class F>
KOKKOS_FORCEINLINE_FUNCTION void for_each_value(const Block& block, const Rows& rows, std::int64_t x,
                                                std::int64_t count, const F& f) {
  if constexpr (Block::in_order)
    rows.for_each(x, count, f);
  else
    block.for_each(count, [&](std::int64_t j) { f(j, rows.at(x, j)); });
}
/// sum_j weight[j] k(x, j), by a block's threads.
template <class Block, class Rows>
KOKKOS_FORCEINLINE_FUNCTION double sum_of_values(const Block& block, const Rows& rows, std::int64_t x,
                                                 std::int64_t count, const double* weight) {
  if constexpr (Block::in_order)
    return rows.sum(x, count, weight);
  else
    return block.real_sum(count, [&](std::int64_t j) { return weight[j] * rows.at(x, j); });
}

}  // namespace santa::detail::inline SANTA_BUILD
