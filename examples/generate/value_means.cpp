#include "generate/value_means.hpp"

namespace santa::example {

ValueMeans::ValueMeans(const Settings& settings)
    : _means("santa::value_means", static_cast<std::size_t>(settings.layers), 1,
             static_cast<std::size_t>(settings.kv_heads), static_cast<std::size_t>(settings.dim)) {}

void ValueMeans::add(const Space& space, const KvCache& cache, std::int64_t slot, std::int64_t begin,
                     std::int64_t end) const {
  const auto means = _means;
  const auto values = cache.values;
  using Range = Kokkos::MDRangePolicy<Space, Kokkos::Rank<3>, Kokkos::IndexType<std::int64_t>>;
  const auto extent = [&](std::size_t rank) { return static_cast<std::int64_t>(means.extent(rank)); };
  Kokkos::parallel_for(
      "santa::value_means", Range(space, {0, 0, 0}, {extent(0), extent(2), extent(3)}),
      KOKKOS_LAMBDA(std::int64_t layer, std::int64_t head, std::int64_t d) {
        float sum = means(layer, 0, head, d) * static_cast<float>(begin);
        for (std::int64_t token = begin; token < end; ++token)
          sum += static_cast<float>(values(layer, slot, token, head, d));
        means(layer, 0, head, d) = end > 0 ? sum / static_cast<float>(end) : 0.F;
      });
}

ValueMeans::Center ValueMeans::of_layer(std::int64_t layer) const {
  return Kokkos::subview(_means, static_cast<std::size_t>(layer), Kokkos::ALL, Kokkos::ALL, Kokkos::ALL);
}

}  // namespace santa::example
