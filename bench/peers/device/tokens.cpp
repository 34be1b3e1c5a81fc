#include "beside.hpp"
#include "problems.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace santa_bench {

void run_tokens(const Space& space, int divide, Records& records) {
  constexpr std::int64_t tokens = 4;
  const santa::Shape rows{4, 32 * tokens, 8, 32768 / divide, 128};
  const Caches<Space> caches(space, rows, 3.F, rotation);
  const std::vector<std::int32_t> full(static_cast<std::size_t>(rows.batch), static_cast<std::int32_t>(rows.length));
  Problem problem;
  problem.name = "tokens-4";
  problem.keys = static_cast<double>(rows.batch * rows.length);
  problem.copies = problem.layers = caches.copies();
  problem.bytes = caches.bytes();
  problem.paged = pages_in_order(full, rows.length, 16);
  problem.paged.tokens = static_cast<std::int32_t>(tokens);
  compare(
      space, by_tokens(caches, tokens), problem, [&](std::size_t copy) { return caches.cache(copy); },
      [&](std::size_t copy) { return caches.data(copy); }, records);
}

}  // namespace santa_bench
