// Errors have one form: argument, given, accepted.
#include <santa/core/arguments.hpp>
#include <santa/core/check.hpp>
#include <santa/core/lengths.hpp>
#include <santa/core/shape.hpp>
#include <santa/core/version.hpp>
#include <santa/schedule/units.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace santa;

namespace {

std::string message_of(const Shape& shape) {
  try {
    detail::check_shape(shape);
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("errors_name_the_argument_what_was_given_and_what_is_accepted") {
  CHECK_THROWS_WITH_AS(detail::reject("size", "7", "5 or less"), "santa: size is 7; accepted: 5 or less",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(detail::require(false, "size", 7, "5 or less"), "santa: size is 7; accepted: 5 or less",
                       std::invalid_argument);
  CHECK_THROWS_WITH_AS(detail::require_pointer(nullptr, "keys"), "santa: keys is null; accepted: a view with data",
                       std::invalid_argument);
  CHECK_NOTHROW(detail::require(true, "size", 7, "5 or less"));
  CHECK_NOTHROW(detail::require_initialized());
}

TEST_CASE("shapes_are_checked_extent_by_extent") {
  const Shape good{.batch = 2, .heads = 8, .kv_heads = 2, .length = 100, .dim = 64};
  CHECK(message_of(good) == "");
  for (const std::int64_t dim : {8, 40, 72, 80, 96, 128, 200, 256}) {
    Shape shape = good;
    shape.dim = dim;
    CHECK(message_of(shape) == "");
  }
  for (const std::int64_t dim : {-8, 0, 4, 12, 100, 257, 264}) {
    Shape shape = good;
    shape.dim = dim;
    CHECK(message_of(shape) == "santa: dim is " + std::to_string(dim) + "; accepted: a multiple of 8 from 8 to 256");
  }
  Shape shape = good;
  shape.heads = 7;
  CHECK(message_of(shape) == "santa: heads is 7; accepted: a multiple of kv_heads (2)");
  shape = good;
  shape.batch = 0;
  CHECK(message_of(shape) == "");
  shape.batch = -1;
  CHECK(message_of(shape) == "santa: batch is -1; accepted: 0 to 2^27");
  shape = good;
  shape.kv_heads = 0;
  CHECK(message_of(shape) == "santa: kv_heads is 0; accepted: 1 to 65535");
  shape = good;
  shape.heads = shape.kv_heads = 65536;
  CHECK(message_of(shape) == "santa: kv_heads is 65536; accepted: 1 to 65535");
  shape.kv_heads = 1;
  CHECK(message_of(shape) == "santa: heads is 65536; accepted: 1 to 65535");
  shape = good;
  shape.length = -1;
  CHECK(message_of(shape) == "santa: length is -1; accepted: 0 to 2^36");
  shape.length = 0;
  CHECK(message_of(shape) == "");
}

TEST_CASE("units_cover_every_key_of_every_head_once") {
  detail::Arguments a;
  a.batch = 2;
  a.heads = 51;
  a.kv_heads = 3;
  a.slices = 2;  // 17 heads a group, in slices of 9
  a.slice_heads = 9;
  a.storage = 1200;
  a.keys_per_split = 256;
  a.splits = 5;
  const std::vector<std::int64_t> lengths = {1200, 300};
  a.lengths = {lengths.data(), true};
  for (const std::int64_t window : {0, 1, 31, 100, 256, 700, 5000}) {
    a.window = window;
    std::vector<int> seen(static_cast<std::size_t>(a.batch * a.heads * a.storage), 0);
    const std::int64_t units = detail::all_units(a);
    REQUIRE(units == 2 * 5 * 3 * 2);
    for (std::int64_t rank = 0; rank < units; ++rank) {
      const detail::Unit unit = detail::unit_of(a, rank);
      CHECK(detail::unit_rank(a, {unit.batch, unit.split, unit.kv_head, unit.slice}) == rank);
      CHECK(unit.heads <= 9);
      CHECK(unit.begin % detail::tile_keys == 0);
      for (std::int64_t key = unit.begin; key < unit.end; ++key) {
        if (key < unit.start) continue;
        for (int h = 0; h < unit.heads; ++h)
          ++seen[static_cast<std::size_t>((unit.batch * a.heads + unit.first_head + h) * a.storage + key)];
      }
    }
    int wrong = 0;
    for (std::int64_t b = 0; b < a.batch; ++b)
      for (std::int64_t h = 0; h < a.heads; ++h)
        for (std::int64_t key = 0; key < a.storage; ++key) {
          const std::int64_t length = lengths[static_cast<std::size_t>(b)];
          const bool visible = key < length && key >= length - window;
          wrong += seen[static_cast<std::size_t>((b * a.heads + h) * a.storage + key)] != (visible ? 1 : 0);
        }
    CHECK(wrong == 0);
  }
}

TEST_CASE("lengths_are_read_in_both_widths_and_clamped_to_the_storage") {
  const std::vector<std::int64_t> wide = {5, -1, 1000, std::int64_t{1} << 40};
  const std::vector<std::int32_t> narrow = {5, -1, 1000, 7};
  constexpr std::int64_t storage = 100;
  detail::Lengths lengths;
  CHECK(lengths.clamped(3, storage) == 100);
  lengths = {wide.data(), true};
  CHECK(lengths.clamped(0, storage) == 5);
  CHECK(lengths.clamped(1, storage) == 0);
  CHECK(lengths.clamped(2, storage) == 100);
  CHECK(lengths.clamped(3, storage) == 100);
  lengths = {narrow.data(), false};
  CHECK(lengths.clamped(0, storage) == 5);
  CHECK(lengths.clamped(1, storage) == 0);
  CHECK(lengths.clamped(2, storage) == 100);
  CHECK(lengths.clamped(3, storage) == 7);
}
