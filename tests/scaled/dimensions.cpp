// Value rows of another dimension than key rows, wherever a plan's outputs go and whatever stands for its keys.
#include "scaled/scaled_problem.hpp"
#include "support/reference.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cstdint>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

Shape shape() { return {.batch = 2, .heads = 8, .kv_heads = 2, .length = 320, .dim = 192, .value_dim = 128}; }

template <class Space>
using Wide = ScaledProblem<Space, bfloat16, santa::half>;

}  // namespace

TEST_CASE("shapes_with_the_same_dimensions_are_equal_however_they_say_it") {
  CHECK(Shape{.dim = 64} == Shape{.dim = 64, .value_dim = 64});
  CHECK(!(Shape{.dim = 64} == Shape{.dim = 64, .value_dim = 32}));
  CHECK(Shape{.dim = 64}.values() == 64);
  static_assert(santa::dims(128, 128) == 128);
  CHECK(lanes::dims_named(santa::dims(192, 128)).keys == 192);
  CHECK(lanes::dims_named(santa::dims(192, 128)).values == 128);
  CHECK(lanes::dims_named(64).values == 64);
}

SANTA_SPACE_TEST_CASE("methods_over_values_of_another_dimension") {
  Wide<Space> problem(shape(), {320, 200}, 2);
  const auto cache = problem.template contiguous<ScaleKind::none, ScaleKind::none>();
  const Reference reference = exact_reference(problem);
  const auto error = [&](const auto& method) {
    return relative_error(run_scaled(method, problem, cache).out, reference.out);
  };
  CHECK(error(Exact{}) < 2e-6);
  CHECK(error(MassUnit{.rows = 320}) < 2e-6);
  CHECK(error(MassUnit{.rows = 100}) < 0.3);
  CHECK(error(MassUnit{.target_error = 0.05}) < 1.);
  CHECK(error(Systematic{.samples = 200}) < 0.3);
  CHECK(error(FixedTileBudget{.samples = 200, .tile = 64}) < 0.6);
}

SANTA_SPACE_TEST_CASE("parts_and_prefixes_merge_values_of_another_dimension") {
  using Memory = typename Space::memory_space;
  Wide<Space> problem(shape(), {320, 320}, 3);
  const auto whole = problem.template contiguous<ScaleKind::none, ScaleKind::none>();
  const DecodePlan plan{Space{}, Exact{}, problem.queries(), whole};
  const AttentionStates<Memory> states{Space{}, plan.shape(), 2};
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("out", 2, 8, 128);
  plan.run_partial(Space{}, problem.queries(), whole, states, 0);
  plan.run_partial(Space{}, problem.queries(), whole, states, 1);
  merge(Space{}, states, out);  // the same keys twice: the same mean
  Space{}.fence();
  CHECK(relative_error(to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())),
                       exact_reference(problem).out) < 2e-6);
}

SANTA_SPACE_TEST_CASE("narrow_copies_of_keys_beside_values_of_another_dimension_and_element") {
  using Memory = typename Space::memory_space;
  Wide<Space> problem(shape(), {320, 200}, 4);
  const auto cache = problem.template contiguous<ScaleKind::none, ScaleKind::none>();
  const Reference reference = exact_reference(problem);
  const NarrowKeys<std::int8_t, Memory> codes{Space{}, cache.shape()};
  calibrate(Space{}, cache, codes);
  encode_keys(Space{}, cache, codes);
  const NarrowCache narrow{cache, codes};
  CHECK(relative_error(run_scaled(Exact{}, problem, narrow).out, reference.out) < 0.03);
  CHECK(relative_error(run_scaled(MassUnit{.rows = 320}, problem, rescored(narrow)).out, reference.out) < 2e-6);
  const FeatureKeys<bfloat16, Memory> features{Space{}, cache.shape()};
  transpose_keys(Space{}, cache, features);
  const FeatureCache by_features{cache, features, TopFeatures{.features = 192}};
  CHECK(relative_error(run_scaled(Exact{}, problem, by_features).out, reference.out) < 1e-3);
  CHECK(relative_error(run_scaled(MassUnit{.rows = 320}, problem, rescored(by_features)).out, reference.out) < 2e-6);
}
