// Every sampler on some features of the keys.
#include "features/check_attention.hpp"

#include <doctest/doctest.h>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("every_sampler_that_covers_the_length_gives_exact_attention_by_rescored_features") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 6, .kv_heads = 2, .length = 300, .dim = 64});
  problem.fill(7);
  spread_channels(problem);
  problem.upload();
  const FeatureCache cache{problem.cache(), feature_keys(problem), AnyFeatures(Bernoulli{.draws = 2})};
  const Reference exact = exact_reference(problem);
  const Reference approximate = exact_reference(with_coefficients(problem, cache, 1));
  for (const AnyMethod& method : samplers(301)) {
    CAPTURE(method.index());
    std::visit(
        [&](const auto& m) {
          CHECK(relative_error(run_once(m, problem, cache).out, approximate.out) < 2e-4);
          CHECK(relative_error(run_once(m, problem, rescored(cache)).out, exact.out) < 1e-5);
        },
        method);
  }
}
