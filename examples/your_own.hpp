// What the examples of one's own types decode: a problem of random numbers, and how far an output of it is off.
#pragma once

#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

using Space = Kokkos::DefaultExecutionSpace;  // the GPU, if Kokkos has one
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

/// One request of `length` tokens, with 8 query heads of 64 features for 2 kv heads, and what Exact makes of it.
/// `spread` is that of the query's first feature; from each feature to the next it falls by `decay`, as the keys' does.
struct Problem {
  static constexpr std::int64_t heads = 8, kv_heads = 2, dim = 64;
  View<float****> keys, values;  // [1, length, kv_heads, dim]
  View<float***> query, exact;   // [1, heads, dim]

  explicit Problem(std::int64_t length, float spread = 4.F, float decay = 1.F)
      : keys("keys", 1, length, kv_heads, dim),
        values("values", 1, length, kv_heads, dim),
        query("query", 1, heads, dim),
        exact("exact", 1, heads, dim) {
    fill(query, 1, 0.F, spread, decay);
    fill(keys, 2, 0.F, 1.F, decay);
    fill(values, 3, 1.F, 1.F, 1.F);
    santa::decode(Space(), santa::Exact{}, query, santa::ContiguousCache{keys, values}, exact);
  }

  /// |mean - exact| / |exact| of the mean output of runs with so many seeds.
  template <class Method, class Cache>
  double error_of_mean(const Method& method, const Cache& cache, int seeds = 1) const {
    const Space space;
    const View<float***> out("out", 1, heads, dim);
    const santa::DecodePlan plan(space, method, query, cache);
    const auto right = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), exact);
    std::vector<double> mean(right.size());
    for (int seed = 0; seed < seeds; ++seed) {
      plan.run(space, query, cache, out, {.seed = seed});
      const auto given = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), out);
      for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += given.data()[i] / static_cast<double>(seeds);
    }
    double error = 0., norm = 0.;
    for (std::size_t i = 0; i < mean.size(); ++i) {
      error += std::pow(mean[i] - right.data()[i], 2);
      norm += std::pow(right.data()[i], 2);
    }
    return std::sqrt(error / norm);
  }

 private:
  template <class Numbers>
  static void fill(const Numbers& view, unsigned seed, float mean, float spread, float decay) {
    const auto host = Kokkos::create_mirror_view(view);
    std::mt19937 bits(seed);
    std::normal_distribution<float> normal;
    for (std::size_t i = 0; i < host.size(); ++i)
      host.data()[i] = mean + spread * std::pow(decay, static_cast<float>(i % dim)) * normal(bits);
    Kokkos::deep_copy(view, host);
  }
};
