// Draws without replacement on every execution space: k rows, their chances, weights, spreads and sums.
#include "support/spaces.hpp"
#include "support/statistics.hpp"
#include <santa/rows/draw_distinct.hpp>
#include <santa/rows/gather_add.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();

struct Drawn {
  std::vector<std::int64_t> rows;
  std::vector<double> weights, spreads, inclusion;
  double log_sum = 0.;
};

template <class Space>
struct Drawer {
  using Memory = typename Space::memory_space;
  std::int64_t k;
  Kokkos::View<double*, Memory> log_weights;
  DrawnRows<Memory, double> drawn;
  Kokkos::View<double**, Kokkos::LayoutRight, Memory> inclusion;
  Kokkos::View<double*, Memory> log_sum{"test::log_sum", 1};
  DistinctPlan<Space> plan;

  Drawer(std::int64_t count, const std::vector<double>& given)
      : k(count),
        log_weights("test::log_weights", given.size()),
        drawn(Space{}, 1, count + 3),
        inclusion("test::inclusion", 1, static_cast<std::size_t>(count)),
        plan(Space{}, 1, static_cast<std::int64_t>(given.size()), count) {
    const auto there = Kokkos::create_mirror_view(log_weights);
    for (std::size_t i = 0; i < given.size(); ++i) there(i) = given[i];
    Kokkos::deep_copy(log_weights, there);
  }
  Drawn operator()(std::uint64_t seed, std::uint32_t step = 0, WeightSum how = WeightSum::rounded) const {
    plan.run(Space{}, log_weights, drawn,
             {.seed = seed, .step = step, .inclusion = inclusion, .log_sum = log_sum, .weights = how});
    Space{}.fence();
    Drawn result;
    const auto here = [](const auto& view) { return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view); };
    const auto rows = here(drawn.rows);
    const auto weights = here(drawn.weights), spreads = here(drawn.spreads), chances = here(inclusion);
    for (std::size_t i = 0; i < static_cast<std::size_t>(here(drawn.count)(0)); ++i) {
      result.rows.push_back(rows(0, i));
      result.weights.push_back(weights(0, i));
      result.spreads.push_back(spreads(0, i));
      result.inclusion.push_back(chances(0, i));
    }
    result.log_sum = here(log_sum)(0);
    return result;
  }
};

std::vector<double> normal_log_weights(std::size_t rows, double spread, unsigned seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0., spread);
  std::vector<double> result(rows);
  for (double& x : result) x = normal(random);
  return result;
}

/// min(1, w / c) with sum k, by bisection for log c; and w over its sum.
struct Reference {
  std::vector<double> chance, p;
  double log_sum = 0.;

  Reference(const std::vector<double>& log_weights, double k) {
    double most = nothing, sum = 0.;
    for (const double x : log_weights) most = std::fmax(most, x);
    for (const double x : log_weights) sum += std::exp(x - most);
    log_sum = most + std::log(sum);
    double low = most - 800., high = most + 800.;
    const auto total = [&](double log_c) {
      double result = 0.;
      for (const double x : log_weights) result += std::exp(std::fmin(0., x - log_c));
      return result;
    };
    for (int i = 0; i < 200; ++i) (total(0.5 * (low + high)) > k ? low : high) = 0.5 * (low + high);
    for (const double x : log_weights) {
      chance.push_back(std::exp(std::fmin(0., x - low)));
      p.push_back(std::exp(x - log_sum));
    }
  }
};

void check_against(const Drawn& drawn, const Reference& expected, std::size_t k) {
  REQUIRE(drawn.rows.size() == k);
  double sum = 0.;
  for (std::size_t i = 0; i < k; ++i) {
    if (i > 0) REQUIRE(drawn.rows[i] > drawn.rows[i - 1]);
    const auto row = static_cast<std::size_t>(drawn.rows[i]);
    REQUIRE(drawn.inclusion[i] == doctest::Approx(expected.chance[row]).epsilon(1e-5).scale(0.));
    REQUIRE(drawn.weights[i] * drawn.inclusion[i] == doctest::Approx(expected.p[row]).epsilon(1e-11).scale(0.));
    REQUIRE(drawn.inclusion[i] <= 1.);
    if (drawn.inclusion[i] == 1.) REQUIRE(drawn.spreads[i] == 0.);
    sum += drawn.weights[i];
  }
  CHECK(sum == doctest::Approx(1.).epsilon(1e-11).scale(0.));
  CHECK(std::fabs(drawn.log_sum - expected.log_sum) < 1e-12 + 1e-15 * std::fabs(expected.log_sum));
}

}  // namespace

SANTA_SPACE_TEST_CASE("exactly_k_different_rows_with_their_chances") {
  for (const std::size_t rows : {1U, 100U, 2049U, 20000U})
    for (const double spread : {0., 1., 6., 30.}) {
      const auto log_weights = normal_log_weights(rows, spread, 3);
      for (const std::size_t k : {std::size_t{1}, std::size_t{2}, rows / 20, rows / 2, rows - 1, rows}) {
        if (k == 0 || k > rows) continue;
        CAPTURE(rows);
        CAPTURE(spread);
        CAPTURE(k);
        check_against(Drawer<Space>(static_cast<std::int64_t>(k), log_weights)(5),
                      Reference(log_weights, static_cast<double>(k)), k);
      }
    }
}

SANTA_SPACE_TEST_CASE("rows_are_drawn_with_their_chances") {
  constexpr std::size_t rows = 3000, k = 120;
  constexpr unsigned trials = 3000;
  const auto log_weights = normal_log_weights(rows, 2.5, 7);
  const Reference expected(log_weights, k);
  // Single rows where they are often drawn, the others by hundreds.
  std::vector<std::size_t> bin(rows);
  std::vector<double> mean(30, 0.);
  for (std::size_t i = 0; i < rows; ++i) {
    bin[i] = i / 100;
    if (expected.chance[i] > 0.2) {
      bin[i] = mean.size();
      mean.push_back(0.);
    }
    mean[bin[i]] += expected.chance[i];
  }
  const Drawer<Space> drawer(k, log_weights);
  MeanTest test(mean), weighted([&] {
    std::vector<double> p(mean.size(), 0.);
    for (std::size_t i = 0; i < rows; ++i) p[bin[i]] += expected.p[i];
    return p;
  }());
  for (unsigned t = 0; t < trials; ++t) {
    const Drawn drawn = drawer(9, t);
    std::vector<double> counts(mean.size(), 0.), sums(mean.size(), 0.);
    for (std::size_t i = 0; i < drawn.rows.size(); ++i) {
      counts[bin[static_cast<std::size_t>(drawn.rows[i])]] += 1.;
      sums[bin[static_cast<std::size_t>(drawn.rows[i])]] += drawn.weights[i];
    }
    test.add(counts);
    weighted.add(sums);
  }
  CAPTURE(test.largest_z(1e-5));
  CAPTURE(weighted.largest_z(1e-9));
  CHECK(test.largest_z(1e-5) <= test.bound(1e-4));
  CHECK(weighted.largest_z(1e-9) <= weighted.bound(1e-4));
}

SANTA_SPACE_TEST_CASE("spreads_tell_the_variance_in_random_order_and_the_bound_holds_in_any") {
  constexpr std::size_t rows = 4000, k = 200;
  constexpr unsigned trials = 1500;
  const auto log_weights = normal_log_weights(rows, 2., 13);
  const Reference reference(log_weights, k);
  const Drawer<Space> drawer(k, log_weights);
  std::vector<double> random_order(rows), smooth(rows), periodic(rows);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(2., 1.);
  for (std::size_t i = 0; i < rows; ++i) {
    random_order[i] = normal(random);
    smooth[i] = std::sin(0.002 * static_cast<double>(i));
    periodic[i] = i / 16 % 2 == 0 ? 1. : -1.;
  }
  for (const auto* values : {&random_order, &smooth, &periodic}) {
    double mean = 0.;
    for (std::size_t i = 0; i < rows; ++i) mean += reference.p[i] * (*values)[i];
    double variation = 0., before = 0.;
    bool some = false;
    for (std::size_t i = 0; i < rows; ++i) {
      if (reference.chance[i] > 1. - 1e-5) continue;
      if (some) variation += std::fabs((*values)[i] - before);
      before = (*values)[i];
      some = true;
    }
    double squares = 0., told = 0.;
    for (unsigned t = 0; t < trials; ++t) {
      const Drawn drawn = drawer(3, t);
      double estimate = 0., light = 0.;
      for (std::size_t i = 0; i < k; ++i) {
        const double value = (*values)[static_cast<std::size_t>(drawn.rows[i])];
        estimate += drawn.weights[i] * value;
        told += drawn.spreads[i] * (value - mean) * (value - mean);
        if (drawn.inclusion[i] < 1.) light = drawn.weights[i];
      }
      REQUIRE(std::fabs(estimate - mean) <= light * variation + 1e-12);
      squares += (estimate - mean) * (estimate - mean);
    }
    CAPTURE(squares / told);
    if (values == &random_order) CHECK(std::fabs(squares / told - 1.) < 0.2);
    if (values == &smooth) CHECK(squares < 0.05 * told);
  }
}

SANTA_SPACE_TEST_CASE("exact_weights_add_up_to_1_to_the_last_bit_in_any_order") {
  for (const std::size_t rows : {7U, 3000U})
    for (const double spread : {0., 2., 8.})
      for (const std::size_t k : {std::size_t{1}, std::size_t{5}, rows / 3, rows}) {
        if (k == 0 || k > rows) continue;
        const auto log_weights = normal_log_weights(rows, spread, 17);
        const Drawer<Space> drawer(static_cast<std::int64_t>(k), log_weights);
        Drawn rounded = drawer(21), exact = drawer(21, 0, WeightSum::exact);
        REQUIRE(rounded.rows == exact.rows);
        for (std::size_t i = 0; i < rounded.rows.size(); ++i)
          REQUIRE(std::fabs(rounded.weights[i] - exact.weights[i]) <= 0x1p-47 + static_cast<double>(k) * 0x1p-52);
        std::mt19937 random(1);
        for (int turn = 0; turn < 3; ++turn) {
          double sum = 0.;
          for (const double w : exact.weights) sum += w;
          REQUIRE(sum == 1.);
          std::shuffle(exact.weights.begin(), exact.weights.end(), random);
        }
      }
}

SANTA_SPACE_TEST_CASE("steep_weights_few_rows_and_none") {
  std::vector<double> steep(601);
  for (std::size_t i = 0; i < steep.size(); ++i)
    steep[i] = 1e6 - std::log(10.) * static_cast<double>(i);  // 600 decades
  const Drawn all = Drawer<Space>(300, steep)(1);
  REQUIRE(all.rows.size() == 300);
  CHECK(all.rows[297] == 297);
  std::vector<double> few(5000, nothing);
  few[7] = few[4000] = -1e300;
  const Drawn both = Drawer<Space>(10, few)(1);
  CHECK(both.rows == std::vector<std::int64_t>{7, 4000});
  CHECK(both.weights == std::vector<double>{0.5, 0.5});
  CHECK(both.spreads == std::vector<double>{0., 0.});
  const Drawn none = Drawer<Space>(10, std::vector<double>(5000, nothing))(1);
  CHECK(none.rows.empty());
  CHECK(none.log_sum == nothing);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), -nothing}) {
    few[3000] = bad;
    const Drawn broken = Drawer<Space>(10, few)(1);
    CHECK(broken.rows.empty());
    CHECK(std::isnan(broken.log_sum));
  }
}

SANTA_SPACE_TEST_CASE("rows_far_below_others_are_drawn_as_if_they_were_alone") {
  constexpr double lowest = std::numeric_limits<double>::lowest();
  constexpr std::size_t rows = 1000, heavy = 10, k = 20;
  const std::vector<double> alike = normal_log_weights(rows, 1., 3);
  for (const double far : {-1e9, -1e12, -1e17, -1e300, lowest})
    for (const std::size_t wanted : {std::size_t{11}, k, rows - 1}) {
      CAPTURE(far);
      CAPTURE(wanted);
      std::vector<double> log_weights(alike);
      for (std::size_t i = heavy; i < rows; ++i) log_weights[i] = i % 10 == 5 ? nothing : far;
      const std::size_t light = rows - heavy - 99, count = std::min(wanted, heavy + light);
      const Drawn drawn = Drawer<Space>(static_cast<std::int64_t>(wanted), log_weights)(5);
      REQUIRE(drawn.rows.size() == count);
      for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) REQUIRE(drawn.rows[i] > drawn.rows[i - 1]);
        REQUIRE(drawn.rows[i] < static_cast<std::int64_t>(rows));
        REQUIRE(log_weights[static_cast<std::size_t>(drawn.rows[i])] > nothing);
        if (i < heavy) REQUIRE(drawn.rows[i] == static_cast<std::int64_t>(i));
        const double chance = i < heavy ? 1. : static_cast<double>(count - heavy) / static_cast<double>(light);
        REQUIRE(drawn.inclusion[i] == doctest::Approx(chance).epsilon(1e-9));
      }
    }
  const std::vector<double> extremes{1.7e308, -1.7e308, nothing, nothing, -1.7e308, nothing, -1.7e308};
  const Drawn drawn = Drawer<Space>(3, extremes)(7);
  REQUIRE(drawn.rows.size() == 3);
  CHECK(drawn.rows[0] == 0);
  CHECK(drawn.inclusion[0] == 1.);
  for (const std::size_t i : {1U, 2U}) {
    CHECK(extremes[static_cast<std::size_t>(drawn.rows[i])] == -1.7e308);
    CHECK(drawn.inclusion[i] == doctest::Approx(2. / 3.));
  }
}

SANTA_SPACE_TEST_CASE("vectors_of_a_batch_draw_without_replacement_by_themselves") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 3, rows = 3000, k = 50;
  const Kokkos::View<double**, Kokkos::LayoutLeft, Memory> columns("test::columns", batch, rows);
  const auto there = Kokkos::create_mirror_view(columns);
  std::vector<std::vector<double>> vectors;
  for (std::size_t b = 0; b < batch; ++b) {
    vectors.push_back(normal_log_weights(rows, 1. + 4. * static_cast<double>(b), static_cast<unsigned>(b)));
    for (std::size_t i = 0; i < rows; ++i) there(b, i) = vectors[b][i];
  }
  Kokkos::deep_copy(columns, there);
  const DrawnRows<Memory, double> drawn(Space{}, batch, k);
  const Kokkos::View<std::uint32_t*, Memory> requests("test::requests", batch);
  draw_distinct(Space{}, k, columns, drawn, {.seed = 3, .requests = requests});
  const auto given = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.rows);
  const auto weights = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.weights);
  for (std::size_t b = 0; b < batch; ++b) {
    const Drawn alone = Drawer<Space>(k, vectors[b])(3);
    for (std::size_t i = 0; i < k; ++i) {
      REQUIRE(given(b, i) == alone.rows[i]);
      REQUIRE(weights(b, i) == alone.weights[i]);
    }
  }
}

TEST_CASE("lists_of_draws_without_replacement_may_be_columns_of_larger_matrices") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  constexpr std::size_t batch = 2, rows = 300, k = 30;
  const Kokkos::View<double**, Kokkos::LayoutRight, Host::memory_space> log_weights("test::log_weights", batch, rows);
  const Kokkos::View<std::int64_t**, Kokkos::LayoutRight, Host::memory_space> wide("test::wide", batch, k + 9);
  const auto columns = Kokkos::subview(wide, Kokkos::ALL, std::pair<std::size_t, std::size_t>(4, 4 + k));
  if (!std::is_same_v<typename decltype(columns)::array_layout, Kokkos::LayoutRight>) return;  // not assignable
  Kokkos::deep_copy(wide, -7);
  const DrawnRows<Host::memory_space, double> whole(Host{}, batch, k);
  DrawnRows<Host::memory_space, double> part(Host{}, batch, k);
  part.rows = columns;
  draw_distinct(Host{}, k, log_weights, whole, {.seed = 3});
  draw_distinct(Host{}, k, log_weights, part, {.seed = 3});
  for (std::size_t b = 0; b < batch; ++b) {
    CHECK(wide(b, 3) == -7);
    CHECK(wide(b, 4 + k) == -7);
    for (std::size_t i = 0; i < k; ++i) REQUIRE(part.rows(b, i) == whole.rows(b, i));
  }
}

TEST_CASE("draws_without_replacement_refuse_what_they_can_not_take") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  const Kokkos::View<double*, Host> log_weights("test::log_weights", 10);
  const DrawnRows<Host::memory_space, double> drawn(Host{}, 1, 4);
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message([&] { draw_distinct(Host{}, 0, log_weights, drawn); }) == "santa: k is 0; accepted: 1 to 2^22");
  CHECK(message([&] { draw_distinct(Host{}, 5, log_weights, drawn); }) ==
        "santa: drawn.rows.extent(1) is 4; accepted: k (5) or more");
  CHECK(message([&] {
          const Kokkos::View<double**, Kokkos::LayoutRight, Host::memory_space> two("test::two", 1, 2);
          draw_distinct(Host{}, 3, log_weights, drawn, {.inclusion = two});
        }) == "santa: inclusion.extent(1) is 2; accepted: k (3) or more");
  CHECK(message([&] { draw_distinct(Host{}, 3, log_weights, DrawnRows<Host::memory_space, double>{}); }) ==
        "santa: drawn.rows.data() is null; accepted: a view with data");
}
