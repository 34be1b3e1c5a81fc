// Resampling by log-weights: ancestors, evidence and effective sample size, as particle filters ask for them.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/whole_number.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/options.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/ancestors.hpp>
#include <santa/rows/cell_table.hpp>
#include <santa/rows/resampling_memory.hpp>
#include <santa/rows/residual.hpp>
#include <santa/rows/whole_mass.hpp>
#include <santa/sample/points/multinomial.hpp>
#include <santa/sample/points/stratified.hpp>
#include <santa/sample/points/systematic.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// A rule that draws S = samples ancestors by weights p_i whose sum is 1, row i S p_i times on average.
template <class R>
concept ResamplingRule = std::same_as<R, Systematic> || std::same_as<R, Stratified> || std::same_as<R, Residual> ||
    std::same_as<R, Multinomial>;

/// Options of resampling; all views are optional.
template <class MemorySpace>
struct ResampleOptions {
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;                                         // streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  Kokkos::View<double*, MemorySpace> log_evidence = {};           // [batch] out: log of the mean of all weights
  Kokkos::View<double*, MemorySpace> effective_sample_size = {};  // [batch] out: (sum w)^2 / sum w^2 of all weights
};

/// Resamples by one rule, for batches up to the one given, with all memory owned.
/// Computes: ancestors in ascending order, S = rule.samples of each vector: row i comes S p_i times on average, with
/// p_i
///           its weight over the sum of all. Systematic and Stratified: floor or ceil of it (Stratified: within 2).
/// Memory:   allocated here, once: 1/32 byte a row; Multinomial and Residual 4 bytes a draw. `run` allocates nothing
///           and does not fence.
/// Precision: weights are exp(log_weight - largest of 2048 rows) in double, to 1e-15 plus a rounding of the difference,
///           in units of 2^-51; sums of them are whole numbers. A row's part of the whole is right to 2^-50 of the
///           whole; rows below 2^-52 of the largest of their 2048 weigh nothing. Points have 62 bits.
/// Bits:     the same in every run, for any number of threads and on every backend; the logarithms of log_evidence are
///           the backend's own.
/// Errors:   as DecodePlan's.
/// Bytes:    the log-weights twice (Residual: three times), the ancestors once.
/// Random:   key (seed; step, stream, request, 65534, point), for any rule.
/// Source:   Kitagawa, "Monte Carlo filter and smoother", JCGS 1996 (stratified, systematic); Douc, Cappé, Moulines,
///           "Comparison of resampling schemes for particle filtering", ISPA 2005.
template <class Space, ResamplingRule Rule>
class ResamplePlan {
  static_assert(Kokkos::is_execution_space_v<Space>,
                "santa::ResamplePlan: the first argument must be an execution space");

 public:
  using MemorySpace = typename Space::memory_space;
  using Options = ResampleOptions<MemorySpace>;

  ResamplePlan(const Space& space, const Rule& rule, std::int64_t batch, std::int64_t rows)
      : _memory(checked(space, rule, batch, rows)) {}

  /// Resamples.
  /// Shapes: log_weights [rows] or [batch, rows], float or double, any strides and any size; -infinity: never drawn.
  ///         ancestors [S] or [batch, S], int32 or int64, the last extent contiguous.
  /// Where all log-weights of a vector are -infinity: ancestors -1, log_evidence -infinity, effective_sample_size 0;
  /// where one is NaN or +infinity: -1, NaN, NaN.
  /// Errors: std::invalid_argument before anything is launched or written.
  template <class LogWeights, class Ancestors>
  void run(const Space& space, const LogWeights& log_weights, const Ancestors& ancestors,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("ResamplePlan");
    const auto rows = detail::bind_log_rows<Space>(log_weights);
    const std::int64_t batch = detail::vectors_of("log_weights", log_weights).extent[0];
    _memory.require_fits(batch, rows.rows);
    const auto list = bind(ancestors, batch, rows.rows);
    detail::require_for_each(detail::array_of("log_evidence", options.log_evidence), batch);
    detail::require_for_each(detail::array_of("effective_sample_size", options.effective_sample_size), batch);
    const auto chance = detail::bind_chance(options, batch);
    if (batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::resample");
    sum_up(space, rows, batch, options);
    draw(space, rows, batch, list, chance);
  }

  [[nodiscard]] std::size_t workspace_bytes() const { return _memory.bytes(); }

 private:
  using Memory = detail::ResamplingMemory<Space>;
  static constexpr bool residual = std::same_as<Rule, Residual>;
  static constexpr bool independent = residual || std::same_as<Rule, Multinomial>;
  using Points = std::conditional_t<
      independent, detail::IndependentPoints,
      std::conditional_t<std::same_as<Rule, Systematic>, detail::SpacedPoints, detail::StratumPoints>>;

  static Memory checked(const Space& space, const Rule& rule, std::int64_t batch, std::int64_t rows) {
    Memory::check(space, batch, rows);
    rule.check();
    return {space, batch, rows, rule.samples, independent, residual};
  }

  template <class Ancestors>
  auto bind(const Ancestors& ancestors, std::int64_t batch, std::int64_t rows) const {
    const auto array = detail::bind_ancestors<Space>(ancestors);
    using Index = typename Ancestors::value_type;
    static_assert(!std::is_const_v<Index>, "santa::resample: ancestors must not be const");
    detail::require_for_each(array, batch);
    const std::int64_t samples = array.extent[1];
    detail::require(samples == _memory.points, "ancestors.extent(" + std::to_string(Ancestors::rank() - 1) + ")",
                    samples, "the rule's samples (" + std::to_string(_memory.points) + ")");
    if constexpr (std::is_same_v<Index, std::int32_t>)
      detail::require(rows <= detail::most_counted, "rows", rows, "less than 2^31 with ancestors of 32 bits");
    return detail::AncestorList<Index>{ancestors.data(), samples, array.stride[0], _memory.marks.data()};
  }

  template <class T>
  void sum_up(const Space& space, const detail::LogRows<T>& rows, std::int64_t batch, const Options& options) const {
    const Memory& m = _memory;
    const std::int64_t blocks = rows.blocks();
    detail::launch_blocks("santa::sum_blocks", space, batch * blocks,
                          detail::SumBlocks<T, false>{rows, m.sums.data(), m.whole.data(), true,
                                                      options.effective_sample_size.data() != nullptr});
    detail::launch_blocks("santa::lay_out_blocks", space, batch,
                          detail::LayOutBlocks{blocks, rows.rows, static_cast<std::uint64_t>(m.points), m.sums.data(),
                                               m.share.data(), m.begin.data(), m.whole.data(),
                                               options.log_evidence.data(), options.effective_sample_size.data()});
  }

  template <class T, class Index>
  void draw(const Space& space, const detail::LogRows<T>& rows, std::int64_t batch,
            const detail::AncestorList<Index>& list, const detail::Chance& chance) const {
    const Memory& m = _memory;
    const auto places = m.places(rows);
    const std::int64_t blocks = rows.blocks();
    if (blocks == 0)
      return Kokkos::parallel_for("santa::no_ancestors", detail::Range<Space>(space, 0, batch * m.points),
                                  detail::NoAncestors<Index>{list});
    if (m.marks.data() != nullptr) Kokkos::deep_copy(space, m.marks, std::int64_t{0});
    if constexpr (residual) {
      detail::launch_blocks("santa::sum_rests", space, batch * blocks, detail::SumRests<T>{places, m.rests.data()});
      detail::launch_blocks("santa::lay_out_rests", space, batch,
                            detail::LayOutRests{blocks, places.points, m.rests.data(), m.whole.data()});
    }
    if constexpr (independent) {
      Kokkos::deep_copy(space, m.groups, std::uint32_t{0});
      detail::fill_cells(space, detail::CellTable{chance, m.points, m.whole.data(), m.groups.data(), m.table.data()},
                         batch);
    }
    if constexpr (residual)
      detail::launch_blocks(
          "santa::ancestors", space, batch * blocks,
          detail::WriteResidualAncestors<T, Index>{places, chance, m.table.data(), list, m.rests.data()});
    else
      detail::launch_blocks("santa::ancestors", space, batch * blocks,
                            detail::WriteAncestors<T, Index, Points, false>{places, chance, m.table.data(), list});
    detail::fill_stretches(space, list, batch);
  }

  Memory _memory;
  detail::Kept _kept;
};

/// Resamples: makes a plan, runs it. Allocates and fences; for more than one step, keep a ResamplePlan.
/// Shapes and errors: as ResamplePlan::run.
template <class Space, ResamplingRule Rule, class LogWeights, class Ancestors>
  requires Kokkos::is_execution_space_v<Space>
void resample(const Space& space, const Rule& rule, const LogWeights& log_weights, const Ancestors& ancestors,
              const ResampleOptions<typename Space::memory_space>& options = {}) {
  static_assert(Kokkos::is_view_v<LogWeights>, "santa::resample: log_weights must be a Kokkos view");
  const auto array = detail::vectors_of("log_weights", log_weights);
  const ResamplePlan plan(space, rule, array.extent[0], array.extent[1]);
  plan.run(space, log_weights, ancestors, options);
  space.fence("santa::resample");  // the plan's memory goes with it
}

}  // namespace santa
