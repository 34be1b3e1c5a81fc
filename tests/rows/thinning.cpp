// Pieces of thinning by themselves: kernels, trees, halving, recombination, weights.
#include "support/statistics.hpp"
#include <santa/rows/compress_rows.hpp>
#include <santa/rows/recombine.hpp>
#include <santa/rows/simplex_weights.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::detail;
using namespace santa::test;

namespace {

/// Features of n rows, one after the other.
std::vector<double> normal_numbers(std::size_t count, std::uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<double> normal;
  std::vector<double> result(count);
  for (double& x : result) x = normal(random);
  return result;
}

/// One halving of 2 features on the host.
struct Halving {
  std::int64_t size;
  std::vector<double> data;
  std::vector<std::int64_t> rows, kept;
  std::vector<double> work;
  std::vector<std::uint64_t> memory = std::vector<std::uint64_t>(BlockMemory::words);

  explicit Halving(std::int64_t count)
      : size(count),
        data(normal_numbers(static_cast<std::size_t>(2 * count), 3)),
        rows(static_cast<std::size_t>(size)),
        kept(static_cast<std::size_t>(size / 2)) {
    std::iota(rows.begin(), rows.end(), 0);
    work.resize(static_cast<std::size_t>(HalveSets<GaussianKernel, false>::work_of(all(), 1, size)));
  }
  [[nodiscard]] KernelRows<GaussianKernel, false> all() const { return {{1.}, data.data(), size, 2}; }
  void run(std::uint64_t seed) {
    HalveSets<GaussianKernel, false> kernel{};
    kernel.all = all();
    kernel.rows = rows.data();
    kernel.size = size;
    kernel.work = work.data();
    kernel.log_term = 10.;
    kernel.numbers = {{seed, 0, 0, 0}, 0};
    kernel.kept = kept.data();
    kernel.first_coin = size / 2;
    kernel(ThreadBlock{{memory.data()}}, 0);
  }
};

double sum_of(const WeightedColumns& of, std::size_t feature) {
  double sum = 0.;
  for (std::size_t i = 0; i < of.column.size(); ++i) sum += of.weight[i] * of.feature[feature][of.column[i]];
  return sum;
}

}  // namespace

TEST_CASE("the_inverse_root_is_one") {
  for (double u = 1.; u < 1e300; u *= 1.37) CHECK(std::fabs(inverse_root(u) * std::sqrt(u) - 1.) < 6e-16);
  CHECK(inverse_root(HUGE_VAL) < 1e-149);
  CHECK(std::isnan(inverse_root(std::nan(""))));
}

TEST_CASE("slopes_are_derivatives") {
  const auto check = [](const auto& kernel) {
    for (const double t : {0.01, 0.5, 3., 20.}) {
      const double step = 1e-5 * t;
      const KernelSlopes at = kernel.slopes(t), above = kernel.slopes(t + step), below = kernel.slopes(t - step);
      CHECK(at.value == doctest::Approx(kernel.of_square(t)));
      CHECK(at.first == doctest::Approx((above.value - below.value) / (2. * step)).epsilon(1e-6));
      CHECK(at.second == doctest::Approx((above.first - below.first) / (2. * step)).epsilon(1e-6));
    }
  };
  check(GaussianKernel{1.3});
  check(InverseMultiquadric{0.8});
}

TEST_CASE("values_of_tiles_are_those_of_pairs") {
  constexpr std::int64_t stride = 200;
  const std::vector<double> data = normal_numbers(6 * stride, 9), weight = normal_numbers(stride, 10);
  const auto check = [&](const auto& rows) {
    double one = 0., two = 0., other = 0.;
    for (std::int64_t j = 0; j < 150; ++j) {
      one += weight[static_cast<std::size_t>(j)] * rows.at(7, j);
      two += std::fabs(weight[static_cast<std::size_t>(j)]) * rows.at(7, j);
    }
    std::vector<double> absolute;
    for (const double w : weight) absolute.push_back(std::fabs(w));
    CHECK(rows.sum(7, 150, weight.data()) == doctest::Approx(one).epsilon(1e-12));
    double given = 0.;
    rows.sums(7, 150, weight.data(), absolute.data(), given, other);
    CHECK(given == doctest::Approx(one).epsilon(1e-12));
    CHECK(other == doctest::Approx(two).epsilon(1e-12));
  };
  check(KernelRows<GaussianKernel, false>{{1.}, data.data(), stride, 3});
  check(KernelRows<InverseMultiquadric, true>{{1.}, data.data(), stride, 3});
}

TEST_CASE("a_tree_ends_at_m_rows") {
  for (const std::int64_t n : {1, 2, 5, 100, 4096, 5000, 1000000})
    for (const std::int64_t m : {1, 2, 3, 7, 64, 100, 999, 1024})
      for (const int oversampling : {0, 1, 4}) {
        if (m > n) continue;
        const ThinningTree tree(n, m, oversampling);
        CHECK((tree.length() >= n && tree.length() < 2 * n));
        std::int64_t left = tree.length();
        for (int level = 0; level < tree.levels; ++level) {
          CHECK(tree.sets(level) * tree.size(level) == left);
          CHECK(tree.size(level) % 2 == 0);
          left /= 2;
        }
        CHECK(left == m << tree.last);
      }
}

TEST_CASE("halving_keeps_half_of_the_rows_each_by_half_a_chance") {
  Halving halving(32);
  MeanTest test(std::vector<double>(32, 0.5));
  for (std::uint64_t seed = 0; seed < 4000; ++seed) {
    halving.run(seed);
    std::vector<double> kept(32, 0.);
    for (const std::int64_t row : halving.kept) kept.at(static_cast<std::size_t>(row)) += 1.;
    CHECK(std::accumulate(kept.begin(), kept.end(), 0.) == 16.);
    test.add(kept);
  }
  CHECK(test.largest_z() < z_bound(32));
}

TEST_CASE("halves_are_near_the_whole") {
  Halving halving(256);
  const auto rows = halving.all();
  double halved = 0., by_chance = 0.;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    halving.run(seed);
    std::vector<double> sign(256, -1.);
    for (const std::int64_t row : halving.kept) sign.at(static_cast<std::size_t>(row)) = 1.;
    for (std::int64_t i = 0; i < 256; ++i) {
      halved += sign[static_cast<std::size_t>(i)] * rows.sum(i, 256, sign.data());
      by_chance += 1. - 1. / 255. * (rows.sum(i, 256, std::vector<double>(256, 1.).data()) - 1.);
    }
  }
  CHECK(halved < 0.03 * by_chance);  // 0.0125
}

TEST_CASE("recombination_holds_sums_with_few_columns") {
  constexpr std::size_t n = 1000, features = 12;
  std::vector<std::vector<double>> numbers(1, std::vector<double>(n, 1.));
  for (std::uint32_t f = 1; f < features; ++f) numbers.push_back(normal_numbers(n, f));
  numbers[5] = numbers[4];  // dependent
  WeightedColumns of;
  for (const auto& feature : numbers) of.feature.push_back(feature.data());
  for (std::size_t i = 0; i < n; ++i) {
    of.column.push_back(static_cast<std::int64_t>(i));
    of.weight.push_back(std::exp(numbers[1][i]) / n);
  }
  std::vector<double> before;
  for (std::size_t f = 0; f < features; ++f) before.push_back(sum_of(of, f));
  recombine(of);
  CHECK(of.column.size() <= features);
  for (const double w : of.weight) CHECK(w > 0.);
  CHECK(most_off(of, before) < 1e-11);
  of.weight[0] *= 1.0001;
  CHECK(most_off(of, before) > 1e-6);
  hold_sums(of, {before.begin(), before.begin() + 5});
  CHECK(most_off(of, {before.begin(), before.begin() + 5}) < 1e-14);
}

TEST_CASE("weights_are_the_best_that_are_not_negative") {
  // Three columns of independent kernels: minimise |w - b|^2 with sum 1.
  const std::vector<double> ones(3, 1.);
  WeightedColumns of;
  of.feature = {ones.data()};
  of.column = {0, 1, 2};
  of.weight = {0.2, 0.3, 0.5};
  DenseMatrix unit(3, 3);
  for (std::size_t i = 0; i < 3; ++i) unit[i][i] = 2.;
  CHECK(invert(unit));
  CHECK(unit[1][1] == 0.5);
  for (std::size_t i = 0; i < 3; ++i) unit[i][i] = 1.;
  const std::vector<double> inside = SimplexWeights(unit, unit, {0.4, 0.4, 0.5}, of, 1).run({1.});
  CHECK(inside[0] == doctest::Approx(0.3));
  CHECK(inside[2] == doctest::Approx(0.4));
  const std::vector<double> edge = SimplexWeights(unit, unit, {-5., 0.6, 0.4}, of, 1).run({1.});
  CHECK(edge[0] == 0.);
  CHECK(edge[1] == doctest::Approx(0.6));
  CHECK(edge[2] == doctest::Approx(0.4));
  // The second column is in the way of the first steps, and comes back.
  DenseMatrix kernel(3, 3);
  const double values[3][3] = {{2., 0.9, 0.}, {0.9, 1., 0.5}, {0., 0.5, 1.}};
  for (std::size_t i = 0; i < 3; ++i)
    for (std::size_t j = 0; j < 3; ++j) kernel[i][j] = values[i][j];
  DenseMatrix inverse = kernel;
  CHECK(invert(inverse));
  for (const double first : {0.05, 0.3, 0.9})
    for (const double second : {1e-6, 0.04}) {
      of.weight = {first, second, 1. - first - second};
      const std::vector<double> w = SimplexWeights(kernel, inverse, {0., 0.3, 0.1}, of, 1).run({1.});
      double best = HUGE_VAL, found = 0.;
      const auto value = [&](const double(&of_three)[3]) {
        double sum = -0.3 * of_three[1] - 0.1 * of_three[2];
        for (std::size_t i = 0; i < 3; ++i)
          for (std::size_t j = 0; j < 3; ++j) sum += 0.5 * of_three[i] * of_three[j] * kernel[i][j];
        return sum;
      };
      for (int i = 0; i <= 1000; ++i)
        for (int j = 0; i + j <= 1000; ++j) best = std::fmin(best, value({1e-3 * i, 1e-3 * j, 1e-3 * (1000 - i - j)}));
      found = value({w[0], w[1], w[2]});
      CHECK(found < best + 1e-12);
    }
  DenseMatrix singular(2, 2);
  CHECK(!invert(singular));
}
