// Draws without replacement: exactly k different rows, their inclusion probabilities, and Horvitz-Thompson weights.
#pragma once

#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/whole_number.hpp>
#include <santa/decode/chance.hpp>
#include <santa/decode/options.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/ancestors.hpp>
#include <santa/rows/distinct_weights.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/list_ancestors.hpp>
#include <santa/rows/resampling_memory.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>
#include <Kokkos_Profiling_ScopedRegion.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace santa {

/// Options of a draw without replacement; all views are optional.
template <class MemorySpace>
struct DistinctOptions {
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;                                         // streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  Kokkos::View<double**, Kokkos::LayoutRight, MemorySpace> inclusion = {};  // [batch, k] out: see DistinctPlan
  Kokkos::View<double*, MemorySpace> log_sum = {};                          // [batch] out: log of the sum of weights
  WeightSum weights = WeightSum::rounded;
};

/// Draws exactly k different rows, row i with the inclusion probability pi_i = min(1, w_i / c), sum_i pi_i = k: rows
/// from c on are drawn for certain, the others systematically, in their order (Madow 1949).
/// Computes: rows in ascending order; weights p_i / pi_i (Horvitz-Thompson), p_i = w_i / sum w: sum_i weights_i v_i is
///           an unbiased estimate of the weighted mean of v. As k is fixed, the weights' sum is always 1; with
///           WeightSum::exact to the last bit (each to 2^-47 + k 2^-52). Where fewer than k rows weigh
///           anything, these are drawn, and count says so.
/// Variance: spreads_i = (1 - pi_i) weights_i^2 k' / (k' - 1), k' being the rows drawn by chance (NaN where k' = 1):
///           sum_i spreads_i |v_i - c|^2 with c near the mean is the estimate for rows in random order (Hajek,
///           Deville). No estimate without bias is possible for a systematic draw of rows in a given order: many pairs
///           never come together. What holds in any order: all rows that are drawn by chance have one weight W, and
///             |estimate - mean| <= W TV, TV = sum_i |v_{i+1} - v_i| along those rows, for every draw;
///             variance <= k' times that of a stratified draw, which is at most that of k' independent draws.
///           The first says that rows in a smooth order (of time, of space) are better than the spreads tell, the
///           second how far rows with a period may be worse: shuffle them.
/// Requires: 1 <= k <= 2^22.
/// Memory:   allocated here, once. `run` allocates nothing; it fences once for each round of c, which are few: the
///           rows from the last c on are left out of the next.
/// Precision, bits, random: as ResamplePlan; rows with pi_i above 1 - 1e-11 - k 2^-48 are drawn for certain, and what
///           they are drawn for too often, less than that, is the bias.
/// Errors:   as DecodePlan's.
/// Bytes:    the log-weights twice, and those of blocks with certain rows once a round.
template <class Space>
class DistinctPlan {
  static_assert(Kokkos::is_execution_space_v<Space>,
                "santa::DistinctPlan: the first argument must be an execution space");

 public:
  using MemorySpace = typename Space::memory_space;
  using Options = DistinctOptions<MemorySpace>;

  DistinctPlan(const Space& space, std::int64_t batch, std::int64_t rows, std::int64_t k)
      : _memory(checked(space, batch, rows, k)),
        _all(detail::allocate<decltype(_all)>(space, "santa::distinct::all", batch)),
        _here(Kokkos::create_mirror_view(_memory.whole)) {}

  /// Draws.
  /// Shapes: log_weights [rows] or [batch, rows], float or double, any strides and any size; -infinity: never drawn;
  ///         drawn: a capacity of k or more. A vector that has NaN or +infinity, or nothing else than -infinity, gives
  ///         no rows, and a log_sum of NaN or -infinity.
  /// Errors: std::invalid_argument before anything is launched or written.
  template <class LogWeights>
  void run(const Space& space, const LogWeights& log_weights, const DrawnRows<MemorySpace, double>& drawn,
           const Options& options = {}) const {
    lanes::require_launchable(space);
    _kept.require("DistinctPlan");
    const auto rows = detail::bind_log_rows<Space>(log_weights);
    const std::int64_t batch = detail::vectors_of("log_weights", log_weights).extent[0];
    _memory.require_fits(batch, rows.rows);
    check(drawn, options, batch);
    const auto chance = detail::bind_chance(options, batch);
    if (batch == 0) return;
    const Kokkos::Profiling::ScopedRegion region("santa::distinct");
    find_certain(space, rows, batch);
    draw(space, rows, batch, drawn, chance);
    finish(space, rows, batch, drawn, options);
  }

  [[nodiscard]] std::size_t workspace_bytes() const {
    return _memory.bytes() + _all.size() * sizeof(detail::WholeMass);
  }

 private:
  using Memory = detail::ResamplingMemory<Space>;
  using Wholes = Kokkos::View<detail::WholeMass*, MemorySpace>;

  static Memory checked(const Space& space, std::int64_t batch, std::int64_t rows, std::int64_t k) {
    Memory::check(space, batch, rows);
    detail::require(k >= 1 && k <= (1 << 22), "k", k, "1 to 2^22");
    return {space, batch, rows, k, false, false};
  }

  void check(const DrawnRows<MemorySpace, double>& drawn, const Options& options, std::int64_t batch) const {
    const std::int64_t k = _memory.points;
    const std::string enough = "k (" + std::to_string(k) + ") or more";
    detail::require_drawn_room(drawn, batch);
    const auto capacity = static_cast<std::int64_t>(drawn.rows.extent(1));
    detail::require(capacity >= k, "drawn.rows.extent(1)", capacity, enough);
    detail::require_for_each(detail::array_of("log_sum", options.log_sum), batch);
    const auto inclusion = detail::array_of("inclusion", options.inclusion);
    detail::require_for_each(inclusion, batch);
    if (inclusion.data != nullptr)
      detail::require(inclusion.extent[1] >= k, "inclusion.extent(1)", inclusion.extent[1], enough);
  }

  /// Rounds: rows from c on are certain, which makes c smaller for the others, until no more are.
  template <class T>
  void find_certain(const Space& space, const detail::LogRows<T>& rows, std::int64_t batch) const {
    const Memory& m = _memory;
    const std::int64_t blocks = rows.blocks();
    std::int64_t certain = -1;
    for (bool first = true;; first = false) {
      detail::launch_blocks("santa::sum_blocks", space, batch * blocks,
                            detail::SumBlocks<T, true>{rows, m.sums.data(), m.whole.data(), first});
      detail::launch_blocks(
          "santa::lay_out_blocks", space, batch,
          detail::LayOutBlocks{blocks, rows.rows, static_cast<std::uint64_t>(m.points), m.sums.data(), m.share.data(),
                               m.begin.data(), m.whole.data(), nullptr, nullptr, true, first});
      if (first) Kokkos::deep_copy(space, _all, m.whole);
      Kokkos::deep_copy(space, _here, m.whole);
      space.fence("santa::distinct");
      std::int64_t now = 0;
      for (std::int64_t b = 0; b < batch; ++b) now += _here(static_cast<std::size_t>(b)).whole;
      if (now == certain) return;
      certain = now;
    }
  }

  template <class T>
  void draw(const Space& space, const detail::LogRows<T>& rows, std::int64_t batch,
            const DrawnRows<MemorySpace, double>& drawn, const detail::Chance& chance) const {
    const Memory& m = _memory;
    const detail::AncestorList<std::int64_t> list{drawn.rows.data(), m.points,
                                                  static_cast<std::int64_t>(drawn.rows.stride(0)), nullptr};
    detail::launch_blocks(
        "santa::distinct_rows", space, batch * rows.blocks(),
        detail::WriteAncestors<T, std::int64_t, detail::SpacedPoints, true>{m.places(rows), chance, nullptr, list});
  }

  template <class T>
  void finish(const Space& space, const detail::LogRows<T>& rows, std::int64_t batch,
              const DrawnRows<MemorySpace, double>& drawn, const Options& options) const {
    detail::launch_blocks("santa::distinct_weights", space, batch,
                          detail::DistinctWeights<T, MemorySpace>{
                              rows, static_cast<std::uint64_t>(_memory.points), _all.data(), _memory.whole.data(),
                              drawn, options.inclusion, options.log_sum.data(), options.weights});
  }

  Memory _memory;
  Wholes _all;                                           // before any row was certain
  decltype(Kokkos::create_mirror_view(Wholes())) _here;  // to see when no more are
  detail::Kept _kept;
};

/// Draws without replacement: makes a plan, runs it. Allocates and fences; for more than one draw, keep a DistinctPlan.
/// Shapes and errors: as DistinctPlan::run.
template <class Space, class LogWeights>
  requires Kokkos::is_execution_space_v<Space>
void draw_distinct(const Space& space, std::int64_t k, const LogWeights& log_weights,
                   const DrawnRows<typename Space::memory_space, double>& drawn,
                   const DistinctOptions<typename Space::memory_space>& options = {}) {
  static_assert(Kokkos::is_view_v<LogWeights>, "santa::draw_distinct: log_weights must be a Kokkos view");
  const auto array = detail::vectors_of("log_weights", log_weights);
  const DistinctPlan plan(space, array.extent[0], array.extent[1], k);
  plan.run(space, log_weights, drawn, options);
  space.fence("santa::draw_distinct");  // the plan's memory goes with it
}

}  // namespace santa
