// Which rows are drawn, and with what weight: values that are unit vectors show it in the output.
#include "decode/one_hot.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <random>

using namespace santa;
using namespace santa::test;
using namespace santa::test::unit_rows;

namespace {

/// Deltas for all heads that give some certain, some likely and some rare rows.
template <class Problem>
std::vector<float> some_deltas(const Problem& problem) {
  std::vector<float> log_delta;
  for (std::int64_t b = 0; b < problem.shape.batch; ++b)
    for (std::int64_t h = 0; h < problem.shape.heads; ++h)
      log_delta.push_back(static_cast<float>(std::log2(mass_of(kernel_scores(problem, b, h)))) - 5.F +
                          0.1F * static_cast<float>(h));
  return log_delta;
}

}  // namespace

SANTA_SPACE_TEST_CASE("mass_unit_draws_the_rows_of_its_plain_reference") {
  const auto problem = one_hot<Space>(2).upload();
  const std::vector<float> log_delta = some_deltas(problem);
  for (const auto draws : {Draws::joint, Draws::separate}) {
    Runner<Space, float> runner(problem, mass_unit(draws, {.rows = 30}));
    const auto state = runner.state();
    for (std::uint32_t step = 0; step < 20; ++step) {
      set_log_delta<Space>(state, log_delta);
      const Settings<Space> settings{.seed = 11, .step = step, .stream = 5, .requests = {70, 3}, .state = state};
      const Result& result = runner.run(settings);
      for (std::int64_t b = 0; b < 2; ++b) {
        const StreamKey key{
            .seed = 11, .step = step, .stream = 5, .request = settings.requests[static_cast<std::size_t>(b)]};
        for (std::int64_t kv = 0; kv < 2; ++kv) {
          std::vector<std::vector<float>> score;
          std::vector<float> delta;
          std::vector<bool> read(n, false);
          std::int64_t samples = 0;
          double smallest_sample = HUGE_VAL;
          for (std::int64_t h = kv * group; h < (kv + 1) * group; ++h) {
            score.push_back(kernel_scores(problem, b, h));
            delta.push_back(log_delta[static_cast<std::size_t>(b * heads + h)]);
          }
          for (std::size_t h = 0; h < group; ++h) {
            // Joint draws are named by the group's first query head, separate ones by their own.
            const auto first = static_cast<std::uint16_t>(kv * group);
            const bool joint = draws == Draws::joint;
            const ReferenceDraws expected =
                joint ? ReferenceDraws(score, delta, 0., key, first)
                      : ReferenceDraws({score[h]}, {delta[h]}, 0., key, static_cast<std::uint16_t>(first + h));
            const std::vector<double>& weight = expected.weight[joint ? h : 0];
            const double mass = mass_of(score[h]);
            double sum = 0.;
            double squares = 0.;
            int wrong = 0;
            for (std::size_t i = 0; i < n; ++i) {
              const auto out =
                  static_cast<double>(result.out[(static_cast<std::size_t>(b * heads + kv * group) + h) * n + i]);
              wrong += (out > 0.) != expected.read[i];
              wrong += std::fabs(out - weight[i] / mass) > 2e-6 * weight[i] / mass;
              if (expected.read[i]) read[i] = true;
              samples += expected.read[i] && (!joint || h == 0);
              sum += weight[i];
              squares += weight[i] * weight[i];
            }
            CHECK(wrong == 0);
            smallest_sample = std::fmin(smallest_sample, sum * sum / squares);
          }
          const Statistics& statistics = result.statistics[static_cast<std::size_t>(b * 2 + kv)];
          CHECK(statistics.rows_read == std::count(read.begin(), read.end(), true));
          CHECK(statistics.samples == samples);
          CHECK(static_cast<double>(statistics.effective_sample_size) ==
                doctest::Approx(smallest_sample).epsilon(1e-4));
          CHECK(statistics.flags == 0U);
        }
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_draws_the_same_rows_over_several_splits_and_slices") {
  // 17 heads make two slices; 1000 keys make four splits; values are random, so outputs are compared as a whole.
  Problem<Space, float> problem({.batch = 1, .heads = 17, .kv_heads = 1, .length = 1000, .dim = 64});
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  problem.fill(3);
  problem.fill_scores([&](auto, auto, auto) { return 1.5F * normal(random); },
                      [](std::int64_t h) { return 1.F - 0.05F * static_cast<float>(h); });
  problem.upload();
  const std::vector<float> log_delta = some_deltas(problem);
  for (const std::int64_t keys_per_split : {256, 512, 1024}) {
    Runner<Space, float> runner(problem, MassUnit{.rows = 100}, {.keys_per_split = keys_per_split});
    const auto state = runner.state();
    set_log_delta<Space>(state, log_delta);
    const Result& result = runner.run({.seed = 3, .state = state});
    std::int64_t rows = 0;
    for (const std::int64_t first : {0, 9}) {
      std::vector<std::vector<float>> score;
      std::vector<float> delta;
      for (std::int64_t h = first; h < first + 9 && h < 17; ++h) {
        score.push_back(kernel_scores(problem, 0, h));
        delta.push_back(log_delta[static_cast<std::size_t>(h)]);
      }
      const ReferenceDraws expected(score, delta, 0., StreamKey{.seed = 3}, static_cast<std::uint16_t>(first));
      rows += std::count(expected.read.begin(), expected.read.end(), true);
      for (std::size_t h = 0; h < score.size(); ++h) {
        const double mass = mass_of(score[h]);
        std::vector<double> out(64, 0.);
        for (std::int64_t i = 0; i < 1000; ++i)
          for (std::int64_t d = 0; d < 64; ++d)
            out[static_cast<std::size_t>(d)] +=
                expected.weight[h][static_cast<std::size_t>(i)] / mass * static_cast<double>(problem.value(0, i, 0, d));
        CHECK(relative_error(result.out.data() + (static_cast<std::size_t>(first) + h) * 64, out) < 1e-5);
      }
    }
    CHECK(result.statistics[0].rows_read == rows);
  }
}

SANTA_SPACE_TEST_CASE("mass_unit_gives_the_rest_of_the_mass_to_the_center") {
  const auto problem = one_hot<Space>().upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 30});
  const auto state = runner.state();
  std::vector<float> center;
  for (std::int64_t i = 0; i < 2 * n; ++i) center.push_back(0.001F * static_cast<float>(i));
  set_log_delta<Space>(state, some_deltas(problem));
  const Result plain = runner.run({.seed = 1, .state = state});
  set_log_delta<Space>(state, some_deltas(problem));
  const Result centered = runner.run({.seed = 1, .center = center, .state = state});
  for (std::size_t h = 0; h < heads; ++h) {
    double used = 0.;
    for (std::size_t i = 0; i < n; ++i) used += static_cast<double>(plain.out[h * n + i]);
    int wrong = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double expected =
          static_cast<double>(plain.out[h * n + i]) + (1. - used) * static_cast<double>(center[h / group * n + i]);
      wrong += std::fabs(static_cast<double>(centered.out[h * n + i]) - expected) > 1e-6;
    }
    CHECK(wrong == 0);
    CHECK(std::fabs(1. - used) > 1e-4);
  }
}

SANTA_SPACE_TEST_CASE("a_late_rise_of_the_scores_keeps_what_came_before") {
  // After 200 keys, some of them gathered and some waiting, a few keys weigh 2^9.6 times as much: the reference moves,
  // and everything summed so far with it.
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = n, .dim = n});
  std::mt19937 random(8);
  std::normal_distribution<float> normal;
  problem.fill_scores(
      [&](auto, std::int64_t i, auto) { return i >= 200 && i % 40 == 0 ? 6.7F : 0.2F * normal(random); },
      [](std::int64_t h) { return h == 0 ? 1.F : 0.5F; });
  problem.fill_one_hot().upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 60});
  const auto state = runner.state();
  std::vector<std::vector<float>> score;
  std::vector<float> log_delta;
  for (std::int64_t h = 0; h < 2; ++h) {
    score.push_back(kernel_scores(problem, 0, h));
    log_delta.push_back(static_cast<float>(std::log2(mass_of(score.back()))) - (h == 0 ? 9.F : 7.F));
  }
  std::vector<float> center(n, 0.F);
  for (std::size_t i = 0; i < n; ++i) center[i] = 0.01F * static_cast<float>(i % 7);
  double center_norm = 0.;
  for (const float c : center) center_norm += static_cast<double>(c) * static_cast<double>(c);
  for (std::uint32_t step = 0; step < 5; ++step) {
    set_log_delta<Space>(state, log_delta);
    const Result& result = runner.run({.seed = 2, .step = step, .center = center, .state = state});
    const ReferenceDraws expected(score, log_delta, 0., StreamKey{.seed = 2, .step = step}, 0);
    REQUIRE(std::count(expected.read.begin(), expected.read.begin() + 200, true) > 40);
    double smallest_sample = HUGE_VAL;
    for (std::size_t h = 0; h < 2; ++h) {
      const double mass = mass_of(score[h]);
      double used = 0.;
      double squares = 0.;
      double variance = 0.;
      for (std::size_t i = 0; i < n; ++i) {
        const double weight = expected.weight[h][i];
        const float ratio = std::fmax(score[0][i] - log_delta[0], score[1][i] - log_delta[1]);
        const double pi = std::fmin(1., std::exp2(static_cast<double>(ratio)));
        const double distance = 1. - 2. * static_cast<double>(center[i]) + center_norm;  // |e_i - c|^2
        used += weight;
        squares += weight * weight;
        variance += (1. - pi) * weight * weight * distance;
      }
      int wrong = 0;
      for (std::size_t i = 0; i < n; ++i) {
        const double out = (expected.weight[h][i] + (mass - used) * static_cast<double>(center[i])) / mass;
        wrong += std::fabs(static_cast<double>(result.out[h * n + i]) - out) > 1e-6 + 1e-5 * std::fabs(out);
      }
      CHECK(wrong == 0);
      CHECK(static_cast<double>(result.error[h]) == doctest::Approx(std::sqrt(variance) / mass).epsilon(1e-3));
      smallest_sample = std::fmin(smallest_sample, used * used / squares);
    }
    CHECK(static_cast<double>(result.statistics[0].effective_sample_size) ==
          doctest::Approx(smallest_sample).epsilon(1e-4));
  }
}

SANTA_SPACE_TEST_CASE("systematic_counts_are_floor_or_ceil_and_add_up_to_the_samples") {
  const auto problem = one_hot<Space>().upload();
  for (const std::int64_t samples : {1, 7, 64, 255}) {
    Runner<Space, float> runner(problem, Systematic{.samples = samples});
    for (std::uint32_t step = 0; step < 10; ++step) {
      const Result& result = runner.run({.seed = 9, .step = step, .stream = 2, .requests = {44}});
      const StreamKey key{.seed = 9, .step = step, .stream = 2, .request = 44};
      for (std::int64_t kv = 0; kv < 2; ++kv) {
        std::vector<bool> read(n, false);
        for (std::int64_t h = kv * group; h < (kv + 1) * group; ++h) {
          double lse = 0.;
          const std::vector<double> a = reference_probabilities(problem, 0, h, {}, lse);
          const auto expected =
              reference_counts(a, samples, 0x1p-32 * key.integer(static_cast<std::uint16_t>(h), 0U, 32));
          std::int64_t total = 0;
          int wrong = 0;
          int different = 0;
          for (std::size_t i = 0; i < n; ++i) {
            const double scaled =
                static_cast<double>(result.out[static_cast<std::size_t>(h) * n + i]) * static_cast<double>(samples);
            const std::int64_t count = std::llround(scaled);
            const double share_of_row = a[i] * static_cast<double>(samples);
            wrong += std::fabs(scaled - static_cast<double>(count)) > 1e-4;
            wrong += static_cast<double>(count) < std::floor(share_of_row - 1e-4) ||
                     static_cast<double>(count) > std::ceil(share_of_row + 1e-4);
            different += count != expected[i];
            total += count;
            if (count > 0) read[i] = true;
          }
          CHECK(wrong == 0);
          CHECK(total == samples);
          CHECK(different <= 2);  // a point may fall within rounding of a row's edge
        }
        const Statistics& statistics = result.statistics[static_cast<std::size_t>(kv)];
        CHECK(statistics.samples == group * samples);
        CHECK(statistics.rows_read == std::count(read.begin(), read.end(), true));
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("systematic_counts_add_up_over_tiles_splits_and_lengths") {
  // Values of one feature are 1: that feature of the output is the sum of all counts over the samples.
  Problem<Space, float> problem({.batch = 3, .heads = 4, .kv_heads = 2, .length = 3000, .dim = 8});
  problem.fill(6, 4.F);
  for (std::int64_t b = 0; b < 3; ++b)
    for (std::int64_t i = 0; i < 3000; ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv) problem.value(b, i, kv, 5) = 1.F;
  problem.set_lengths({3000, 257, 1999}).upload();
  for (const std::int64_t keys_per_split : {256, 1024, 4096}) {
    Runner<Space, float> runner(problem, Systematic{.samples = 100}, {.keys_per_split = keys_per_split});
    for (std::uint32_t step = 0; step < 5; ++step) {
      const Result& result = runner.run({.step = step});
      for (std::size_t head = 0; head < 12; ++head)
        CHECK(result.out[head * 8 + 5] == doctest::Approx(1.).epsilon(2e-6));
      for (const Statistics& s : result.statistics) CHECK(s.samples == 200);
    }
  }
}

SANTA_SPACE_TEST_CASE("the_same_names_draw_the_same_bits_and_other_names_others") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 900, .dim = 64});
  problem.fill(1).upload();
  for (const AnyMethod& method : samplers(90)) {
    Runner<Space, float> runner(problem, method);
    const Settings<Space> name{.seed = 5, .step = 6, .stream = 7, .requests = {8, 9}};
    const Result first = runner.run(name);
    const Result again = runner.run(name);
    CHECK(same_bits(first.out, again.out));
    CHECK(same_bits(first.lse, again.lse));
    CHECK(same_bits(first.error, again.error));
    Runner<Space, float> other_plan(problem, method);
    CHECK(same_bits(first.out, other_plan.run(name).out));
    for (const Settings<Space>& other :
         {Settings<Space>{.seed = 6, .step = 6, .stream = 7, .requests = {8, 9}},
          Settings<Space>{.seed = 5 + (std::uint64_t{1} << 33), .step = 6, .stream = 7, .requests = {8, 9}},
          Settings<Space>{.seed = 5, .step = 7, .stream = 7, .requests = {8, 9}},
          Settings<Space>{.seed = 5, .step = 6, .stream = 8, .requests = {8, 9}},
          Settings<Space>{.seed = 5, .step = 6, .stream = 7, .requests = {10, 11}}}) {
      const Result result = runner.run(other);
      for (std::size_t head = 0; head < 8; ++head) {
        const auto begin = static_cast<std::ptrdiff_t>(head * 64);
        CHECK_FALSE(std::equal(first.out.begin() + begin, first.out.begin() + begin + 64, result.out.begin() + begin));
      }
    }
    CHECK(same_bits(runner.run({.seed = 3}).out, runner.run({.seed = 3, .requests = {0, 1}}).out));
  }
}

SANTA_SPACE_TEST_CASE("a_request_keeps_its_draws_in_another_slot_with_other_mates") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 900, .dim = 64});
  problem.fill(1).set_lengths({900, 731}).upload();
  Problem<Space, float> swapped = problem;
  for (std::int64_t b = 0; b < 2; ++b) {
    for (std::int64_t h = 0; h < 4; ++h)
      for (std::int64_t d = 0; d < 64; ++d) swapped.query(b, h, d) = problem.query(1 - b, h, d);
    for (std::int64_t i = 0; i < 900; ++i)
      for (std::int64_t kv = 0; kv < 2; ++kv)
        for (std::int64_t d = 0; d < 64; ++d) {
          swapped.key(b, i, kv, d) = problem.key(1 - b, i, kv, d);
          swapped.value(b, i, kv, d) = problem.value(1 - b, i, kv, d);
        }
  }
  swapped.set_lengths({731, 900}).upload();
  for (const AnyMethod& method : exact_and_samplers(90)) {
    Runner<Space, float> runner(problem, method);
    Runner<Space, float> swapped_runner(swapped, method);
    Result a = runner.run({.requests = {17, 4}});
    const Result& b = swapped_runner.run({.requests = {4, 17}});
    std::rotate(a.out.begin(), a.out.begin() + 256, a.out.end());
    std::rotate(a.lse.begin(), a.lse.begin() + 4, a.lse.end());
    std::rotate(a.error.begin(), a.error.begin() + 4, a.error.end());
    CHECK(same_bits(a.out, b.out));
    CHECK(same_bits(a.lse, b.lse));
    CHECK(same_bits(a.error, b.error));
  }
}
