// Tests of means with a bound on the chance of any false alarm.
#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace santa::test {

/// x with P(|N(0,1)| > x) = p, by bisection.
inline double two_sided_quantile(double p) {
  double low = 0.;
  double high = 40.;
  for (int i = 0; i < 200; ++i) {
    const double middle = 0.5 * (low + high);
    (std::erfc(middle / std::sqrt(2.)) > p ? low : high) = middle;
  }
  return high;
}

/// Bound for the largest of `tests` |z| that a right program exceeds with probability `family` at most (Bonferroni).
inline double z_bound(std::size_t tests, double family = 1e-3) {
  return two_sided_quantile(family / static_cast<double>(tests));
}

/// Means of several quantities over trials, against what they should be.
class MeanTest {
 public:
  explicit MeanTest(std::vector<double> expected)
      : _expected(std::move(expected)), _sum(_expected.size()), _squares(_expected.size()) {}

  template <class Vector>
  void add(const Vector& trial) {
    ++_trials;
    for (std::size_t i = 0; i < _expected.size(); ++i) {
      const double difference = static_cast<double>(trial[i]) - _expected[i];
      _sum[i] += difference;
      _squares[i] += difference * difference;
    }
  }

  /// The largest |z| over the quantities. Differences below `slack` (rounding of float arithmetic) count as none.
  [[nodiscard]] double largest_z(double slack = 1e-6) const {
    double largest = 0.;
    for (std::size_t i = 0; i < _expected.size(); ++i) {
      const double n = static_cast<double>(_trials);
      const double mean = _sum[i] / n;
      if (!(std::fabs(mean) > slack)) {
        if (std::isnan(mean)) return HUGE_VAL;
        continue;
      }
      const double variance = (_squares[i] - n * mean * mean) / (n - 1.);
      const double error = std::sqrt(std::fmax(variance, 0.) / n);
      const double excess = std::fabs(mean) - slack;
      const double z = error > 0. ? excess / error : HUGE_VAL;
      if (z > largest) largest = z;
    }
    return largest;
  }
  [[nodiscard]] double bound(double family = 1e-3) const { return z_bound(_expected.size(), family); }
  [[nodiscard]] bool passes() const { return largest_z() <= bound(); }

 private:
  std::vector<double> _expected, _sum, _squares;
  std::size_t _trials = 0;
};

/// Pearson's statistic of counts against probabilities, as a z value (Wilson and Hilferty).
inline double chi_square_z(const std::vector<double>& counts, const std::vector<double>& probabilities) {
  double total = 0.;
  for (const double c : counts) total += c;
  double chi = 0.;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double expected = total * probabilities[i];
    chi += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  const double k = static_cast<double>(counts.size()) - 1.;
  const double spread = 2. / (9. * k);
  return (std::cbrt(chi / k) - (1. - spread)) / std::sqrt(spread);
}
/// The same against equal expectation.
inline double chi_square_z(const std::vector<double>& counts) {
  return chi_square_z(counts, std::vector<double>(counts.size(), 1. / static_cast<double>(counts.size())));
}

/// Relative difference of two arrays in the L2 norm.
template <class A, class B>
double relative_error(const A& a, const B& b) {
  double difference = 0.;
  double norm = 0.;
  for (std::size_t i = 0; i < b.size(); ++i) {
    const double x = static_cast<double>(a[i]);
    const double y = static_cast<double>(b[i]);
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return norm > 0. ? std::sqrt(difference / norm) : std::sqrt(difference);
}

}  // namespace santa::test
