// Options of thinning.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/whole_number.hpp>
#include <santa/rows/row_kernels.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <string>

namespace santa {

/// What thinned rows' weights are.
enum class ThinnedWeights : std::uint8_t {
  equal,    // multiples of 1 / m: a row may come more than once
  simplex,  // positive ones that add up to 1: recombination, which holds the mean of the rows
};

/// Options of thinning.
template <class MemorySpace>
struct ThinOptions {
  template <class DataType>
  using View = Kokkos::View<DataType, Kokkos::LayoutStride, MemorySpace>;

  WholeNumber seed = 0, step = 0, stream = 0;
  ThinnedWeights weights = ThinnedWeights::equal;
  int oversampling = 4;  // 0 to 16: rows left for the last rounds are 2^(1 + this) m. Each is twice as near, 4 as long
  // [n, dim]: the score, the gradient of the log of the target's density at each row, known up to a factor. Averages
  // are then near the target's, whatever the rows were drawn by: burn-in, tempering, an unadjusted chain.
  View<const double**> scores = {};
  // With scores. 0: rows are picked by all n^2 kernels. 1 to 4096: all rows are weighed by so many columns of a factor
  // of the kernel, n rank of them. Twice the rows that are kept, or more, is enough.
  int rank = 0;
  // [n, q]: simplex weights hold their means as well as the rows' own; with scores: those of the picked rows, alone
  View<const double**> moments = {};
};

namespace detail::inline SANTA_BUILD {

/// Checks a matrix [n, columns] that options may have.
template <class View>
void require_matrix(const char* name, const View& view, std::int64_t n) {
  const Array array = array_of(name, view);
  if (array.data != nullptr) require_extent(array, 0, n, "that of log_weights");
}

template <class Kernel, class MemorySpace>
void check_thinning(const ThinOptions<MemorySpace>& options, std::int64_t m, std::int64_t n, std::int64_t dim) {
  require(options.oversampling >= 0 && options.oversampling <= 16, "oversampling", options.oversampling, "0 to 16");
  require(options.rank >= 0 && options.rank <= 4096, "rank", options.rank, "0 to 4096");
  if (options.rank > 0 && options.scores.data() == nullptr)
    reject("rank", std::to_string(options.rank), "0 without scores");
  require_matrix("scores", options.scores, n);
  require_matrix("moments", options.moments, n);
  if (options.scores.data() != nullptr) {
    require_extent(array_of("scores", options.scores), 1, dim, "that of rows");
    if (!SmoothKernel<Kernel>) reject("scores", "given", "none with a kernel that has no slopes");
  }
  const bool target = options.scores.data() != nullptr;
  const auto more = options.moments.data() != nullptr ? static_cast<std::int64_t>(options.moments.extent(1)) : 0;
  const std::int64_t held = 1 + (target ? 0 : dim) + more;
  if (options.weights == ThinnedWeights::simplex)
    require(
        m >= held, "m", m,
        (target ? "1 + moments (" : "1 + dim + moments (") + std::to_string(held) + ") or more with simplex weights");
  else if (more > 0)
    reject("moments", "given", "none with equal weights");
}

/// Checks a bandwidth, where a kernel has one.
template <class Kernel>
void check_bandwidth(const Kernel& kernel) {
  if constexpr (requires { kernel.bandwidth + 1.; })
    if (kernel.bandwidth != 0. && !(kernel.bandwidth > 0. && std::isnormal(kernel.bandwidth * kernel.bandwidth)))
      reject("kernel.bandwidth", text_of(kernel.bandwidth),
             "a positive number whose square is a normal one, or 0: the median distance");
}

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
