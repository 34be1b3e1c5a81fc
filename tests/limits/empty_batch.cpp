// A batch of no requests: nothing to do, and no error anywhere.
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <cstdint>

using namespace santa;

namespace {

template <class Space>
struct Empty {
  using Memory = typename Space::memory_space;
  template <class T>
  using Rows = Kokkos::View<T****, Kokkos::LayoutRight, Memory>;
  template <class T>
  using Queries = Kokkos::View<T***, Kokkos::LayoutRight, Memory>;

  Shape shape{.batch = 0, .heads = 4, .kv_heads = 2, .length = 300, .dim = 32};
  Rows<bfloat16> rows{"test::rows", 0, 300, 2, 32};
  Kokkos::View<std::int64_t*, Memory> lengths{"test::lengths", 0};
  Queries<bfloat16> query{"test::query", 0, 4, 32};
  Queries<float> out{"test::out", 0, 4, 32};

  [[nodiscard]] auto cache() const { return ContiguousCache{rows, rows, lengths}; }
};

}  // namespace

SANTA_SPACE_TEST_CASE("an_empty_batch_is_decoded") {
  const Space space;
  const Empty<Space> none;
  decode(space, Exact{}, none.query, none.cache(), none.out);
  decode(space, MassUnit{}, none.query, none.cache(), none.out);
  decode(space, Systematic{.samples = 10}, none.query, none.cache(), none.out);
  decode(space, Exact{}, none.query, ContiguousCache{none.rows, none.rows}, none.out);
  validate(space, none.cache());
  const DecodePlan plan(space, MassUnit{}, none.query, none.cache());
  CHECK(plan.describe().find("batch 0") != std::string::npos);
  const DecodeState<typename Space::memory_space> state(space, none.shape);
  plan.run(space, none.query, none.cache(), none.out, {.state = state});
  state.reset(space);
  state.permute(space, Kokkos::View<std::int32_t*, typename Space::memory_space>("test::order", 0));
  space.fence();
}

SANTA_SPACE_TEST_CASE("copies_of_no_keys_are_made_and_decoded") {
  using Memory = typename Space::memory_space;
  const Space space;
  const Empty<Space> none;
  const auto check = [&](const auto& copy) {
    encode_keys(space, none.cache(), copy);
    encode_newest_keys(space, none.cache(), copy);
    const NarrowCache cache{none.cache(), copy};
    decode(space, MassUnit{}, none.query, cache, none.out);
    decode(space, MassUnit{}, none.query, rescored(cache), none.out);
  };
  const NarrowKeys<std::int8_t, Memory> codes(space, none.shape);
  calibrate(space, none.cache(), codes);
  check(codes);
  const LowRankKeys<bfloat16, Memory> low_rank(space, none.shape, 8);
  calibrate(space, none.cache(), low_rank);
  check(low_rank);
  check(SparseKeys<Memory>(space, none.shape, 8));

  const FeatureKeys<bfloat16, Memory> features(space, none.shape);
  transpose_keys(space, none.cache(), features);
  append_keys(space, none.cache(), features);
  const FeatureCache cache{none.cache(), features, TopFeatures{.features = 8}};
  decode(space, Exact{}, none.query, cache, none.out);
  choose_features(space, none.query, cache, none.out);
  space.fence();
}

SANTA_SPACE_TEST_CASE("nothing_is_drawn_summed_merged_and_sampled") {
  using Memory = typename Space::memory_space;
  using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
  using Vector = Kokkos::View<float*, Memory>;
  const Space space;
  const Matrix log_weights("test::log_weights", 0, 100), rows("test::rows", 100, 8), sum("test::sum", 0, 8);
  const DrawnRows<Memory> drawn(space, 0, 100);
  draw_rows(space, MassUnit{}, log_weights, drawn);
  draw_rows(space, MassUnit{}, log_weights, DrawnRows<Memory>{});
  gather_add(space, drawn, rows, sum);
  gather_add(space, DrawnRows<Memory>{}, rows, sum);
  merge(space, PartialStates{Kokkos::View<float***, Memory>("test::outs", 3, 0, 8), Matrix("test::sums", 3, 0)}, sum,
        Vector("test::sum", 0));
  const Kokkos::View<std::int32_t*, Memory> tokens("test::tokens", 0);
  sample_tokens(space, Matrix("test::hidden", 0, 8), rows, tokens);
  merge_tokens(space,
               TokenShards{Kokkos::View<std::int32_t**, Memory>("test::shards", 3, 0), Matrix("test::score", 3, 0)},
               tokens);
  space.fence();
  CHECK(drawn.count.extent(0) == 0);
}
