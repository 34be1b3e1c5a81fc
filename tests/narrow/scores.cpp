// Methods on narrow keys: what they compute is attention over what the codes stand for, or, rescored, over the full
// keys.
#include "narrow/check_exact.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("narrow_keys_give_attention_over_what_they_stand_for") {
  for (const std::int64_t dim : {64, 128}) {
    CAPTURE(dim);
    Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = dim});
    problem.fill(3).set_lengths({300, 77});
    spread_channels(problem);
    check_all_codes(problem.upload());
  }
}

SANTA_SPACE_TEST_CASE("units_of_many_tiles_are_read_right_whether_few_rows_are_drawn_or_all") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 5000, .dim = 128});
  problem.fill(9, 1.F);
  // Many rows in some places and none in others: what waits to be gathered comes and goes.
  for (std::int64_t i = 0; i < 5000; ++i)
    if (i / 700 % 2 == 1)
      for (std::int64_t d = 0; d < 128; ++d) problem.key(0, i, 0, d) *= 4.F;
  problem.upload();
  const auto check = [&]<class Code>() {
    const auto narrow = narrow_keys<Code>(problem);
    const NarrowCache cache{problem.cache(), narrow};
    const Reference approximate = exact_reference(decoded<Space, bfloat16, bfloat16, Code>(problem, narrow));
    const Reference exact = exact_reference(problem);
    for (const std::int64_t keys_per_split : {5120, 1024}) {
      const PlanOptions options{.keys_per_split = keys_per_split};
      CHECK(relative_error(run_once(Exact{}, problem, cache, {}, options).out, approximate.out) < codes_tolerance);
      CHECK(relative_error(run_once(Exact{}, problem, rescored(cache), {}, options).out, exact.out) < 1e-5);
      const MassUnit half{.rows = share(0.5)};
      CHECK(relative_error(run_once(half, problem, cache, {}, options).out, approximate.out) < 0.05);
      CHECK(relative_error(run_once(half, problem, rescored(cache), {}, options).out, exact.out) < 0.05);
    }
  };
  check.template operator()<std::int8_t>();
  check.template operator()<float8>();
  check.template operator()<int4x2>();
}

SANTA_SPACE_TEST_CASE("every_sampler_that_covers_the_length_gives_exact_attention_by_rescoring") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 6, .kv_heads = 2, .length = 300, .dim = 64});
  problem.fill(7);
  spread_channels(problem);
  problem.upload();
  const auto narrow = narrow_keys<int4x2>(problem);
  const NarrowCache cache{problem.cache(), narrow};
  const Reference exact = exact_reference(problem);
  const Reference approximate = exact_reference(decoded<Space, bfloat16, bfloat16, int4x2>(problem, narrow));
  for (const AnyMethod& method : samplers(301)) {
    CAPTURE(method.index());
    std::visit(
        [&](const auto& m) {
          const Result by_codes = run_once(m, problem, cache);
          CHECK(relative_error(by_codes.out, approximate.out) < codes_tolerance);
          const Result by_keys = run_once(m, problem, rescored(cache));
          CHECK(relative_error(by_keys.out, exact.out) < 1e-5);
          for (const float bar : by_keys.error) CHECK(bar == 0.F);
        },
        method);
  }
}

SANTA_SPACE_TEST_CASE("the_mean_over_seeds_is_attention_over_codes_or_by_rescoring_over_keys") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 2000, .dim = 64});
  problem.fill(8);
  spread_channels(problem);
  problem.upload();
  const auto narrow = narrow_keys<int4x2>(problem);
  const NarrowCache cache{problem.cache(), narrow};
  const Reference exact = exact_reference(problem);
  const Reference approximate = exact_reference(decoded<Space, bfloat16, bfloat16, int4x2>(problem, narrow));
  for (const AnyMethod& method : samplers(300)) {
    CAPTURE(method.index());
    std::visit(
        [&](const auto& m) {
          // Errors of 64 seeds fall by 8 where they are independent and have mean 0; by less than 4 where they had not.
          const auto is_right_on_average = [&](const auto& sampled, const Reference& reference) {
            constexpr int seeds = 64;
            std::vector<float> mean(reference.out.size());
            double square = 0., bars = 0., norm = 0.;
            for (const double x : reference.out) norm += x * x;
            for (int s = 0; s < seeds; ++s) {
              const Result result = run_once(m, problem, sampled, {.seed = static_cast<std::uint64_t>(s) + 1});
              const double error = relative_error(result.out, reference.out);
              square += error * error / seeds;
              for (const float bar : result.error) bars += static_cast<double>(bar) * static_cast<double>(bar) / seeds;
              for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += result.out[i] / seeds;
            }
            CHECK(relative_error(mean, reference.out) < std::sqrt(square) / 4.);
            CHECK(std::sqrt(square) < 0.5);
            CHECK(bars / norm > 0.5 * square);
            CHECK(bars / norm < 5. * square);
          };
          is_right_on_average(cache, approximate);
          is_right_on_average(rescored(cache), exact);
        },
        method);
  }
}
