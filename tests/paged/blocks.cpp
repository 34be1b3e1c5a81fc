// Pools as engines have them: halves of one block a page, layers of one allocation, padded slots.
#include "paged/paged_problem.hpp"
#include "support/run_once.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
Problem<Space, bfloat16> some() {
  Problem<Space, bfloat16> problem({.batch = 3, .heads = 4, .kv_heads = 2, .length = 96, .dim = 64});
  problem.fill(12).set_lengths({96, 33, 48}).upload();
  return problem;
}

/// Checks views of pools, into which the problem's rows are copied, in the space's memory and by `append`.
template <class Space, class View>
void check_pools(const Problem<Space, bfloat16>& problem, const PagedProblem<Space, bfloat16>& paged, const View& keys,
                 const View& values) {
  const PagedCache cache{keys, values, paged.table(), paged.layout()};
  Kokkos::deep_copy(keys, paged.keys());
  Kokkos::deep_copy(values, paged.values());
  validate(Space{}, cache);
  const Result exact = run_once(Exact{}, problem, problem.cache());
  const Result sampled = run_once(MassUnit{.rows = 20}, problem, problem.cache());
  const auto check = [&] {
    CHECK(same_bits(run_once(Exact{}, problem, cache).out, exact.out));
    CHECK(same_bits(run_once(MassUnit{.rows = 20}, problem, cache).out, sampled.out));
  };
  check();
  // All rows of each request anew, as its last ones.
  Kokkos::deep_copy(keys, bfloat16(quiet_nan));
  Kokkos::deep_copy(values, bfloat16(quiet_nan));
  const Shape& shape = problem.shape;
  using New = Kokkos::View<bfloat16****, Kokkos::LayoutRight, typename Space::memory_space>;
  const New new_keys("test::new_keys", at(shape.batch), at(shape.length), at(shape.kv_heads), at(shape.dim));
  const New new_values("test::new_values", at(shape.batch), at(shape.length), at(shape.kv_heads), at(shape.dim));
  Kokkos::deep_copy(new_keys, problem.key_view());
  Kokkos::deep_copy(new_values, problem.value_view());
  append(Space{}, cache, new_keys, new_values, to_space<Space>(std::vector<std::int32_t>{96, 33, 48}, "test::counts"));
  check();
}

}  // namespace

SANTA_SPACE_TEST_CASE("keys_and_values_are_halves_of_a_block_a_page") {
  const auto problem = some<Space>();
  using Block = Kokkos::View<bfloat16*****, Kokkos::LayoutRight, typename Space::memory_space>;
  using Kokkos::ALL;
  for (const std::int64_t size : {1, 2, 16, 48}) {
    CAPTURE(size);
    const PagedProblem by_token(problem, size), by_head(problem, size, {CacheLayout::head_major});
    const Block tokens("test::block", at(by_token.pages), 2, at(size), 2, 64);  // [pages, 2, page_size, kv_heads, dim]
    check_pools(problem, by_token, Kokkos::subview(tokens, ALL, 0, ALL, ALL, ALL),
                Kokkos::subview(tokens, ALL, 1, ALL, ALL, ALL));
    const Block heads("test::block", at(by_head.pages), 2, 2, at(size), 64);  // [pages, 2, kv_heads, page_size, dim]
    check_pools(problem, by_head, Kokkos::subview(heads, ALL, 0, ALL, ALL, ALL),
                Kokkos::subview(heads, ALL, 1, ALL, ALL, ALL));
  }
}

SANTA_SPACE_TEST_CASE("layers_of_one_allocation_and_padded_slots") {
  const auto problem = some<Space>();
  using Layers = Kokkos::View<bfloat16******, Kokkos::LayoutRight, typename Space::memory_space>;
  using Kokkos::ALL;
  for (const std::int64_t size : {1, 16}) {
    const PagedProblem paged(problem, size);
    // Pages of all layers side by side, slots with room for another head, rows with 8 elements more.
    const Layers layers("test::layers", at(paged.pages), 3, 2, at(size), 3, 72);
    Kokkos::deep_copy(layers, bfloat16(quiet_nan));
    const auto half = [&](std::size_t layer, std::size_t n) {
      return Kokkos::subview(layers, ALL, layer, n, ALL, std::pair(0, 2), std::pair(0, 64));
    };
    for (const std::size_t layer : {std::size_t{0}, std::size_t{2}})
      check_pools(problem, paged, half(layer, 0), half(layer, 1));
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, layers);
    std::size_t numbers = 0;  // nothing but the rows of two layers has been written
    for (std::size_t i = 0; i < host.size(); ++i)
      numbers += static_cast<float>(host.data()[i]) == static_cast<float>(host.data()[i]) ? 1 : 0;
    CHECK(numbers == at(2 * 2 * (96 + 33 + 48) * 2 * 64));
  }
}
