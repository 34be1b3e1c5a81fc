// Numerator and denominator are unbiased: by all outcomes of both draws, and by means over seeds of what kernels give.
#include "clusters/cluster_problem.hpp"
#include "clusters/cluster_reference.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Tiny = ClusterProblem<Space, float>;

std::size_t at(std::int64_t i) { return static_cast<std::size_t>(i); }

/// Two chunks of 32 keys, a tail of 5; clusters of 8.
Tiny tiny(unsigned seed) {
  Tiny clusters({1, 2, 1, 69, 16}, {.chunk = 32, .keys = 8});
  fill_kinds(clusters.problem, seed, 4, 1.F, 1.5F);
  clusters.problem.upload();
  clusters.make();
  return clusters;
}

/// Thresholds by which some clusters and rows are certain, and many are not.
const std::vector<float> log_tau = {1.F, 0.5F};
const std::vector<float> log_delta = {2.F, 2.5F};

/// A state in which a step finds these thresholds.
ClusterState<Memory> state_of(const Shape& shape, const std::vector<float>& tau, const std::vector<float>& delta) {
  const ClusterState<Memory> state(Space{}, shape);
  const auto set = [&](int array, const std::vector<float>& values) {
    const Kokkos::View<float*, Memory> to(state.array(array), values.size());
    Kokkos::deep_copy(to, to_space<Space>(values, "test::thresholds"));
  };
  set(0, std::vector<float>(at(shape.batch * shape.heads), 0.F));
  set(1, std::vector<float>(at(shape.batch * shape.heads), 0.F));
  set(2, tau);
  set(3, delta);
  state.note_step();
  return state;
}

/// The phases at which the outcome of a sweep changes, and 2^26.
std::vector<std::uint64_t> breaks(const std::vector<std::uint64_t>& units) {
  constexpr std::uint64_t one = std::uint64_t{1} << 26;
  std::vector<std::uint64_t> result = {0, one};
  std::uint64_t sum = 0;
  for (const std::uint64_t u : units)
    if (u != one) {
      sum += u;
      result.push_back((one - sum % one) % one);
    }
  std::sort(result.begin(), result.end());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

/// Calls f(probability, phase) for each outcome of a sweep.
void for_outcomes(const std::vector<std::uint64_t>& units, const std::function<void(double, std::uint32_t)>& f) {
  const auto all = breaks(units);
  for (std::size_t i = 0; i + 1 < all.size(); ++i)
    f(static_cast<double>(all[i + 1] - all[i]) * 0x1p-26, static_cast<std::uint32_t>(all[i]));
}

/// The mean of Z and N over all outcomes of both draws in one chunk, the phases of the other being fixed: chunks draw
/// independently, so that the mean over both is the sum of the two's.
template <class Reference>
ClusterSumsReference mean_over_chunk(const Reference& reference, std::int64_t chunk, ClusterEstimate estimate,
                                     double* total) {
  const auto fixed = [](std::uint32_t, std::int64_t, int) { return std::uint32_t{12345}; };
  ClusterSumsReference mean = reference.sums(fixed, estimate);
  const std::size_t dim = mean.sum[0].size();
  for (double& z : mean.mass) z = 0.;
  for (auto& n : mean.sum) std::fill(n.begin(), n.end(), 0.);
  *total = 0.;
  const auto units = reference.cluster_units(chunk, 0);
  for_outcomes(units, [&](double of_clusters, std::uint32_t first) {
    const auto blocks = reference.row_units(chunk, 0, Reference::sweep(units, first));
    std::vector<std::uint32_t> phases(blocks.size());
    const std::function<void(std::size_t, double)> go = [&](std::size_t block, double probability) {
      if (block < blocks.size())
        return for_outcomes(blocks[block], [&](double p, std::uint32_t phase) {
          phases[block] = phase;
          go(block + 1, probability * p);
        });
      const auto sums = reference.sums(
          [&](std::uint32_t tile, std::int64_t, int n) {
            if (tile != static_cast<std::uint32_t>(chunk)) return std::uint32_t{12345};
            return n < 0 ? first : phases[at(n)];
          },
          estimate);
      *total += probability;
      for (std::size_t h = 0; h < mean.mass.size(); ++h) {
        mean.mass[h] += probability * sums.mass[h];
        for (std::size_t d = 0; d < dim; ++d) mean.sum[h][d] += probability * sums.sum[h][d];
      }
    };
    go(0, of_clusters);
  });
  return mean;
}

/// Exact Z and N.
ClusterSumsReference exact_sums(const Tiny& clusters) {
  ClusterSumsReference right(2, at(clusters.problem.shape.dim));
  for (std::int64_t h = 0; h < 2; ++h) {
    const auto scores = reference_scores(clusters.problem, 0, h);
    for (std::size_t i = 0; i < scores.size(); ++i) {
      std::vector<double> value;
      for (std::int64_t d = 0; d < clusters.problem.shape.dim; ++d)
        value.push_back(static_cast<double>(clusters.problem.value(0, static_cast<std::int64_t>(i), 0, d)));
      right.add(at(h), std::exp(scores[i]), value);
    }
  }
  return right;
}

/// Whether the mean over all outcomes is right: the sum of what each chunk's differs from its fixed outcome.
bool is_unbiased(const Tiny& clusters, ClusterEstimate estimate, bool value_codes) {
  const ClusterReference reference(clusters, 0, log_tau, log_delta, value_codes);
  const auto fixed = reference.sums([](std::uint32_t, std::int64_t, int) { return std::uint32_t{12345}; }, estimate);
  const ClusterSumsReference right = exact_sums(clusters);
  double totals[2] = {0., 0.};
  const ClusterSumsReference means[2] = {mean_over_chunk(reference, 0, estimate, &totals[0]),
                                         mean_over_chunk(reference, 1, estimate, &totals[1])};
  bool good = std::fabs(totals[0] - 1.) < 1e-12 && std::fabs(totals[1] - 1.) < 1e-12;
  for (std::size_t h = 0; h < 2; ++h) {
    const auto near = [](double given, double expected, double scale) {
      return std::fabs(given - expected) < 1e-9 * scale;
    };
    good = good && near(means[0].mass[h] + means[1].mass[h] - fixed.mass[h], right.mass[h], right.mass[h]);
    for (std::size_t d = 0; d < right.sum[h].size(); ++d)
      good = good && near(means[0].sum[h][d] + means[1].sum[h][d] - fixed.sum[h][d], right.sum[h][d], right.mass[h]);
  }
  return good;
}

}  // namespace

TEST_CASE("over_all_outcomes_of_both_draws_numerator_and_denominator_are_right") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const Tiny clusters = tiny(seed);
    CHECK(is_unbiased(clusters, ClusterEstimate::telescoping, true));
    CHECK(is_unbiased(clusters, ClusterEstimate::telescoping, false));
    CHECK(is_unbiased(clusters, ClusterEstimate::self_normalised, true));
  }
}

TEST_CASE("kernels_draw_and_add_what_the_reference_does") {
  for (const unsigned seed : {1U, 2U, 3U}) {
    const Tiny clusters = tiny(seed);
    const ClusterReference reference(clusters, 0, log_tau, log_delta);
    for (const ClusterEstimate estimate : {ClusterEstimate::telescoping, ClusterEstimate::self_normalised}) {
      const ClusterPlan plan(Space{}, {.keys = 20, .rows = 5, .estimate = estimate, .steered = false},
                             clusters.problem.queries(), clusters.cache());
      for (std::uint64_t draw = 0; draw < 40; ++draw) {
        CAPTURE(draw);
        const ClusterResult given = clusters.run(
            plan,
            {.seed = draw, .step = 3, .stream = 2, .state = state_of(clusters.problem.shape, log_tau, log_delta)});
        const StreamKey key{draw, 3, 2, 0};
        const auto phase = [&](std::uint32_t tile, std::int64_t first_slot, int block) {
          const std::uint32_t index =
              block < 0 ? 0xc0000000U + tile : 0x80000000U + static_cast<std::uint32_t>(first_slot / 32 + tile + block);
          return key.integer(0, index, 26);
        };
        const auto right = reference.sums(phase, estimate);
        const auto by_rows = reference.sums(phase, ClusterEstimate::self_normalised);
        CHECK(given.statistics[0].clusters_read == right.clusters);
        CHECK(given.statistics[0].keys_read == right.keys);
        CHECK(given.statistics[0].rows_read == right.rows + 4 + 5);
        for (std::size_t h = 0; h < 2; ++h) {
          const bool divides = right.mass[h] > 0.5 * by_rows.mass[h];
          const auto& sums = divides ? right : by_rows;
          const double z = sums.mass[h];
          REQUIRE(z > 0.);
          if (divides) CHECK(given.error[h] == doctest::Approx(right.bar(h)).epsilon(1e-3));
          CHECK(std::isnan(given.error[h]) == !divides);
          CHECK(given.lse[h] == doctest::Approx(std::log(z)).epsilon(1e-4));
          for (std::size_t d = 0; d < 16; ++d)
            CHECK(std::fabs(static_cast<double>(given.out[h * 16 + d]) - sums.sum[h][d] / z) < 1e-4);
        }
      }
    }
  }
}

TEST_CASE("means_over_seeds_are_right_and_biased_estimates_are_seen") {
  ClusterProblem<Space, bfloat16> clusters({1, 4, 1, 300, 32}, {.chunk = 128, .keys = 8});
  fill_kinds(clusters.problem, 9, 10, 1.5F, 1.5F);
  clusters.problem.upload();
  clusters.make();
  const Reference exact = exact_reference(clusters.problem);
  // Z, and the first features of N, in units of the exact Z.
  constexpr std::size_t features = 6;
  const auto quantities = [&](const auto& mass, const auto& out) {
    std::vector<double> result;
    for (std::size_t h = 0; h < 4; ++h) {
      result.push_back(mass(h));
      for (std::size_t d = 0; d < features; ++d) result.push_back(mass(h) * out(h * 32 + d));
    }
    return result;
  };
  const std::vector<double> right =
      quantities([](std::size_t) { return 1.; }, [&](std::size_t i) { return exact.out[i]; });
  for (const bool value_codes : {true, false}) {
    CAPTURE(value_codes);
    const ClusterPlan plan(Space{}, {.keys = 90, .rows = 25, .value_codes = value_codes}, clusters.problem.queries(),
                           clusters.cache());
    const ClusterState<Memory> state(Space{}, clusters.problem.shape);
    // Scores by means alone, and by codes alone of all clusters, with the same noise: the test sees that they are
    // biased.
    const auto thresholds = [](float x) { return std::vector<float>(4, x); };
    const auto biased = [&](float tau) {
      const auto sums = ClusterReference(clusters, 0, thresholds(tau), thresholds(infinity), value_codes)
                            .sums([](std::uint32_t, std::int64_t, int) { return 0U; });
      std::vector<double> off = quantities([&](std::size_t h) { return sums.mass[h] / std::exp(exact.lse[h]); },
                                           [&](std::size_t i) { return sums.sum[i / 32][i % 32] / sums.mass[i / 32]; });
      for (std::size_t i = 0; i < off.size(); ++i) off[i] -= right[i];
      return off;
    };
    const std::vector<double> biases[2] = {biased(infinity), biased(-infinity)};
    MeanTest rivals[2] = {MeanTest(right), MeanTest(right)};
    MeanTest test(right), ignoring_z(right);
    for (std::uint64_t seed = 0; seed < 4000; ++seed) {
      const ClusterResult given = clusters.run(plan, {.seed = seed + 100, .state = state});
      REQUIRE(given.statistics[0].flags == 0);
      const auto out = [&](std::size_t i) { return static_cast<double>(given.out[i]); };
      const std::vector<double> trial =
          quantities([&](std::size_t h) { return std::exp(static_cast<double>(given.lse[h]) - exact.lse[h]); }, out);
      test.add(trial);
      for (std::size_t n = 0; n < 2; ++n) {
        std::vector<double> shifted = trial;
        for (std::size_t i = 0; i < shifted.size(); ++i) shifted[i] += biases[n][i];
        rivals[n].add(shifted);
      }
      ignoring_z.add(quantities([](std::size_t) { return 1.; }, out));
    }
    CHECK(test.passes());
    CHECK(ignoring_z.largest_z() < 10.);  // the ratio's own bias is small
    for (const MeanTest& rival : rivals) CHECK_FALSE(rival.passes());
  }
}
