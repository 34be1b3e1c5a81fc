// The memory of resampling and of draws without replacement: sums of blocks, places, tables of points.
#pragma once

#include <santa/cache/allocate.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/rows/ancestors.hpp>
#include <santa/rows/block_masses.hpp>
#include <santa/rows/cell_table.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/residual.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

template <class Space>
struct ResamplingMemory {
  template <class T>
  using View = Kokkos::View<T*, typename Space::memory_space>;

  std::int64_t batch = 0, rows = 0, points = 0;
  View<BlockSum> sums;
  View<double> share;
  View<std::uint64_t> begin;
  View<WholeMass> whole;
  View<BlockRest> rests;              // Residual's
  View<std::uint32_t> groups, table;  // of independent points
  View<std::int64_t> marks;           // a device's

  ResamplingMemory(const Space& space, std::int64_t vectors, std::int64_t rows_each, std::int64_t most_points,
                   bool independent, bool residual)
      : batch(vectors), rows(rows_each), points(most_points) {
    const std::int64_t blocks = LogRows<double>{nullptr, {0, 0}, rows}.blocks();
    const auto make = [&](auto& view, const char* purpose, std::int64_t each) {
      view = allocate<std::remove_reference_t<decltype(view)>, Fresh::unset>(
          space, purpose, product(purpose, {batch, each}, std::int64_t{1} << 58, "2^58 or less"));
    };
    make(sums, "santa::resampling::sums", blocks);
    make(share, "santa::resampling::share", blocks);
    make(begin, "santa::resampling::begin", blocks + 1);
    make(whole, "santa::resampling::whole", 1);
    if (residual) make(rests, "santa::resampling::rests", blocks + 1);
    if (independent) {
      make(groups, "santa::resampling::groups", (points + group_cells - 1) / group_cells + 1);
      make(table, "santa::resampling::table", points);
    }
    if constexpr (!lanes::is_host_space<Space>)
      make(marks, "santa::resampling::marks", AncestorList<std::int32_t>{nullptr, points, 0, nullptr}.stretches());
  }

  /// Checks what a plan is for, before there is memory.
  static void check(const Space& space, std::int64_t vectors, std::int64_t rows_each) {
    lanes::require_launchable(space);
    require(vectors >= 0 && vectors <= most_query_heads, "batch", vectors, "0 to 2^27");
    require(rows_each >= 0 && rows_each <= most_rows, "rows", rows_each, "0 to 2^36");
  }
  /// Checks what a run brings.
  void require_fits(std::int64_t vectors, std::int64_t rows_each) const {
    require(vectors <= batch, "batch", vectors, "at most the plan's " + std::to_string(batch));
    require(rows_each <= rows, "rows", rows_each, "at most the plan's " + std::to_string(rows));
  }

  [[nodiscard]] std::size_t bytes() const {
    const auto of = [](const auto& view) { return view.size() * sizeof(view.data()[0]); };
    return of(sums) + of(share) + of(begin) + of(whole) + of(rests) + of(groups) + of(table) + of(marks);
  }

  template <class T>
  [[nodiscard]] BlockPlaces<T> places(const LogRows<T>& of) const {
    return {of, sums.data(), begin.data(), whole.data(), static_cast<std::uint64_t>(points)};
  }
};

/// A view of vectors, rank 1 (one vector) or 2, as checks see it.
template <class View>
Array vectors_of(const char* name, const View& view) {
  Array array = array_of(name, view);
  if (array.rank == 2) return array;
  array.extent[1] = array.extent[0];
  array.stride[1] = array.stride[0];
  array.extent[0] = 1;
  array.stride[0] = 0;
  return array;
}

/// Checks log-weights, and takes them apart.
template <class Space, class LogWeights>
auto bind_log_rows(const LogWeights& log_weights) {
  static_assert(Kokkos::is_view_v<LogWeights>, "santa: log_weights must be a Kokkos view");
  using T = typename LogWeights::non_const_value_type;
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "santa: log_weights must be float or double");
  static_assert(LogWeights::rank() == 1 || LogWeights::rank() == 2,
                "santa: log_weights must have rank 1 or 2: [rows] or [batch, rows]");
  static_assert(Kokkos::SpaceAccessibility<Space, typename LogWeights::memory_space>::accessible,
                "santa: log_weights must be accessible from the execution space");
  require_data(array_of("log_weights", log_weights));
  const Array array = vectors_of("log_weights", log_weights);
  return LogRows<T>{log_weights.data(), {array.stride[0], array.stride[1]}, array.extent[1]};
}

/// Checks ancestors, written or read, and says where they lie.
template <class Space, class Ancestors>
Array bind_ancestors(const Ancestors& ancestors) {
  static_assert(Kokkos::is_view_v<Ancestors> && (Ancestors::rank() == 1 || Ancestors::rank() == 2),
                "santa: ancestors must be a Kokkos view of rank 1 or 2: [samples] or [batch, samples]");
  using Index = typename Ancestors::non_const_value_type;
  static_assert(std::is_same_v<Index, std::int32_t> || std::is_same_v<Index, std::int64_t>,
                "santa: ancestors must be std::int32_t or std::int64_t");
  static_assert(Kokkos::SpaceAccessibility<Space, typename Ancestors::memory_space>::accessible,
                "santa: ancestors must be accessible from the execution space");
  require_rows("ancestors", ancestors);
  return vectors_of("ancestors", ancestors);
}

/// Checks what is written for each vector.
inline void require_for_each(const Array& view, std::int64_t batch) {
  if (view.data != nullptr && view.extent[0] < batch)
    reject_extent(view, 0, ".extent(", view.extent[0], "the batch (" + std::to_string(batch) + ") or more");
}

/// Checks a list that is written for each vector.
template <class MemorySpace>
void require_drawn_room(const DrawnRows<MemorySpace, double>& drawn, std::int64_t batch) {
  drawn.require_kept();
  const Array rows = array_of("drawn.rows", drawn.rows);
  const auto like_rows = [&](const Array& view) {
    require_extent(view, 0, rows.extent[0], "that of drawn.rows");
    require_extent(view, 1, rows.extent[1], "that of drawn.rows");
  };
  for (const Array& view : {rows, array_of("drawn.count", drawn.count)}) {
    if (view.data == nullptr && batch > 0) require_pointer(nullptr, std::string(view.name) + ".data()");
    require_for_each(view, batch);
  }
  like_rows(array_of("drawn.weights", drawn.weights));
  if (drawn.spreads.data() != nullptr) like_rows(array_of("drawn.spreads", drawn.spreads));
}

}  // namespace santa::detail::inline SANTA_BUILD
