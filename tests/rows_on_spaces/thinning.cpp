// Thinning on every execution space: nearer than draws, right on average, moments held, a target found by its scores.
#include "support/spaces.hpp"
#include "support/statistics.hpp"
#include <santa/rows/discrepancy.hpp>
#include <santa/rows/gather_add.hpp>
#include <santa/rows/thin_rows.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

/// Rows of a normal distribution, of two features, and log-weights.
template <class Space>
struct Cloud {
  using Memory = typename Space::memory_space;
  Kokkos::View<double**, Kokkos::LayoutRight, Memory> rows;
  Kokkos::View<double*, Memory> log_weights;
  decltype(Kokkos::create_mirror_view(rows)) rows_here;
  decltype(Kokkos::create_mirror_view(log_weights)) log_here;

  explicit Cloud(std::size_t n, double spread_of_weights = 0., std::uint32_t seed = 5)
      : rows("test::rows", n, 2),
        log_weights("test::log_weights", n),
        rows_here(Kokkos::create_mirror_view(rows)),
        log_here(Kokkos::create_mirror_view(log_weights)) {
    std::mt19937 random(seed);
    std::normal_distribution<double> normal;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t f = 0; f < 2; ++f) rows_here(i, f) = normal(random);
      log_here(i) = spread_of_weights * normal(random) + 1e5;
    }
    copy();
  }
  void copy() const {
    Kokkos::deep_copy(rows, rows_here);
    Kokkos::deep_copy(log_weights, log_here);
  }
  [[nodiscard]] std::vector<double> parts() const {
    double most = nothing, sum = 0.;
    std::vector<double> result;
    for (std::size_t i = 0; i < log_here.extent(0); ++i) most = std::fmax(most, log_here(i));
    for (std::size_t i = 0; i < log_here.extent(0); ++i) result.push_back(std::exp(log_here(i) - most));
    for (const double w : result) sum += w;
    for (double& w : result) w /= sum;
    return result;
  }
  /// Scores of a normal distribution around (center, center).
  [[nodiscard]] Kokkos::View<double**, Kokkos::LayoutRight, Memory> scores(double center) const {
    Kokkos::View<double**, Kokkos::LayoutRight, Memory> result("test::scores", rows.extent(0), 2);
    const auto here = Kokkos::create_mirror_view(result);
    for (std::size_t i = 0; i < rows.extent(0); ++i)
      for (std::size_t f = 0; f < 2; ++f) here(i, f) = center - rows_here(i, f);
    Kokkos::deep_copy(result, here);
    return result;
  }
};

/// A list, dense on the host; checks what holds of any.
template <class Space>
struct Thinned {
  DrawnRows<typename Space::memory_space, double> drawn;

  explicit Thinned(std::int64_t capacity) : drawn(Space{}, 1, capacity) {}

  [[nodiscard]] std::int64_t count() const {
    std::int64_t result = -1;
    Kokkos::deep_copy(result, Kokkos::subview(drawn.count, 0));
    return result;
  }
  [[nodiscard]] std::vector<double> dense(std::size_t n) const {
    const auto rows = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.rows);
    const auto weights = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.weights);
    std::vector<double> result(n, 0.);
    double sum = 0.;
    for (std::size_t i = 0; i < static_cast<std::size_t>(count()); ++i) {
      CHECK((i == 0 || rows(0, i - 1) < rows(0, i)));
      CHECK(weights(0, i) > 0.);
      result.at(static_cast<std::size_t>(rows(0, i))) = weights(0, i);
      sum += weights(0, i);
    }
    CHECK(std::fabs(sum - 1.) < 1e-13);
    return result;
  }
};

/// The maximum mean discrepancy, by its definition.
double reference_discrepancy(const std::vector<double>& weight, const auto& rows, double bandwidth) {
  double sum = 0.;
  for (std::size_t i = 0; i < weight.size(); ++i)
    for (std::size_t j = 0; j < weight.size(); ++j) {
      const double square = std::pow(rows(i, 0) - rows(j, 0), 2) + std::pow(rows(i, 1) - rows(j, 1), 2);
      sum += weight[i] * weight[j] * std::exp(-0.5 * square / (bandwidth * bandwidth));
    }
  return std::sqrt(sum);
}

template <class Space>
double systematic_discrepancy(const Cloud<Space>& cloud, std::int64_t m, std::uint64_t seed) {
  const Kokkos::View<std::int64_t*, typename Space::memory_space> picked("test::picked", m);
  resample(Space{}, Systematic{.samples = m}, cloud.log_weights, picked, {.seed = seed});
  const Thinned<Space> list(m);
  list_ancestors(Space{}, picked, list.drawn);
  return discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, GaussianKernel{1.});
}

/// A kernel of a user's: not of the distance alone.
struct LinearPlus {
  KOKKOS_FUNCTION double operator()(const RowPair& pair) const {
    double product = 1.;
    for (int f = 0; f < pair.dim; ++f) product += pair.first(f) * pair.second(f);
    return product * product + Kokkos::exp(-pair.square());
  }
};

std::string message_of(const auto& call) {
  try {
    call();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

SANTA_SPACE_TEST_CASE("discrepancy_is_its_definition") {
  const Cloud<Space> cloud(300, 1.);
  const Thinned<Space> list(40);
  thin_rows(Space{}, 40, cloud.log_weights, cloud.rows, list.drawn, {.seed = 1}, GaussianKernel{0.7});
  std::vector<double> weight = cloud.parts();
  const std::vector<double> thinned = list.dense(300);
  for (std::size_t i = 0; i < weight.size(); ++i) weight[i] -= thinned[i];
  CHECK(discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, GaussianKernel{0.7}) ==
        doctest::Approx(reference_discrepancy(weight, cloud.rows_here, 0.7)).epsilon(1e-9));
}

SANTA_SPACE_TEST_CASE("a_discrepancy_that_can_not_be_told_is_not_a_number") {
  constexpr double bad_numbers[] = {HUGE_VAL, std::numeric_limits<double>::quiet_NaN()};
  const Cloud<Space> cloud(50);
  const Thinned<Space> list(5);
  thin_rows(Space{}, 5, cloud.log_weights, cloud.rows, list.drawn, {.seed = 1}, GaussianKernel{1.});
  const auto check = [&](bool is_told) {
    cloud.copy();
    const auto scores = cloud.scores(0.);
    CHECK(std::isfinite(discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, GaussianKernel{1.})) ==
          is_told);
    CHECK(std::isfinite(discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, InverseMultiquadric{1.})) ==
          is_told);
    return discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {.scores = scores}, GaussianKernel{1.});
  };
  CHECK(std::isfinite(check(true)));
  for (const double bad : bad_numbers) {
    const double good = cloud.log_here(3);
    cloud.log_here(3) = bad;
    check(false);
    cloud.log_here(3) = good;
  }
  const auto drawn = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, list.drawn.rows);
  for (const double bad : bad_numbers) {
    double& feature = cloud.rows_here(static_cast<std::size_t>(drawn(0, 2)), 1);
    const double good = feature;
    feature = bad;
    CHECK(std::isnan(check(false)));
    feature = good;
  }
  Kokkos::deep_copy(list.drawn.count, 0);
  CHECK(std::isnan(check(false)));
  Kokkos::deep_copy(list.drawn.count, 5);
  for (std::size_t i = 0; i < 50; ++i) cloud.log_here(i) = nothing;
  check(false);
}

SANTA_SPACE_TEST_CASE("rows_without_weight_are_not_there_whatever_they_are") {
  Cloud<Space> cloud(150);
  cloud.log_here(3) = cloud.log_here(100) = nothing;
  const auto check = [&]<class Kernel>(const Kernel& kernel, ThinnedWeights weights, double bad) {
    const auto thinned = [&](double number) {
      cloud.rows_here(3, 1) = cloud.rows_here(100, 0) = number;
      cloud.copy();
      const Thinned<Space> list(20);
      thin_rows(Space{}, 20, cloud.log_weights, cloud.rows, list.drawn, {.seed = 1, .weights = weights}, kernel);
      std::vector<double> result = list.dense(150);
      result.push_back(discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, kernel));
      return result;
    };
    const std::vector<double> expected = thinned(0.5), found = thinned(bad);
    CHECK(std::isfinite(found.back()));
    CHECK(found == expected);
  };
  for (const double bad : {HUGE_VAL, -HUGE_VAL, std::numeric_limits<double>::quiet_NaN()})
    for (const ThinnedWeights weights : {ThinnedWeights::equal, ThinnedWeights::simplex}) {
      check(GaussianKernel{1.}, weights, bad);
      check(InverseMultiquadric{1.}, weights, bad);
      check(LinearPlus{}, weights, bad);
    }
}

SANTA_SPACE_TEST_CASE("thinned_rows_are_nearer_than_systematic_draws") {
  for (const double spread : {0., 1.}) {
    for (const std::int64_t m : {16, 60}) {
      const Cloud<Space> cloud(2000, spread);
      const Thinned<Space> list(m);
      double thinned = 0., drawn = 0.;
      for (std::uint64_t seed = 0; seed < 3; ++seed) {
        thin_rows(Space{}, m, cloud.log_weights, cloud.rows, list.drawn, {.seed = seed, .oversampling = 2},
                  GaussianKernel{1.});
        for (const double w : list.dense(2000)) {  // multiples of 1 / m
          const double times = w * static_cast<double>(m);
          CHECK(std::fabs(times - std::round(times)) < 1e-9);
        }
        thinned += discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, GaussianKernel{1.});
        drawn += systematic_discrepancy(cloud, m, seed);
      }
      CAPTURE(spread);
      CAPTURE(m);
      CHECK(thinned < (m == 16 ? 0.6 : 0.3) * drawn);  // 0.3 and 0.15 are usual
    }
  }
}

SANTA_SPACE_TEST_CASE("thinning_depends_on_the_seed_alone") {
  const Cloud<Space> cloud(2000, 0.5);
  const Thinned<Space> one(50), same(50), other(50), later(50);
  const auto thin = [&](const Thinned<Space>& to, std::uint64_t seed, std::uint32_t step) {
    thin_rows(Space{}, 50, cloud.log_weights, cloud.rows, to.drawn, {.seed = seed, .step = step, .oversampling = 1});
    return to.dense(2000);
  };
  const auto first = thin(one, 3, 0);
  CHECK(first == thin(same, 3, 0));
  CHECK(first != thin(other, 4, 0));
  CHECK(first != thin(later, 3, 1));
}

SANTA_SPACE_TEST_CASE("recombination_holds_means_and_moments") {
  for (const double spread : {0., 2.}) {
    const Cloud<Space> cloud(3000, spread);
    const Kokkos::View<double**, Kokkos::LayoutRight, typename Space::memory_space> squares("test::squares", 3000, 3);
    const auto here = Kokkos::create_mirror_view(squares);
    for (std::size_t i = 0; i < 3000; ++i) {
      here(i, 0) = cloud.rows_here(i, 0) * cloud.rows_here(i, 0);
      here(i, 1) = 1e6 + cloud.rows_here(i, 0) * cloud.rows_here(i, 1);
      here(i, 2) = here(i, 0);  // twice the same: not independent
    }
    Kokkos::deep_copy(squares, here);
    const Thinned<Space> list(50);
    thin_rows(Space{}, 50, cloud.log_weights, cloud.rows, list.drawn,
              {.seed = 2, .weights = ThinnedWeights::simplex, .moments = squares}, GaussianKernel{1.});
    CHECK(list.count() <= 50);
    const std::vector<double> all = cloud.parts(), thinned = list.dense(3000);
    long double off[4] = {};
    for (std::size_t i = 0; i < all.size(); ++i) {
      const long double change = static_cast<long double>(thinned[i]) - all[i];
      for (std::size_t f = 0; f < 2; ++f) off[f] += change * cloud.rows_here(i, f);
      for (std::size_t f = 0; f < 2; ++f) off[2 + f] += change * here(i, f);
    }
    for (const int f : {0, 1, 2}) CHECK(std::fabs(static_cast<double>(off[f])) < 1e-13);
    CHECK(std::fabs(static_cast<double>(off[3])) < 1e-7);  // of 1e6
    const double away = discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, GaussianKernel{1.});
    CHECK(away < 0.2 * systematic_discrepancy(cloud, 50, 2));
  }
}

SANTA_SPACE_TEST_CASE("recombination_holds_sums_of_weights_that_span_hundreds_of_decades") {
  for (const double spread : {40., 100., 300.})
    for (const std::size_t n : {3U, 40U, 300U})
      for (const std::int64_t m : {3, 20}) {
        if (m > static_cast<std::int64_t>(n)) continue;
        CAPTURE(spread);
        CAPTURE(n);
        CAPTURE(m);
        for (std::uint64_t seed = 0; seed < 10; ++seed) {
          const Cloud<Space> cloud(n, spread, static_cast<unsigned>(seed));
          const Thinned<Space> list(m);
          thin_rows(Space{}, m, cloud.log_weights, cloud.rows, list.drawn,
                    {.seed = seed, .weights = ThinnedWeights::simplex}, GaussianKernel{1.});
          const std::vector<double> all = cloud.parts(), thinned = list.dense(n);
          long double off[3] = {};
          for (std::size_t i = 0; i < n; ++i) {
            const long double change = static_cast<long double>(thinned[i]) - all[i];
            off[0] += change;
            for (std::size_t f = 0; f < 2; ++f) off[1 + f] += change * cloud.rows_here(i, f);
          }
          for (const long double x : off) REQUIRE(std::fabs(static_cast<double>(x)) < 1e-13);
        }
      }
}

SANTA_SPACE_TEST_CASE("scores_lead_to_the_target_whatever_the_rows") {
  const Cloud<Space> cloud(1500, 3.);  // log-weights say nothing here
  const auto scores = cloud.scores(0.4);
  for (int kind = 0; kind < 4; ++kind) {  // by all pairs of rows, by a factor of the kernel
    const ThinOptions<typename Space::memory_space> options{
        .seed = 2,
        .weights = kind % 2 == 0 ? ThinnedWeights::equal : ThinnedWeights::simplex,
        .oversampling = 1,
        .scores = scores,
        .rank = kind < 2 ? 0 : 60};
    CAPTURE(kind);
    const Thinned<Space> list(60);
    thin_rows(Space{}, 60, cloud.log_weights, cloud.rows, list.drawn, options, InverseMultiquadric{1.});
    const std::vector<double> thinned = list.dense(1500);
    double mean[2] = {}, square = 0.;
    for (std::size_t i = 0; i < thinned.size(); ++i) {
      for (std::size_t f = 0; f < 2; ++f) mean[f] += thinned[i] * cloud.rows_here(i, f);
      square += thinned[i] * std::pow(cloud.rows_here(i, 0) - 0.4, 2);
    }
    CHECK(std::fabs(mean[0] - 0.4) < 0.03);  // 60 independent draws of the target: 0.13
    CHECK(std::fabs(mean[1] - 0.4) < 0.03);
    CHECK(std::fabs(square - 1.) < 0.2);
    CHECK(discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {.scores = scores}, InverseMultiquadric{1.}) <
          (kind % 2 == 0 ? 0.06 : 0.045));
  }
}

SANTA_SPACE_TEST_CASE("a_kernel_of_a_users_thins") {
  const Cloud<Space> cloud(1000);
  const Thinned<Space> list(32);
  thin_rows(Space{}, 32, cloud.log_weights, cloud.rows, list.drawn, {.seed = 2}, LinearPlus{});
  const double thinned = discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, LinearPlus{});
  const Kokkos::View<std::int64_t*, typename Space::memory_space> picked("test::picked", 32);
  resample(Space{}, Systematic{.samples = 32}, cloud.log_weights, picked, {.seed = 2});
  list_ancestors(Space{}, picked, list.drawn);
  CHECK(thinned < 0.6 * discrepancy(Space{}, cloud.log_weights, cloud.rows, list.drawn, {}, LinearPlus{}));  // 0.37
}

SANTA_SPACE_TEST_CASE("thinning_at_its_limits") {
  const Cloud<Space> cloud(33);
  const auto thin = [&](std::int64_t m) {
    const Thinned<Space> list(m);
    thin_rows(Space{}, m, cloud.log_weights, cloud.rows, list.drawn, {.seed = 1});
    return list.count() > 0 ? list.dense(33) : std::vector<double>{};
  };
  const auto all = thin(33);  // each once
  for (const double w : all) CHECK(w == doctest::Approx(1. / 33.));
  CHECK(thin(1).size() == 33);

  for (std::size_t i = 0; i < 33; ++i) cloud.log_here(i) = i == 7 ? -3. : nothing;
  cloud.copy();
  CHECK(thin(4).at(7) == doctest::Approx(1.));
  for (const auto weights : {ThinnedWeights::equal, ThinnedWeights::simplex})
    for (const int rank : {0, 3}) {
      const Thinned<Space> list(4);
      thin_rows(Space{}, 4, cloud.log_weights, cloud.rows, list.drawn,
                {.weights = weights, .scores = cloud.scores(0.), .rank = rank}, GaussianKernel{1.});
      CHECK(list.dense(33).at(7) == doctest::Approx(1.));
    }
  for (const double bad : {nothing, HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}) {
    cloud.log_here(7) = bad;
    cloud.copy();
    CHECK(thin(4).empty());
  }
}

SANTA_SPACE_TEST_CASE("rows_that_are_no_numbers_do_not_come_where_there_are_scores") {
  const Cloud<Space> cloud(33);
  for (std::size_t i = 0; i < 33; ++i)
    if (i != 7) cloud.rows_here(i, 0) = std::numeric_limits<double>::quiet_NaN();
  for (const int rank : {0, 3})
    for (const double only : {0.3, std::numeric_limits<double>::quiet_NaN()}) {
      cloud.rows_here(7, 0) = only;
      cloud.copy();
      const Thinned<Space> list(4);
      thin_rows(Space{}, 4, cloud.log_weights, cloud.rows, list.drawn, {.scores = cloud.scores(0.), .rank = rank},
                GaussianKernel{1.});
      if (std::isnan(only))
        CHECK(list.count() == 0);
      else
        CHECK(list.dense(33).at(7) == doctest::Approx(1.));
    }
}

SANTA_SPACE_TEST_CASE("rows_that_are_all_the_same_have_a_bandwidth") {
  const Cloud<Space> cloud(100);
  CHECK(median_distance(Space{}, cloud.log_weights, cloud.rows) == doctest::Approx(1.67).epsilon(0.2));
  Kokkos::deep_copy(cloud.rows, 3.);
  CHECK(median_distance(Space{}, cloud.log_weights, cloud.rows) == 1.);
  const Thinned<Space> list(5);
  thin_rows(Space{}, 5, cloud.log_weights, cloud.rows, list.drawn);
  CHECK(list.dense(100).size() == 100);
}

SANTA_SPACE_TEST_CASE("a_row_of_most_of_the_weight_does_not_make_the_median_distance") {
  const Cloud<Space> cloud(100);
  for (std::size_t i = 0; i < 100; ++i) {
    cloud.log_here(i) = i == 7 ? 8. : 0.;  // 97 % of the weight
    for (std::size_t f = 0; f < 2; ++f) cloud.rows_here(i, f) = i == 7 ? 0. : (f == 0 ? 30. : 40.);
  }
  cloud.copy();
  CHECK(median_distance(Space{}, cloud.log_weights, cloud.rows) == doctest::Approx(50.));
  for (std::size_t i = 0; i < 100; ++i) cloud.log_here(i) = i == 7 ? 0. : nothing;
  cloud.copy();
  CHECK(median_distance(Space{}, cloud.log_weights, cloud.rows) == 1.);  // of one row
}

TEST_CASE("thinning_refuses_what_it_can_not_take") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  const Cloud<Host> cloud(10);
  const DrawnRows<Host::memory_space, double> drawn(Host{}, 1, 4);
  const auto thin = [&](std::int64_t m, const auto& options, const auto& kernel) {
    return message_of([&] { thin_rows(Host{}, m, cloud.log_weights, cloud.rows, drawn, options, kernel); });
  };
  using Options = ThinOptions<Host::memory_space>;
  const GaussianKernel kernel{1.};
  CHECK(thin(0, Options{}, kernel) == "santa: m is 0; accepted: 1 to the rows (10)");
  CHECK(thin(11, Options{}, kernel) == "santa: m is 11; accepted: 1 to the rows (10)");
  CHECK(thin(5, Options{}, kernel) == "santa: drawn.rows.extent(1) is 4; accepted: m (5) or more");
  CHECK(thin(4, Options{.oversampling = 17}, kernel) == "santa: oversampling is 17; accepted: 0 to 16");
  CHECK(thin(4, Options{.seed = -1}, kernel).find("santa: seed is -1") == 0);
  CHECK(thin(2, Options{.weights = ThinnedWeights::simplex}, kernel) ==
        "santa: m is 2; accepted: 1 + dim + moments (3) or more with simplex weights");
  CHECK(thin(4, Options{.moments = cloud.rows}, kernel) ==
        "santa: moments is given; accepted: none with equal weights");
  CHECK(thin(4, Options{.rank = 3}, kernel) == "santa: rank is 3; accepted: 0 without scores");
  CHECK(thin(4, Options{.scores = cloud.rows, .rank = 5000}, kernel) == "santa: rank is 5000; accepted: 0 to 4096");
  CHECK(thin(4, Options{.scores = cloud.rows}, LinearPlus{}) ==
        "santa: scores is given; accepted: none with a kernel that has no slopes");
  CHECK(thin(4, Options{}, GaussianKernel{-1.}) ==
        "santa: kernel.bandwidth is -1; accepted: a positive number whose square is a normal one, or 0: the median "
        "distance");
  for (const double bandwidth : {1e-170, 1e-155, 1e155, HUGE_VAL, std::numeric_limits<double>::quiet_NaN()}) {
    CHECK(thin(4, Options{}, GaussianKernel{bandwidth}).find("santa: kernel.bandwidth is ") == 0);
    CHECK(message_of([&] {
            discrepancy(Host{}, cloud.log_weights, cloud.rows, drawn, {}, InverseMultiquadric{bandwidth});
          }).find("santa: kernel.bandwidth is ") == 0);
  }
  const Cloud<Host> longer(11);
  CHECK(thin(4, Options{.scores = longer.rows}, kernel) ==
        "santa: scores.extent(0) is 11; accepted: that of log_weights (10)");
  CHECK(message_of([&] { thin_rows(Host{}, 4, longer.log_weights, cloud.rows, drawn); }) ==
        "santa: rows.extent(0) is 10; accepted: that of log_weights (11)");
  // The same of all that takes rows by kernels.
  for (const auto& rows : {cloud.rows, longer.rows}) {
    const std::string sentence = "santa: rows.extent(0) is " + std::to_string(rows.extent(0)) +
                                 "; accepted: that of log_weights (" + std::to_string(21 - rows.extent(0)) + ")";
    const auto& log_weights = rows.extent(0) == 10 ? longer.log_weights : cloud.log_weights;
    CHECK(message_of([&] { discrepancy(Host{}, log_weights, rows, drawn); }) == sentence);
    CHECK(message_of([&] { median_distance(Host{}, log_weights, rows); }) == sentence);
  }
  const Cloud<Host> none(0);
  CHECK(message_of([&] { discrepancy(Host{}, none.log_weights, none.rows, drawn); }) ==
        "santa: rows is 0; accepted: 1 to 2^29");
  CHECK(message_of([&] { median_distance(Host{}, none.log_weights, none.rows); }) ==
        "santa: rows is 0; accepted: 1 to 2^29");
}
