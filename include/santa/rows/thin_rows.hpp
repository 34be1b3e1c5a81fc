// Thinning: m of n weighted rows whose averages stay near those of all, or near a target's.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/rows/compress_rows.hpp>
#include <santa/rows/debias_rows.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/list_ancestors.hpp>
#include <santa/rows/recombine_rows.hpp>
#include <santa/rows/resample.hpp>
#include <santa/rows/row_kernels.hpp>
#include <santa/rows/stein_exchange.hpp>
#include <santa/rows/stein_picks.hpp>
#include <santa/rows/thin_options.hpp>
#include <santa/rows/thinning_memory.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace santa {

/// Thins n rows to m, which averages can be taken over in their place.
/// Computes: rows in ascending order with weights, as `gather_add` takes them, whose averages are near those by all
///           log-weights, for functions of the kernel's space: the error is at most the function's norm times
///           `discrepancy`. equal:   a systematic draw of m 2^j rows, at least n, is thinned by Compress++: sets are
///           halved by kernel
///                    halving, half of the result halved again. For m near the root of n the error is near log(m) / m,
///                    where independent draws have m^(-1/2).
///           simplex: recombination of 1, the rows, `moments` and the kernel's features, m in all. The first three are
///                    held to 1e-14 of their size.
/// Scores:   the kernel is Stein's, made of the given one. The log-weights say only which rows may be taken: those that
///           are not -infinity. As many rows as above are picked greedily so that the sum of Stein kernels is near 0;
///           or, with a rank, drawn by weights of all rows that bring it near 0 by a factor of the kernel.
/// Kernel:   GaussianKernel, InverseMultiquadric (the median distance where no bandwidth is given), or any RowKernel;
///           with scores a SmoothKernel.
/// Shapes:   log_weights [n], float or double; rows [n, dim], float or double, any strides; drawn: a batch of 1 or
///           more, of which the first is written, and a capacity of m or more. Where log-weights have NaN or +infinity,
///           or nothing else than -infinity, or no kernel is a number: no rows.
/// Requires: 1 <= m <= n <= 2^29; with simplex weights m >= 1 + dim + q; with scores >= 1 + q, for the rows' mean is
/// not held. Precision: double. Bits: the same in every run, for any number of threads; another backend or instruction
/// set rounds
///           kernels otherwise, and may keep other rows.
/// Time:     kernels: 4^g n log(n / m) and the square of 2^(1 + g) m; with scores n^2 besides, with a rank 3 n rank
///           and 84 n rank^2 additions in their place, and n rank doubles of memory; simplex: n m^2 + m^3
/// log(n / m)
///           additions, on the host. Memory: n (dim + 4) doubles, simplex: n m. Allocates and fences.
/// Errors:   std::invalid_argument before anything is launched or written; AllocationError.
/// Random:   key (seed; step, stream, 0, 65533, index); a systematic draw by the same.
/// Source:   Dwivedi, Mackey, "Generalized kernel thinning", ICLR 2022; Shetty, Dwivedi, Mackey, "Distribution
///           compression in near-linear time", ICLR 2022; Li, Dwivedi, Mackey, "Debiased distribution compression",
///           ICML 2024 (Stein kernel thinning, Stein recombination, low-rank debiasing).
template <class Space, class LogWeights, class Rows, RowKernel Kernel = GaussianKernel>
  requires Kokkos::is_execution_space_v<Space>
void thin_rows(const Space& space, std::int64_t m, const LogWeights& log_weights, const Rows& rows,
               const DrawnRows<typename Space::memory_space, double>& drawn,
               const ThinOptions<typename Space::memory_space>& options = {}, const Kernel& kernel = {});

namespace detail::inline SANTA_BUILD {

/// One call of thin_rows, whose arguments are checked.
template <class Space, class Kernel, bool stein, class LogWeights>
class Thinner {
 public:
  using Memory = typename Space::memory_space;
  using Options = ThinOptions<Memory>;
  using Indices = Kokkos::View<std::int64_t*, Memory>;
  using Drawn = DrawnRows<Memory, double>;

  Thinner(const Space& space, std::int64_t m, const LogWeights& log_weights, const ThinningMemory<Space>& memory,
          const Kernel& kernel, const StreamKey& key, const Options& options)
      : _space(space),
        _log_weights(log_weights),
        _rows(memory.template with<stein>(with_bandwidth(space, kernel, memory, log_weights))),
        _tree(memory.rows, m, options.oversampling),
        _key(key),
        _options(options) {}

  void run(const Drawn& drawn) const {
    if (!drawable()) return no_rows(drawn);
    if (_options.weights == ThinnedWeights::simplex)
      recombine_rows(_space, _rows, host_weights(), _options.moments, _tree.m, _key, stein, barred(), drawn);
    else
      list_equal(drawn);
  }

 private:
  [[nodiscard]] bool drawable() const {
    const Kokkos::View<double*, Memory> sum("santa::thinning::sum", 1);
    const Indices one("santa::thinning::one", 1);
    resample(_space, Systematic{.samples = 1}, _log_weights, one, {.log_evidence = sum});
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, sum);
    return std::isfinite(here(0));
  }

  void no_rows(const Drawn& drawn) const {
    Kokkos::deep_copy(_space, Kokkos::subview(drawn.count, 0), std::int64_t{0});
  }

  /// Rows whose averages are those that are wanted, in order; -1 first where there are none.
  [[nodiscard]] Indices sequence() const {
    const auto picks = allocate<Indices, Fresh::unset>(_space, "santa::thinning::sequence", _tree.length());
    if constexpr (stein) {
      if (_options.rank > 0) return draw(picks, debiased());
      pick_by_stein(_space, _rows, bind_log_rows<Space>(_log_weights), picks);
      sort(picks);
    } else {
      resample(_space, Systematic{.samples = _tree.length()}, _log_weights, picks,
               {.seed = _key.seed, .step = _key.step, .stream = _key.stream});
    }
    return picks;
  }

  /// Weights of all rows that are nearest to the target, by a factor of the kernel; none of rows that may not come.
  [[nodiscard]] std::vector<double> debiased() const {
    std::vector<double> weight;
    for (const char bar : barred()) weight.push_back(bar == 0 ? 1. : 0.);
    return Debiasing<Space, KernelRows<Kernel, stein>>(_space, _rows, _options.rank, _key).run(std::move(weight));
  }
  [[nodiscard]] Indices draw(const Indices& picks, std::vector<double> weight) const {
    for (double& w : weight) w = std::log(w);
    const auto there = Kokkos::create_mirror_view_and_copy(
        Memory{}, Kokkos::View<const double*, Kokkos::HostSpace>(weight.data(), weight.size()));
    resample(_space, Systematic{.samples = _tree.length()}, there, picks,
             {.seed = _key.seed, .step = _key.step, .stream = _key.stream});
    return picks;
  }

  static void sort(const Indices& indices) {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, indices);
    std::sort(here.data(), here.data() + here.extent(0));
    Kokkos::deep_copy(indices, here);
  }

  void list_equal(const Drawn& drawn) const {
    const Indices all = sequence();
    std::int64_t first = 0;
    Kokkos::deep_copy(first, Kokkos::subview(all, 0));
    if (first < 0) return no_rows(drawn);
    const Indices kept = Thinning<Space, Kernel, stein>(_space, _rows, _tree, _key).run(all, stein);
    if constexpr (stein) exchange(kept);
    sort(kept);
    list_ancestors(_space, kept, drawn);
  }

  /// Exchanges kept rows for any of the rows that may come: the mean that is wanted, 0, is that of every kernel.
  void exchange(const Indices& kept) const {
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, kept);
    WeightedColumns of;
    of.column.assign(here.data(), here.data() + here.extent(0));
    of.weight.assign(of.column.size(), 1. / static_cast<double>(of.column.size()));
    SteinExchange<Space, KernelRows<Kernel, stein>> rows(_space, _rows, barred(), true);
    for (int sweep = 0; sweep < 8 && rows.sweep(of);) ++sweep;
    std::copy(of.column.begin(), of.column.end(), here.data());
    Kokkos::deep_copy(kept, here);
  }

  /// Each row's part of the whole.
  [[nodiscard]] std::vector<double> host_weights() const {
    if constexpr (stein) {
      if (_options.rank > 0) return debiased();
      const auto picks = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, sequence());
      std::vector<double> result(static_cast<std::size_t>(_log_weights.extent(0)), 0.);
      for (std::size_t i = 0; i < picks.extent(0); ++i)
        if (picks(i) >= 0) result[static_cast<std::size_t>(picks(i))] += 1. / static_cast<double>(picks.extent(0));
      return result;
    } else {
      return parts_of(_space, _log_weights);
    }
  }

  /// Rows whose log-weight is -infinity.
  [[nodiscard]] std::vector<char> barred() const {
    const auto n = static_cast<std::size_t>(_log_weights.extent(0));
    const Kokkos::View<typename LogWeights::non_const_value_type*, Memory> packed("santa::thinning::log_weights", n);
    Kokkos::deep_copy(packed, _log_weights);
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, packed);
    std::vector<char> result;
    for (std::size_t i = 0; i < n; ++i) result.push_back(here(i) > -HUGE_VAL ? 0 : 1);
    return result;
  }

  Space _space;
  LogWeights _log_weights;
  KernelRows<Kernel, stein> _rows;
  ThinningTree _tree;
  StreamKey _key;
  Options _options;
};

}  // namespace detail::inline SANTA_BUILD

template <class Space, class LogWeights, class Rows, RowKernel Kernel>
  requires Kokkos::is_execution_space_v<Space>
void thin_rows(const Space& space, std::int64_t m, const LogWeights& log_weights, const Rows& rows,
               const DrawnRows<typename Space::memory_space, double>& drawn,
               const ThinOptions<typename Space::memory_space>& options, const Kernel& kernel) {
  const auto array = detail::bind_weighted_rows(space, log_weights, rows);
  const std::int64_t n = array.extent[0];
  detail::require(m >= 1 && m <= n, "m", m, "1 to the rows (" + std::to_string(n) + ")");
  detail::check_thinning<Kernel>(options, m, n, array.extent[1]);
  detail::check_bandwidth(kernel);
  const StreamKey key{options.seed.template as<std::uint64_t>("seed"), options.step.template as<std::uint32_t>("step"),
                      options.stream.template as<std::uint16_t>("stream"), 0};
  detail::require_drawn_room(drawn, 1);
  detail::require(static_cast<std::int64_t>(drawn.rows.extent(1)) >= m, "drawn.rows.extent(1)",
                  static_cast<std::int64_t>(drawn.rows.extent(1)), "m (" + std::to_string(m) + ") or more");
  const bool stein = options.scores.data() != nullptr;
  const Kokkos::Profiling::ScopedRegion region("santa::thin_rows");
  const detail::ThinningMemory<Space> memory(space, n, static_cast<int>(array.extent[1]), stein);
  memory.copy(space, rows, 0);
  if (!stein) {
    detail::Thinner<Space, Kernel, false, LogWeights>(space, m, log_weights, memory, kernel, key, options).run(drawn);
  } else if constexpr (SmoothKernel<Kernel>) {
    memory.copy(space, options.scores, memory.dim);
    detail::Thinner<Space, Kernel, true, LogWeights>(space, m, log_weights, memory, kernel, key, options).run(drawn);
  }
  space.fence("santa::thin_rows");  // memory goes
}

}  // namespace santa
