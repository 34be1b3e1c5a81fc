// Which kernels a shape gets. Compiled twice: with all extents, and with some named.
#include <santa/santa.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <tuple>

using namespace santa;

namespace {

/// Heads, features, and whether tensor cores are used.
template <class T>
std::tuple<int, int, bool> extents_of(int heads, int dim, bool aligned) {
  std::tuple<int, int, bool> result;
  lanes::Seam<Kokkos::Cuda>::with_extents<T>(heads, dim, aligned, [&](auto extents) {
    result = {extents.heads, extents.dim, extents.tensor_cores};
  });
  return result;
}
using Extents = std::tuple<int, int, bool>;

}  // namespace

#if defined(SANTA_ONLY_EXTENTS)

TEST_CASE("a_shape_gets_the_first_extents_named_that_hold_it") {
  static_assert(sizeof(bfloat16) == 2);
  CHECK(extents_of<bfloat16>(1, 8, true) == Extents{4, 128, true});
  CHECK(extents_of<bfloat16>(4, 128, true) == Extents{4, 128, true});
  CHECK(extents_of<bfloat16>(5, 64, true) == Extents{8, 64, true});
  CHECK(extents_of<float>(4, 128, false) == Extents{4, 128, false});
  CHECK(extents_of<float>(8, 64, true) == Extents{8, 64, false});
  CHECK(extents_of<bfloat16>(3, 72, false) == Extents{16, 128, false});
}

TEST_CASE("a_shape_that_no_extents_named_hold_is_refused") {
  CHECK_THROWS_WITH_AS(extents_of<bfloat16>(9, 64, true),
                       "santa: heads / kv_heads is 9; accepted: at most what the named kernels take",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(extents_of<bfloat16>(8, 72, true),
                       "santa: dim is 72; accepted: at most what the named kernels take", std::invalid_argument);
  CHECK_THROWS_AS(extents_of<float>(4, 136, true), std::invalid_argument);
  CHECK_THROWS_AS(extents_of<santa::half>(4, 136, false), std::invalid_argument);
}

#else

TEST_CASE("a_shape_gets_the_smallest_extents_that_hold_it") {
  int wrong = 0;
  for (int heads = 1; heads <= 16; ++heads)
    for (int dim = 8; dim <= 256; dim += 8) {
      const int most_heads = heads <= 4 ? 4 : heads <= 8 ? 8 : 16;
      if (heads > lanes::Seam<Kokkos::Cuda>::most_heads(dim)) continue;  // no group works on so many
      const int most_dim = dim <= 64 ? 64 : dim <= 128 ? 128 : 256;
      wrong += extents_of<bfloat16>(heads, dim, true) != Extents{most_heads, most_dim, true};
      wrong += extents_of<santa::half>(heads, dim, false) != Extents{most_heads, 256, false};
      wrong += extents_of<float>(heads, dim, true) != Extents{most_heads, 256, false};
    }
  CHECK(wrong == 0);
}

#endif
