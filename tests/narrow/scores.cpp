// Methods on narrow keys: what they compute is attention over what the codes stand for, or, rescored, over the full
// keys.
#include "narrow/narrow_problem.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <doctest/doctest.h>

#include <cmath>

using namespace santa;
using namespace santa::test;

namespace {

/// Exact attention over narrow keys against the reference over what they stand for; and the same rescored, with every
/// row read, against the reference over the full keys.
template <class Code, class Space, class T, class Q>
void check_exact(const Problem<Space, T, Q>& problem, CacheLayout layout = CacheLayout::token_major) {
  const auto narrow = narrow_keys<Code>(problem, layout);
  const NarrowCache cache{problem.cache(), narrow};
  const Reference approximate = exact_reference(decoded<Space, T, Q, Code>(problem, narrow));
  const Result by_codes = run_narrow(Exact{}, problem, cache);
  CHECK(relative_error(by_codes.out, approximate.out) < 1e-5);
  for (std::size_t i = 0; i < approximate.lse.size(); ++i)
    CHECK(static_cast<double>(by_codes.lse[i]) == doctest::Approx(approximate.lse[i]).epsilon(1e-5));

  const Reference exact = exact_reference(problem);
  const double error_of_codes = relative_error(by_codes.out, exact.out);
  CHECK(error_of_codes > 1e-4);  // the two references can be told apart
  const Result by_keys = run_narrow(Exact{}, problem, rescored(cache));
  CHECK(relative_error(by_keys.out, exact.out) < 1e-5);
  for (std::size_t i = 0; i < exact.lse.size(); ++i)
    CHECK(static_cast<double>(by_keys.lse[i]) == doctest::Approx(exact.lse[i]).epsilon(1e-5));
}

template <class Space, class T, class Q>
void check_all_codes(const Problem<Space, T, Q>& problem, CacheLayout layout = CacheLayout::token_major) {
  check_exact<std::int8_t>(problem, layout);
  check_exact<float8>(problem, layout);
  check_exact<int4x2>(problem, layout);
}

/// Keys as models have them: channels of very different means and widths.
template <class Space, class T, class Q>
void spread_channels(Problem<Space, T, Q>& problem) {
  const Shape& shape = problem.shape;
  for (std::int64_t d = 0; d < shape.dim; ++d) {
    const float width = d % 7 == 3 ? 6.F : 0.5F;
    const float mean = d % 5 == 0 ? 4.F : -0.25F;
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      for (std::int64_t h = 0; h < shape.heads; ++h) problem.query(b, h, d) /= width;
      for (std::int64_t i = 0; i < shape.length; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          problem.key(b, i, kv, d) = problem.key(b, i, kv, d) * width + mean;
    }
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("narrow_keys_give_attention_over_what_they_stand_for") {
  for (const std::int64_t dim : {64, 128}) {
    CAPTURE(dim);
    Problem<Space, bfloat16, bfloat16> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 300, .dim = dim});
    problem.fill(3).set_lengths({300, 77});
    spread_channels(problem);
    check_all_codes(problem.upload());
  }
}

SANTA_SPACE_TEST_CASE("narrow_keys_work_for_odd_dimensions_groups_layouts_and_types") {
  {
    Problem<Space, float> problem({.batch = 1, .heads = 5, .kv_heads = 1, .length = 130, .dim = 72},
                                  Arrangement::fused);
    problem.fill(4);
    spread_channels(problem);
    check_all_codes(problem.upload());
  }
  {
    Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 16, .kv_heads = 1, .length = 257, .dim = 40},
                                               Arrangement::head_major);
    problem.fill(5);
    spread_channels(problem);
    check_all_codes(problem.upload(), CacheLayout::head_major);
  }
  {
    Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 64, .dim = 8});
    problem.fill(6);
    check_all_codes(problem.upload());
  }
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
          const Result by_codes = run_narrow(m, problem, cache);
          CHECK(relative_error(by_codes.out, approximate.out) < 1e-5);
          const Result by_keys = run_narrow(m, problem, rescored(cache));
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
            double square = 0.;
            for (int s = 0; s < seeds; ++s) {
              const Result result = run_narrow(m, problem, sampled, {.seed = static_cast<std::uint64_t>(s) + 1});
              const double error = relative_error(result.out, reference.out);
              square += error * error / seeds;
              for (std::size_t i = 0; i < mean.size(); ++i) mean[i] += result.out[i] / seeds;
            }
            CHECK(relative_error(mean, reference.out) < std::sqrt(square) / 4.);
            CHECK(std::sqrt(square) < 0.5);
          };
          is_right_on_average(cache, approximate);
          is_right_on_average(rescored(cache), exact);
        },
        method);
  }
}
