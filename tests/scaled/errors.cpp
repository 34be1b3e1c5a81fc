// Bad scales are named before anything is launched or written.
#include "limits/message.hpp"
#include "scaled/scaled_problem.hpp"
#include "support/spaces.hpp"

#include <cstddef>
#include <string>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
struct Bad {
  using Memory = typename Space::memory_space;
  template <class Data>
  using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

  View<e4m3****> keys{"keys", 2, 16, 3, 32}, values{"values", 2, 16, 3, 64};
  View<float***> query{"query", 2, 6, 32}, out{"out", 2, 6, 64};
  View<float*> of_heads{"of_heads", 3};
  View<float***> of_tokens{"of_tokens", 2, 16, 3};
  View<std::int64_t*> lengths{"lengths", 2};

  Bad() {
    Kokkos::deep_copy(of_heads, 1.F);
    Kokkos::deep_copy(of_tokens, 1.F);
    Kokkos::deep_copy(out, 77.F);
    Kokkos::deep_copy(lengths, std::int64_t{10});
  }
  template <class KeyScales, class ValueScales>
  [[nodiscard]] auto cache(const KeyScales& key_scales, const ValueScales& value_scales) const {
    return ContiguousCache{Scaled{keys, key_scales}, Scaled{values, value_scales}, lengths};
  }
  /// What a run says, which wrote nothing.
  template <class Cache>
  [[nodiscard]] std::string run(const Cache& cache) const {
    const DecodePlan plan{Space{}, Exact{},
                          Shape{.batch = 2, .heads = 6, .kv_heads = 3, .length = 16, .dim = 32, .value_dim = 64},
                          cache_of<Cache>};
    const std::string said = message_of([&] { plan.run(Space{}, query, cache, out); });
    Space{}.fence();
    const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, out);
    for (std::size_t i = 0; i < host.size(); ++i) CHECK(host.data()[i] == 77.F);
    return said;
  }
};

}  // namespace

SANTA_SPACE_TEST_CASE("scales_of_a_tensor_are_positive_finite_numbers") {
  const Bad<Space> bad;
  for (const float scale : {0.F, -1.F, quiet_nan, infinity}) {
    const std::string number = santa::detail::text_of(static_cast<double>(scale));
    CHECK(bad.run(bad.cache(TensorScale{scale}, TensorScale{1.F})) ==
          "santa: scale of keys is " + number + "; accepted: a positive finite number");
    CHECK(bad.run(bad.cache(TensorScale{1.F}, TensorScale{scale})) ==
          "santa: scale of values is " + number + "; accepted: a positive finite number");
  }
}

SANTA_SPACE_TEST_CASE("scales_have_the_extents_of_their_rows") {
  using B = Bad<Space>;
  const B bad;
  const TensorScale one;
  CHECK(bad.run(bad.cache(HeadScales{typename B::template View<float*>("s", 6)}, one)) ==
        "santa: scales of keys.extent(0) is 6; accepted: kv_heads (3)");
  CHECK(bad.run(bad.cache(one, TokenScales{typename B::template View<float***>("s", 2, 16, 2)})) ==
        "santa: scales of values.extent(2) is 2; accepted: the same as values (3)");
  CHECK(bad.run(bad.cache(TokenScales{typename B::template View<float***>("s", 2, 3, 16)}, one)) ==
        "santa: scales of keys.extent(1) is 3; accepted: the same as keys (16)");
  CHECK(bad.run(bad.cache(HeadScales{typename B::template View<float*>(nullptr, 3)}, one)) ==
        "santa: scales of keys.data() is null; accepted: a view with data");
}

SANTA_SPACE_TEST_CASE("validate_names_a_bad_scale_of_a_valid_row") {
  const Bad<Space> bad;
  const auto by_token = bad.cache(TokenScales{bad.of_tokens}, TensorScale{1.F});
  const auto said = [&](const auto& cache) { return message_of([&] { validate(Space{}, cache); }); };
  CHECK(said(by_token).empty());
  const auto one = Kokkos::subview(bad.of_tokens, 1, 9, 2);
  const auto beyond = Kokkos::subview(bad.of_tokens, 0, 10, 0);
  Kokkos::deep_copy(beyond, quiet_nan);
  CHECK(said(by_token).empty());
  for (const float scale : {0.F, -2.F, quiet_nan, infinity}) {
    Kokkos::deep_copy(one, scale);
    CHECK(said(by_token) == "santa: scale of keys(1, 9, 2) is " + santa::detail::text_of(static_cast<double>(scale)) +
                                "; accepted: a positive finite number");
  }
  Kokkos::deep_copy(Kokkos::subview(bad.of_heads, 1), 0.F);
  CHECK(said(bad.cache(TensorScale{1.F}, HeadScales{bad.of_heads})) ==
        "santa: scale of values(0, 0, 1) is 0; accepted: a positive finite number");
}

SANTA_SPACE_TEST_CASE("rows_without_features_and_dimensions_that_can_not_be_are_named") {
  using B = Bad<Space>;
  const B bad;
  const auto made = [&](const auto& values, const auto& out) {
    const ContiguousCache cache{bad.keys, values};
    return message_of([&] { DecodePlan{Space{}, Exact{}, bad.query, cache}.run(Space{}, bad.query, cache, out); });
  };
  using Values = typename B::template View<e4m3****>;
  using Out = typename B::template View<float***>;
  CHECK(made(Values("v", 2, 16, 3, 12), bad.out) == "santa: value_dim is 12; accepted: a multiple of 8 from 8 to 256");
  CHECK(made(Values("v", 2, 16, 3, 264), bad.out) ==
        "santa: value_dim is 264; accepted: a multiple of 8 from 8 to 256");
  CHECK(made(Values("v", 2, 16, 3, 0), bad.out) == "santa: values.extent(3) is 0; accepted: 1 or more");
  CHECK(made(bad.values, Out("o", 2, 6, 32)) == "santa: out.extent(2) is 32; accepted: the plan's value_dim (64)");
}
