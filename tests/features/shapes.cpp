// Features of keys of shapes that no fast path was made for.
#include "features/check_attention.hpp"

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("features_work_for_odd_dimensions_groups_layouts_and_types") {
  {
    Problem<Space, float> problem({.batch = 1, .heads = 5, .kv_heads = 1, .length = 130, .dim = 72},
                                  Arrangement::fused);
    problem.fill(4);
    spread_channels(problem);
    problem.upload();
    check_attention(problem, Bernoulli{});
    check_attention(problem, SystematicFeatures{.features = 20});
  }
  {
    Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 20, .kv_heads = 1, .length = 257, .dim = 40},
                                               Arrangement::head_major);
    problem.fill(5);
    spread_channels(problem);
    problem.upload();
    check_attention(problem, Bernoulli{.draws = 2});
    check_attention(problem, TopFeatures{.features = 10});
  }
  {
    Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 64, .dim = 8});
    problem.fill(6).upload();
    check_attention(problem, SystematicFeatures{.features = 5});
  }
}

SANTA_SPACE_TEST_CASE("a_copy_in_rows_of_any_length_is_read_right") {
  Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 4, .kv_heads = 1, .length = 101, .dim = 64});
  problem.fill(7).upload();
  auto keys = feature_keys(problem);
  keys.keys = decltype(keys.keys)("test::keys", 1, 1, 64, 101);
  transpose_keys(Space{}, problem.cache(), keys);
  const FeatureCache cache{problem.cache(), keys, AnyFeatures(TopFeatures{.features = 30})};
  const Reference expected = exact_reference(with_coefficients(problem, cache, 1));
  CHECK(relative_error(run_once(Exact{}, problem, cache).out, expected.out) < 2e-4);
}
