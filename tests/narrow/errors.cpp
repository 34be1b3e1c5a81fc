// What a caller may get wrong with narrow keys.
#include "narrow/narrow_problem.hpp"

#include <doctest/doctest.h>

#include <stdexcept>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("narrow_keys_that_do_not_fit_are_named") {
  using Codes = NarrowKeysOf<Space, std::int8_t>;
  const Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 64};
  Problem<Space, bfloat16> problem(shape);
  problem.fill(1).upload();
  const auto rejects = [&](const Codes& narrow, const char* sentence) {
    CHECK_THROWS_WITH_AS(static_cast<void>(NarrowCache{problem.cache(), narrow}.shape()), sentence,
                         std::invalid_argument);
    CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(calibrate(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}), sentence,
                         std::invalid_argument);
  };
  rejects(Codes(Space{}, {.batch = 2, .kv_heads = 2, .length = 41, .dim = 64}),
          "santa: narrow keys' length is 41; accepted: that of the full cache (40)");
  rejects(Codes(Space{}, {.batch = 3, .kv_heads = 2, .length = 40, .dim = 64}),
          "santa: narrow keys' batch is 3; accepted: that of the full cache (2)");
  rejects(Codes(Space{}, {.batch = 2, .kv_heads = 1, .length = 40, .dim = 64}),
          "santa: narrow keys' kv_heads is 1; accepted: that of the full cache (2)");
  rejects(Codes(Space{}, {.batch = 2, .kv_heads = 2, .length = 40, .dim = 72}),
          "santa: narrow keys' dim is 72; accepted: that of the full cache (64)");

  const Codes good(Space{}, shape);
  Codes bad = good;
  bad.scales = decltype(bad.scales)("test::scales", 2, 2, 39);
  rejects(bad, "santa: scales.extent(2) is 39; accepted: that of codes (40)");
  bad = good;
  bad.center = decltype(bad.center)("test::center", 2, 1, 64);
  rejects(bad, "santa: center.extent(1) is 1; accepted: that of codes (2)");
  bad = good;
  bad.spread = decltype(bad.spread)("test::spread", 2, 2, 32);
  rejects(bad, "santa: spread.extent(2) is 32; accepted: that of codes (64)");
  CHECK_THROWS_WITH_AS((Codes(Space{}, {.batch = 1, .kv_heads = 1, .length = 8, .dim = 12})),
                       "santa: dim is 12; accepted: a multiple of 8 from 8 to 256", std::invalid_argument);
}

SANTA_SPACE_TEST_CASE("what_stands_beside_narrow_keys_lies_without_gaps") {
  using Codes = NarrowKeysOf<Space, std::int8_t>;
  Problem<Space, bfloat16> problem({.batch = 2, .heads = 1, .kv_heads = 1, .length = 40, .dim = 24});
  problem.fill(1).upload();
  const Codes good(Space{}, problem.shape);
  const decltype(good.center) padded(Kokkos::view_alloc("test::padded", Kokkos::AllowPadding), 2, 1, 24);
  REQUIRE(padded.stride(0) == 32);
  const auto rejects = [&](const Codes& narrow, const char* sentence) {
    CHECK_THROWS_WITH_AS(calibrate(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow), sentence, std::invalid_argument);
    CHECK_THROWS_WITH_AS(run_once(Exact{}, problem, NarrowCache{problem.cache(), narrow}), sentence,
                         std::invalid_argument);
  };
  Codes bad = good;
  bad.center = padded;
  rejects(bad, "santa: center.stride(0) is 32; accepted: 24: elements lie without gaps");
  bad = good;
  bad.spread = padded;
  rejects(bad, "santa: spread.stride(0) is 32; accepted: 24: elements lie without gaps");
}

SANTA_SPACE_TEST_CASE("rows_to_encode_lie_in_the_cache") {
  Problem<Space, bfloat16> problem({.batch = 1, .heads = 1, .kv_heads = 1, .length = 40, .dim = 64});
  problem.fill(1).upload();
  const auto narrow = narrow_keys<int4x2>(problem);
  CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow, 41, 0),
                       "santa: first is 41; accepted: 0 to the length (40)", std::invalid_argument);
  CHECK_THROWS_WITH_AS(encode_keys(Space{}, problem.cache(), narrow, 30, 11),
                       "santa: count is 11; accepted: 0 to the rest of the length (10)", std::invalid_argument);
  encode_newest_keys(Space{}, problem.cache(), narrow, 40);
}

SANTA_SPACE_TEST_CASE("validate_names_a_scale_of_zero") {
  Problem<Space, bfloat16> problem({.batch = 1, .heads = 2, .kv_heads = 2, .length = 40, .dim = 64});
  problem.fill(1).upload();
  const auto narrow = narrow_keys<int4x2>(problem);
  validate(Space{}, NarrowCache{problem.cache(), narrow});
  Kokkos::deep_copy(Kokkos::subview(narrow.scales, 0, 1, 39), bfloat16(0.F));
  CHECK_THROWS_WITH_AS(validate(Space{}, NarrowCache{problem.cache(), narrow}),
                       "santa: scales(0, 1, 39) is 0.000000; accepted: a positive finite number",
                       std::invalid_argument);
}
