// Rows in pages are the rows of a contiguous cache: the same bits, whatever the pages.
#include "paged/paged_problem.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t page_sizes[] = {1, 5, 16, 64, 256};

/// Ragged: full, empty, one that ends a page of any of those sizes, a few that don't.
template <class Space, class T, class Q = float>
Problem<Space, T, Q> ragged() {
  Problem<Space, T, Q> problem({.batch = 6, .heads = 8, .kv_heads = 2, .length = 2560, .dim = 64});
  problem.fill(5).set_lengths({2560, 0, 1280, 333, 1, 1100}).upload();
  return problem;
}

void check_same(const Result& given, const Result& expected) {
  CHECK(same_bits(given.out, expected.out));
  CHECK(same_bits(given.lse, expected.lse));
  CHECK(same_bits(given.error, expected.error));
  CHECK(same_bits(given.statistics, expected.statistics));
}

/// Steps by each cache, with a state for each.
template <class M, class Space, class T, class Q, class Cache>
void check_steps(const M& method, const Problem<Space, T, Q>& problem, const Cache& cache) {
  const DecodeState<typename Space::memory_space> paged(Space{}, problem.shape), plain(Space{}, problem.shape);
  for (std::uint32_t step = 0; step < 3; ++step)
    check_same(run_once(method, problem, cache, {.seed = 3, .step = step, .state = paged}),
               run_once(method, problem, problem.cache(), {.seed = 3, .step = step, .state = plain}));
}

template <class Space, class T, class Q>
void check_element() {
  const auto problem = ragged<Space, T, Q>();
  const Reference reference = exact_reference(problem);
  for (const std::int64_t size : page_sizes) {
    CAPTURE(size);
    const PagedProblem paged(problem, size);
    CHECK(paged.by_table().shape().length == problem.shape.length);
    const Result exact = run_once(Exact{}, problem, paged.by_table());
    CHECK(relative_error(exact.out, reference.out) < 1e-5);
    check_same(exact, run_once(Exact{}, problem, problem.cache()));
    check_steps(MassUnit{.rows = 100}, problem, paged.by_list());
  }
}

}  // namespace

SANTA_SPACE_TEST_CASE("float_rows_in_pages") { check_element<Space, float, float>(); }
SANTA_SPACE_TEST_CASE("half_rows_in_pages") { check_element<Space, santa::half, float>(); }
SANTA_SPACE_TEST_CASE("bfloat16_rows_in_pages") { check_element<Space, santa::bfloat16, santa::bfloat16>(); }

SANTA_SPACE_TEST_CASE("pools_and_tables_of_every_form") {
  const auto problem = ragged<Space, float>();
  const Result exact = run_once(Exact{}, problem, problem.cache());
  for (const std::int64_t size : page_sizes)
    for (const CacheLayout layout : {CacheLayout::token_major, CacheLayout::head_major})
      for (const bool interleaved : {false, true}) {
        CAPTURE(size);
        CAPTURE(interleaved);
        const PagedProblem paged(problem, size, {layout, interleaved});
        check_same(run_once(Exact{}, problem, paged.by_table()), exact);
        check_same(run_once(Exact{}, problem, paged.by_list()), exact);
        validate(Space{}, paged.by_table());
        validate(Space{}, paged.by_list());
      }
  const PagedProblem paged(problem, 16, {CacheLayout::head_major, true});
  check_steps(MassUnit{.rows = 100, .steered = true}, problem, paged.by_table());
}

SANTA_SPACE_TEST_CASE("windows_and_soft_caps_in_pages") {
  const auto problem = ragged<Space, float>();
  const PagedProblem paged(problem, 5);
  const Then<SoftCap, Window> modifier{{20.F}, {700}};
  const auto run = [&](const auto& method, const auto& cache) {
    return run_once(method, problem, cache, {}, {}, modifier);
  };
  const Result exact = run(Exact{}, paged.by_table());
  CHECK(relative_error(exact.out, exact_reference(problem, {.cap = 20., .window = 700}).out) < 1e-5);
  check_same(exact, run(Exact{}, problem.cache()));
  check_same(run(MassUnit{.rows = 100}, paged.by_list()), run(MassUnit{.rows = 100}, problem.cache()));
}

SANTA_SPACE_TEST_CASE("lengths_of_32_bits_and_pools_of_different_strides_that_may_be_written") {
  const auto problem = ragged<Space, float>();
  const PagedProblem paged(problem, 16);
  using Memory = typename Space::memory_space;
  using Pool = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Shape& shape = problem.shape;
  const Pool keys("keys", n(paged.pages), 16, n(shape.kv_heads), n(shape.dim));
  const Pool wide("values", n(paged.pages), 17, n(shape.kv_heads + 1), n(shape.dim + 8));
  const auto first = [&](std::int64_t extent) { return std::pair<std::size_t, std::size_t>(0, n(extent)); };
  const auto values = Kokkos::subview(wide, Kokkos::ALL, first(16), first(shape.kv_heads), first(shape.dim));
  Kokkos::deep_copy(wide, quiet_nan);
  Kokkos::deep_copy(keys, paged.keys());
  Kokkos::deep_copy(values, paged.values());
  const Kokkos::View<std::int32_t**, Memory> table("table", n(shape.batch), n(shape.length / 16));
  Kokkos::deep_copy(table, paged.table().table());
  const auto lengths =
      to_space<Space>(std::vector<std::int32_t>(problem.lengths.begin(), problem.lengths.end()), "lengths");
  check_same(run_once(MassUnit{.rows = 100}, problem, PagedCache{keys, values, PageTable{table, lengths}}),
             run_once(MassUnit{.rows = 100}, problem, problem.cache()));
}
