// Extents beyond what 32 or 64 bits hold, and memory that can't be had: what public types say of them.
#include "limits/message.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <fstream>
#include <limits>
#include <string>

using namespace santa;
using namespace santa::test;

#if defined(__SANITIZE_ADDRESS__)
// What can't be had is null, as it is without the sanitizer.
extern "C" const char* __asan_default_options();  // NOLINT
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
#endif

namespace {

template <class Space>
using Cache = ContiguousCache<Kokkos::View<float****, Kokkos::LayoutRight, typename Space::memory_space>>;

constexpr std::int64_t cut_to_one = (std::int64_t{1} << 32) + 1;  // 1 in 32 bits
constexpr std::int64_t largest = std::numeric_limits<std::int64_t>::max();

constexpr std::int64_t two_to(int power) { return std::int64_t{1} << power; }

/// Shapes, and what is said of them wherever one is given.
struct BadShape {
  Shape shape;
  std::string sentence;
};
std::vector<BadShape> bad_shapes() {
  const std::string batch = "; accepted: 0 to 2^27";
  return {{{.batch = cut_to_one, .length = 64, .dim = 8}, "santa: batch is 4294967297" + batch},
          {{.batch = two_to(32), .length = two_to(36), .dim = 256}, "santa: batch is 4294967296" + batch},
          {{.batch = largest, .length = 64, .dim = 8}, "santa: batch is 9223372036854775807" + batch},
          {{.batch = -1, .length = 64, .dim = 8}, "santa: batch is -1" + batch},
          {{.batch = 1, .length = cut_to_one << 5, .dim = 8}, "santa: length is 137438953504; accepted: 0 to 2^36"},
          {{.batch = 1, .length = 64, .dim = cut_to_one + 7},
           "santa: dim is 4294967304; accepted: a multiple of 8 from 8 to 256"},
          {{.batch = two_to(27), .length = two_to(36), .dim = 256},
           "santa: batch * kv_heads * length * dim is 134217728 * 1 * 68719476736 * 256; accepted: 2^60 or less"}};
}

/// A batch whose copy of keys takes 2^49 bytes or more: beyond what a process can address.
constexpr Shape too_large{.batch = two_to(10), .length = two_to(36), .dim = 8};

void check_no_memory(const std::string& message, const std::string& purpose) {
  CHECK(message.find("santa: no memory for " + purpose + ", ") == 0);
  CHECK(message.find(" bytes (") != std::string::npos);
}

}  // namespace

TEST_CASE("products_are_right_or_refused") {
  using detail::product;
  CHECK(product("a * b", {3, 5}, 15, "15 or less") == 15);
  CHECK(product("a * b", {two_to(62), 0, two_to(62)}, 15, "15 or less") == 0);
  CHECK(product("a * b", {two_to(31), two_to(31)}, largest, "") == two_to(62));
  const auto refused = [](std::initializer_list<std::int64_t> factors) {
    return message_of([&] { static_cast<void>(product("a * b", factors, two_to(62), "2^62 or less")); });
  };
  CHECK(refused({two_to(32), two_to(31)}) == "santa: a * b is 4294967296 * 2147483648; accepted: 2^62 or less");
  // 0, 1 and 15 in 64 bits.
  CHECK(refused({two_to(32), two_to(32)}) != "");
  CHECK(refused({largest, largest}) != "");
  CHECK(refused({two_to(33), two_to(33), 15}) != "");
  CHECK(refused({-3, -5}) == "santa: a * b is -3 * -5; accepted: 2^62 or less");
  CHECK(refused({-3, 5}) != "");
}

SANTA_SPACE_TEST_CASE("bad_shapes_are_named_wherever_one_is_given") {
  using Memory = typename Space::memory_space;
  const Space space;
  for (const auto& [shape, sentence] : bad_shapes()) {
    CAPTURE(sentence);
    CHECK(message_of([&] { DecodePlan(space, Exact{}, shape, cache_of<Cache<Space>>); }) == sentence);
    CHECK(message_of([&] { DecodePlan(space, Systematic{.samples = 10}, shape, cache_of<Cache<Space>>); }) == sentence);
    CHECK(message_of([&] { NarrowKeys<std::int8_t, Memory>(space, shape); }) == sentence);
    CHECK(message_of([&] { NarrowKeys<int4x2, Memory>(space, shape); }) == sentence);
    CHECK(message_of([&] { FeatureKeys<float, Memory>(space, shape); }) == sentence);
    CHECK(message_of([&] { LowRankKeys<bfloat16, Memory>(space, shape, 4); }) == sentence);
    CHECK(message_of([&] { SparseKeys<Memory>(space, shape, 4); }) == sentence);
    if (shape.batch < 0 || shape.batch >= two_to(32))  // of a shape it looks at batch and heads
      CHECK(message_of([&] { DecodeState<Memory>(space, shape); }) == sentence);
  }
  CHECK(message_of([&] {
          DecodePlan(space, Exact{}, {.batch = two_to(20), .heads = 256, .kv_heads = 1, .dim = 8},
                     cache_of<Cache<Space>>);
        }) == "santa: batch * heads is 1048576 * 256; accepted: 2^27 or less");
  CHECK(message_of([&] {
          DecodePlan(space, Exact{}, {.batch = two_to(20), .heads = 64, .kv_heads = 64, .length = two_to(20), .dim = 8},
                     cache_of<Cache<Space>>, {.keys_per_split = 256});
        }) ==
        "santa: batch * kv_heads * slices * splits is 1048576 * 64 * 1 * 4096; accepted: less than 2^31: give a "
        "larger keys_per_split");
  CHECK(message_of([&] {
          DecodePlan(space, Exact{}, {.length = 64, .dim = 8}, cache_of<Cache<Space>>,
                     {.keys_per_split = largest - 255});
        }) == "santa: keys_per_split is 9223372036854775552; accepted: a multiple of 256 below 2^31, or 0");
}

SANTA_SPACE_TEST_CASE("lists_and_samplers_name_what_is_too_large") {
  using Memory = typename Space::memory_space;
  const Space space;
  const auto plan = [&](std::int64_t batch, std::int64_t rows) {
    return message_of([&] { DrawPlan(space, Systematic{.samples = 10}, batch, rows); });
  };
  CHECK(plan(cut_to_one, 100) == "santa: batch is 4294967297; accepted: 0 to 2^27");
  CHECK(plan(-1, 100) == "santa: batch is -1; accepted: 0 to 2^27");
  CHECK(plan(1, two_to(36) + 1) == "santa: rows is 68719476737; accepted: 0 to 2^36");
  CHECK(plan(two_to(27), two_to(36)).find("santa: batch * splits is 134217728 * ") == 0);
  CHECK(plan(two_to(20), two_to(36)).find("santa: bytes of santa::workspace is ") == 0);
  CHECK(message_of([&] { DrawnRows<Memory>(space, -1, 5); }) ==
        "santa: batch is -1; accepted: 0 to 9223372036854775807");
  CHECK(message_of([&] { DrawnRows<Memory>(space, 5, std::numeric_limits<std::uint64_t>::max()); }) ==
        "santa: capacity is 18446744073709551615; accepted: 0 to 9223372036854775807");
  // 0 elements in 64 bits.
  CHECK(message_of([&] { DrawnRows<Memory>(space, two_to(32), two_to(32)); }) ==
        "santa: bytes of santa::drawn::rows is 4294967296 * 4294967296 * 8; accepted: 2^58 or less");
  const auto sampler = [&](const TokenShape& shape) {
    return message_of([&] { const TokenSampler<Space> made(space, shape); });
  };
  CHECK(sampler({.batch = cut_to_one, .vocab = 8, .dim = 8}) == "santa: batch is 4294967297; accepted: 0 to 2^20");
  CHECK(sampler({.batch = 1, .vocab = cut_to_one, .dim = 8}) == "santa: vocab is 4294967297; accepted: 1 to 2^31 - 1");
  CHECK(sampler({.batch = 1, .vocab = 8, .dim = two_to(32) + 8}) ==
        "santa: dim is 4294967304; accepted: a multiple of 8 from 8 to 2^20");
}

SANTA_SPACE_TEST_CASE("memory_that_cannot_be_had_is_named_with_its_bytes") {
  using Memory = typename Space::memory_space;
  const Space space;
  CHECK(message_of([&] {
          NarrowKeys<std::int8_t, Memory>(space, too_large);
        }).find("santa: no memory for santa::narrow_keys::codes, 562949953421312 bytes (") == 0);
  CHECK_THROWS_AS((NarrowKeys<std::int8_t, Memory>(space, too_large)), AllocationError);
  CHECK_THROWS_AS((NarrowKeys<std::int8_t, Memory>(space, too_large)), std::bad_alloc);
  check_no_memory(message_of([&] { FeatureKeys<bfloat16, Memory>(space, too_large); }), "santa::feature_keys::keys");
  check_no_memory(message_of([&] { LowRankKeys<bfloat16, Memory>(space, too_large, 8); }),
                  "santa::low_rank_keys::keys");
  check_no_memory(message_of([&] { SparseKeys<Memory>(space, too_large, 8); }), "santa::sparse_keys::features");
  check_no_memory(message_of([&] { DrawnRows<Memory>(space, 1024, two_to(40)); }), "santa::drawn::rows");
  check_no_memory(message_of([&] { DrawPlan(space, Systematic{.samples = 10}, 1024, two_to(36)); }),
                  "santa::workspace");
  check_no_memory(message_of([&] { DecodePlan(space, Systematic{.samples = 10}, too_large, cache_of<Cache<Space>>); }),
                  "santa::workspace");
}

SANTA_SPACE_TEST_CASE("views_of_too_many_rows_are_refused_before_a_launch") {
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<float****, Kokkos::LayoutStride, Memory>;
  const Space space;
  // All requests are the same memory.
  const Kokkos::View<float*, Memory> memory("test::memory", 1024);
  const Kokkos::LayoutStride same(static_cast<std::size_t>(two_to(33)), 0, 16, 8, 1, 8, 8, 1);
  const Rows rows(memory.data(), same);
  if (rows.extent(0) != static_cast<std::size_t>(two_to(33))) return;  // cut by a Kokkos before 5
  const ContiguousCache cache{rows, rows};
  const NarrowKeys<std::int8_t, Memory> narrow(space, {.batch = 1, .length = 16, .dim = 8});
  const FeatureKeys<float, Memory> features(space, {.batch = 1, .length = 16, .dim = 8});
  const std::string sentence = "santa: batch is 8589934592; accepted: 0 to 2^27";
  CHECK(message_of([&] { validate(space, NarrowCache{cache, narrow}); }) == sentence);
  CHECK(message_of([&] { calibrate(space, cache, narrow); }) == sentence);
  CHECK(message_of([&] { encode_keys(space, cache, narrow); }) == sentence);
  CHECK(message_of([&] { transpose_keys(space, cache, features); }) == sentence);
  CHECK(message_of([&] { append_keys(space, cache, features); }) == sentence);

  const Rows wide(memory.data(), Kokkos::LayoutStride(std::size_t{1} << 20, 0, 16, 0, 64, 0, 32, 1));
  const ContiguousCache wide_cache{wide, wide};
  CHECK(message_of([&] {
          detail::find_channel_moments(space, wide_cache, wide_cache.shape(), 1.F, memory.data(), memory.data());
        }) == "santa: batch * kv_heads * dim is 1048576 * 64 * 32; accepted: less than 2^31");

  using Matrix = Kokkos::View<float**, Kokkos::LayoutStride, Memory>;
  const Matrix many(memory.data(), Kokkos::LayoutStride(static_cast<std::size_t>(two_to(32)), 0, 8, 1));
  const Matrix few(memory.data(), Kokkos::LayoutStride(1, 8, 8, 1));
  const Matrix weights(memory.data(), Kokkos::LayoutStride(8, 8, 8, 1));
  const Kokkos::View<std::int64_t*, Memory> tokens("test::tokens", 1);
  const TokenSampler<Space> sampler(space, {.batch = 4, .vocab = 8, .dim = 8});
  CHECK(message_of([&] { sampler.run(space, many, weights, tokens); }) ==
        "santa: hidden.extent(0) is 4294967296; accepted: at most the sampler's 4");
  CHECK(message_of([&] { sampler.run(space, few, many, tokens); }) ==
        "santa: weights.extent(0) is 4294967296; accepted: at most the sampler's 8");
  CHECK(message_of([&] { sampler.run(space, few, weights, tokens, {.first_row = largest}); }) ==
        "santa: first_row is 9223372036854775807; accepted: 0 or more, with fewer than 2^31 rows in the whole "
        "vocabulary");
}
