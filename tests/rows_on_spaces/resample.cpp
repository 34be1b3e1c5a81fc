// Resampling on every execution space: the same ancestors, right on average, evidence and effective sample size.
#include "support/spaces.hpp"
#include "support/statistics.hpp"
#include <santa/rows/resample.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr double nothing = -std::numeric_limits<double>::infinity();
constexpr double not_a_number = std::numeric_limits<double>::quiet_NaN();

/// What a resampling of one vector comes to, on the host.
struct Outcome {
  std::vector<std::int64_t> ancestors;
  double log_evidence = 0., effective = 0.;

  [[nodiscard]] std::vector<double> counts(std::size_t rows) const {
    std::vector<double> result(rows, 0.);
    for (const std::int64_t ancestor : ancestors) result.at(static_cast<std::size_t>(ancestor)) += 1.;
    return result;
  }
};

template <class Space, class Rule>
struct Resampler {
  using Memory = typename Space::memory_space;
  Kokkos::View<double*, Memory> log_weights;
  Kokkos::View<std::int64_t*, Memory> ancestors;
  Kokkos::View<double*, Memory> evidence{"test::evidence", 1}, effective{"test::effective", 1};
  ResamplePlan<Space, Rule> plan;

  Resampler(const Rule& rule, const std::vector<double>& weights)
      : log_weights("test::log_weights", weights.size()),
        ancestors("test::ancestors", static_cast<std::size_t>(rule.samples)),
        plan(Space{}, rule, 1, static_cast<std::int64_t>(weights.size())) {
    const auto there = Kokkos::create_mirror_view(log_weights);
    for (std::size_t i = 0; i < weights.size(); ++i) there(i) = weights[i];
    Kokkos::deep_copy(log_weights, there);
  }
  Outcome operator()(std::uint64_t seed, std::uint32_t step = 0) const {
    Kokkos::deep_copy(ancestors, -7);
    plan.run(Space{}, log_weights, ancestors,
             {.seed = seed, .step = step, .log_evidence = evidence, .effective_sample_size = effective});
    Space{}.fence();
    Outcome result;
    const auto here = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, ancestors);
    for (std::size_t i = 0; i < here.extent(0); ++i) result.ancestors.push_back(here(i));
    Kokkos::deep_copy(result.log_evidence, Kokkos::subview(evidence, 0));
    Kokkos::deep_copy(result.effective, Kokkos::subview(effective, 0));
    return result;
  }
};

template <class Space, class Rule>
Outcome resampled(const Rule& rule, const std::vector<double>& log_weights, std::uint64_t seed) {
  return Resampler<Space, Rule>(rule, log_weights)(seed);
}

template <class F>
void for_each_rule(std::int64_t samples, const F& f) {
  f(Systematic{.samples = samples}, "Systematic");
  f(Stratified{.samples = samples}, "Stratified");
  f(Residual{.samples = samples}, "Residual");
  f(Multinomial{.samples = samples}, "Multinomial");
}

std::vector<double> normal_log_weights(std::size_t rows, double spread, unsigned seed, double offset = 0.) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(offset, spread);
  std::vector<double> result(rows);
  for (double& x : result) x = normal(random);
  return result;
}

/// Multiples of 2^-20 from whole numbers: the same everywhere.
std::vector<double> dyadic_log_weights(std::size_t rows) {
  std::vector<double> result(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto random = Philox4x32::generate({{static_cast<std::uint32_t>(i), 0, 0, 0}}, {{21, 3}});
    result[i] = std::ldexp(static_cast<double>(random.word[0] >> 9), -21);
  }
  return result;
}

/// Weights over their sum, in long double; the logarithm of their mean; their effective number.
struct Reference {
  std::vector<double> p;
  double log_evidence = nothing, effective = 0.;

  explicit Reference(const std::vector<double>& log_weights) {
    long double most = nothing, sum = 0.L, squares = 0.L;
    for (const double x : log_weights) most = std::fmax(most, static_cast<long double>(x));
    for (const double x : log_weights) {
      const long double w = std::exp(static_cast<long double>(x) - most);
      sum += w;
      squares += w * w;
    }
    for (const double x : log_weights)
      p.push_back(static_cast<double>(std::exp(static_cast<long double>(x) - most) / sum));
    log_evidence = static_cast<double>(most + std::log(sum) - std::log(static_cast<long double>(log_weights.size())));
    effective = static_cast<double>(sum * sum / squares);
  }
};

void check_sums(const Outcome& given, const std::vector<double>& log_weights) {
  const Reference expected(log_weights);
  CHECK(std::fabs(given.log_evidence - expected.log_evidence) <= 1e-13 + 2e-16 * std::fabs(expected.log_evidence));
  CHECK(given.effective == doctest::Approx(expected.effective).epsilon(1e-12).scale(0.));
}

std::string digest(const std::vector<std::int64_t>& ancestors) {
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const std::int64_t a : ancestors) hash = (hash ^ static_cast<std::uint64_t>(a)) * 0x100000001b3U;
  char text[32];
  std::snprintf(text, sizeof text, "%016lx", static_cast<unsigned long>(hash));
  return text;
}

// From a build for hosts: all spaces draw these.
const std::map<std::string, std::string> drawn_on_hosts = {
    {"Systematic", "ed4fcc11f9e89b00"},
    {"Stratified", "5fa993ffde0fef54"},
    {"Residual", "1dee4823f40be2d0"},
    {"Multinomial", "6492ec820f316c96"},
};

}  // namespace

SANTA_SPACE_TEST_CASE("every_space_has_the_same_ancestors") {
  for_each_rule(30000, [](const auto& rule, const std::string& name) {
    CAPTURE(name);
    CHECK(digest(resampled<Space>(rule, dyadic_log_weights(70001), 11).ancestors) == drawn_on_hosts.at(name));
  });
}

SANTA_SPACE_TEST_CASE("ancestors_are_in_order_and_as_many_as_the_rule_allows") {
  for (const std::size_t rows : {1U, 2U, 2047U, 2048U, 2049U, 9000U})
    for (const std::int64_t samples : {1, 2, 3, 4095, 4097, 12000}) {
      CAPTURE(rows);
      CAPTURE(samples);
      const auto log_weights = normal_log_weights(rows, 2., 5);
      const Reference expected(log_weights);
      for_each_rule(samples, [&](const auto& rule, const std::string& name) {
        CAPTURE(name);
        const Outcome given = resampled<Space>(rule, log_weights, 3);
        CHECK(std::is_sorted(given.ancestors.begin(), given.ancestors.end()));
        const auto counts = given.counts(rows);
        double least = 0., most = 0.;  // of count - samples p
        for (std::size_t i = 0; i < rows; ++i) {
          least = std::fmin(least, counts[i] - static_cast<double>(samples) * expected.p[i]);
          most = std::fmax(most, counts[i] - static_cast<double>(samples) * expected.p[i]);
        }
        const double bound = name == "Systematic" ? 1. : name == "Stratified" ? 2. : HUGE_VAL;
        CHECK(most < bound + 1e-9);
        CHECK(least > -(name == "Residual" ? 1. : bound) - 1e-9);
        check_sums(given, log_weights);
      });
    }
}

SANTA_SPACE_TEST_CASE("rows_come_as_often_as_their_weights_say") {
  // Weights from nearly nothing to several draws, over more than one block.
  constexpr std::size_t rows = 2100;
  constexpr std::int64_t samples = 500;
  constexpr unsigned trials = 3000;
  std::vector<double> log_weights = normal_log_weights(rows, 2.5, 9);
  log_weights[2050] = 9.;
  const Reference expected(log_weights);
  // Rows apart where they are heavy, else 50 together: single ones are rarely drawn.
  std::vector<std::size_t> bin(rows);
  std::vector<double> mean;
  double light = 0.;
  int in_bin = 50;
  std::size_t light_bin = 0;
  for (std::size_t i = 0; i < rows; ++i) {
    const double draws = static_cast<double>(samples) * expected.p[i];
    if (draws > 0.2) {
      bin[i] = mean.size();
      mean.push_back(draws);
    } else {
      if (in_bin == 50) {
        light_bin = mean.size();
        mean.push_back(0.);
        in_bin = 0;
      }
      ++in_bin;
      bin[i] = light_bin;
      mean[light_bin] += draws;
    }
    light += draws;
  }
  CHECK(light == doctest::Approx(static_cast<double>(samples)));
  for_each_rule(samples, [&](const auto& rule, const std::string& name) {
    CAPTURE(name);
    const Resampler<Space, std::remove_cvref_t<decltype(rule)>> resample_once(rule, log_weights);
    MeanTest test(mean);
    std::vector<double> squares(mean.size(), 0.);
    for (unsigned t = 0; t < trials; ++t) {
      const Outcome given = resample_once(77, t);
      std::vector<double> counts(mean.size(), 0.);
      for (const std::int64_t a : given.ancestors) counts[bin[static_cast<std::size_t>(a)]] += 1.;
      test.add(counts);
      for (std::size_t i = 0; i < mean.size(); ++i) squares[i] += (counts[i] - mean[i]) * (counts[i] - mean[i]);
    }
    CAPTURE(test.largest_z());
    CHECK(test.largest_z() <= test.bound(1e-4));
    // Multinomial's counts have the variance of independent draws, in all by a bin: Pearson's statistic.
    if (name == "Multinomial") {
      double ratio = 0.;
      for (std::size_t i = 0; i < mean.size(); ++i)
        ratio += squares[i] / trials / (mean[i] * (1. - mean[i] / static_cast<double>(samples)));
      CHECK(std::fabs(ratio / static_cast<double>(mean.size()) - 1.) < 0.05);
    }
  });
}

SANTA_SPACE_TEST_CASE("weights_may_span_600_decades_be_equal_or_be_one") {
  constexpr std::size_t rows = 6000;
  constexpr std::int64_t samples = 3000;
  const double decade = std::log(10.);
  for_each_rule(samples, [&](const auto& rule, const std::string& name) {
    CAPTURE(name);
    for (const double offset : {0., -1e6, 1e12, 1e300}) {
      CAPTURE(offset);
      std::vector<double> span(rows), equal(rows, offset), one(rows, nothing);
      for (std::size_t i = 0; i < rows; ++i) span[i] = offset + 0.1 * decade * static_cast<double>(i);
      one[4321] = offset;
      const Outcome steep = resampled<Space>(rule, span, 5);
      check_sums(steep, span);
      if (offset < 1e300) CHECK(steep.ancestors.back() == rows - 1);  // there all doubles are equal
      const Outcome flat = resampled<Space>(rule, equal, 5);
      check_sums(flat, equal);
      if (name != "Multinomial" && name != "Residual") {
        const auto counts = flat.counts(rows);
        CHECK(*std::max_element(counts.begin(), counts.end()) <= (name == "Systematic" ? 1. : 2.));
      }
      const Outcome single = resampled<Space>(rule, one, 5);
      check_sums(single, one);
      CHECK(single.effective == 1.);
      CHECK(std::count(single.ancestors.begin(), single.ancestors.end(), 4321) == samples);
    }
    // As many draws as rows of equal weight: each once, by the rules that have no noise then.
    const std::vector<double> equal(samples, 0.5);
    if (name != "Multinomial" && name != "Stratified") {
      const Outcome each = resampled<Space>(rule, equal, 5);
      for (std::size_t i = 0; i < each.ancestors.size(); ++i)
        REQUIRE(each.ancestors[i] == static_cast<std::int64_t>(i));
    }
  });
}

SANTA_SPACE_TEST_CASE("where_nothing_can_be_drawn_ancestors_say_so") {
  for_each_rule(100, [](const auto& rule, const std::string& name) {
    CAPTURE(name);
    const auto check = [&](const std::vector<double>& log_weights, double evidence, double effective) {
      const Outcome given = resampled<Space>(rule, log_weights, 1);
      CHECK(std::count(given.ancestors.begin(), given.ancestors.end(), -1) == 100);
      CHECK((std::isnan(evidence) ? std::isnan(given.log_evidence) : given.log_evidence == evidence));
      CHECK((std::isnan(effective) ? std::isnan(given.effective) : given.effective == effective));
    };
    check(std::vector<double>(5000, nothing), nothing, 0.);
    check({}, nothing, 0.);
    for (const double bad : {not_a_number, -nothing, -not_a_number})
      for (const std::size_t place : {0U, 2047U, 4999U}) {
        auto log_weights = normal_log_weights(5000, 1., 2);
        log_weights[place] = bad;
        check(log_weights, not_a_number, not_a_number);
      }
  });
}

SANTA_SPACE_TEST_CASE("ancestors_may_be_any_view_and_vectors_do_not_know_their_batch") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 3, rows = 5000, samples = 700;
  const Kokkos::View<float**, Kokkos::LayoutLeft, Memory> columns("test::columns", batch, rows);
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> ancestors("test::ancestors", batch, samples + 9);
  const Kokkos::View<std::uint32_t*, Memory> requests("test::requests", batch);
  const auto there = Kokkos::create_mirror_view(columns);
  std::vector<std::vector<double>> vectors;
  for (std::size_t b = 0; b < batch; ++b) {
    vectors.push_back(normal_log_weights(rows, 2., static_cast<unsigned>(b)));
    for (std::size_t i = 0; i < rows; ++i) {
      there(b, i) = static_cast<float>(vectors[b][i]);
      vectors[b][i] = static_cast<double>(there(b, i));
    }
  }
  vectors[1].assign(rows, nothing);
  for (std::size_t i = 0; i < rows; ++i) there(1, i) = -HUGE_VALF;
  Kokkos::deep_copy(columns, there);
  for_each_rule(samples, [&](const auto& rule, const std::string& name) {
    CAPTURE(name);
    resample(Space{}, rule, columns, Kokkos::subview(ancestors, Kokkos::ALL, std::pair(std::size_t{0}, samples)),
             {.seed = 4, .requests = requests});
    const auto given = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, ancestors);
    for (std::size_t b = 0; b < batch; ++b) {
      const Outcome alone = resampled<Space>(rule, vectors[b], 4);
      bool same = true;
      for (std::size_t i = 0; i < samples; ++i) same = same && given(b, i) == alone.ancestors[i];
      CHECK(same);
    }
  });
}

SANTA_SPACE_TEST_CASE("rows_beyond_32_bits_are_drawn") {
#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && (defined(__FMA__) || defined(KOKKOS_ENABLE_CUDA))
  // Seconds where there are vectors, minutes elsewhere.
  // One value for all rows: a view with stride 0. Few draws, so that a second pass reads few blocks.
  using Memory = typename Space::memory_space;
  constexpr std::int64_t rows = (std::int64_t{1} << 32) + 4097;
  const Kokkos::View<double*, Memory> value("test::value", 1);
  const Kokkos::View<std::int64_t*, Memory> ancestors("test::ancestors", 8);
  const Kokkos::View<double*, Memory> evidence("test::evidence", 1), effective("test::effective", 1);
  const Kokkos::LayoutStride every(static_cast<std::size_t>(rows), 0);
  const Kokkos::View<const double*, Kokkos::LayoutStride, Memory> log_weights(value.data(), every);
  if (static_cast<std::int64_t>(log_weights.extent(0)) != rows) return;  // views that hold no such extent
  resample(Space{}, Systematic{.samples = 8}, log_weights, ancestors,
           {.seed = 2, .log_evidence = evidence, .effective_sample_size = effective});
  const auto given = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, ancestors);
  for (std::size_t i = 1; i < 8; ++i) CHECK(std::llabs(given(i) - given(i - 1) - rows / 8) <= 1);
  CHECK(given(7) > std::int64_t{1} << 31);
  double log_mean = 1., effective_rows = 0.;
  Kokkos::deep_copy(log_mean, Kokkos::subview(evidence, 0));
  Kokkos::deep_copy(effective_rows, Kokkos::subview(effective, 0));
  CHECK(std::fabs(log_mean) < 1e-14);
  CHECK(effective_rows == doctest::Approx(static_cast<double>(rows)).epsilon(1e-14));
#endif
}

TEST_CASE("resampling_refuses_what_it_can_not_take") {
  using Host = Kokkos::DefaultHostExecutionSpace;
  const Kokkos::View<double*, Host> log_weights("test::log_weights", 10);
  const Kokkos::View<std::int32_t*, Host> ancestors("test::ancestors", 10);
  const auto message = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  CHECK(message([&] { resample(Host{}, Systematic{.samples = 9}, log_weights, ancestors); }) ==
        "santa: ancestors.extent(0) is 10; accepted: the rule's samples (9)");
  CHECK(message([&] { resample(Host{}, Residual{.samples = 0}, log_weights, ancestors); }) ==
        "santa: Residual.samples is 0; accepted: 1 to 2^30");
  CHECK(message([&] {
          const ResamplePlan plan(Host{}, Multinomial{.samples = 10}, 1, 9);
          plan.run(Host{}, log_weights, ancestors);
        }) == "santa: rows is 10; accepted: at most the plan's 9");
  CHECK(message([&] { ResamplePlan(Host{}, Residual{.samples = 10}, 1, (std::int64_t{1} << 36) + 1); }) ==
        "santa: rows is 68719476737; accepted: 0 to 2^36");
  CHECK(message([&] {
          const Kokkos::View<double**, Host> two("test::two", 2, 10);
          const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Host> both("test::both", 2, 10);
          const Kokkos::View<double*, Host> one("test::one", 1);
          resample(Host{}, Systematic{.samples = 10}, two, both, {.log_evidence = one});
        }) == "santa: log_evidence.extent(0) is 1; accepted: the batch (2) or more");
  CHECK(message([&] {
          const Kokkos::View<double*, Host> missing;
          resample(Host{}, Systematic{.samples = 10}, missing, ancestors);
        }).empty());
  CHECK(ancestors(0) == -1);  // of no rows nothing is drawn
}
