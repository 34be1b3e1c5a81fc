// Batches of requests of very different lengths: right, and each request as if it were alone.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Lengths = std::vector<std::int64_t>;

/// Every request has the same rows, in the same memory, of which it sees its own number.
template <class Space>
Problem<Space, float> shared_problem(const Lengths& lengths, std::int64_t length) {
  Problem<Space, float> problem({static_cast<std::int64_t>(lengths.size()), 6, 2, length, 64}, Arrangement::token_major,
                                true);
  problem.fill(21).set_lengths(lengths).upload();
  return problem;
}

/// What a request got.
struct Row {
  std::vector<float> out, lse, error;
  std::vector<Statistics> statistics;

  Row(const Result& result, const Shape& shape, std::int64_t b)
      : out(part(result.out, shape.heads * shape.dim, b)),
        lse(part(result.lse, shape.heads, b)),
        error(part(result.error, shape.heads, b)),
        statistics(part(result.statistics, shape.kv_heads, b)) {}

  template <class T>
  static std::vector<T> part(const std::vector<T>& all, std::int64_t size, std::int64_t b) {
    return {all.begin() + b * size, all.begin() + (b + 1) * size};
  }
};

void check_same(const Row& given, const Row& expected) {
  CHECK(same_bits(given.out, expected.out));
  CHECK(same_bits(given.lse, expected.lse));
  CHECK(same_bits(given.error, expected.error));
  CHECK(same_bits(given.statistics, expected.statistics));
}

std::vector<AnyMethod> all_methods(std::int64_t rows) {
  std::vector<AnyMethod> methods = exact_and_samplers(rows);
  methods.emplace_back(MassUnit{.rows = rows, .steered = true});
  methods.emplace_back(MassUnit{.rows = rows, .target_error = 0.1});
  return methods;
}

}  // namespace

SANTA_SPACE_TEST_CASE("ragged_batches_match_the_reference") {
  const Lengths lengths = {33, 12000, 0, 1, 1000, 31, 32, 5000, 257};
  const auto problem = shared_problem<Space>(lengths, 12000);
  const Reference reference = exact_reference(problem);
  for (const AnyMethod& method : exact_and_samplers(12000)) {  // a budget that covers all reads all
    CAPTURE(method.index());
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run();
    CHECK(relative_error(result.out, reference.out) < 1e-5);
    for (std::size_t i = 0; i < result.lse.size(); ++i)
      CHECK((std::isinf(reference.lse[i]) ? result.lse[i] == -infinity
                                          : std::abs(result.lse[i] - reference.lse[i]) < 1e-4));
    for (std::size_t i = 0; i < result.statistics.size(); ++i) {
      CHECK(result.statistics[i].rows_read == lengths[i / 2]);
      CHECK(result.statistics[i].flags == 0);
    }
  }
}

SANTA_SPACE_TEST_CASE("a_request_has_the_bits_and_the_draws_it_has_with_any_other_batch_mates") {
  for (const std::int64_t own : {1, 600, 9000}) {
    CAPTURE(own);
    const Lengths with_short = {1, own, 1, 0, 1};
    const Lengths with_some = {300, own, 12000, 257, 33};
    const Lengths with_long = {12000, own, 12000, 12000, 12000};
    auto problem = shared_problem<Space>(with_long, 12000);
    for (const AnyMethod& method : all_methods(400)) {
      CAPTURE(method.index());
      Runner<Space, float> runner(problem, method);
      const auto two_steps = [&](const Lengths& lengths, const std::vector<std::uint32_t>& requests) {
        problem.replace_lengths(lengths);
        const auto state = runner.state();
        runner.run({.seed = 4, .requests = requests, .state = state});
        return runner.run({.seed = 4, .step = 1, .requests = requests, .state = state});
      };
      const std::vector<std::uint32_t> requests = {9, 8, 7, 6, 5};
      const Row expected(two_steps(with_long, requests), problem.shape, 1);
      check_same(Row(two_steps(with_short, requests), problem.shape, 1), expected);
      check_same(Row(two_steps(with_some, requests), problem.shape, 1), expected);
      // In another place of the batch, under its own name.
      const Lengths moved = {12000, 2000, 31, own, 256};
      check_same(Row(two_steps(moved, {9, 7, 6, 8, 5}), problem.shape, 3), expected);
    }
  }
}

SANTA_SPACE_TEST_CASE("a_long_request_has_the_bits_that_it_has_in_a_batch_by_itself") {
  // A host cuts requests of more than 16384 keys otherwise than shorter ones.
  for (const std::int64_t own : {16384, 16385, 20000}) {
    CAPTURE(own);
    const Lengths lengths = {own, 16000, 33000, 1, 16385};
    auto problem = shared_problem<Space>(lengths, 33000);
    Runner<Space, float> runner(problem, MassUnit{.rows = 400});
    const Result all = runner.run({.seed = 4});
    problem.replace_lengths({own, 1, 0, 1, 1});
    check_same(Row(runner.run({.seed = 4}), problem.shape, 0), Row(all, problem.shape, 0));
  }
}

SANTA_SPACE_TEST_CASE("ragged_batches_with_windows_match_the_reference_and_have_no_mates") {
  const Lengths lengths = {4000, 100, 0, 12000, 2900};
  auto problem = shared_problem<Space>(lengths, 12000);
  for (const std::int64_t window : {0, 1, 300, 3000}) {
    CAPTURE(window);
    problem.replace_lengths(lengths);
    Runner<Space, float, float, float, Window> runner(problem, Exact{}, {}, Window{window});
    const Result all = runner.run();
    CHECK(relative_error(all.out, exact_reference(problem, {.window = window}).out) < 1e-5);
    problem.replace_lengths({1, 1, 1, 12000, 1});
    check_same(Row(runner.run(), problem.shape, 3), Row(all, problem.shape, 3));
  }
}

SANTA_SPACE_TEST_CASE("lengths_out_of_range_in_ragged_batches_are_clamped_and_flagged") {
  auto problem = shared_problem<Space>({600, 0, 300, 600, 77}, 600);
  for (const AnyMethod& method : all_methods(400)) {
    Runner<Space, float> runner(problem, method);
    problem.replace_lengths({600, 0, 300, 600, 77});
    const Result expected = runner.run({.seed = 3});
    problem.replace_lengths({601, -1, 300, std::int64_t{1} << 62, 77});
    const Result& result = runner.run({.seed = 3});
    CHECK(same_bits(result.out, expected.out));
    for (std::size_t i = 0; i < result.statistics.size(); ++i) {
      const bool clamped = i / 2 == 0 || i / 2 == 1 || i / 2 == 3;
      CHECK(((result.statistics[i].flags & Statistics::length_clamped) != 0) == clamped);
    }
  }
}

SANTA_SPACE_TEST_CASE("splits_of_a_given_length_in_ragged_batches_have_no_mates") {
  const Lengths lengths = {33, 5000, 0, 12000, 1000};
  auto problem = shared_problem<Space>(lengths, 12000);
  for (const std::int64_t keys_per_split : {256, 2048}) {
    problem.replace_lengths(lengths);
    Runner<Space, float> runner(problem, Exact{}, {.keys_per_split = keys_per_split});
    const Result all = runner.run();
    CHECK(relative_error(all.out, exact_reference(problem).out) < 1e-5);
    problem.replace_lengths({1, 5000, 1, 1, 1});
    check_same(Row(runner.run(), problem.shape, 1), Row(all, problem.shape, 1));
  }
}

SANTA_SPACE_TEST_CASE("batches_of_a_thousand_requests_match_the_reference") {
  Lengths lengths(1000);
  for (std::size_t b = 0; b < lengths.size(); ++b) lengths[b] = static_cast<std::int64_t>(b * b % 701);
  Problem<Space, float> problem({1000, 2, 1, 701, 16}, Arrangement::token_major, true);
  problem.fill(8).set_lengths(lengths).upload();
  Runner<Space, float> runner(problem, Exact{});
  CHECK(relative_error(runner.run().out, exact_reference(problem).out) < 1e-5);
}
