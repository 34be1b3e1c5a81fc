// Shards of a cache draw the rows of the whole.
#include "ranks/sharded_problem.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <variant>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
Problem<Space, float> ragged(Arrangement where = Arrangement::token_major) {
  Problem<Space, float> problem({.batch = 4, .heads = 6, .kv_heads = 2, .length = 2048, .dim = 32}, where);
  problem.fill(3, 2.F).set_lengths({2048, 1333, 40, 0}).upload();
  return problem;
}

template <class Space>
void check_shards(const AnyMethod& method, const Problem<Space, float>& problem, const Steps& steps,
                  std::int64_t multiple = 32) {
  std::visit(
      [&](const auto& m) {
        CAPTURE(std::string(detail::Recipe<std::decay_t<decltype(m)>>::name));
        const std::vector<Result> whole = run_whole(m, problem, problem.cache(), steps);
        for (const int shards : {1, 2, 3, 4}) {
          CAPTURE(shards);
          const auto ends = multiple == 32 ? uneven_ends(problem.shape.length, shards)
                                           : even_ends(problem.shape.length, shards, multiple);
          const auto of_ranks = run_shards(m, problem, ends, steps, shards_of(problem));
          for (std::size_t step = 0; step < whole.size(); ++step) {
            CAPTURE(step);
            check_same_draws(whole[step], of_ranks[0][step]);
            for (const auto& other : of_ranks) {
              CHECK(same_bits(other[step].out, of_ranks[0][step].out));
              CHECK(same_bits(other[step].lse, of_ranks[0][step].lse));
              CHECK(same_bits(other[step].error, of_ranks[0][step].error));
            }
          }
        }
      },
      method);
}

}  // namespace

SANTA_SPACE_TEST_CASE("shards_draw_the_rows_of_the_whole_by_every_method") {
  const auto problem = ragged<Space>();
  for (const AnyMethod& method : exact_and_samplers(150)) {
    const bool looks_ahead = std::holds_alternative<FixedTileBudget>(method);
    check_shards(method, problem, {}, looks_ahead ? std::get<FixedTileBudget>(method).tile : 32);
  }
}

SANTA_SPACE_TEST_CASE("shards_carry_what_the_whole_carries") {
  const auto problem = ragged<Space>(Arrangement::head_major);
  const Steps steps{.count = 4, .with_state = true};
  for (const Draws draws : {Draws::joint, Draws::joint_l2, Draws::separate}) {
    check_shards(mass_unit(draws, {.rows = share(0.1)}), problem, steps);
    check_shards(mass_unit(draws, {.rows = 150, .steered = true}), problem, steps);
    check_shards(mass_unit(draws, {.rows = 150, .target_error = 0.2}), problem, steps);
  }
}
