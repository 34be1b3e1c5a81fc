// The statistical tools by themselves: they must accept what is right and reject what is slightly wrong.
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace santa::test;

TEST_CASE("quantiles_match_tables") {
  CHECK(two_sided_quantile(0.05) == doctest::Approx(1.959964).epsilon(1e-6));
  CHECK(two_sided_quantile(0.001) == doctest::Approx(3.290527).epsilon(1e-6));
  CHECK(z_bound(1) == doctest::Approx(3.290527).epsilon(1e-6));
  CHECK(z_bound(100) > z_bound(10));
}

namespace {

double z_of_normals(double bias, double slack) {
  std::mt19937 random(1);
  std::normal_distribution<double> normal;
  MeanTest test(std::vector<double>(50, 3.));
  for (int trial = 0; trial < 10000; ++trial) {
    std::vector<double> values;
    for (int i = 0; i < 50; ++i) values.push_back(3. + normal(random) + (i == 7 ? bias : 0.));
    test.add(values);
  }
  return test.largest_z(slack);
}

}  // namespace

TEST_CASE("mean_test_accepts_unbiased_numbers") { CHECK(z_of_normals(0., 0.) < z_bound(50)); }

TEST_CASE("mean_test_rejects_a_bias_of_a_tenth_of_a_standard_deviation") {
  CHECK(z_of_normals(0.1, 0.) > z_bound(50));
  CHECK(z_of_normals(-0.1, 0.) > z_bound(50));
}

TEST_CASE("mean_test_slack_forgives_only_what_it_says") {
  CHECK(z_of_normals(0.1, 0.2) < z_bound(50));
  CHECK(z_of_normals(0.3, 0.1) > z_bound(50));
}

TEST_CASE("mean_test_rejects_constants_and_nan") {
  MeanTest off({1.});
  MeanTest broken({1.});
  for (int trial = 0; trial < 10; ++trial) {
    off.add(std::vector<double>{1.5});
    broken.add(std::vector<double>{trial == 3 ? std::nan("") : 1.});
  }
  CHECK_FALSE(off.passes());
  CHECK_FALSE(broken.passes());
}

TEST_CASE("chi_square_accepts_uniform_counts_and_rejects_others") {
  std::mt19937 random(1);
  std::vector<double> counts(64, 0.);
  for (int i = 0; i < 64000; ++i) counts[random() % 64] += 1.;
  CHECK(std::fabs(chi_square_z(counts)) < z_bound(1));
  counts[5] += 300.;
  CHECK(chi_square_z(counts) > z_bound(1));
}

TEST_CASE("relative_error_is_the_ratio_of_norms") {
  CHECK(relative_error(std::vector<double>{3., 4.5}, std::vector<double>{3., 4.}) == doctest::Approx(0.1));
  CHECK(relative_error(std::vector<double>{2.}, std::vector<double>{0.}) == doctest::Approx(2.));
}
