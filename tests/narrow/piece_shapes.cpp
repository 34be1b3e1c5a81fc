// Low-rank and sparse keys of shapes that no fast path was made for.
#include "narrow/check_exact.hpp"
#include "narrow/pieces_problem.hpp"

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("low_rank_and_sparse_keys_work_for_odd_dimensions_groups_layouts_and_types") {
  const auto check = [](const auto& problem, std::int64_t count, CacheLayout layout = CacheLayout::token_major) {
    const auto low_rank = low_rank_keys(problem, count, layout);
    check_stands_for(problem, low_rank, stand_in(problem, low_rank));
    check_stands_for(problem, sparse_keys(problem, count, count + 1, layout),
                     cut_to_largest(problem, count, count + 1));
  };
  {
    Problem<Space, float> problem({.batch = 1, .heads = 5, .kv_heads = 1, .length = 130, .dim = 72},
                                  Arrangement::fused);
    check(problem.fill(4, 1.F).upload(), 19);
  }
  {
    Problem<Space, bfloat16, bfloat16> problem({.batch = 1, .heads = 16, .kv_heads = 1, .length = 257, .dim = 40},
                                               Arrangement::head_major);
    check(problem.fill(5, 1.F).upload(), 16, CacheLayout::head_major);
  }
  {
    Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 64, .dim = 8});
    check(problem.fill(6).upload(), 3);
  }
}
