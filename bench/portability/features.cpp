#include "features.hpp"

#include "stages.hpp"

#include <cstddef>
#include <cstdio>
#include <vector>

namespace santa_bench {

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;

/// Feature-major keys for every copy of a cache.
class FeatureCopies {
 public:
  FeatureCopies(const Space& space, const Caches<Space>& caches) : _caches(caches) {
    for (std::size_t copy = 0; copy < caches.copies(); ++copy) {
      _keys.emplace_back(space, caches.shape);
      santa::transpose_keys(space, caches.cache(copy), _keys.back());
    }
    _features = count_features(space);
  }

  [[nodiscard]] auto cache(std::size_t copy) const {
    return santa::FeatureCache{_caches.cache(copy), _keys[copy], santa::Bernoulli{}};
  }
  /// Features that are read of the keys of a kv head, on average.
  [[nodiscard]] double features() const { return _features; }
  /// Chosen features' rows, drawn values, and drawn keys where they are read.
  [[nodiscard]] double bytes(double rows_fraction, bool rescored) const {
    const santa::Shape& s = _caches.shape;
    return bytes_of_rows(s) * (_features / static_cast<double>(s.dim) + rows_fraction * (rescored ? 2. : 1.));
  }

 private:
  /// The union over a group's heads, by what the timed step chooses.
  [[nodiscard]] double count_features(const Space& space) const {
    const auto size = [](std::int64_t value) { return static_cast<std::size_t>(value); };
    const santa::Shape& s = _caches.shape;
    const Kokkos::View<float***, Kokkos::LayoutRight, Memory> coefficients("coefficients", size(s.batch), size(s.heads),
                                                                           size(s.dim));
    santa::choose_features(space, _caches.query, cache(0), coefficients, {.seed = run_seed, .step = timed_step});
    space.fence();
    const auto chosen = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, coefficients);
    const std::size_t group = size(s.heads / s.kv_heads);
    double used = 0.;
    for (std::size_t b = 0; b < chosen.extent(0); ++b)
      for (std::size_t first = 0; first < chosen.extent(1); first += group)
        for (std::size_t d = 0; d < chosen.extent(2); ++d) {
          bool read = false;
          for (std::size_t head = first; head < first + group; ++head) read = read || chosen(b, head, d) != 0.F;
          used += read ? 1. : 0.;
        }
    return used / static_cast<double>(s.batch * s.kv_heads);
  }

  const Caches<Space>& _caches;
  std::vector<santa::FeatureKeys<santa::bfloat16, Memory>> _keys;
  double _features = 0.;
};

}  // namespace

void run_features(const Space& space, const Caches<Space>& caches, const Measured& exact, const Options& options,
                  Report& report) {
  const bool compiled = santa::lanes::is_host_space<Space> || (caches.shape.group() <= 4 && caches.shape.dim <= 128);
  if (!compiled) return;
  const FeatureCopies copies(space, caches);
  std::printf("%-24s %-23s %.1f of %ld features\n", "", "bernoulli:", copies.features(), caches.shape.dim);
  run_stages(space, caches, copies, "bernoulli", exact, options, report);
}

}  // namespace santa_bench
