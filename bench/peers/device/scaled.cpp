#include "../../portability/byte_caches.hpp"
#include "beside.hpp"
#include "problems.hpp"

#include <cstddef>
#include <cstdint>
#include <vector>

namespace santa_bench {

void run_scaled(const Space& space, int divide, Records& records) {
  const santa::Shape shape{4, 32, 8, 32768 / divide, 128};
  const Caches<Space> caches(space, shape, 3.F, 0);
  const ByteCaches<Space> bytes(space, caches, rotation);
  const std::vector<std::int32_t> full(static_cast<std::size_t>(shape.batch), static_cast<std::int32_t>(shape.length));
  Problem problem;
  problem.name = "fp8-cache";
  problem.keys = static_cast<double>(shape.batch * shape.length);
  problem.key_bytes = static_cast<double>(shape.kv_heads * shape.dim);
  problem.value_scale = scale_of_rows;
  problem.copies = problem.layers = bytes.copies();
  problem.bytes = bytes.bytes();
  problem.paged = pages_in_order(full, shape.length, 16);
  problem.paged.e4m3 = true;
  problem.paged.key_scale = scale_of_rows;
  compare(
      space, by_tokens(caches, 1), problem, [&](std::size_t copy) { return bytes.cache(copy); },
      [&](std::size_t copy) { return bytes.data(copy); }, records);
}

}  // namespace santa_bench
