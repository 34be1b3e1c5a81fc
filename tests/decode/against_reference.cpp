// Every method against attention in double precision.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <numeric>
#include <type_traits>

using namespace santa;
using namespace santa::test;

namespace {

/// Largest error of `lse`.
double lse_error(const Result& result, const Reference& reference) {
  double largest = 0.;
  for (std::size_t i = 0; i < reference.lse.size(); ++i)
    largest = std::fmax(largest, std::fabs(static_cast<double>(result.lse[i]) - reference.lse[i]));
  return largest;
}

/// Exact, and all samplers with budgets that cover every row, against the reference.
template <class Space, class T, class Q, class O>
void check_complete(const Problem<Space, T, Q>& problem, double tolerance) {
  const Reference reference = exact_reference(problem);
  for (const AnyMethod& method : exact_and_samplers(problem.shape.length + 1)) {
    CAPTURE(method.index());
    Runner<Space, T, Q, O> runner(problem, method);
    const Result& result = runner.run();
    CHECK(relative_error(result.out, reference.out) < tolerance);
    CHECK(lse_error(result, reference) < 2e-5);
    for (const float bar : result.error) CHECK(bar == 0.F);
    std::size_t i = 0;
    for (std::int64_t b = 0; b < problem.shape.batch; ++b)
      for (std::int64_t kv = 0; kv < problem.shape.kv_heads; ++kv, ++i) {
        const std::int64_t most = lanes::Seam<Space>::most_heads(static_cast<int>(problem.shape.dim));
        const std::int64_t slices = (problem.shape.group() + most - 1) / most;
        CHECK(result.statistics[i].rows_read == slices * problem.lengths[static_cast<std::size_t>(b)]);
        CHECK(result.statistics[i].flags == 0U);
      }
  }
}

/// Whether rows of T may go through tensor cores, which take queries and weights as a rounded part and the rest of it,
/// both of T: 2^-17 of them is lost with bfloat16. Rows that don't begin at multiples of 16 bytes keep off them.
template <class Space, class T>
constexpr bool tensor_cores() {
#if defined(KOKKOS_ENABLE_CUDA)
  return std::is_same_v<Space, Kokkos::Cuda> && sizeof(T) == 2;
#else
  return false;
#endif
}

}  // namespace

SANTA_SPACE_TEST_CASE("float_matches_the_reference_for_all_head_dimensions_and_group_sizes") {
  const std::int64_t dims[] = {8, 40, 64, 72, 80, 96, 128, 200, 256};
  for (std::int64_t group = 1; group <= 18; ++group) {
    const std::int64_t actual = group == 18 ? 24 : group;
    const std::int64_t dim = dims[group % 9];
    CAPTURE(actual);
    CAPTURE(dim);
    Problem<Space, float> problem({.batch = 1, .heads = 2 * actual, .kv_heads = 2, .length = 300, .dim = dim});
    check_complete<Space, float, float, float>(problem.fill(static_cast<unsigned>(group)).upload(), 2e-6);
  }
}

SANTA_SPACE_TEST_CASE("narrow_types_match_the_reference_for_all_head_dimensions") {
  for (const std::int64_t dim : {8, 40, 64, 72, 80, 96, 128, 200, 256}) {
    CAPTURE(dim);
    const Shape shape{.batch = 1, .heads = 6, .kv_heads = 2, .length = 300, .dim = dim};
    const auto seed = static_cast<unsigned>(dim);
    const double rounding = tensor_cores<Space, bfloat16>() ? 5e-6 : 2e-6;
    {
      Problem<Space, santa::half, santa::half> problem(shape);
      check_complete<Space, santa::half, santa::half, santa::half>(problem.fill(seed).upload(), 5e-4);
    }
    {
      Problem<Space, bfloat16, bfloat16> problem(shape);
      problem.fill(seed).upload();
      check_complete<Space, bfloat16, bfloat16, bfloat16>(problem, 4e-3);
      check_complete<Space, bfloat16, bfloat16, float>(problem, rounding);
    }
    {
      Problem<Space, bfloat16, float> problem(shape);
      check_complete<Space, bfloat16, float, float>(problem.fill(seed).upload(), rounding);
    }
    {
      Problem<Space, float, santa::half> problem(shape);
      check_complete<Space, float, santa::half, float>(problem.fill(seed).upload(), 2e-6);
    }
  }
}

SANTA_SPACE_TEST_CASE("all_arrangements_of_a_cache_give_the_same_bits") {
  const Shape shape{.batch = 2, .heads = 6, .kv_heads = 3, .length = 500, .dim = 80};
  const auto outputs = [&]<class T, class Q>(Arrangement arrangement, const AnyMethod& method) {
    Problem<Space, T, Q> problem(shape, arrangement);
    problem.fill(5).set_lengths({500, 77}).upload();
    Runner<Space, T, Q> runner(problem, method);
    return runner.run();
  };
  for (const AnyMethod& method : exact_and_samplers(60)) {
    const auto check = [&]<class T, class Q>() {
      const Result first = outputs.template operator()<T, Q>(Arrangement::token_major, method);
      for (const auto other : {Arrangement::head_major, Arrangement::fused}) {
        if (other == Arrangement::fused && tensor_cores<Space, T>()) continue;  // its rows begin anywhere
        const Result result = outputs.template operator()<T, Q>(other, method);
        CHECK(same_bits(result.out, first.out));
        CHECK(same_bits(result.lse, first.lse));
        CHECK(same_bits(result.error, first.error));
      }
    };
    check.template operator()<float, float>();
    check.template operator()<santa::half, santa::half>();
    check.template operator()<bfloat16, bfloat16>();
  }
}

SANTA_SPACE_TEST_CASE("lengths_around_tiles_and_splits_match_the_reference") {
  const std::vector<std::int64_t> lengths = {0, 1, 31, 32, 33, 255, 256, 257, 1000};
  const Shape shape{.batch = 9, .heads = 4, .kv_heads = 2, .length = 1000, .dim = 64};
  for (const auto arrangement : {Arrangement::token_major, Arrangement::head_major}) {
    Problem<Space, float> problem(shape, arrangement);
    problem.fill(11).set_lengths(lengths).upload();
    const Reference reference = exact_reference(problem);
    for (const AnyMethod& method : exact_and_samplers(1000))
      for (const std::int64_t keys_per_split : {0, 256, 512, 1024}) {
        Runner<Space, float> runner(problem, method, {.keys_per_split = keys_per_split});
        const Result& result = runner.run();
        CHECK(relative_error(result.out, reference.out) < 2e-6);
        for (std::size_t i = 0; i < 4; ++i) CHECK(result.lse[i] == -infinity);
        for (std::size_t i = 4; i < reference.lse.size(); ++i)
          CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
        for (std::size_t i = 0; i < 4 * 64; ++i) CHECK(result.out[i] == 0.F);
      }
  }
}

SANTA_SPACE_TEST_CASE("lengths_come_as_int32_int64_or_not_at_all") {
  const Shape shape{.batch = 2, .heads = 2, .kv_heads = 1, .length = 40, .dim = 64};
  Problem<Space, float> problem(shape);
  problem.fill(2).upload();
  using Rows = typename Problem<Space, float>::Rows;
  using Memory = typename Space::memory_space;
  const auto run = [&](const auto& cache) {
    const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("test::out", 2, 2, 64);
    decode(Space{}, Exact{}, problem.queries(), cache, out);
    const Kokkos::View<float*, Memory> flat(out.data(), out.size());
    return to_host<float>(flat);
  };
  const Rows keys = problem.key_view();
  const Rows values = problem.value_view();
  const auto wide = to_space<Space>(std::vector<std::int64_t>{40, 9}, "test::lengths");
  const auto narrow = to_space<Space>(std::vector<std::int32_t>{40, 9}, "test::lengths");
  const auto all = to_space<Space>(std::vector<std::int64_t>{40, 40}, "test::lengths");
  CHECK(same_bits(run(ContiguousCache{keys, values, wide}), run(ContiguousCache{keys, values, narrow})));
  CHECK(same_bits(run(ContiguousCache{keys, values, all}), run(ContiguousCache{keys, values})));
  CHECK_FALSE(same_bits(run(ContiguousCache{keys, values, wide}), run(ContiguousCache{keys, values})));
}

SANTA_SPACE_TEST_CASE("a_budget_that_covers_the_length_gives_exact_bit_for_bit") {
  const Shape shape{.batch = 3, .heads = 8, .kv_heads = 2, .length = 600, .dim = 72};
  Problem<Space, float> problem(shape);
  problem.fill(7, 3.F).set_lengths({600, 599, 33}).upload();
  Runner<Space, float> exact(problem, Exact{});
  const Result expected = exact.run();
  for (const auto draws : {Draws::joint, Draws::separate})
    for (const RowBudget& rows : {RowBudget(600), RowBudget(100000), share(1.)}) {
      Runner<Space, float> runner(problem, mass_unit(draws, {.rows = rows}));
      const Result& result = runner.run();
      CHECK(same_bits(result.out, expected.out));
      CHECK(same_bits(result.lse, expected.lse));
    }
  for (const AnyMethod& method : samplers(600)) {
    Runner<Space, float> runner(problem, method);
    CHECK(relative_error(runner.run().out, expected.out) < 1e-6);
  }
}

SANTA_SPACE_TEST_CASE("scale_is_one_over_root_dim_unless_given") {
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 100, .dim = 40});
  problem.fill(2).upload();
  for (const float scale : {0.F, 0.5F, -0.1F, 1e-6F}) {
    Runner<Space, float> runner(problem, Exact{}, {.scale = scale});
    const Reference reference = exact_reference(problem, {.scale = static_cast<double>(scale)});
    const Result& result = runner.run();
    CHECK(relative_error(result.out, reference.out) < 2e-6);
    CHECK(lse_error(result, reference) < 2e-5);
  }
}

SANTA_SPACE_TEST_CASE("samplers_come_close_to_the_reference_and_know_lse_exactly") {
  Problem<Space, float> problem({.batch = 2, .heads = 8, .kv_heads = 2, .length = 2000, .dim = 64});
  problem.fill(3, 3.F).set_lengths({2000, 1500}).upload();
  const Reference reference = exact_reference(problem);
  for (const AnyMethod& method : samplers(400)) {
    CAPTURE(method.index());
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run();
    CHECK(relative_error(result.out, reference.out) < 0.25);
    CHECK(relative_error(result.out, reference.out) > 1e-4);
    CHECK(lse_error(result, reference) < 2e-5);
  }
}
