// Exact attention that stays in the order of products: against double precision, at all that masks and rows can be.
#include "device/all_rows.hpp"

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <type_traits>

using namespace santa;
using namespace santa::test;

using Space = DeviceSpace;

TEST_CASE("rows_that_are_all_taken_have_the_attention_of_double_precision") {
  for (const std::int64_t tokens : {1, 2, 4}) {
    check_all<bfloat16>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_all<santa::half>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    check_all<bfloat16>({.batch = 6, .heads = 6, .kv_heads = 2, .length = 640, .dim = 72, .tokens = tokens});
    check_all<bfloat16>({.batch = 6, .heads = 4, .kv_heads = 2, .length = 640, .dim = 256, .tokens = tokens});
  }
}

TEST_CASE("scores_that_rise_and_fall_far_raise_references") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(3);
  problem.fill_scores(
      [](std::int64_t, std::int64_t i, std::int64_t) { return static_cast<float>(i % 97) * 0.75F - 20.F; },
      [](std::int64_t h) { return h % 2 == 0 ? 1.F : -0.5F; });
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  check_exact(problem, problem.cache(), {});
}

TEST_CASE("values_of_hidden_rows_are_never_multiplied") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  for (std::int64_t i = 0; i < 640 - 100; ++i)
    for (std::int64_t d = 0; d < 128; ++d) problem.key(0, i, 0, d) = problem.value(0, i, 0, d) = quiet_nan;
  problem.set_lengths({640, 0, 2, 33, 64, 45}).upload();
  check_exact(problem, problem.cache(), {.window = 100}, Window{100});
}

TEST_CASE("nan_and_infinity_of_visible_keys_show") {
  TokensProblem<Space, bfloat16> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128});
  problem.fill(5);
  problem.key(0, 100, 0, 3) = quiet_nan;
  problem.key(3, 7, 1, 3) = infinity;
  problem.set_lengths({640, 0, 2, 333, 64, 545}).upload();
  const auto cache = problem.cache();
  TokensRun<Space, Exact, std::decay_t<decltype(cache)>> run(problem, Exact{}, cache);
  const Result& result = run.run();
  for (std::int64_t h = 0; h < 4; ++h) {
    CHECK(std::isnan(result.out[problem.row(0, 0, h) * 128]));
    CHECK(!std::isnan(result.out[problem.row(0, 0, h + 4) * 128]));
    // The key is a query's rounded part and its rest times infinity: NaN, or infinity, which has no softmax.
    if (problem.query(3, h + 4, 3) > 0.F) CHECK(std::isnan(result.out[problem.row(3, 0, h + 4) * 128]));
  }
}
