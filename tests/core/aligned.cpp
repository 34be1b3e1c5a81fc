// Memory that begins where rows of caches should.
#include <santa/cache/aligned.hpp>
#include <santa/core/element.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>

namespace {

using Space = Kokkos::DefaultHostExecutionSpace;

template <class View>
std::uintptr_t misplaced(const View& view) {
  return reinterpret_cast<std::uintptr_t>(view.data()) % santa::row_alignment;
}

TEST_CASE("aligned memory begins at a multiple of 256 bytes, has the elements asked for and is kept by its copies") {
  const Space space;
  for (const std::int64_t count : {1, 7, 128, 100000}) {
    auto first = santa::allocate_aligned<float>(space, "rows", count);
    const auto second = santa::allocate_aligned<santa::bfloat16>(space, "rows", count);
    CHECK(misplaced(first) == 0);
    CHECK(misplaced(second) == 0);
    REQUIRE(static_cast<std::int64_t>(first.extent(0)) == count);
    REQUIRE(static_cast<std::int64_t>(second.extent(0)) == count);
    for (std::int64_t i = 0; i < count; ++i) first(i) = static_cast<float>(i);
    const auto copy = first;
    first = {};
    CHECK(copy.use_count() == 1);
    bool kept = true;
    for (std::int64_t i = 0; i < count; ++i) kept = kept && copy(i) == static_cast<float>(i);
    CHECK(kept);
  }
  CHECK(santa::allocate_aligned<float>(space, "rows", 0).extent(0) == 0);
}

TEST_CASE("aligned memory of no such size is refused") {
  CHECK_THROWS_AS(santa::allocate_aligned<float>(Space(), "rows", -1), std::invalid_argument);
  CHECK_THROWS_AS(santa::allocate_aligned<float>(Space(), "rows", INT64_MAX), std::invalid_argument);
}

}  // namespace
