// The mean value row of each layer and kv head of a text: a center for draws, `RunOptions::center`.
#pragma once

#include "generate/cache.hpp"
#include "generate/views.hpp"

#include <cstdint>

namespace santa::example {

class ValueMeans {
 public:
  using Center = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;  // [1, kv_heads, dim]

  explicit ValueMeans(const Settings& settings);

  /// Tokens `begin` to `end` - 1 of the text in a slot of the cache come in; those before are in already.
  void add(const Space& space, const KvCache& cache, std::int64_t slot, std::int64_t begin, std::int64_t end) const;

  [[nodiscard]] Center of_layer(std::int64_t layer) const;

 private:
  Kokkos::View<float****, Kokkos::LayoutRight, Memory> _means;  // [layers, 1, kv_heads, dim]
};

}  // namespace santa::example
