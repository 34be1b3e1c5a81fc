// Exact attention over pages of any size: the bits of a contiguous cache, whatever a look-up tells of a panel.
#include "paged/paged_problem.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

using namespace santa;
using namespace santa::test;

using Space = Kokkos::DefaultExecutionSpace;

TEST_CASE("pages_of_any_size_change_no_bit_of_rows_that_are_all_taken") {
  for (const std::int64_t tokens : {1, 4}) {
    TokensProblem<Space, bfloat16> problem(
        {.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
    problem.fill(7).set_lengths({640, 0, 2, 333, 64, 545}).upload();
    const auto run = [&](const auto& cache, const SeenKeys& seen) {
      return TokensRun<Space, Exact, std::decay_t<decltype(cache)>>(problem, Exact{}, cache, seen).run();
    };
    const auto plain = run(problem.cache(), {});
    for (const std::int64_t size : {1, 5, 16, 24, 48, 64, 256}) {
      CAPTURE(size);
      PagedProblem paged(static_cast<const Problem<Space, bfloat16>&>(problem), size);
      CHECK(same_bits(run(paged.by_table(), {}).out, plain.out));
      CHECK(same_bits(run(paged.by_list(), {}).out, plain.out));
      // An entry that is no page is page 0, and flagged.
      const std::size_t bad = static_cast<std::size_t>(100 / size);
      paged.entries[bad] = 0;
      paged.upload();
      const auto right = run(paged.by_table(), {});
      CHECK(right.statistics[0].flags == 0);
      for (const std::int32_t entry : {-1, 1 << 30, static_cast<std::int32_t>(paged.pages)}) {
        paged.entries[bad] = entry;
        paged.upload();
        const auto result = run(paged.by_table(), {});
        CHECK(same_bits(result.out, right.out));
        CHECK(result.statistics[0].flags == Statistics::page_out_of_range);
        CHECK(result.statistics[2].flags == 0);
      }
    }
  }
}
