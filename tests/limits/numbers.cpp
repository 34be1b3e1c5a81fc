// Numbers of a run as callers have them, of any integer type; built as strictly as a caller may.
#include "limits/message.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>

#if !defined(__NVCC__)
#pragma GCC diagnostic error "-Wconversion"
#pragma GCC diagnostic error "-Wsign-conversion"
#pragma GCC diagnostic error "-Wnarrowing"
#endif

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Rows = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;
using Cache = ContiguousCache<Rows>;
using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;

/// Every stage that draws, by the same seed, step and stream; the message of the first that refuses them, which the
/// others have to share.
struct Stages {
  Space space;
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> query{"test::query", 1, 1, 8}, out{"test::out", 1, 1, 8};
  Rows rows{"test::rows", 1, 40, 1, 8};
  Cache cache{rows, rows};
  DecodePlan<Space, Exact, Cache> plan{space, Exact{}, query, cache};
  FeatureKeys<float, Memory> copy{space, {.batch = 1, .length = 40, .dim = 8}};
  FeatureCache<Cache, FeatureKeys<float, Memory>, TopFeatures> by_features{cache, copy, TopFeatures{.features = 4}};
  Matrix log_weights{"test::log_weights", 1, 40}, hidden{"test::hidden", 1, 8}, head{"test::head", 40, 8};
  DrawnRows<Memory> drawn{space, 1, 40};
  Kokkos::View<std::int64_t*, Memory> tokens{"test::tokens", 1};

  template <class Seed, class Step, class Stream>
  [[nodiscard]] std::string message(Seed seed, Step step, Stream stream) const {
    const std::string first =
        message_of([&] { plan.run(space, query, cache, out, {.seed = seed, .step = step, .stream = stream}); });
    CHECK(first == message_of([&] {
            choose_features(space, query, by_features, out, {.seed = seed, .step = step, .stream = stream});
          }));
    CHECK(first == message_of([&] {
            draw_rows(space, Exact{}, log_weights, drawn, {.seed = seed, .step = step, .stream = stream});
          }));
    CHECK(first == message_of([&] {
            sample_tokens(space, hidden, head, tokens, {.seed = seed, .step = step, .stream = stream});
          }));
    space.fence();
    return first;
  }
};

}  // namespace

TEST_CASE("numbers_of_any_integer_type_name_a_run") {
  const Stages stages;
  const int layer = 65535;
  const long step = 4294967295;
  const unsigned long long seed = std::numeric_limits<std::uint64_t>::max();
  CHECK(stages.message(seed, step, layer) == "");
  CHECK(stages.message(7, 0, std::size_t{3}) == "");
  CHECK(stages.message(short{7}, std::uint8_t{1}, std::uint16_t{3}) == "");
}

TEST_CASE("numbers_that_are_negative_or_too_large_are_named") {
  const Stages stages;
  const auto i64 = [](std::int64_t x) { return x; };
  CHECK(stages.message(0, 0, -1) == "santa: stream is -1; accepted: 0 to 65535");
  CHECK(stages.message(0, 0, 65536) == "santa: stream is 65536; accepted: 0 to 65535");
  CHECK(stages.message(0, 0, i64(1) << 32) == "santa: stream is 4294967296; accepted: 0 to 65535");
  CHECK(stages.message(0, -1, 0) == "santa: step is -1; accepted: 0 to 4294967295");
  CHECK(stages.message(0, i64(1) << 32, 0) == "santa: step is 4294967296; accepted: 0 to 4294967295");
  CHECK(stages.message(0, std::numeric_limits<std::uint64_t>::max(), 0) ==
        "santa: step is 18446744073709551615; accepted: 0 to 4294967295");
  CHECK(stages.message(std::int8_t{-1}, 0, 0) == "santa: seed is -1; accepted: 0 to 18446744073709551615");
  CHECK(stages.message(std::numeric_limits<std::int64_t>::min(), 0, 0) ==
        "santa: seed is -9223372036854775808; accepted: 0 to 18446744073709551615");
}

TEST_CASE("steps_and_streams_of_other_types_draw_the_same") {
  const Space space;
  const Matrix log_weights("test::log_weights", 1, 4000);
  const auto rows_of = [&](const DrawOptions<Memory>& options) {
    const DrawnRows<Memory> drawn{space, 1, 4000};
    draw_rows(space, MassUnit{.rows = 20}, log_weights, drawn, options);
    const auto rows = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.rows);
    const auto count = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, drawn.count);
    std::vector<std::int64_t> list;
    for (std::int64_t i = 0; i < count(0); ++i) list.push_back(rows(0, i));
    return list;
  };
  const auto drawn = rows_of({.seed = 5, .step = 4000000000U, .stream = std::uint16_t{40000}});
  CHECK(drawn.size() > 5);
  CHECK(rows_of({.seed = 5LL, .step = 4000000000LL, .stream = 40000}) == drawn);
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  Kokkos::deep_copy(step, 4000000000U);
  CHECK(rows_of({.seed = 5, .step = step, .stream = 40000}) == drawn);
  CHECK(rows_of({.seed = 5, .step = 4000000001, .stream = 40000}) != drawn);
  CHECK(rows_of({.seed = 5, .step = 4000000000, .stream = 40001}) != drawn);
}

TEST_CASE("a_step_in_memory_has_32_bits") {
  using Step = RunScalar<std::uint32_t, Memory>;
  CHECK(std::is_constructible_v<Step, Kokkos::View<std::uint32_t, Memory>>);
  CHECK(std::is_constructible_v<Step, Kokkos::View<const std::uint32_t, Memory>>);
  CHECK_FALSE(std::is_constructible_v<Step, Kokkos::View<std::int64_t, Memory>>);
  CHECK_FALSE(std::is_constructible_v<Step, Kokkos::View<std::uint64_t, Memory>>);
  CHECK_FALSE(std::is_constructible_v<Step, double>);
}

TEST_CASE("lists_take_extents_of_any_integer_type") {
  const int batch = 3;
  const std::size_t capacity = 10;
  const DrawnRows<Memory> drawn{Space(), batch, capacity};
  CHECK(drawn.rows.extent(0) == 3);
  CHECK(drawn.rows.extent(1) == 10);
}

TEST_CASE("requests_are_as_many_as_the_batch_wherever_features_are_chosen") {
  const Stages stages;
  const Kokkos::View<std::uint32_t*, Memory> none("test::requests", 0), one("test::requests", 1);
  const Kokkos::View<std::uint32_t*, Memory> unmanaged(one.data(), 0);
  CHECK(message_of([&] {
          choose_features(stages.space, stages.query, stages.by_features, stages.out, {.requests = unmanaged});
        }) == "santa: requests.extent(0) is 0; accepted: the batch (1) or more");
  CHECK(message_of([&] {
          choose_features(stages.space, stages.query, stages.by_features, stages.out, {.requests = one});
        }) == "");
  Kokkos::fence();
}
