// Narrow keys of shapes that no fast path was made for.
#include "narrow/check_exact.hpp"

using namespace santa;
using namespace santa::test;

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
