// Every method over scaled rows: right on average, by the masses of scaled scores, which values' scales have no part
// in.
#include "scaled/scaled_problem.hpp"
#include "support/reference.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
using Bytes = ScaledProblem<Space, e4m3, e4m3>;

Shape small() { return {.batch = 2, .heads = 4, .kv_heads = 2, .length = 256, .dim = 64, .value_dim = 32}; }

/// The mean over many draws is exact attention, and error bars know how far off each is.
template <class M, class Problem, class Cache>
void check_unbiased(const M& method, const Problem& problem, const Cache& cache) {
  MeanTest means(exact_reference(problem).out);
  const Reference exact = exact_reference(problem);
  double squares = 0., bars = 0.;
  constexpr int trials = 400;
  for (std::uint64_t seed = 0; seed < trials; ++seed) {
    const Result result = run_scaled(method, problem, cache, seed);
    means.add(result.out);
    for (std::size_t i = 0; i < result.out.size(); ++i) {
      const double difference = static_cast<double>(result.out[i]) - exact.out[i];
      squares += difference * difference;
    }
    for (const float bar : result.error) bars += static_cast<double>(bar) * static_cast<double>(bar);
  }
  CHECK(means.largest_z(1e-5) < means.bound());
  CHECK(squares > 0.);  // something was left to chance
  CHECK(bars > 0.5 * squares);
  CHECK(bars < 20. * squares);  // bars of points that hang together overstate
}

template <class Space, class M>
void check_method(const M& method) {
  Bytes<Space> problem(small(), {256, 201}, 8, 1.5F);
  check_unbiased(method, problem, problem.template contiguous<ScaleKind::token, ScaleKind::token>());
}

template <class M, class Problem>
void check_in_pages(const M& method, Problem& problem) {
  const Result plain = run_scaled(method, problem, problem.template contiguous<ScaleKind::token, ScaleKind::token>());
  const Result paged = run_scaled(method, problem, problem.template paged<ScaleKind::token, ScaleKind::token>(16));
  CHECK(same_bits(paged.out, plain.out));
  CHECK(same_bits(paged.lse, plain.lse));
  CHECK(same_bits(paged.error, plain.error));
  CHECK(same_bits(paged.statistics, plain.statistics));
}

}  // namespace

SANTA_SPACE_TEST_CASE("mass_unit_over_scaled_rows_is_unbiased") { check_method<Space>(MassUnit{.rows = 40}); }
SANTA_SPACE_TEST_CASE("mass_unit_by_squares_over_scaled_rows_is_unbiased") {
  check_method<Space>(MassUnitOf<Draws::joint_l2>{.rows = 40});
}
SANTA_SPACE_TEST_CASE("mass_unit_head_by_head_over_scaled_rows_is_unbiased") {
  check_method<Space>(MassUnitOf<Draws::separate>{.rows = 30});
}
SANTA_SPACE_TEST_CASE("systematic_over_scaled_rows_is_unbiased") { check_method<Space>(Systematic{.samples = 40}); }
SANTA_SPACE_TEST_CASE("stratified_over_scaled_rows_is_unbiased") { check_method<Space>(Stratified{.samples = 40}); }
SANTA_SPACE_TEST_CASE("multinomial_over_scaled_rows_is_unbiased") { check_method<Space>(Multinomial{.samples = 40}); }
SANTA_SPACE_TEST_CASE("fixed_tile_budget_over_scaled_rows_is_unbiased") {
  check_method<Space>(FixedTileBudget{.samples = 64, .tile = 64});
}

SANTA_SPACE_TEST_CASE("scaled_rows_in_pages_give_the_bits_of_contiguous_ones") {
  ScaledProblem<Space, std::int8_t, e4m3> problem(small(), {255, 130}, 9);
  check_in_pages(Exact{}, problem);
  check_in_pages(MassUnit{.rows = 40}, problem);
  check_in_pages(MassUnit{.rows = 40, .steered = true}, problem);
  check_in_pages(Systematic{.samples = 40}, problem);
  check_in_pages(FixedTileBudget{.samples = 64, .tile = 64}, problem);
  check_in_pages(ProportionalTileBudget{.samples = 64, .tile = 32}, problem);
}

SANTA_SPACE_TEST_CASE("a_scale_of_values_multiplies_the_output_and_no_mass") {
  Bytes<Space> problem(small(), {256, 201}, 10);
  const auto plain = problem.template contiguous<ScaleKind::none, ScaleKind::none>();
  const auto scaled = problem.template contiguous<ScaleKind::none, ScaleKind::token>();
  const auto check = [&](const auto& method) {
    const Result one = run_scaled(method, problem, plain);
    const Result other = run_scaled(method, problem, scaled);
    CHECK(same_bits(one.lse, other.lse));
    for (std::size_t i = 0; i < one.statistics.size(); ++i)
      CHECK(one.statistics[i].rows_read == other.statistics[i].rows_read);
    CHECK(!same_bits(one.out, other.out));
  };
  check(MassUnit{.rows = 40});
  check(Systematic{.samples = 40});
}

SANTA_SPACE_TEST_CASE("scales_that_are_powers_of_two_are_exact") {
  using Memory = typename Space::memory_space;
  const std::size_t length = 256, dim = 64;
  const Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory> values("values", 1, length, 2, dim);
  const Kokkos::View<bfloat16****, Kokkos::LayoutRight, Memory> keys("keys", 1, length, 2, dim);
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  const auto fill = [&](const auto& view) {
    using T = typename std::decay_t<decltype(view)>::value_type;
    const auto host = Kokkos::create_mirror_view(view);
    for (std::size_t i = 0; i < host.size(); ++i) host.data()[i] = T(normal(random));
    Kokkos::deep_copy(view, host);
  };
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 1, 8, dim), out("out", 1, 8, dim),
      scales("scales", 1, length, 2);
  fill(values);
  fill(keys);
  fill(query);
  Kokkos::deep_copy(scales, 0.25F);
  const Kokkos::View<float*, Memory> head_scales("scales", 2);
  Kokkos::deep_copy(head_scales, 0.25F);
  const auto output = [&](const auto& cache) {
    DecodePlan{Space{}, MassUnit{.rows = 50}, query, cache}.run(Space{}, query, cache, out, {.seed = 2});
    Space{}.fence();
    return to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size()));
  };
  std::vector<float> expected = output(ContiguousCache{keys, values});
  for (float& x : expected) x *= 0.25F;
  CHECK(same_bits(output(ContiguousCache{keys, Scaled{values, TensorScale{0.25F}}}), expected));
  CHECK(same_bits(output(ContiguousCache{keys, Scaled{values, HeadScales{head_scales}}}), expected));
  CHECK(same_bits(output(ContiguousCache{keys, Scaled{values, TokenScales{scales}}}), expected));
}

SANTA_SPACE_TEST_CASE("a_budget_that_covers_all_scaled_rows_is_exact") {
  Bytes<Space> problem(small(), {256, 201}, 12);
  const auto cache = problem.template contiguous<ScaleKind::token, ScaleKind::token>();
  const Result exact = run_scaled(Exact{}, problem, cache);
  const Result all = run_scaled(MassUnit{.rows = 256}, problem, cache);
  CHECK(relative_error(all.out, exact.out) < 1e-6);
}
