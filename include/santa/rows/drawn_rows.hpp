// The list of drawn rows, in memory that the caller owns.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/kept.hpp>
#include <santa/core/whole_number.hpp>
#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa {

/// The drawn rows of one vector of log-weights, as kernels see them. Real: float or double.
template <class Real>
struct BasicDrawnList {
  const std::int64_t* rows = nullptr;
  const Real* weights = nullptr;
  const Real* spreads = nullptr;  // may be null
  std::int64_t count = 0;         // of rows
};
/// One whose weights are floats.
using DrawnList = BasicDrawnList<float>;

/// Drawn rows of a batch of vectors of log-weights.
/// Shapes: rows, weights, spreads [batch, capacity], of which the first count(b) are valid, in ascending order of rows;
///         count [batch]. Vectors may lie further apart than they are long. Spreads are optional: a view without data
///         is not written.
/// Units:  over draws, weights have the expectation exp(log_weight - log_sum): sum_i weights_i v_i is an unbiased
///         estimate of the weighted mean of v. spreads_i is the row's share of the variance, per |v_i - c|^2.
/// A count above the capacity says that rows are missing from the list; a capacity of all rows is always enough.
/// Real: float, of draws by the kernels of a decode step, or double: of `list_ancestors` and `draw_distinct`.
template <class MemorySpace, class Real = float>
struct DrawnRows {
  static_assert(std::is_same_v<Real, float> || std::is_same_v<Real, double>,
                "santa::DrawnRows: weights are float or double");

  Kokkos::View<std::int64_t**, Kokkos::LayoutRight, MemorySpace> rows;
  Kokkos::View<Real**, Kokkos::LayoutRight, MemorySpace> weights, spreads;
  Kokkos::View<std::int64_t*, MemorySpace> count;

  DrawnRows() = default;
  /// Allocates. Errors: std::invalid_argument for extents that are negative or too large, AllocationError.
  template <class Space, class Build = lanes::Build>
  DrawnRows(const Space& space, WholeNumber batch, WholeNumber capacity) {
    const auto vectors = batch.as<std::int64_t>("batch");
    const auto fill = [&]<class View>(View& view, const char* label) {
      view = detail::allocate<View, detail::Fresh::unset>(space, label, vectors, capacity.as<std::int64_t>("capacity"));
    };
    fill(rows, "santa::drawn::rows");
    fill(weights, "santa::drawn::weights");
    fill(spreads, "santa::drawn::spreads");
    count = detail::allocate<decltype(count)>(space, "santa::drawn::count", vectors);
  }

  /// Errors: std::invalid_argument if the list was moved from.
  void require_kept() const { _kept.require("drawn"); }

  /// The list of one vector. Rows beyond the capacity are not in it.
  [[nodiscard]] KOKKOS_FUNCTION BasicDrawnList<Real> list(std::size_t batch) const {
    const auto capacity = static_cast<std::int64_t>(rows.extent(1));
    const std::int64_t drawn = count(batch);
    return {&rows(batch, 0), &weights(batch, 0), spreads.data() != nullptr ? &spreads(batch, 0) : nullptr,
            drawn < capacity ? drawn : capacity};
  }

 private:
  detail::Kept _kept;
};

}  // namespace santa
