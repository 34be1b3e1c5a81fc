// Lists, sums and merged states in double.
#include "support/spaces.hpp"
#include <santa/rows/gather_add.hpp>
#include <santa/rows/list_ancestors.hpp>
#include <santa/rows/merge_states.hpp>
#include <santa/rows/resample.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

using namespace santa;

namespace {

using Host = Kokkos::DefaultHostExecutionSpace;
using Memory = Host::memory_space;
using List = DrawnRows<Memory, double>;
using Matrix = Kokkos::View<double**, Kokkos::LayoutRight, Memory>;

template <class Index>
List listed(const std::vector<Index>& ancestors, std::int64_t capacity, WeightSum sum = WeightSum::rounded) {
  Kokkos::View<Index*, Memory> view("test::ancestors", ancestors.size());
  std::copy(ancestors.begin(), ancestors.end(), view.data());
  List result(Host{}, 1, capacity);
  list_ancestors(Host{}, view, result, sum);
  Host{}.fence();
  return result;
}

}  // namespace

TEST_CASE("runs_of_ancestors_are_listed_once_with_their_share") {
  const auto list = listed<std::int32_t>({0, 0, 0, 4, 5, 5, 9, 9, 9, 9}, 10);
  REQUIRE(list.count(0) == 4);
  const std::int64_t rows[] = {0, 4, 5, 9};
  const double counts[] = {3., 1., 2., 4.};
  for (std::size_t i = 0; i < 4; ++i) {
    CHECK(list.rows(0, i) == rows[i]);
    CHECK(list.weights(0, i) == counts[i] / 10.);
    CHECK(list.spreads(0, i) == doctest::Approx(counts[i] / 100.));
  }
  CHECK(listed<std::int64_t>({7}, 1).count(0) == 1);
  CHECK(listed<std::int64_t>({-1, -1, -1}, 3).count(0) == 0);
  CHECK(listed<std::int64_t>({}, 3).count(0) == 0);
  const auto cut_off = listed<std::int64_t>({1, 2, 2, 3}, 2);  // more than fit
  CHECK(cut_off.count(0) == 3);
  CHECK(cut_off.weights(0, 1) == 0.5);
}

TEST_CASE("runs_of_any_length_are_found") {
  std::vector<std::int64_t> ancestors;
  for (std::int64_t length = 1; length < 300; ++length) ancestors.insert(ancestors.end(), length, length);
  const auto samples = static_cast<double>(ancestors.size());
  for (const WeightSum sum : {WeightSum::rounded, WeightSum::exact}) {
    const auto list = listed(ancestors, 300, sum);
    REQUIRE(list.count(0) == 299);
    double total = 0.;
    for (std::size_t i = 0; i < 299; ++i) {
      REQUIRE(list.rows(0, i) == static_cast<std::int64_t>(i + 1));
      const double expected = static_cast<double>(i + 1) / samples;
      if (sum == WeightSum::rounded)
        REQUIRE(list.weights(0, i) == expected);
      else
        REQUIRE(std::fabs(list.weights(0, i) - expected) <= 0x1p-51);
      total += list.weights(0, i);
    }
    if (sum == WeightSum::exact) CHECK(total == 1.);
  }
}

TEST_CASE("exact_weights_of_resampled_rows_add_up_to_1") {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0., 3.);
  for (const std::size_t rows : {3U, 1000U, 5001U})
    for (const std::int64_t samples : {1, 7, 1000, 10007}) {
      const Kokkos::View<double*, Memory> log_weights("test::log_weights", rows);
      for (std::size_t i = 0; i < rows; ++i) log_weights(i) = normal(random);
      const Kokkos::View<std::int64_t*, Memory> ancestors("test::ancestors", static_cast<std::size_t>(samples));
      resample(Host{}, Stratified{.samples = samples}, log_weights, ancestors, {.seed = 5});
      const List list(Host{}, 1, samples);
      list_ancestors(Host{}, ancestors, list, WeightSum::exact);
      Host{}.fence();
      std::vector<double> weights(list.weights.data(), list.weights.data() + list.count(0));
      for (int turn = 0; turn < 3; ++turn) {
        double sum = 0.;
        for (const double w : weights) sum += w;
        REQUIRE(sum == 1.);
        std::shuffle(weights.begin(), weights.end(), random);
      }
    }
}

TEST_CASE("doubles_are_added_up_in_double") {
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(1., 1.);
  for (const std::size_t dim : {1U, 7U, 8U, 300U})
    for (const std::size_t count : {0U, 1U, 65U, 3000U}) {
      const std::size_t rows = count + 11;
      const Matrix values("test::values", rows, dim), sum("test::sum", 1, dim), centered("test::sum", 1, dim),
          error("test::error", 1, dim), center("test::center", 1, dim), narrow_sum("test::sum", 1, dim);
      const Kokkos::View<float**, Kokkos::LayoutRight, Memory> narrow("test::narrow", rows, dim);
      for (std::size_t i = 0; i < values.size(); ++i) {
        narrow.data()[i] = static_cast<float>(normal(random));
        values.data()[i] = 1e6 + normal(random);  // what a float loses of it would show
      }
      for (std::size_t d = 0; d < dim; ++d) center(0, d) = 1e6 + 0.5;
      const List list(Host{}, 1, static_cast<std::int64_t>(count));
      list.count(0) = static_cast<std::int64_t>(count);
      for (std::size_t i = 0; i < count; ++i) {
        list.rows(0, i) = static_cast<std::int64_t>((7919 * i) % rows);
        list.weights(0, i) = (1. + 0.01 * static_cast<double>(i % 7)) / static_cast<double>(count);
        list.spreads(0, i) = list.weights(0, i) * list.weights(0, i);
      }
      gather_add(Host{}, list, values, sum);
      gather_add(Host{}, list, values, centered, {.center = center, .error = error});
      gather_add(Host{}, list, narrow, narrow_sum);
      Host{}.fence();
      for (std::size_t d = 0; d < dim; ++d) {
        long double expected = 0.L, used = 0.L, squares = 0.L, of_narrow = 0.L;
        for (std::size_t i = 0; i < count; ++i) {
          const auto row = static_cast<std::size_t>(list.rows(0, i));
          const long double weight = list.weights(0, i), away = values(row, d) - static_cast<long double>(center(0, d));
          expected += weight * values(row, d);
          of_narrow += weight * narrow(row, d);
          used += weight;
          squares += list.spreads(0, i) * away * away;
        }
        REQUIRE(std::fabs(static_cast<double>(sum(0, d) - expected)) <=
                1e-14 * std::fabs(static_cast<double>(expected)));
        REQUIRE(std::fabs(static_cast<double>(centered(0, d) - (expected + (1.L - used) * center(0, d)))) <=
                2e-8 * 1e-0);
        const double bar = std::sqrt(static_cast<double>(squares));
        REQUIRE(std::fabs(error(0, d) - bar) <= 1e-13 * bar);
        REQUIRE(std::fabs(static_cast<double>(narrow_sum(0, d) - of_narrow)) <=
                1e-14 * (1. + static_cast<double>(count)));
      }
    }
}

TEST_CASE("a_draw_gathered_in_double_has_the_mean_of_its_ancestors") {
  constexpr std::size_t rows = 3000, samples = 2000, dim = 5;
  const Kokkos::View<double*, Memory> log_weights("test::log_weights", rows);
  const Matrix values("test::values", rows, dim), sum("test::sum", 1, dim);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0., 2.);
  for (std::size_t i = 0; i < rows; ++i) log_weights(i) = normal(random);
  for (std::size_t i = 0; i < values.size(); ++i) values.data()[i] = normal(random);
  const Kokkos::View<std::int32_t*, Memory> ancestors("test::ancestors", samples);
  resample(Host{}, Residual{.samples = samples}, log_weights, ancestors, {.seed = 8});
  const List list(Host{}, 1, samples);
  list_ancestors(Host{}, ancestors, list);
  gather_add(Host{}, list, values, sum);
  Host{}.fence();
  for (std::size_t d = 0; d < dim; ++d) {
    long double mean = 0.L;
    for (std::size_t i = 0; i < samples; ++i) mean += values(static_cast<std::size_t>(ancestors(i)), d);
    CHECK(std::fabs(static_cast<double>(mean / samples) - sum(0, d)) < 1e-14);
  }
}

TEST_CASE("states_of_double_merge_in_double") {
  constexpr std::size_t parts = 5, items = 4, dim = 3;
  const Kokkos::View<double***, Kokkos::LayoutRight, Memory> out("test::out", parts, items, dim);
  const Matrix log_sums("test::sums", parts, items), merged("test::merged", items, dim);
  const Kokkos::View<double*, Memory> log_sum("test::sum", items);
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0., 3.);
  for (std::size_t i = 0; i < out.size(); ++i) out.data()[i] = 1e6 + normal(random);
  for (std::size_t p = 0; p < parts; ++p)
    for (std::size_t item = 0; item < items; ++item)
      log_sums(p, item) = item == 3 ? -HUGE_VAL : -1e5 * static_cast<double>(item) + normal(random);
  log_sums(2, 0) = -HUGE_VAL;
  merge(Host{}, PartialStates{out, log_sums}, merged, log_sum);
  Host{}.fence();
  for (std::size_t item = 0; item < 3; ++item) {
    long double total = 0.L;
    std::vector<long double> mean(dim, 0.L);
    for (std::size_t p = 0; p < parts; ++p) {
      const long double weight = std::exp(static_cast<long double>(log_sums(p, item)) + 1e5L * item);
      total += weight;
      for (std::size_t d = 0; d < dim; ++d) mean[d] += weight * out(p, item, d);
    }
    CHECK(std::fabs(static_cast<double>(log_sum(item) - (std::log(total) - 1e5L * item))) < 2e-11);
    for (std::size_t d = 0; d < dim; ++d)
      CHECK(std::fabs(static_cast<double>(merged(item, d) - mean[d] / total)) < 1e-9);
  }
  CHECK(log_sum(3) == -HUGE_VAL);
  CHECK(merged(3, 0) == 0.);
}
