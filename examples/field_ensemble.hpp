// A stored ensemble of lattice configurations, for the examples that reweight it.
//
// Metropolis walks store configurations of a one-dimensional chain phi_x with the action
//   S = sum_x (phi_x - phi_{x+1})^2 / 2 + mass2 phi_x^2 / 2 + lambda phi_x^4.
// From each the correlation phi_x phi_{x+r} (averaged over x) is kept as one row. An average at another mass2 weighs a
// row by exp(-(mass2' - mass2) sum_x phi_x^2 / 2): few rows carry most of the weight, and only these need reading.
#pragma once

#include <Kokkos_Core.hpp>

#include <cmath>
#include <random>

namespace field {

using Rows = Kokkos::View<float**, Kokkos::LayoutRight, Kokkos::HostSpace>;

constexpr int sites = 64;
constexpr int distances = 12;
constexpr int walks = 25;
constexpr int of_walk = 800;  // configurations, a multiple of 32
constexpr int configurations = walks * of_walk;
constexpr double mass2 = 0.8, lambda = 0.1;  // of the walks
constexpr double target_mass2 = 0.2;         // of the averages

class Chain {
 public:
  explicit Chain(unsigned seed) : _random(seed) {}

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
  std::mt19937_64 _random;
  std::uniform_real_distribution<double> _uniform;
};

/// The configurations of some walks.
struct Ensemble {
  Rows rows;                                             // correlation at distance 0, 1, ...
  Kokkos::View<double*, Kokkos::HostSpace> log_weights;  // their differences matter

  explicit Ensemble(int count)
      : rows("rows", count * of_walk, distances), log_weights("log_weights", count * of_walk) {}
};

/// Those of the walks [begin, end).
inline Ensemble simulate(int begin = 0, int end = walks) {
  Ensemble ensemble(end - begin);
  for (int walk = begin; walk < end; ++walk) {
    Chain chain(static_cast<unsigned>(walk + 1));
    for (int i = 0; i < 200; ++i) chain.sweep();  // forget the start
    for (int i = 0; i < of_walk; ++i) {
      const int row = (walk - begin) * of_walk + i;
      for (int j = 0; j < 4; ++j) chain.sweep();
      for (int r = 0; r < distances; ++r) ensemble.rows(row, r) = static_cast<float>(chain.correlation(r));
      ensemble.log_weights(row) = -0.5 * (target_mass2 - mass2) * sites * chain.correlation(0);
    }
  }
  return ensemble;
}

}  // namespace field
