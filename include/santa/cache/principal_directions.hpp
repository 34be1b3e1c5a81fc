// The projection of low-rank keys: directions in which a cache's keys are largest.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/cache/low_rank_keys.hpp>
#include <santa/cache/narrow_keys.hpp>
#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/shape.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <string>
#include <vector>

namespace santa {

namespace detail::inline SANTA_BUILD {

/// Sums of key[a] key[b] over the valid keys of all requests, for b <= a at least: of one kv head, a and eight b each.
template <class Addresses>
struct MomentKernel {
  Addresses addresses;
  Lengths lengths;
  Shape shape;
  double* moments;  // [kv_heads, dim, dim]

  KOKKOS_FUNCTION void operator()(const std::int64_t i) const {
    const std::int64_t blocks = shape.dim / 8;
    const std::int64_t b = i % blocks * 8;
    const std::int64_t a = i / blocks % shape.dim;
    const std::int64_t head = i / blocks / shape.dim;
    if (b > a) return;
    double sum[8] = {};
    for (std::int64_t batch = 0; batch < shape.batch; ++batch) {
      const auto keys = addresses.keys(batch, head);
      const std::int64_t length = lengths.clamped(batch, shape.length);
      for (std::int64_t row = 0; row < length; ++row) {
        const auto* const key = keys[row];
        const auto x = static_cast<double>(static_cast<float>(key[a]));
        for (int k = 0; k < 8; ++k) sum[k] += x * static_cast<double>(static_cast<float>(key[b + k]));
      }
    }
    for (int k = 0; k < 8; ++k) moments[(head * shape.dim + a) * shape.dim + b + k] = sum[k];
  }
};

/// Turns the symmetric `matrix` (n x n) into one of eigenvalues on its diagonal; row i of the result is the unit
/// eigenvector of the i-th. Source: the cyclic Jacobi method.
inline std::vector<double> diagonalise(std::vector<double>& matrix, std::size_t n) {
  std::vector<double> vectors(n * n, 0.);
  for (std::size_t i = 0; i < n; ++i) vectors[i * n + i] = 1.;
  const auto rotate = [](double& x, double& y, double c, double s) {
    const double old = x;
    x = c * old - s * y;
    y = s * old + c * y;
  };
  constexpr int most_sweeps = 50;  // about 10 are needed
  for (int sweep = 0; sweep < most_sweeps; ++sweep) {
    double diagonal = 0., others = 0.;
    for (std::size_t i = 0; i < n * n; ++i) (i / n == i % n ? diagonal : others) += matrix[i] * matrix[i];
    if (!(others > 1e-24 * diagonal)) break;
    for (std::size_t p = 0; p < n; ++p)
      for (std::size_t q = p + 1; q < n; ++q) {
        const double between = matrix[p * n + q];
        if (between == 0.) continue;
        const double theta = (matrix[q * n + q] - matrix[p * n + p]) / (2. * between);
        const double tangent = std::copysign(1. / (std::fabs(theta) + std::hypot(theta, 1.)), theta);
        const double c = 1. / std::hypot(tangent, 1.);
        const double s = tangent * c;
        for (std::size_t k = 0; k < n; ++k) rotate(matrix[p * n + k], matrix[q * n + k], c, s);
        for (std::size_t k = 0; k < n; ++k) rotate(matrix[k * n + p], matrix[k * n + q], c, s);
        for (std::size_t k = 0; k < n; ++k) rotate(vectors[p * n + k], vectors[q * n + k], c, s);
      }
  }
  return vectors;
}

}  // namespace detail::inline SANTA_BUILD

/// Finds the projection of low-rank keys yet to be encoded: for each kv head the `rank` orthonormal directions in which
/// the valid keys of all requests are largest (principal directions, not centred: scores are products with whole keys).
/// Of all projections of that rank it keeps most of the keys' squares. Keys that come later may lie elsewhere, which
/// shows in Statistics::effective_sample_size of a rescored cache.
/// Runs on `space` and, for dim^3 operations a kv head, on the host; fences. Bytes: all keys, dim / 8 times.
/// Errors: std::invalid_argument: name, given, accepted; for keys that are not finite too: the projection stays.
template <class Space, class Full, class T, class MemorySpace, class Build = lanes::Build>
void calibrate(const Space& space, const Full& full, const LowRankKeys<T, MemorySpace>& narrow) {
  const NarrowCache cache{full, narrow};
  const Shape shape = cache.shape();
  const auto n = static_cast<std::size_t>(shape.dim);
  const auto moments = detail::allocate<Kokkos::View<double***, Kokkos::LayoutRight, MemorySpace>>(
      space, "santa::moments", shape.kv_heads, shape.dim, shape.dim);
  const auto addresses = full.addresses();
  Kokkos::parallel_for("santa::calibrate", detail::Range<Space>(space, 0, shape.kv_heads * shape.dim * (shape.dim / 8)),
                       detail::MomentKernel<decltype(addresses)>{addresses, full.length_data(), shape, moments.data()});
  space.fence("santa::calibrate");
  const auto on_host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, moments);
  const auto projection = Kokkos::create_mirror(narrow.projection);  // not the one in use: a later head may be refused
  for (std::size_t head = 0; head < moments.extent(0); ++head) {
    std::vector<double> matrix(n * n);
    for (std::size_t a = 0; a < n; ++a)
      for (std::size_t b = 0; b < n; ++b) matrix[a * n + b] = on_host(head, std::max(a, b), std::min(a, b));
    for (std::size_t d = 0; d < n; ++d)
      if (!std::isfinite(matrix[d * n + d]))
        detail::reject("feature " + std::to_string(d) + " of a key of kv head " + std::to_string(head), "not finite",
                       "finite keys to calibrate by");
    const std::vector<double> vectors = detail::diagonalise(matrix, n);
    std::vector<std::size_t> order(n);
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t i, std::size_t j) { return matrix[i * n + i] > matrix[j * n + j]; });
    for (std::size_t r = 0; r < projection.extent(1); ++r)
      for (std::size_t d = 0; d < n; ++d) projection(head, r, d) = static_cast<float>(vectors[order[r] * n + d]);
  }
  Kokkos::deep_copy(narrow.projection, projection);
}

}  // namespace santa
