// The list of drawn rows, in memory that the caller owns.
#pragma once

#include <santa/lanes/extents.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa {

/// The drawn rows of one vector of log-weights, as kernels see them.
struct DrawnList {
  const std::int64_t* rows = nullptr;
  const float* weights = nullptr;
  const float* spreads = nullptr;  // may be null
  std::int64_t count = 0;
};

/// Drawn rows of a batch of vectors of log-weights.
/// Shapes: rows, weights, spreads [batch, capacity], of which the first count(b) are valid, in ascending order of rows;
///         count [batch]. Spreads are optional: a view without data is not written.
/// Units:  over draws, weights have the expectation exp(log_weight - log_sum): sum_i weights_i v_i is an unbiased
///         estimate of the weighted mean of v. spreads_i is the row's share of the variance, per |v_i - c|^2.
/// A count above the capacity says that rows are missing from the list; a capacity of all rows is always enough.
template <class MemorySpace>
struct DrawnRows {
  Kokkos::View<std::int64_t**, Kokkos::LayoutRight, MemorySpace> rows;
  Kokkos::View<float**, Kokkos::LayoutRight, MemorySpace> weights, spreads;
  Kokkos::View<std::int64_t*, MemorySpace> count;

  DrawnRows() = default;
  template <class Space, class Build = lanes::Build>
  DrawnRows(const Space& space, std::size_t batch, std::size_t capacity)
      : rows(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "santa::drawn::rows"), batch, capacity),
        weights(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "santa::drawn::weights"), batch, capacity),
        spreads(Kokkos::view_alloc(space, Kokkos::WithoutInitializing, "santa::drawn::spreads"), batch, capacity),
        count(Kokkos::view_alloc(space, "santa::drawn::count"), batch) {}

  /// The list of one vector. Rows beyond the capacity are not in it.
  [[nodiscard]] KOKKOS_FUNCTION DrawnList list(std::size_t batch) const {
    const auto capacity = static_cast<std::int64_t>(rows.extent(1));
    const std::int64_t drawn = count(batch);
    return {&rows(batch, 0), &weights(batch, 0), spreads.data() != nullptr ? &spreads(batch, 0) : nullptr,
            drawn < capacity ? drawn : capacity};
  }
};

}  // namespace santa
