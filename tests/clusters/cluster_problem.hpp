// A decode step with clusters beside its cache, and what a step over them gives.
#pragma once

#include "support/data.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace santa::test {

/// Outputs of a step over clusters, on the host.
struct ClusterResult {
  std::vector<float> out, lse, error;
  std::vector<ClusterStatistics> statistics;
};

/// Keys of a few kinds, which clusters find: `kinds` centers a kv head at `spread` times the distance that keys of one
/// kind have, and values that go with the kind.
template <class Problem>
void fill_kinds(Problem& problem, unsigned seed, int kinds, float spread, float sharpness) {
  const Shape& shape = problem.shape;
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  problem.fill(seed, sharpness);
  const auto count = static_cast<std::size_t>(shape.kv_heads * kinds * shape.dim);
  std::vector<float> key_centers(count), value_centers(count);
  for (float& x : key_centers) x = spread * normal(random);
  for (float& x : value_centers) x = spread * normal(random);
  std::uniform_int_distribution<int> kind_of(0, kinds - 1);
  const float size = 1.F / std::sqrt(1.F + spread * spread);
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t i = 0; i < shape.length; ++i)
      for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv) {
        const std::int64_t kind = kv * kinds + kind_of(random);
        for (std::int64_t d = 0; d < shape.dim; ++d) {
          const auto at = static_cast<std::size_t>(kind * shape.dim + d);
          problem.key(b, i, kv, d) = size * (problem.key(b, i, kv, d) + key_centers[at]);
          problem.value(b, i, kv, d) = size * (problem.value(b, i, kv, d) + value_centers[at]);
        }
      }
}

template <class Space, class T, class Q = float>
struct ClusterProblem {
  using Memory = typename Space::memory_space;
  using Run = ClusterRunOptions<Memory>;

  Problem<Space, T, Q> problem;
  ClusteredKeys<Memory> keys;

  explicit ClusterProblem(const Shape& shape, const ClusterLayout& layout = {})
      : problem(shape), keys(Space{}, shape, layout) {}

  [[nodiscard]] auto cache() const { return clustered(problem.cache(), keys); }
  void make() const { cluster_keys(Space{}, cache()); }

  [[nodiscard]] ClusterResult run(const Clusters& method, const Run& options) const {
    return run(ClusterPlan(Space{}, method, problem.queries(), cache()), options);
  }
  template <class Cache, class Kernels>
  [[nodiscard]] ClusterResult run(const ClusterPlan<Space, Cache, Kernels>& plan, const Run& options) const {
    return run_on(plan, cache(), options);
  }
  template <class Plan, class Given>
  [[nodiscard]] ClusterResult run_on(const Plan& plan, const Given& given, Run options) const {
    const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
    const Shape& shape = problem.shape;
    const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("test::out", n(shape.batch), n(shape.heads),
                                                                  n(shape.dim));
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse("test::lse", n(shape.batch), n(shape.heads));
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> error("test::error", n(shape.batch), n(shape.heads));
    const Kokkos::View<ClusterStatistics**, Kokkos::LayoutRight, Memory> statistics("test::statistics", n(shape.batch),
                                                                                    n(shape.kv_heads));
    options.lse = lse;
    options.error = error;
    options.statistics = statistics;
    plan.run(Space{}, problem.queries(), given, out, options);
    const auto flat = [](const auto& view) {
      using V = typename std::decay_t<decltype(view)>::value_type;
      return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
    };
    return {flat(out), flat(lse), flat(error), flat(statistics)};
  }
};

}  // namespace santa::test
