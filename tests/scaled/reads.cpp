// Exact attention over rows of any elements and scales, against double precision.
#include "scaled/scaled_problem.hpp"
#include "support/reference.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

const std::vector<std::int64_t> ragged = {300, 0, 1, 77};

Shape shape_of_dims(std::int64_t dim, std::int64_t value_dim) {
  return {.batch = 4, .heads = 6, .kv_heads = 2, .length = 300, .dim = dim, .value_dim = value_dim};
}

template <class Problem, class Cache, class Modifier = Identity>
void check_exact(const Problem& problem, const Cache& cache, const ReferenceOptions& options = {},
                 const Modifier& modifier = {}) {
  const Reference reference = exact_reference(problem, options);
  const Result result = run_scaled(Exact{}, problem, cache, 1, modifier);
  CHECK(relative_error(result.out, reference.out) < 2e-6);
  for (std::size_t i = 0; i < reference.lse.size(); ++i)
    if (reference.lse[i] > -HUGE_VAL) CHECK(result.lse[i] == doctest::Approx(reference.lse[i]).epsilon(1e-5));
  validate(typename Problem::Memory::execution_space{}, cache);
}

/// Of rows of K and V, with these kinds of scales, wherever they lie.
template <class Space, class K, class V, ScaleKinds kinds = ScaleKinds::all>
void check_rows(std::int64_t dim, std::int64_t value_dim) {
  CAPTURE(dim);
  CAPTURE(value_dim);
  ScaledProblem<Space, K, V> problem(shape_of_dims(dim, value_dim), ragged, 3);
  for_scale_kinds<kinds>([&]<ScaleKind keys, ScaleKind values>() {
    CAPTURE(static_cast<int>(keys));
    check_exact(problem, problem.template contiguous<keys, values>());
    check_exact(problem, problem.template contiguous<keys, values>(CacheLayout::head_major));
    check_exact(problem, problem.template paged<keys, values>(16));
    check_exact(problem, problem.template paged<keys, values>(5, CacheLayout::head_major));
  });
}

}  // namespace

SANTA_SPACE_TEST_CASE("rows_of_e4m3") {
  check_rows<Space, e4m3, e4m3>(64, 0);
  check_rows<Space, e4m3, e4m3>(192, 128);
  check_rows<Space, e4m3, e4m3>(40, 72);
}
SANTA_SPACE_TEST_CASE("rows_of_int8") {
  check_rows<Space, std::int8_t, std::int8_t>(128, 0);
  check_rows<Space, std::int8_t, std::int8_t>(8, 200);
}
// Scales of keys meet keys alone, and those of values values: each element of keys has every kind here, and each of
// values, not each pair of them.
SANTA_SPACE_TEST_CASE("keys_and_values_of_different_elements") {
  check_rows<Space, bfloat16, e4m3, ScaleKinds::none_and_token>(64, 0);
  check_rows<Space, e4m3, santa::half, ScaleKinds::tensor_and_head>(64, 128);
  check_rows<Space, float, std::int8_t, ScaleKinds::none_and_token>(24, 16);
  check_rows<Space, std::int8_t, bfloat16, ScaleKinds::none_and_token>(128, 64);
}
SANTA_SPACE_TEST_CASE("keys_and_values_of_different_wide_elements_and_dimensions") {
  check_rows<Space, bfloat16, bfloat16, ScaleKinds::tensor_and_head>(192, 128);
  check_rows<Space, bfloat16, santa::half, ScaleKinds::none_and_token>(64, 0);
  check_rows<Space, float, bfloat16, ScaleKinds::tensor_and_head>(40, 256);
  check_rows<Space, santa::half, float>(256, 8);
}

SANTA_SPACE_TEST_CASE("windows_and_soft_caps_see_scaled_scores") {
  ScaledProblem<Space, e4m3, std::int8_t> problem(shape_of_dims(64, 128), ragged, 5, 6.F);
  const auto cache = problem.template contiguous<ScaleKind::token, ScaleKind::token>();
  check_exact(problem, cache, {.cap = 3.}, SoftCap{3.F});
  check_exact(problem, cache, {.window = 50}, Window{50});
  check_exact(problem, problem.template paged<ScaleKind::head, ScaleKind::head>(16), {.cap = 2., .window = 33},
              Then<SoftCap, Window>{{2.F}, {33}});
}

SANTA_SPACE_TEST_CASE("more_query_heads_than_a_group_works_on") {
  ScaledProblem<Space, e4m3, e4m3> problem(
      {.batch = 2, .heads = 40, .kv_heads = 1, .length = 200, .dim = 64, .value_dim = 128}, {200, 130}, 6);
  check_exact(problem, problem.template contiguous<ScaleKind::token, ScaleKind::token>());
  check_exact(problem, problem.template contiguous<ScaleKind::head, ScaleKind::head>());
}

SANTA_SPACE_TEST_CASE("nan_elements_and_scales_show_where_they_are_read_and_nowhere_else") {
  using Memory = typename Space::memory_space;
  const std::size_t length = 64, dim = 64;
  const auto rows = [&](const char* label) {
    return Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory>(label, 2, length, 1, dim);
  };
  const auto keys = rows("keys"), values = rows("values");
  Kokkos::deep_copy(keys, e4m3(1.F));
  Kokkos::deep_copy(values, e4m3(2.F));
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 2, 1, dim), out("out", 2, 1, dim),
      scales("scales", 2, length, 1);
  Kokkos::deep_copy(query, 0.5F);
  Kokkos::deep_copy(scales, 1.F);
  const ContiguousCache cache{Scaled{keys, TokenScales{scales}}, Scaled{values, TokenScales{scales}}};
  const auto nans = [&](std::size_t b) {
    DecodePlan{Space{}, Exact{}, query, cache}.run(Space{}, query, cache, out);
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, out);
    int count = 0;
    for (std::size_t d = 0; d < dim; ++d) count += std::isnan(host(b, 0, d)) ? 1 : 0;
    return count;
  };
  CHECK(nans(0) + nans(1) == 0);
  const auto in_value = Kokkos::subview(values, 1, 40, 0, 9);
  Kokkos::deep_copy(in_value, e4m3(quiet_nan));
  CHECK(nans(0) == 0);
  CHECK(nans(1) == 1);
  Kokkos::deep_copy(in_value, e4m3(2.F));
  const auto in_key = Kokkos::subview(keys, 1, 63, 0, 63);
  Kokkos::deep_copy(in_key, e4m3(-quiet_nan));
  CHECK(nans(0) == 0);
  CHECK(nans(1) == static_cast<int>(dim));
  Kokkos::deep_copy(in_key, e4m3(1.F));
  Kokkos::deep_copy(Kokkos::subview(scales, 0, 5, 0), quiet_nan);
  CHECK(nans(0) == static_cast<int>(dim));
  CHECK(nans(1) == 0);
}
