// Prefixes that requests share: read once for all, and merged with each request's own keys.
#include "limits/message.hpp"
#include "several_tokens/tokens_problem.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Requests whose first keys are those of a prefix, in one cache; and the prefixes and the rest in caches of their own.
template <class Space, class T>
struct Sharing {
  std::vector<std::int32_t> sharers;         // [prefixes + 1]
  std::vector<std::int64_t> prefix_lengths;  // [prefixes]
  TokensProblem<Space, T> whole, own;
  Problem<Space, T> prefix;

  Sharing(const Shape& shape, std::vector<std::int32_t> sharing, std::vector<std::int64_t> prefixes)
      : sharers(std::move(sharing)),
        prefix_lengths(std::move(prefixes)),
        whole(shape),
        own(shape),
        prefix(prefix_shape(shape)) {
    whole.fill(23);
    own.fill(23);
    std::vector<std::int64_t> all, rest;
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      const std::int64_t shared = length_of_prefix(b), mine = 3 + 37 * b % 211;
      all.push_back(shared + mine);
      rest.push_back(mine);
      for (std::int64_t i = 0; i < shared + mine; ++i)
        for (std::int64_t kv = 0; kv < shape.kv_heads; ++kv)
          for (std::int64_t d = 0; d < shape.dim; ++d) {
            if (i < shared) {  // of the first that shares it
              const std::int64_t first = sharers[static_cast<std::size_t>(prefix_of(b))];
              whole.key(b, i, kv, d) = prefix.key(prefix_of(b), i, kv, d) = whole.key(first, i, kv, d);
              whole.value(b, i, kv, d) = prefix.value(prefix_of(b), i, kv, d) = whole.value(first, i, kv, d);
            } else {
              own.key(b, i - shared, kv, d) = whole.key(b, i, kv, d);
              own.value(b, i - shared, kv, d) = whole.value(b, i, kv, d);
            }
          }
    }
    whole.set_lengths(all).upload();
    own.set_lengths(rest).upload();
    prefix.set_lengths(prefix_lengths).upload();
  }

  [[nodiscard]] std::int64_t most() const {
    std::int64_t most = 1;
    for (std::size_t p = 0; p + 1 < sharers.size(); ++p)
      most = std::max<std::int64_t>(most, sharers[p + 1] - sharers[p]);
    return most;
  }

 private:
  [[nodiscard]] Shape prefix_shape(const Shape& shape) const {
    Shape result = shape;
    result.batch = static_cast<std::int64_t>(prefix_lengths.size());
    result.tokens = 1;
    result.length = *std::max_element(prefix_lengths.begin(), prefix_lengths.end());
    return result;
  }
  /// -1 for none.
  [[nodiscard]] std::int64_t prefix_of(std::int64_t b) const {
    for (std::size_t p = 0; p + 1 < sharers.size(); ++p)
      if (b >= sharers[p] && b < sharers[p + 1]) return static_cast<std::int64_t>(p);
    return -1;
  }
  [[nodiscard]] std::int64_t length_of_prefix(std::int64_t b) const {
    return prefix_of(b) < 0 ? 0 : prefix_lengths[static_cast<std::size_t>(prefix_of(b))];
  }
};

/// Attention over prefixes and own keys, merged.
template <class Space, class T, class M>
Result run_sharing(const Sharing<Space, T>& data, const M& method, std::uint64_t seed) {
  using Memory = typename Space::memory_space;
  const Shape& step = data.own.step;
  const auto prefixes = data.prefix.cache();
  const auto cache = data.own.cache();
  const auto query = data.own.queries_of_tokens();
  const DecodePlan plan(Space{}, method, query, cache);
  const DecodePlan prefix_plan(Space{}, method,
                               shape_of_prefixes(step, static_cast<std::int64_t>(data.prefix_lengths.size()),
                                                 data.most(), data.prefix.shape.length),
                               cache_of<std::decay_t<decltype(prefixes)>>, {.causal = false});
  const AttentionStates<Memory> states(Space{}, plan.shape(), 2, true);
  prefix_plan.run_shared(Space{}, query, prefixes, to_space<Space>(data.sharers, "test::sharers"), states, 0,
                         {.seed = seed});
  plan.run_partial(Space{}, query, cache, states, 1, {.seed = seed, .stream = 1});
  const auto n = [](std::int64_t i) { return static_cast<std::size_t>(i); };
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> out("test::out", n(step.batch), n(step.tokens),
                                                                 n(step.heads), n(step.dim));
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> lse("test::lse", n(step.batch), n(step.tokens),
                                                                n(step.heads));
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> error("test::error", n(step.batch), n(step.tokens),
                                                                  n(step.heads));
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("test::statistics", n(step.batch),
                                                                           n(step.kv_heads));
  merge(Space{}, states, out, {.lse = lse, .error = error, .statistics = statistics});
  const auto flat = [](const auto& view) {
    using V = typename std::decay_t<decltype(view)>::value_type;
    return to_host<V>(Kokkos::View<V*, Memory>(view.data(), view.size()));
  };
  return {flat(out), flat(lse), flat(error), flat(statistics)};
}

template <class Space, class T>
void check_exact(const Sharing<Space, T>& data) {
  const TokensReference expected = token_reference(data.whole);
  const Result given = run_sharing(data, Exact{}, 1);
  CHECK(relative_error(given.out, expected.out) < 2e-5);
  CHECK(relative_error(given.lse, expected.lse) < 1e-5);
}

}  // namespace

SANTA_SPACE_TEST_CASE("requests_that_share_a_prefix_have_the_attention_of_their_whole_keys") {
  // Two prefixes, a request without one at either end and between; and groups of more rows than a slice has.
  check_exact(
      Sharing<Space, float>({.batch = 9, .heads = 4, .kv_heads = 2, .length = 900, .dim = 64}, {1, 4, 8}, {600, 77}));
  check_exact(Sharing<Space, float>({.batch = 7, .heads = 16, .kv_heads = 2, .length = 500, .dim = 24}, {0, 7}, {256}));
  check_exact(Sharing<Space, bfloat16>({.batch = 5, .heads = 8, .kv_heads = 2, .length = 700, .dim = 128}, {0, 5, 5},
                                       {300, 0}));
}

SANTA_SPACE_TEST_CASE("drafts_of_requests_that_share_a_prefix") {
  check_exact(Sharing<Space, float>({.batch = 4, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64, .tokens = 3},
                                    {1, 4}, {333}));
}

SANTA_SPACE_TEST_CASE("queries_of_one_token_may_be_some_of_more") {
  using Memory = typename Space::memory_space;
  const Sharing<Space, float> data({.batch = 3, .heads = 2, .kv_heads = 1, .length = 300, .dim = 16}, {0, 3}, {100});
  const auto prefixes = data.prefix.cache();
  const DecodePlan plan(Space{}, Exact{}, shape_of_prefixes(data.own.step, 1, 3, 100),
                        cache_of<std::decay_t<decltype(prefixes)>>, {.causal = false});
  const AttentionStates<Memory> states(Space{}, data.own.step, 1, true);
  const auto sharers = to_space<Space>(data.sharers, "test::sharers");
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> out("test::out", 3, 1, 2, 16);
  const auto run = [&](const auto& query) {
    plan.run_shared(Space{}, query, prefixes, sharers, states, 0);
    merge(Space{}, states, out);
    return to_host<float>(Kokkos::View<float*, Memory>(out.data(), out.size()));
  };
  // The first of two tokens of each request: requests lie two tokens apart.
  const auto packed = data.own.queries_of_tokens();
  const Kokkos::View<float****, Kokkos::LayoutRight, Memory> two("test::query", 3, 2, 2, 16);
  const auto first =
      Kokkos::subview(two, Kokkos::ALL, std::pair<std::size_t, std::size_t>(0, 1), Kokkos::ALL, Kokkos::ALL);
  Kokkos::deep_copy(first, packed);
  CHECK(same_bits(run(first), run(packed)));
}

SANTA_SPACE_TEST_CASE("sampled_prefixes_are_unbiased_for_every_request_and_their_bars_hold") {
  const Sharing<Space, float> data({.batch = 4, .heads = 2, .kv_heads = 1, .length = 420, .dim = 16}, {0, 4}, {200});
  const std::vector<double> expected = token_reference(data.whole).out;
  // Merged outputs are N / Z with Z over all keys, which no draw changes: unbiased.
  MeanTest mean(expected);
  std::vector<double> squares(8, 0.), bars(8, 0.);
  constexpr int seeds = 600;
  for (std::uint64_t seed = 0; seed < seeds; ++seed) {
    const Result result = run_sharing(data, MassUnit{.rows = 40}, seed);
    mean.add(result.out);
    for (std::size_t row = 0; row < 8; ++row) {
      for (std::size_t d = 0; d < 16; ++d) {
        const double difference = static_cast<double>(result.out[16 * row + d]) - expected[16 * row + d];
        squares[row] += difference * difference / seeds;
      }
      bars[row] += static_cast<double>(result.error[row]) * static_cast<double>(result.error[row]) / seeds;
    }
  }
  CHECK(mean.passes());
  for (std::size_t row = 0; row < 8; ++row) {
    CHECK(bars[row] > 0.7 * squares[row]);
    CHECK(bars[row] < 2.5 * squares[row]);
  }
}

SANTA_SPACE_TEST_CASE("what_sharers_may_be_is_said_before_a_launch") {
  using Memory = typename Space::memory_space;
  const Sharing<Space, float> data({.batch = 3, .heads = 2, .kv_heads = 1, .length = 300, .dim = 16}, {0, 3}, {100});
  const auto prefixes = data.prefix.cache();
  using Prefixes = std::decay_t<decltype(prefixes)>;
  const Shape shape = shape_of_prefixes(data.own.step, 1, 3, 100);
  const AttentionStates<Memory> states(Space{}, data.own.step, 2);
  const auto sharers = to_space<Space>(data.sharers, "test::sharers");
  const auto query = data.own.queries_of_tokens();
  const DecodePlan plan(Space{}, Exact{}, shape, cache_of<Prefixes>, {.causal = false});
  const DecodePlan causal(Space{}, Exact{}, shape, cache_of<Prefixes>);
  const DecodePlan window(Space{}, Exact{}, shape, cache_of<Prefixes>, {.causal = false}, Window{20});
  CHECK(message_of([&] { causal.run_shared(Space{}, query, prefixes, sharers, states, 0); }) ==
        "santa: the plan's causal is true; accepted: false: its keys are not those of the tokens");
  CHECK(message_of([&] {
          window.run_shared(Space{}, query, prefixes, sharers, states, 0);
        }).find("the plan's window is 20") != std::string::npos);
  const Kokkos::View<const std::int32_t*, Memory> one(sharers.data(), 1);
  CHECK(message_of([&] { plan.run_shared(Space{}, query, prefixes, one, states, 0); }) ==
        "santa: sharers.extent(0) is 1; accepted: the prefixes and one (2) or more");
  CHECK(message_of([&] { plan.run_shared(Space{}, query, prefixes, sharers, states, 2); }).find("part is 2") !=
        std::string::npos);
  RunOptions<Memory> counted;
  counted.tokens = to_space<Space>(std::vector<std::int32_t>{1, 0, 1}, "test::tokens");
  CHECK(message_of([&] { plan.run_shared(Space{}, query, prefixes, sharers, states, 0, counted); }) ==
        "santa: tokens is given; accepted: none: all tokens of a request attend to the keys it shares");
  // Numbers that no request has are clamped: nothing beyond the queries is read, nothing beyond the states written.
  const auto wild = to_space<Space>(std::vector<std::int32_t>{-5, 1 << 30}, "test::sharers");
  plan.run_shared(Space{}, query, prefixes, wild, states, 0);
  Space{}.fence();
}
