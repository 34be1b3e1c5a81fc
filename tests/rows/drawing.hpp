// Log-weights, their draws by any method on the host's default space, and the reference in double.
#pragma once

#include "support/spaces.hpp"
#include <santa/rows/draw_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace santa::test {

using HostSpace = Kokkos::DefaultHostExecutionSpace;
using HostMemory = HostSpace::memory_space;
using Drawn = DrawnRows<HostMemory>;
using Weights = Kokkos::View<float**, Kokkos::LayoutRight, HostMemory>;

inline Weights random_log_weights(std::size_t batch, std::size_t rows, unsigned seed, float spread = 2.F) {
  Weights result("test::log_weights", batch, rows);
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(5.F, spread);
  for (std::size_t i = 0; i < result.size(); ++i) result.data()[i] = normal(random);
  return result;
}

/// Normalised weights of one vector; `log_sum` gets the logarithm of their sum.
template <class View>
std::vector<double> probabilities(const View& log_weights, std::size_t batch, double& log_sum) {
  double most = -HUGE_VAL;
  for (std::size_t i = 0; i < log_weights.extent(1); ++i)
    most = std::fmax(most, static_cast<double>(log_weights(batch, i)));
  std::vector<double> result;
  double sum = 0.;
  for (std::size_t i = 0; i < log_weights.extent(1); ++i) {
    result.push_back(std::exp(static_cast<double>(log_weights(batch, i)) - most));
    sum += result.back();
  }
  for (double& p : result) p /= sum;
  log_sum = most + std::log(sum);
  return result;
}

/// The list of one vector as weights of all rows.
inline std::vector<double> dense(const Drawn& drawn, std::size_t batch, std::size_t rows) {
  std::vector<double> result(rows, 0.);
  const DrawnList list = drawn.list(batch);
  for (std::int64_t i = 0; i < list.count; ++i)
    result[static_cast<std::size_t>(list.rows[i])] += static_cast<double>(list.weights[i]);
  return result;
}

inline bool same_lists(const Drawn& a, const Drawn& b, std::size_t batch) {
  const DrawnList x = a.list(batch);
  const DrawnList y = b.list(batch);
  if (x.count != y.count) return false;
  for (std::int64_t i = 0; i < x.count; ++i)
    if (x.rows[i] != y.rows[i] || x.weights[i] != y.weights[i] || x.spreads[i] != y.spreads[i]) return false;
  return true;
}

/// Calls f(method, name) for one of each method, all of about this many rows.
template <class F>
void for_each_method(std::int64_t budget, const F& f) {
  const auto rows = static_cast<double>(budget);
  f(MassUnit{.rows = rows}, "MassUnit");
  f(MassUnitOf<Draws::separate>{.rows = rows}, "MassUnit, separate");
  f(Systematic{.samples = budget}, "Systematic");
  f(Stratified{.samples = budget}, "Stratified");
  f(Multinomial{.samples = budget}, "Multinomial");
  f(FixedTileBudget{.samples = budget, .tile = 32}, "FixedTileBudget");
  f(ProportionalTileBudget{.samples = budget, .tile = 32}, "ProportionalTileBudget");
}

}  // namespace santa::test
