// Groups of more heads than one product has: their slices are worked on by one team, which reads the rows once.
#include "device/all_rows.hpp"

#include <Kokkos_Core.hpp>

#include <cstdint>

using namespace santa;
using namespace santa::test;

TEST_CASE("slices_that_share_their_rows_have_the_attention_of_double_precision") {
  // 2, 3, 4 and 5 slices of a kv head: fewer and more than a team takes at once.
  for (const std::int64_t tokens : {5, 9, 16, 17})
    check_all<bfloat16>({.batch = 6, .heads = 8, .kv_heads = 2, .length = 640, .dim = 128, .tokens = tokens});
}
