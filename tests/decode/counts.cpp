// How often each row is drawn by the rules that draw by count: values that are unit vectors show it in the output.
#include "decode/one_hot.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

using namespace santa;
using namespace santa::test;
using namespace santa::test::unit_rows;

namespace {

std::size_t size(std::int64_t count) { return static_cast<std::size_t>(count); }

/// The weights of a head's rows.
std::vector<double> weights(const Result& result, std::int64_t head) {
  return {result.out.begin() + head * n, result.out.begin() + (head + 1) * n};
}

/// Counts of a head whose draws weigh 1 / samples each; -1 where a weight is no whole number of draws.
std::vector<std::int64_t> counts(const Result& result, std::int64_t head, std::int64_t samples) {
  std::vector<std::int64_t> counts;
  for (const double weight : weights(result, head)) {
    const double scaled = weight * static_cast<double>(samples);
    counts.push_back(std::fabs(scaled - std::round(scaled)) < 1e-4 ? std::llround(scaled) : -1);
  }
  return counts;
}

template <class Problem>
std::vector<double> probabilities(const Problem& problem, std::int64_t head, std::int64_t request = 0) {
  double lse = 0.;
  return reference_probabilities(problem, request, head, {}, lse);
}

std::int64_t sum(const std::vector<std::int64_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::int64_t{0});
}

/// Counts of points in [0, 1) over the rows of cumulative probability `a`.
std::vector<std::int64_t> counts_of_points(std::vector<double> points, const std::vector<double>& a) {
  std::sort(points.begin(), points.end());
  std::vector<std::int64_t> counts(a.size(), 0);
  double end = 0.;
  auto next = points.begin();
  for (std::size_t i = 0; i < a.size(); ++i) {
    end += a[i];
    for (; next != points.end() && (*next < end || i + 1 == a.size()); ++next) ++counts[i];
  }
  return counts;
}

/// Word point % 4 of the number at index first + point / 4, in [0, 1).
double word(const StreamKey& key, std::int64_t head, std::uint32_t first, std::int64_t point) {
  const auto random =
      key.draw(static_cast<std::uint16_t>(head), first + static_cast<std::uint32_t>(point / 4)).word[point % 4];
  return static_cast<double>(random) * 0x1p-32;
}

int differences(const std::vector<std::int64_t>& a, const std::vector<std::int64_t>& b) {
  int different = 0;
  for (std::size_t i = 0; i < a.size(); ++i) different += a[i] != b[i];
  return different;
}

/// Pearson's statistic of multinomial counts over bins of `width` rows: its mean over trials as a z value, by its exact
/// mean and variance.
class ChiSquare {
 public:
  ChiSquare(const std::vector<double>& a, std::int64_t width, std::int64_t samples)
      : _width(size(width)), _samples(static_cast<double>(samples)), _p((a.size() + size(width) - 1) / size(width)) {
    for (std::size_t i = 0; i < a.size(); ++i) _p[i / _width] += a[i];
  }
  void add(const std::vector<std::int64_t>& counts) {
    std::vector<double> bins(_p.size(), 0.);
    for (std::size_t i = 0; i < counts.size(); ++i) bins[i / _width] += static_cast<double>(counts[i]);
    for (std::size_t i = 0; i < bins.size(); ++i) {
      const double expected = _samples * _p[i];
      _sum += (bins[i] - expected) * (bins[i] - expected) / expected;
    }
    ++_trials;
  }
  [[nodiscard]] double z() const {
    const auto k = static_cast<double>(_p.size());
    double inverse = 0.;
    for (const double p : _p) inverse += 1. / p;
    const double variance = 2. * (k - 1.) + (inverse - k * k - 2. * k + 2.) / _samples;
    return (_sum / _trials - (k - 1.)) / std::sqrt(variance / _trials);
  }

 private:
  std::size_t _width;
  double _samples;
  std::vector<double> _p;
  double _sum = 0.;
  double _trials = 0.;
};

}  // namespace

SANTA_SPACE_TEST_CASE("multinomial_counts_are_those_of_independent_draws") {
  const auto problem = one_hot<Space>().upload();
  const std::vector<std::int64_t> widths = {1, 8, 32, 128};
  for (const std::int64_t samples : {3, 40, 200}) {
    Runner<Space, float> runner(problem, Multinomial{.samples = samples});
    Runner<Space, float> stratified(problem, Stratified{.samples = samples});
    std::vector<ChiSquare> tests;  // [head][width]
    std::vector<ChiSquare> power;
    for (std::int64_t h = 0; h < heads; ++h)
      for (const std::int64_t width : widths) tests.emplace_back(probabilities(problem, h), width, samples);
    power = tests;
    for (std::uint32_t step = 0; step < 400; ++step) {
      const Result given = runner.run({.seed = 4, .step = step});
      const Result& other = stratified.run({.seed = 4, .step = step});
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::vector<std::int64_t> drawn = counts(given, h, samples);
        REQUIRE(*std::min_element(drawn.begin(), drawn.end()) >= 0);
        REQUIRE(sum(drawn) == samples);
        for (std::size_t w = 0; w < widths.size(); ++w) {
          tests[size(h) * widths.size() + w].add(drawn);
          power[size(h) * widths.size() + w].add(counts(other, h, samples));
        }
      }
    }
    CAPTURE(samples);
    for (std::size_t i = 0; i < tests.size(); ++i) {
      const double bound = z_bound(3 * tests.size());
      CHECK(std::fabs(tests[i].z()) < bound);
      if (widths[i % widths.size()] == 32) CHECK(power[i].z() < -bound);  // the test tells one from the other
    }
  }
}

SANTA_SPACE_TEST_CASE("multinomial_draws_the_points_of_its_plain_reference") {
  const auto problem = one_hot<Space>().upload();
  for (const std::int64_t samples : {1, 7, 8, 64, 255}) {
    Runner<Space, float> runner(problem, Multinomial{.samples = samples});
    std::int64_t cells = 1;
    while (cells * 4 <= samples) cells *= 2;
    for (std::uint32_t step = 0; step < 10; ++step) {
      const Result& result = runner.run({.seed = 9, .step = step, .stream = 2, .requests = {44}});
      const StreamKey key{.seed = 9, .step = step, .stream = 2, .request = 44};
      for (std::int64_t h = 0; h < heads; ++h) {
        std::vector<std::int64_t> cell;
        for (std::int64_t k = 0; k < samples; ++k)
          cell.push_back(static_cast<std::int64_t>(word(key, h, 1U << 31, k) * static_cast<double>(cells)));
        std::sort(cell.begin(), cell.end());
        std::vector<double> points;
        for (std::int64_t k = 0; k < samples; ++k)
          points.push_back((static_cast<double>(cell[size(k)]) + word(key, h, 0, k)) / static_cast<double>(cells));
        CHECK(differences(counts(result, h, samples), counts_of_points(points, probabilities(problem, h))) <= 2);
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("stratified_draws_exactly_one_row_a_stratum") {
  const auto problem = one_hot<Space>().upload();
  for (const std::int64_t samples : {1, 7, 64, 255}) {
    Runner<Space, float> runner(problem, Stratified{.samples = samples});
    for (std::uint32_t step = 0; step < 20; ++step) {
      const Result& result = runner.run({.seed = 9, .step = step, .stream = 2, .requests = {44}});
      const StreamKey key{.seed = 9, .step = step, .stream = 2, .request = 44};
      for (std::int64_t h = 0; h < heads; ++h) {
        const std::vector<double> a = probabilities(problem, h);
        const std::vector<std::int64_t> given = counts(result, h, samples);
        // One point a stratum: so many below F as there are strata below it, and perhaps that of the one it lies in.
        double below = 0.;
        std::int64_t drawn = 0;
        int wrong = 0;
        for (std::size_t i = 0; i < a.size(); ++i) {
          below += a[i] * static_cast<double>(samples);
          drawn += given[i];
          wrong += given[i] < 0 || static_cast<double>(drawn) < std::floor(below - 1e-4) ||
                   static_cast<double>(drawn) > std::ceil(below + 1e-4);
        }
        CHECK(wrong == 0);
        CHECK(drawn == samples);
        std::vector<double> points;
        for (std::int64_t k = 0; k < samples; ++k)
          points.push_back((static_cast<double>(k) + word(key, h, 0, k)) / static_cast<double>(samples));
        CHECK(differences(given, counts_of_points(points, a)) <= 2);
      }
      for (const Statistics& s : result.statistics) CHECK(s.samples == group * samples);
    }
  }
}

namespace {

/// One tile's expected weights by systematic draws within it: `mass` of the tile is shared by `share` points.
void systematic_tile(const std::vector<double>& a, std::size_t begin, std::size_t end, std::int64_t share,
                     double offset, std::vector<double>& weight) {
  std::vector<double> part(a.begin() + static_cast<std::ptrdiff_t>(begin),
                           a.begin() + static_cast<std::ptrdiff_t>(end));
  const double mass = std::accumulate(part.begin(), part.end(), 0.);
  for (double& x : part) x /= mass;
  const std::vector<std::int64_t> counts = reference_counts(part, share, offset);
  for (std::size_t i = 0; i < part.size(); ++i)
    weight[begin + i] = static_cast<double>(counts[i]) * mass / static_cast<double>(share);
}

/// Rows whose weights differ.
int differences(const std::vector<double>& a, const std::vector<double>& b) {
  int different = 0;
  for (std::size_t i = 0; i < b.size(); ++i) different += std::fabs(a[i] - b[i]) > 1e-5 * std::fabs(b[i]) + 1e-9;
  return different;
}

}  // namespace

SANTA_SPACE_TEST_CASE("fixed_tile_budgets_draw_the_shares_of_their_plain_reference") {
  auto problem = one_hot<Space>(2);
  problem.set_lengths({n, 130}).upload();
  for (const int tile : {32, 64, 256})
    for (const std::int64_t samples : {8, 37, 100, 250, 256}) {
      Runner<Space, float> runner(problem, FixedTileBudget{.samples = samples, .tile = tile});
      const std::int64_t tiles = n / tile;
      for (std::uint32_t step = 0; step < 10; ++step) {
        const Result& result = runner.run({.seed = 3, .step = step});
        for (std::uint32_t b = 0; b < 2; ++b)
          for (std::int64_t h = 0; h < heads; ++h) {
            const StreamKey key{.seed = 3, .step = step, .request = b};
            const std::vector<double> a = probabilities(problem, h, b);
            std::vector<double> expected(a.size(), 0.);
            for (std::size_t begin = 0; begin < a.size(); begin += size(tile)) {
              const std::size_t end = std::min(begin + size(tile), a.size());
              const auto t = static_cast<std::int64_t>(begin) / tile;
              const std::int64_t share = (t + 1) * samples / tiles - t * samples / tiles;
              const double offset =
                  0x1p-32 * key.integer(static_cast<std::uint16_t>(h), static_cast<std::uint32_t>(t), 32);
              if (share >= static_cast<std::int64_t>(end - begin) || samples >= n)
                std::copy(a.begin() + static_cast<std::ptrdiff_t>(begin), a.begin() + static_cast<std::ptrdiff_t>(end),
                          expected.begin() + static_cast<std::ptrdiff_t>(begin));
              else
                systematic_tile(a, begin, end, share, offset, expected);
            }
            CHECK(differences(weights(result, b * heads + h), expected) <= 2);
          }
      }
    }
}

SANTA_SPACE_TEST_CASE("proportional_tile_budgets_draw_the_shares_of_their_plain_reference") {
  auto problem = one_hot<Space>(2);
  problem.set_lengths({n, 130}).upload();
  for (const int tile : {32, 64, 256})
    for (const std::int64_t samples : {1, 5, 37, 100}) {
      Runner<Space, float> runner(problem, ProportionalTileBudget{.samples = samples, .tile = tile});
      for (std::uint32_t step = 0; step < 10; ++step) {
        const Result& result = runner.run({.seed = 3, .step = step});
        for (std::uint32_t b = 0; b < 2; ++b)
          for (std::int64_t h = 0; h < heads; ++h) {
            const StreamKey key{.seed = 3, .step = step, .request = b};
            const std::vector<double> a = probabilities(problem, h, b);
            // Largest remainder, by a sort.
            std::vector<std::int64_t> share;
            std::vector<double> remainder;
            for (std::size_t begin = 0; begin < a.size(); begin += size(tile)) {
              double quota = 0.;
              for (std::size_t i = begin; i < std::min(begin + size(tile), a.size()); ++i)
                quota += a[i] * static_cast<double>(samples);
              share.push_back(static_cast<std::int64_t>(quota + 1e-9));
              remainder.push_back(quota - static_cast<double>(share.back()));
            }
            for (std::int64_t left = samples - sum(share); left > 0; --left) {
              const auto best = std::max_element(remainder.begin(), remainder.end());
              ++share[static_cast<std::size_t>(best - remainder.begin())];
              *best = -1.;
            }
            std::vector<double> expected(a.size(), 0.);
            for (std::size_t t = 0; t < share.size(); ++t) {
              const std::size_t begin = t * size(tile);
              const std::size_t end = std::min(begin + size(tile), a.size());
              if (share[t] == 0) continue;
              systematic_tile(a, begin, end, share[t],
                              0x1p-32 * key.integer(static_cast<std::uint16_t>(h), static_cast<std::uint32_t>(t), 32),
                              expected);
              // Every draw weighs the same, whatever the tile's mass.
              const double mass = std::accumulate(expected.begin() + static_cast<std::ptrdiff_t>(begin),
                                                  expected.begin() + static_cast<std::ptrdiff_t>(end), 0.);
              for (std::size_t i = begin; i < end; ++i)
                expected[i] *= static_cast<double>(share[t]) / static_cast<double>(samples) / mass;
            }
            CHECK(differences(weights(result, b * heads + h), expected) <= 2);
          }
      }
    }
}

SANTA_SPACE_TEST_CASE("samples_left_over_among_tiles_of_equal_mass_go_to_the_first_of_them") {
  auto problem = one_hot<Space>();
  problem.fill_scores([](auto, auto, auto) { return 0.F; }, [](std::int64_t) { return 1.F; });
  problem.fill_one_hot().upload();
  for (const std::int64_t samples : {3, 11, 20, 31}) {  // over 8 tiles
    Runner<Space, float> runner(problem, ProportionalTileBudget{.samples = samples, .tile = 32});
    const Result& result = runner.run({.seed = 4});
    for (std::int64_t h = 0; h < heads; ++h) {
      const std::vector<std::int64_t> drawn = counts(result, h, samples);
      for (std::int64_t t = 0; t < 8; ++t) {
        const auto begin = drawn.begin() + 32 * t;
        CHECK(std::accumulate(begin, begin + 32, std::int64_t{0}) == samples / 8 + (t < samples % 8 ? 1 : 0));
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("samples_add_up_over_tiles_splits_windows_and_lengths") {
  // Values of one feature are 1: that feature of the output is the sum of all weights.
  Problem<Space, float> problem({.batch = 3, .heads = 4, .kv_heads = 2, .length = 3000, .dim = 8});
  problem.fill(6, 4.F);
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < 3000; ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv) problem.value(b, i, kv, 5) = 1.F;
  problem.set_lengths({3000, 257, 1999}).upload();
  const auto check = [&](auto& runner, bool whole) {
    for (std::uint32_t step = 0; step < 5; ++step) {
      const Result& result = runner.run({.step = step});
      for (std::size_t head = 0; head < 12; ++head)
        CHECK(result.out[head * 8 + 5] == doctest::Approx(1.).epsilon(3e-6));
      if (whole)
        for (const Statistics& s : result.statistics) CHECK(s.samples == 200);
    }
  };
  for (const AnyMethod& method :
       {AnyMethod(Systematic{.samples = 100}), AnyMethod(Stratified{.samples = 100}),
        AnyMethod(Multinomial{.samples = 100}), AnyMethod(ProportionalTileBudget{.samples = 100, .tile = 32}),
        AnyMethod(ProportionalTileBudget{.samples = 100, .tile = 256}),
        AnyMethod(FixedTileBudget{.samples = 100, .tile = 32}), AnyMethod(FixedTileBudget{.samples = 100})})
    for (const std::int64_t keys_per_split : {256, 1024, 4096}) {
      CAPTURE(method.index());
      Runner<Space, float> runner(problem, method, {.keys_per_split = keys_per_split});
      check(runner, method.index() != 5);
      Runner<Space, float, float, float, Window> windowed(problem, method, {.keys_per_split = keys_per_split},
                                                          Window{205});
      check(windowed, method.index() != 5);
    }
}
