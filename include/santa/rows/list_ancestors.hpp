// Ancestors as a list of drawn rows with weights, whose sum can be exact.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/rows/drawn_rows.hpp>
#include <santa/rows/resampling_memory.hpp>
#include <santa/rows/whole_mass.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>
#include <type_traits>

namespace santa {

/// What weights are.
enum class WeightSum : std::uint8_t {
  rounded,  // each to the nearest double
  exact,    // multiples of 2^-52 that add up to 1 to the last bit, in any order; each to 2^-52
};

namespace detail::inline SANTA_BUILD {

/// Weights of stretches of 0 to `whole` that add up to 1.
struct StretchWeights {
  Proportion fixed;
  double whole;
  WeightSum sum;

  KOKKOS_FUNCTION StretchWeights(std::int64_t of, WeightSum how)
      : fixed(static_cast<std::uint64_t>(of), std::uint64_t{1} << 52), whole(static_cast<double>(of)), sum(how) {}
  [[nodiscard]] KOKKOS_FUNCTION double of(std::int64_t first, std::int64_t end) const {
    if (sum == WeightSum::rounded) return static_cast<double>(end - first) / whole;
    const std::uint64_t units = fixed.of(static_cast<std::uint64_t>(end)) - fixed.of(static_cast<std::uint64_t>(first));
    return static_cast<double>(units) * 0x1p-52;
  }
};

/// Lists one vector: what begins a run of equal ancestors finds where it ends.
template <class Index, class MemorySpace>
struct ListRuns {
  const Index* ancestors;
  std::int64_t samples;
  std::int64_t vector;
  DrawnRows<MemorySpace, double> to;
  WeightSum sum;

  KOKKOS_FUNCTION void operator()(std::int64_t at, std::int64_t& runs, bool final) const {
    const Index row = ancestors[at];
    if (row >= 0 && (at == 0 || ancestors[at - 1] != row)) {
      if (final && runs < static_cast<std::int64_t>(to.rows.extent(1))) write(at, row, static_cast<std::size_t>(runs));
      ++runs;
    }
    if (final && at == samples - 1) to.count(static_cast<std::size_t>(vector)) = runs;
  }

 private:
  KOKKOS_FUNCTION void write(std::int64_t first, Index row, std::size_t place) const {
    std::int64_t step = 1;  // doubled while it stays within the run, then halved
    while (first + step < samples && ancestors[first + step] == row) step *= 2;
    std::int64_t last = first + step / 2;
    for (step /= 4; step > 0; step /= 2)
      if (last + step < samples && ancestors[last + step] == row) last += step;
    const auto b = static_cast<std::size_t>(vector);
    const double weight = StretchWeights(samples, sum).of(first, last + 1);
    to.rows(b, place) = static_cast<std::int64_t>(row);
    to.weights(b, place) = weight;
    if (to.spreads.data() != nullptr) to.spreads(b, place) = weight / static_cast<double>(samples);
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Lists the different rows of ancestors, with weights count / S: sum_i weights_i v_i is what the mean over all
/// ancestors is. Neither allocates nor fences.
/// Shapes:  ancestors [S] or [batch, S], int32 or int64, ascending as `resample` gives them, the last extent
///          contiguous; -1 is left out. A capacity of min(S, rows) is always enough.
/// Units:   spreads are those of independent draws, an upper bound on average for the other rules: see `gather_add`.
/// Errors:  std::invalid_argument before anything is launched or written.
template <class Space, class Ancestors>
  requires Kokkos::is_execution_space_v<Space>
void list_ancestors(const Space& space, const Ancestors& ancestors,
                    const DrawnRows<typename Space::memory_space, double>& drawn, WeightSum sum = WeightSum::rounded) {
  lanes::require_launchable(space);
  const auto array = detail::bind_ancestors<Space>(ancestors);
  detail::require_drawn_room(drawn, array.extent[0]);
  using Index = typename Ancestors::non_const_value_type;
  if (array.extent[1] == 0) return Kokkos::deep_copy(space, drawn.count, 0);
  for (std::int64_t b = 0; b < array.extent[0]; ++b)
    Kokkos::parallel_scan("santa::list_ancestors", detail::Range<Space>(space, 0, array.extent[1]),
                          detail::ListRuns<Index, typename Space::memory_space>{ancestors.data() + b * array.stride[0],
                                                                                array.extent[1], b, drawn, sum});
}

}  // namespace santa
