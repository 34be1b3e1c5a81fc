// Caches of other elements, scales and dimensions on the device, by its tensor cores.
#include "device/graph.hpp"
#include "scaled/scaled_problem.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"

#include <Kokkos_Core.hpp>

#include <cmath>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::Cuda;
using Memory = Space::memory_space;

const std::vector<std::int64_t> lengths = {2048, 0, 333, 1};

Shape shape_of_dims(std::int64_t dim, std::int64_t value_dim) {
  return {.batch = 4, .heads = 8, .kv_heads = 2, .length = 2048, .dim = dim, .value_dim = value_dim};
}

/// Exact and a budget that covers all rows against double precision: what the tensor cores round is seen at 1e-5. Then
/// draws. Returns what was drawn.
template <class Kernels, class Problem, class Cache>
Result check_cache(const Problem& problem, const Cache& cache) {
  const auto run = [&]<class M>(const M& method) { return run_scaled<M, Kernels>(method, problem, cache); };
  const Reference reference = exact_reference(problem);
  CHECK(relative_error(run(Exact{}).out, reference.out) < 2e-5);
  CHECK(relative_error(run(MassUnit{.rows = 2048}).out, reference.out) < 2e-5);
  Result drawn = run(MassUnit{.rows = 200});
  CHECK(relative_error(drawn.out, reference.out) < 0.5);
  for (std::size_t kv = 0; kv < 2; ++kv) {
    CHECK(drawn.statistics[kv].rows_read > 100);
    CHECK(drawn.statistics[kv].rows_read < 300);
  }
  return drawn;
}

template <class Kernels, ScaleKind of_keys, ScaleKind of_values, class K, class V>
void check_rows(std::int64_t dim, std::int64_t value_dim) {
  ScaledProblem<Space, K, V> problem(shape_of_dims(dim, value_dim), lengths, 3);
  check_cache<Kernels>(problem, problem.template contiguous<of_keys, of_values>());
}
/// Contiguous, and in pages, which change no bit.
template <class Kernels, ScaleKind of_keys, ScaleKind of_values, class K, class V>
void check_rows_and_pages(std::int64_t dim, std::int64_t value_dim) {
  ScaledProblem<Space, K, V> problem(shape_of_dims(dim, value_dim), lengths, 3);
  const Result plain = check_cache<Kernels>(problem, problem.template contiguous<of_keys, of_values>());
  const Result paged = check_cache<Kernels>(problem, problem.template paged<of_keys, of_values>(16));
  CHECK(same_bits(paged.out, plain.out));
  CHECK(same_bits(paged.error, plain.error));
}

constexpr auto none = ScaleKind::none;
constexpr auto tensor = ScaleKind::tensor;
constexpr auto head = ScaleKind::head;
constexpr auto token = ScaleKind::token;

}  // namespace

TEST_CASE("e4m3_on_tensor_cores") {
  using Kernels = KernelSet<4, 128>;
  check_rows_and_pages<Kernels, head, tensor, e4m3, e4m3>(128, 0);
  check_rows_and_pages<Kernels, token, token, e4m3, e4m3>(128, 0);
  check_rows_and_pages<Kernels, token, token, e4m3, e4m3>(80, 48);  // in the middle of kernels' rows
}
TEST_CASE("e4m3_of_64_features_on_tensor_cores") { check_rows<KernelSet<4, 64>, token, token, e4m3, e4m3>(64, 0); }
TEST_CASE("int8_on_tensor_cores") {
  check_rows<KernelSet<4, 128>, token, head, std::int8_t, std::int8_t>(128, 0);
  check_rows<KernelSet<4, 128>, token, head, std::int8_t, std::int8_t>(128, 112);
}
TEST_CASE("keys_and_values_of_different_elements_on_tensor_cores") {
  check_rows<KernelSet<4, 128>, none, token, bfloat16, e4m3>(128, 0);
  check_rows<KernelSet<4, 128>, token, none, e4m3, bfloat16>(128, 0);
  check_rows<KernelSet<4, 128>, none, none, bfloat16, santa::half>(128, 0);
}
TEST_CASE("keys_and_values_of_different_dimensions_on_tensor_cores") {
  check_rows<KernelSet<4, dims(192, 128)>, none, none, bfloat16, bfloat16>(192, 128);
  check_rows<KernelSet<4, dims(192, 128)>, token, head, e4m3, e4m3>(192, 128);
}
TEST_CASE("scaled_rows_in_plain_loops") {  // 72 bytes a row: not aligned
  ScaledProblem<Space, e4m3, e4m3> problem(shape_of_dims(72, 40), lengths, 4);
  const auto cache = problem.contiguous<token, token>();
  CHECK(relative_error(run_scaled(Exact{}, problem, cache).out, exact_reference(problem).out) < 2e-6);
}

TEST_CASE("values_scales_of_any_size_lose_nothing") {
  // Weights times scales far beyond halves, both ways, and one head's much larger than another's.
  const std::size_t length = 512, dim = 128;
  const Kokkos::View<bfloat16****, Kokkos::LayoutRight, Memory> keys("keys", 1, length, 2, dim);
  const Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory> values("values", 1, length, 2, dim);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 1, 8, dim), out("out", 1, 8, dim),
      scales("scales", 1, length, 2);
  Kokkos::deep_copy(values, e4m3(3.F));
  for (const float scale : {1e-30F, 1e-6F, 1.F, 1e6F, 1e30F}) {
    CAPTURE(scale);
    Kokkos::deep_copy(scales, scale);
    const ContiguousCache cache{keys, Scaled{values, TokenScales{scales}}};
    const DecodePlan plan{Space{}, Exact{}, query, cache, {}, Identity{}, KernelSet<4, 128>{}};
    plan.run(Space{}, query, cache, out);
    Space{}.fence();
    for (const float x : to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())))
      CHECK(x == doctest::Approx(static_cast<double>(3.F * scale)).epsilon(1e-5));
  }
}

TEST_CASE("nan_elements_of_e4m3_show_where_they_are_read") {
  const std::size_t length = 96, dim = 128;
  const Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory> keys("keys", 2, length, 1, dim),
      values("values", 2, length, 1, dim);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 2, 4, dim), out("out", 2, 4, dim);
  Kokkos::deep_copy(keys, e4m3(1.F));
  Kokkos::deep_copy(values, e4m3(2.F));
  Kokkos::deep_copy(query, 0.5F);
  const ContiguousCache cache{keys, values};
  const auto nans = [&](std::size_t request) {
    const DecodePlan plan{Space{}, Exact{}, query, cache, {}, Identity{}, KernelSet<4, 128>{}};
    plan.run(Space{}, query, cache, out);
    Space{}.fence();
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, out);
    int count = 0;
    for (std::size_t d = 0; d < dim; ++d) count += std::isnan(host(request, 3, d)) ? 1 : 0;
    return count;
  };
  CHECK(nans(0) + nans(1) == 0);
  Kokkos::deep_copy(Kokkos::subview(values, 1, 40, 0, 9), e4m3(quiet_nan));
  CHECK(nans(0) == 0);
  CHECK(nans(1) == 1);
  Kokkos::deep_copy(Kokkos::subview(keys, 1, 95, 0, 127), e4m3(quiet_nan));
  CHECK(nans(0) == 0);
  CHECK(nans(1) == static_cast<int>(dim));
}

TEST_CASE("appending_scaled_tokens_and_decoding_them_is_captured") {
  const std::size_t length = 1024, dim = 128;
  const Kokkos::View<e4m3****, Kokkos::LayoutRight, Memory> keys("keys", 1, length, 2, dim),
      values("values", 1, length, 2, dim);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> scales("scales", 1, length, 2);
  const Kokkos::View<bfloat16***, Kokkos::LayoutRight, Memory> fresh("fresh", 1, 2, dim);
  const Kokkos::View<std::int64_t*, Memory> counted("counted", 1);
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 1, 8, dim), out("out", 1, 8, dim);
  Kokkos::deep_copy(fresh, bfloat16(5.F));
  const ContiguousCache cache{Scaled{keys, TokenScales{scales}}, Scaled{values, TokenScales{scales}}, counted};
  const DecodePlan plan{Space{}, MassUnit{.rows = 100}, query, cache, {}, Identity{}, KernelSet<4, 128>{}};
  const Stream stream;
  const Space space(stream.get());
  const Graph graph(stream.get(), [&] {
    append(space, cache, fresh, fresh);
    plan.run(space, query, cache, out, {.seed = 4});
  });
  for (std::int64_t n = 1; n <= 600; ++n) {
    Kokkos::deep_copy(counted, n);
    graph.replay();
  }
  space.fence();
  // All rows are the same: so is every mean of them, whichever are drawn, but for their number.
  for (const float x : to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size())))
    CHECK(x == doctest::Approx(5.).epsilon(0.5));
  validate(space, cache);
}
