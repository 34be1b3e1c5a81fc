// Objects by default, and ones that were moved from: harmless, or an error that names them.
#include "limits/message.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <cstdint>
#include <string>
#include <utility>

using namespace santa;
using namespace santa::test;

namespace {

constexpr Shape shape{.batch = 2, .heads = 4, .kv_heads = 2, .length = 40, .dim = 32};

template <class Space>
struct Data {
  using Memory = typename Space::memory_space;
  using Rows = Kokkos::View<bfloat16****, Kokkos::LayoutRight, Memory>;

  Space space;
  Rows rows{"test::rows", 2, 40, 2, 32};
  Kokkos::View<bfloat16***, Kokkos::LayoutRight, Memory> query{"test::query", 2, 4, 32};
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> out{"test::out", 2, 4, 32};
  Kokkos::View<float**, Kokkos::LayoutRight, Memory> log_weights{"test::log_weights", 2, 40},
      matrix{"test::matrix", 40, 32}, sum{"test::sum", 2, 32};
  Kokkos::View<std::int32_t*, Memory> order{"test::order", 2};

  using Cache = ContiguousCache<Rows>;
  using Plan = DecodePlan<Space, MassUnit, Cache>;

  [[nodiscard]] Cache cache() const { return {rows, rows}; }
  [[nodiscard]] Plan new_plan() const { return {space, MassUnit{}, query, cache()}; }
  [[nodiscard]] std::string run(const Plan& plan, const RunOptions<Memory>& options = {}) const {
    return message_of([&] { plan.run(space, query, cache(), out, options); });
  }
  template <class Copy>
  [[nodiscard]] std::string run_by(const Copy& copy) const {
    const DecodePlan plan(space, Exact{}, shape, cache_of<NarrowCache<Cache, Copy>>);
    return message_of([&] { plan.run(space, query, NarrowCache{cache(), copy}, out); });
  }
  [[nodiscard]] std::string draw(const DrawPlan<Space, MassUnit>& plan, const DrawnRows<Memory>& drawn) const {
    return message_of([&] { plan.run(space, log_weights, drawn); });
  }
  [[nodiscard]] std::string gather(const DrawnRows<Memory>& drawn) const {
    return message_of([&] { gather_add(space, drawn, matrix, sum); });
  }
  [[nodiscard]] std::string sample(const TokenSampler<Space>& sampler) const {
    return message_of([&] { sampler.run(space, sum, matrix, order); });
  }
};

std::string moved(const std::string& what) {
  return "santa: " + what + " is moved from; accepted: one that still holds its memory";
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_state_by_default_is_none") {
  using Memory = typename Space::memory_space;
  const Data<Space> data;
  const DecodeState<Memory> none;
  none.reset(data.space);
  CHECK(message_of([&] { none.reset(data.space, 0); }) ==
        "santa: request is 0; accepted: none: the state has no requests");
  CHECK(message_of([&] { none.permute(data.space, data.order); }) ==
        "santa: order.extent(0) is 2; accepted: the state's batch (0)");
  none.permute(data.space, {});
  CHECK(none.is_fresh());
  CHECK(data.run(data.new_plan(), {.state = none}) == "");
  const DecodeState<Memory> state(data.space, shape);
  state.reset(data.space, 1);
  CHECK(message_of([&] { state.reset(data.space, 2); }) == "santa: request is 2; accepted: 0 to 1");
  Kokkos::fence();
}

SANTA_SPACE_TEST_CASE("lists_and_copies_by_default_are_named") {
  using Memory = typename Space::memory_space;
  const Data<Space> data;
  const std::string batch = "is 0; accepted: the batch (2) or more";
  CHECK(data.draw({data.space, MassUnit{}, 2, 40}, {}) == "santa: drawn.rows.extent(0) " + batch);
  CHECK(data.gather({}) == "santa: drawn.count.extent(0) is 0; accepted: the batch of sum (2) or more");
  DrawnRows<Memory> counts;
  counts.count = decltype(counts.count)("test::count", 2);
  CHECK(data.gather(counts) == "santa: drawn.rows.extent(0) is 0; accepted: the batch of sum (2) or more");
  CHECK(data.run_by(NarrowKeys<std::int8_t, Memory>{}) ==
        "santa: narrow keys' batch is 0; accepted: that of the full cache (2)");
  CHECK(data.run_by(LowRankKeys<bfloat16, Memory>{}) == "santa: kv_heads is 0; accepted: 1 to 65535");
  CHECK(data.run_by(SparseKeys<Memory>{}) == "santa: kv_heads is 0; accepted: 1 to 65535");
  const FeatureKeys<bfloat16, Memory> features;
  CHECK(message_of([&] { transpose_keys(data.space, data.cache(), features); }) ==
        "santa: feature-major keys' batch is 0; accepted: that of the full cache (2)");
  using Parts = Kokkos::View<float***, Kokkos::LayoutRight, Memory>;
  using Sums = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
  const Kokkos::View<float*, Memory> log_sum("test::log_sum", 2);
  CHECK(message_of([&] { merge(data.space, PartialStates<Parts, Sums>{}, data.sum, log_sum); }) ==
        "santa: states.out.extent(1) is 0; accepted: the items of out (2)");
  const Kokkos::View<const float***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>> null(
      nullptr, 3, 2, 32);
  CHECK(message_of([&] {
          merge(data.space, PartialStates{null, Sums("test::sums", 3, 2)}, data.sum, log_sum);
        }) == "santa: states.out.data() is null; accepted: a view with data");
  using Tokens = Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory>;
  CHECK(message_of([&] { merge_tokens(data.space, TokenShards<Tokens, Sums>{}, data.order); }) ==
        "santa: shards is 0; accepted: 1 to 2^30");
  Kokkos::fence();
}

SANTA_SPACE_TEST_CASE("what_was_moved_from_is_named_and_what_it_went_to_works") {
  using Memory = typename Space::memory_space;
  const Data<Space> data;

  DecodePlan plan = data.new_plan();
  DecodePlan other = std::move(plan);
  CHECK(data.run(plan) == moved("DecodePlan"));  // NOLINT(bugprone-use-after-move)
  CHECK(data.run(other) == "");
  plan = std::move(other);
  CHECK(data.run(other) == moved("DecodePlan"));  // NOLINT(bugprone-use-after-move)
  CHECK(data.run(plan) == "");
  plan = data.new_plan();
  CHECK(data.run(plan) == "");

  DecodeState<Memory> state(data.space, shape);
  const DecodeState<Memory> later = std::move(state);
  CHECK(data.run(plan, {.state = state}) == moved("state"));  // NOLINT(bugprone-use-after-move)
  CHECK(message_of([&] { state.reset(data.space); }) == moved("state"));
  CHECK(message_of([&] { state.reset(data.space, 0); }) == moved("state"));
  CHECK(message_of([&] { state.permute(data.space, data.order); }) == moved("state"));
  CHECK(data.run(plan, {.state = later}) == "");

  DrawPlan draw(data.space, MassUnit{}, 2, 40);
  const DrawPlan drawing = std::move(draw);
  DrawnRows<Memory> drawn(data.space, 2, 40);
  CHECK(data.draw(draw, drawn) == moved("DrawPlan"));  // NOLINT(bugprone-use-after-move)
  CHECK(data.draw(drawing, drawn) == "");
  const DrawnRows<Memory> list = std::move(drawn);
  CHECK(data.draw(drawing, drawn) == moved("drawn"));  // NOLINT(bugprone-use-after-move)
  CHECK(data.gather(drawn) == moved("drawn"));
  CHECK(data.gather(list) == "");

  TokenSampler<Space> sampler(data.space, {.batch = 2, .vocab = 40, .dim = 32});
  const TokenSampler<Space> sampling = std::move(sampler);
  CHECK(data.sample(sampler) == moved("TokenSampler"));  // NOLINT(bugprone-use-after-move)
  CHECK(data.sample(sampling) == "");
  Kokkos::fence();
}

SANTA_SPACE_TEST_CASE("caches_and_copies_that_were_moved_from_are_named") {
  using Memory = typename Space::memory_space;
  const Data<Space> data;
  auto cache = data.cache();
  const auto kept = std::move(cache);
  CHECK(message_of([&] { static_cast<void>(cache.shape()); }) == moved("cache"));  // NOLINT(bugprone-use-after-move)
  CHECK(message_of([&] { validate(data.space, cache); }) == moved("cache"));
  CHECK(message_of([&] { static_cast<void>(kept.shape()); }) == "");

  const auto check = [&](auto&& copy, const char* name) {
    const auto taken = std::move(copy);  // NOLINT(bugprone-move-forwarding-reference)
    CHECK(data.run_by(copy) == moved(name));
    CHECK(message_of([&] { encode_keys(data.space, data.cache(), copy); }) == moved(name));
    CHECK(data.run_by(taken) == "");
  };
  check(NarrowKeys<int4x2, Memory>(data.space, shape), "narrow keys");
  check(LowRankKeys<bfloat16, Memory>(data.space, shape, 8), "low-rank keys");
  check(SparseKeys<Memory>(data.space, shape, 8), "sparse keys");
  FeatureKeys<bfloat16, Memory> features(data.space, shape);
  const auto taken = std::move(features);
  CHECK(message_of([&] { transpose_keys(data.space, data.cache(), features); }) ==  // NOLINT(bugprone-use-after-move)
        moved("feature-major keys"));
  transpose_keys(data.space, data.cache(), taken);

  NarrowCache narrow{data.cache(), NarrowKeys<int4x2, Memory>(data.space, shape)};
  const auto whole = std::move(narrow);
  CHECK(message_of([&] { static_cast<void>(narrow.shape()); }) == moved("cache"));  // NOLINT(bugprone-use-after-move)
  CHECK(whole.shape().batch == 2);
  Kokkos::fence();
}
