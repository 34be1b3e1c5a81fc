// Outputs depend neither on who works on them nor on what else is in the batch.
#include "support/runner.hpp"

using namespace santa;
using namespace santa::test;

namespace {

const std::vector<AnyMethod> methods = exact_and_samplers(60);

}  // namespace

SANTA_SPACE_TEST_CASE("a_request_alone_has_the_bits_it_has_in_a_batch") {
  const std::vector<std::int64_t> lengths = {1100, 1, 257, 1024, 640};
  Problem<Space, float> all({.batch = 5, .heads = 36, .kv_heads = 2, .length = 1100, .dim = 72});
  all.fill(13).set_lengths(lengths).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> together(all, method);
    const auto state = together.state();
    together.run({.seed = 4, .requests = {9, 8, 7, 6, 5}, .state = state});
    const Result result = together.run({.seed = 4, .step = 1, .requests = {9, 8, 7, 6, 5}, .state = state});
    for (std::int64_t b = 0; b < 5; ++b) {
      Problem<Space, float> one({.batch = 1, .heads = 36, .kv_heads = 2, .length = 1100, .dim = 72});
      for (std::int64_t h = 0; h < 36; ++h)
        for (std::int64_t d = 0; d < 72; ++d) one.query(0, h, d) = all.query(b, h, d);
      for (std::int64_t i = 0; i < 1100; ++i)
        for (std::int64_t kv = 0; kv < 2; ++kv)
          for (std::int64_t d = 0; d < 72; ++d) {
            one.key(0, i, kv, d) = all.key(b, i, kv, d);
            one.value(0, i, kv, d) = all.value(b, i, kv, d);
          }
      one.set_lengths({lengths[static_cast<std::size_t>(b)]}).upload();
      Runner<Space, float> runner(one, method);
      const auto own_state = runner.state();
      const std::vector<std::uint32_t> request = {static_cast<std::uint32_t>(9 - b)};
      runner.run({.seed = 4, .requests = request, .state = own_state});
      const Result& alone = runner.run({.seed = 4, .step = 1, .requests = request, .state = own_state});
      const auto begin = result.out.begin() + b * 36 * 72;
      CHECK(same_bits(alone.out, std::vector<float>(begin, begin + 36 * 72)));
      CHECK(same_bits(alone.lse, std::vector<float>(result.lse.begin() + b * 36, result.lse.begin() + (b + 1) * 36)));
    }
  }
}

SANTA_SPACE_TEST_CASE("a_kv_head_alone_has_the_bits_it_has_among_others") {
  // Exact only: draws are named by the head's number.
  Problem<Space, float> all({.batch = 1, .heads = 12, .kv_heads = 4, .length = 900, .dim = 64}, Arrangement::fused);
  all.fill(13).upload();
  const Result result = Runner<Space, float>(all, Exact{}).run();
  for (std::int64_t kv = 0; kv < 4; ++kv) {
    Problem<Space, float> one({.batch = 1, .heads = 3, .kv_heads = 1, .length = 900, .dim = 64});
    for (std::int64_t h = 0; h < 3; ++h)
      for (std::int64_t d = 0; d < 64; ++d) one.query(0, h, d) = all.query(0, 3 * kv + h, d);
    for (std::int64_t i = 0; i < 900; ++i)
      for (std::int64_t d = 0; d < 64; ++d) {
        one.key(0, i, 0, d) = all.key(0, i, kv, d);
        one.value(0, i, 0, d) = all.value(0, i, kv, d);
      }
    one.upload();
    const Result alone = Runner<Space, float>(one, Exact{}).run();
    const auto begin = result.out.begin() + kv * 3 * 64;
    CHECK(same_bits(alone.out, std::vector<float>(begin, begin + 3 * 64)));
  }
}

SANTA_SPACE_TEST_CASE("many_runs_of_one_plan_leave_its_workspace_as_it_was") {
  Problem<Space, float> problem({.batch = 3, .heads = 34, .kv_heads = 2, .length = 1500, .dim = 64});
  problem.fill(2).upload();
  for (const AnyMethod& method : methods) {
    Runner<Space, float> runner(problem, method);
    const Result first = runner.run({.seed = 8});
    int different = 0;
    for (std::uint32_t step = 1; step < 30; ++step) runner.run({.seed = 8, .step = step});
    for (int repeat = 0; repeat < 10; ++repeat) {
      const Result& again = runner.run({.seed = 8});
      different += !same_bits(first.out, again.out) || !same_bits(first.error, again.error);
    }
    CHECK(different == 0);
  }
}
