// Averages of a lattice field over a stored ensemble, reweighted to another coupling: by all stored configurations, and
// by a few drawn by their weight. Link santa::santa.
//
// A Metropolis walk stores configurations of a one-dimensional chain phi_x with the action
//   S = sum_x (phi_x - phi_{x+1})^2 / 2 + mass2 phi_x^2 / 2 + lambda phi_x^4.
// From each the correlation phi_x phi_{x+r} (averaged over x) is kept as one row. An average at another mass2 weighs a
// row by exp(-(mass2' - mass2) sum_x phi_x^2 / 2): few rows carry most of the weight, and only these need reading.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdio>
#include <random>

namespace {

using Space = Kokkos::DefaultExecutionSpace;  // draws and adds up, beside the ensemble in its memory
using Memory = Space::memory_space;
using Rows = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using HostRows = Kokkos::View<float**, Kokkos::LayoutRight, Kokkos::HostSpace>;

constexpr int sites = 64;
constexpr int distances = 12;
constexpr int configurations = 20000;
constexpr double mass2 = 0.8, lambda = 0.1;  // of the walk
constexpr double target_mass2 = 0.2;         // of the averages

class Chain {
 public:
  /// One Metropolis update of every site.
  void sweep() {
    for (int x = 0; x < sites; ++x) {
      const double left = _field[(x + sites - 1) % sites];
      const double right = _field[(x + 1) % sites];
      const auto action = [&](double phi) {
        const double square = phi * phi;
        return 0.5 * ((phi - left) * (phi - left) + (phi - right) * (phi - right) + mass2 * square) +
               lambda * square * square;
      };
      const double moved = _field[x] + 2. * (_uniform(_random) - 0.5);
      if (_uniform(_random) < std::exp(action(_field[x]) - action(moved))) _field[x] = moved;
    }
  }
  [[nodiscard]] double correlation(int distance) const {
    double sum = 0.;
    for (int x = 0; x < sites; ++x) sum += _field[x] * _field[(x + distance) % sites];
    return sum / sites;
  }

 private:
  double _field[sites] = {};
  std::mt19937_64 _random{1};
  std::uniform_real_distribution<double> _uniform;
};

struct Ensemble {
  HostRows rows{"rows", configurations, distances};  // correlation at distance 0, 1, ...
  Kokkos::View<double*, Kokkos::HostSpace> log_weights{"log_weights", configurations};  // their differences matter
};

Ensemble simulate() {
  Ensemble ensemble;
  Chain chain;
  for (int i = 0; i < 200; ++i) chain.sweep();  // forget the start
  for (int i = 0; i < configurations; ++i) {
    for (int j = 0; j < 4; ++j) chain.sweep();
    for (int r = 0; r < distances; ++r) ensemble.rows(i, r) = static_cast<float>(chain.correlation(r));
    ensemble.log_weights(i) = -0.5 * (target_mass2 - mass2) * sites * chain.correlation(0);
  }
  return ensemble;
}

/// The mean of a few rows: what the estimate falls back to for the weight that was not drawn.
HostRows some_mean(const Ensemble& ensemble) {
  constexpr int stride = 100;
  HostRows mean("center", 1, distances);
  for (int i = 0; i < configurations; i += stride)
    for (int r = 0; r < distances; ++r) mean(0, r) += ensemble.rows(i, r) * stride / configurations;
  return mean;
}

template <class View>
auto on_device(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Memory{}, view);
}
template <class View>
auto on_host(const View& view) {
  return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view);
}

}  // namespace

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Space space;
  const Ensemble ensemble = simulate();

  const auto rows = on_device(ensemble.rows);
  const auto log_weights = on_device(ensemble.log_weights);
  const santa::DrawnRows<Memory> all(space, 1, configurations), few(space, 1, configurations);
  const Rows exact_there("exact", 1, distances), sampled_there("sampled", 1, distances),
      error_there("error", 1, distances);
  santa::draw_rows(space, santa::Exact{}, log_weights, all);
  santa::gather_add(space, all, rows, exact_there);
  santa::draw_rows(space, santa::MassUnit{.rows = santa::share(0.05)}, log_weights, few, {.seed = 7});
  santa::gather_add(space, few, rows, sampled_there, {.center = on_device(some_mean(ensemble)), .error = error_there});
  space.fence();

  const auto exact = on_host(exact_there), sampled = on_host(sampled_there), error = on_host(error_there);
  const auto listed = on_host(all.rows);
  const auto weights = on_host(all.weights);
  const auto count = on_host(all.count)(0);
  const auto rows_read = static_cast<long>(on_host(few.count)(0));
  double squares = 0.;
  double own[distances] = {};  // variance of the exact average: the ensemble is finite
  for (std::int64_t i = 0; i < count; ++i) {
    const double square = std::pow(weights(0, i), 2);
    squares += square;
    for (int r = 0; r < distances; ++r) own[r] += square * std::pow(ensemble.rows(listed(0, i), r) - exact(0, r), 2);
  }
  std::printf("phi^4 chain of %d sites: %d configurations at mass2 = %.1f, averages at mass2 = %.1f\n", sites,
              configurations, mass2, target_mass2);
  std::printf("all of them are worth %.0f of equal weight; sampled: %ld rows read (%.1f %%)\n\n", 1. / squares,
              rows_read, 100. * static_cast<double>(rows_read) / configurations);
  std::printf("            all rows             sampled\n");
  std::printf("distance     average     +-      average     +-    off by\n");
  int far = 0;
  for (int r = 0; r < distances; ++r) {
    const double off = static_cast<double>(sampled(0, r) - exact(0, r));
    const double bars = off / static_cast<double>(error(0, r));
    std::printf("%8d     %7.4f  %.4f     %7.4f  %.4f    %+.1f\n", r, static_cast<double>(exact(0, r)),
                std::sqrt(own[r]), static_cast<double>(sampled(0, r)), static_cast<double>(error(0, r)), bars);
    far += std::abs(bars) > 4. ? 1 : 0;
  }
  std::printf(
      "\nall rows +-: from a finite ensemble; sampled +-: what reading few rows adds; off by: in units of it\n");
  return far == 0 ? 0 : 1;
}
