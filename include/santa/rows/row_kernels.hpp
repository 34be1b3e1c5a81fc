// Kernels of two rows: what thinning measures averages by.
#pragma once

#include <santa/core/build.hpp>
#include <santa/rows/fixed_exp.hpp>

#include <Kokkos_Core.hpp>

#include <concepts>
#include <cstdint>

namespace santa {

/// Two rows, as a kernel sees them.
struct RowPair {
  const double *x, *y;  // their first features
  std::int64_t stride;  // from feature to feature, of both
  int dim;

  [[nodiscard]] KOKKOS_FUNCTION double first(int feature) const { return x[feature * stride]; }
  [[nodiscard]] KOKKOS_FUNCTION double second(int feature) const { return y[feature * stride]; }
  /// |x - y|^2
  [[nodiscard]] KOKKOS_FUNCTION double square() const {
    double sum = 0.;
    for (int f = 0; f < dim; ++f) sum += (first(f) - second(f)) * (first(f) - second(f));
    return sum;
  }
};

namespace detail::inline SANTA_BUILD {

/// u^(-1/2) for u of 1 to 1e300, from there on that of 1e300, to 3 units in the last place. By Newton's steps: the
/// library's root is a call a row on hosts, for its errno.
KOKKOS_FORCEINLINE_FUNCTION double inverse_root(double u) {
  const double limited = u > 1e300 ? 1e300 : u;
  const double half = -0.5 * limited;
  double y = Kokkos::bit_cast<double>(0x5fe6eb50c7b537a9U - (Kokkos::bit_cast<std::uint64_t>(limited) >> 1));
  y *= Kokkos::fma(half * y, y, 1.5);  // 4 times, and no loop: compilers make vectors of the loop around it
  y *= Kokkos::fma(half * y, y, 1.5);
  y *= Kokkos::fma(half * y, y, 1.5);
  y *= Kokkos::fma(half * y, y, 1.5);
  return y;
}

}  // namespace detail::inline SANTA_BUILD

/// A kernel as a function of t = |x - y|^2, and its first two derivatives by t.
struct KernelSlopes {
  double value, first, second;  // the kernel, its first derivative, its second
};

/// exp(-|x - y|^2 / (2 h^2)).
struct GaussianKernel {
  double bandwidth = 0.;  // h; 0: the median distance of rows, see `median_distance`

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION double of_square(double t) const {
    return detail::fixed_exp(t * (-0.5 / (bandwidth * bandwidth)));
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION KernelSlopes slopes(double t) const {
    const double rate = -0.5 / (bandwidth * bandwidth), value = of_square(t);
    return {value, rate * value, rate * rate * value};
  }
};

/// (1 + |x - y|^2 / h^2)^(-1/2).
struct InverseMultiquadric {
  double bandwidth = 0.;  // h; 0: the median distance of rows

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION double of_square(double t) const {
    return detail::inverse_root(1. + t * (1. / (bandwidth * bandwidth)));
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION KernelSlopes slopes(double t) const {
    const double rate = 1. / (bandwidth * bandwidth), value = of_square(t), square = value * value;
    return {value, -0.5 * rate * value * square, 0.75 * rate * rate * value * square * square};
  }
};

/// A kernel of the distance alone: `double of_square(double t)`. The library's loops over rows become vectors.
template <class K>
concept RadialKernel = requires(const K kernel, double t) {
  { kernel.of_square(t) } -> std::convertible_to<double>;
};
/// One whose derivatives are known: what Stein's correction takes.
template <class K>
concept SmoothKernel = RadialKernel<K> && requires(const K kernel, double t) {
  { kernel.slopes(t) } -> std::convertible_to<KernelSlopes>;
};
/// Any symmetric, positive semidefinite function of two rows: `double operator()(const RowPair&)`, or radial. Device
/// kernels call it: KOKKOS_FUNCTION, trivially copyable.
template <class K>
concept RowKernel = RadialKernel<K> || requires(const K kernel, const RowPair& pair) {
  { kernel(pair) } -> std::convertible_to<double>;
};

}  // namespace santa
