// Attention of one text: the mean value rows that centered policies draw around.
#include "generate/text_attention.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <functional>
#include <random>

namespace santa::example::test {
namespace {

Settings some_settings() {
  Settings settings;
  settings.layers = 2;
  settings.heads = 4;
  settings.kv_heads = 2;
  settings.dim = 64;
  return settings;
}

constexpr std::int64_t capacity = 600;
constexpr std::int64_t slot = 1;

using Value = std::function<float(std::size_t layer, std::size_t token, std::size_t head, std::size_t d)>;

/// Two texts, of which the first has nothing but NaN: keys are random, values by a rule.
KvCache some_cache(const Value& value) {
  KvCache cache(some_settings(), 2, capacity);
  const auto keys = Kokkos::create_mirror_view(cache.keys);
  const auto values = Kokkos::create_mirror_view(cache.values);
  Kokkos::deep_copy(keys, bfloat16(NAN));
  Kokkos::deep_copy(values, bfloat16(NAN));
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  for (std::size_t layer = 0; layer < 2; ++layer)
    for (std::size_t token = 0; token < capacity; ++token)
      for (std::size_t head = 0; head < 2; ++head)
        for (std::size_t d = 0; d < 64; ++d) {
          keys(layer, slot, token, head, d) = bfloat16(normal(random));
          values(layer, slot, token, head, d) = bfloat16(value(layer, token, head, d));
        }
  Kokkos::deep_copy(cache.keys, keys);
  Kokkos::deep_copy(cache.values, values);
  return cache;
}

TEST_CASE("value_means_follow_the_text") {
  std::mt19937 random(2);
  std::normal_distribution<float> normal(1.F);
  const KvCache cache = some_cache([&](auto...) { return normal(random); });
  const auto values = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), cache.values);
  const ValueMeans means(some_settings());
  std::int64_t begin = 0;
  for (const std::int64_t end : {300, 301, 302, 600}) {
    CAPTURE(end);
    means.add(Space(), cache, slot, begin, end);
    begin = end;
    double squares = 0.;  // NaN stays
    for (std::size_t layer = 0; layer < 2; ++layer) {
      const auto center =
          Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), means.of_layer(static_cast<std::int64_t>(layer)));
      for (std::size_t head = 0; head < 2; ++head)
        for (std::size_t d = 0; d < 64; ++d) {
          double sum = 0.;
          for (std::size_t token = 0; token < static_cast<std::size_t>(end); ++token)
            sum += static_cast<double>(static_cast<float>(values(layer, slot, token, head, d)));
          squares += std::pow(sum / static_cast<double>(end) - center(0, head, d), 2);
        }
    }
    CHECK(squares < 1e-9);
  }
}

/// The RMS relative error of a text whose values are all the same, over layers and tokens: without a center, that of
/// the drawn mass. The text has `begin` tokens at first, and grows.
double error_of_constant_values(const std::string& policy, std::int64_t begin = 590) {
  const auto constant = [](std::size_t layer, std::size_t head, std::size_t d) {
    return static_cast<float>(1 + layer * 128 + head * 64 + d);  // a bfloat16
  };
  const Settings settings = some_settings();
  const KvCache cache = some_cache(
      [&](std::size_t layer, std::size_t, std::size_t head, std::size_t d) { return constant(layer, head, d); });
  Plans plans(settings, capacity, 1);
  TextAttention attention(Space(), parse_policy(policy), 3, settings, plans, cache, slot, begin);
  for (std::int64_t length = begin + 1; length <= 590; ++length) attention.note_token(Space(), cache, length);
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 1, 4, 64), out("out", 1, 4, 64);
  Kokkos::deep_copy(query, 0.1F);
  double squares = 0.;  // NaN stays
  for (std::int64_t length = 591; length <= 594; ++length) {
    for (std::int64_t layer = 0; layer < 2; ++layer) {
      attention.run(Space(), plans, layer, cache.visible(layer, slot, length), length, query, out);
      const auto result = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), out);
      for (std::size_t h = 0; h < 4; ++h)
        for (std::size_t d = 0; d < 64; ++d) {
          const double expected = constant(static_cast<std::size_t>(layer), h / 2, d);
          squares += std::pow(result(0, h, d) / expected - 1., 2);
        }
    }
    attention.note_token(Space(), cache, length);
  }
  return std::sqrt(squares / (4 * 2 * 4 * 64));
}

TEST_CASE("centered_policies_have_no_error_where_values_are_all_the_same") {
  CHECK(error_of_constant_values("share:0.1") > 1e-3);
  CHECK(error_of_constant_values("share:0.1,centered") < 1e-5);
  CHECK(error_of_constant_values("share:0.1,centered", 0) < 1e-5);
  CHECK(error_of_constant_values("share:0.1,steered,centered") < 1e-5);
  CHECK(error_of_constant_values("error:0.2,centered") < 1e-5);
}

struct Grown {
  double error = 0.;  // RMS, relative to exact attention's outputs, over layers, tokens and heads
  double bytes = 0.;  // of exact attention's
};

/// A text that grows by 70 tokens, over the border of a chunk of clusters.
Grown grow(const std::string& policy, std::uint64_t seed) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal;
  const Settings settings = some_settings();
  const KvCache cache = some_cache([&](auto...) { return 1.F + normal(random); });
  Plans plans(settings, capacity, 1);
  constexpr std::int64_t begin = 520;
  TextAttention attention(Space(), parse_policy(policy), seed, settings, plans, cache, slot, begin);
  TextAttention exactly(Space(), {}, seed, settings, plans, cache, slot, begin);
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> query("query", 1, 4, 64), out("out", 1, 4, 64);
  const auto some_query = Kokkos::create_mirror_view(query);
  double off = 0., all = 0.;  // NaN stays
  for (std::int64_t length = begin + 1; length <= begin + 70; ++length) {
    for (std::size_t i = 0; i < some_query.size(); ++i) some_query.data()[i] = normal(random);
    Kokkos::deep_copy(query, some_query);
    for (std::int64_t layer = 0; layer < 2; ++layer) {
      const auto run = [&](TextAttention& by) {
        by.run(Space(), plans, layer, cache.visible(layer, slot, length), length, query, out);
        return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(),
                                                   Kokkos::subview(out, 0, Kokkos::ALL, Kokkos::ALL));
      };
      const auto result = Kokkos::create_mirror(Kokkos::HostSpace(), out);
      Kokkos::deep_copy(Kokkos::subview(result, 0, Kokkos::ALL, Kokkos::ALL), run(attention));
      const auto expected = run(exactly);
      for (std::size_t h = 0; h < 4; ++h)
        for (std::size_t d = 0; d < 64; ++d) {
          off += std::pow(result(0, h, d) - expected(h, d), 2);
          all += std::pow(expected(h, d), 2);
        }
    }
    attention.note_token(Space(), cache, length);
    exactly.note_token(Space(), cache, length);
  }
  CHECK(exactly.bytes_share() == doctest::Approx(1.));
  return {std::sqrt(off / all), attention.bytes_share()};
}

TEST_CASE("policies_with_copies_of_keys_follow_a_text_that_grows_and_say_what_they_read") {
  const Grown codes = grow("share:0.5,int4", 1);
  CHECK(codes.bytes == doctest::Approx(0.5 + 34. / 256.).epsilon(0.1));
  CHECK(codes.error > 1e-3);
  CHECK(codes.error < 0.1);
  CHECK(grow("ratio:0.5,steered,int4", 1).error < 0.1);
  const Grown clusters = grow("clusters:0.5", 1);
  CHECK(clusters.bytes == doctest::Approx(0.5).epsilon(0.15));
  CHECK(clusters.error > 1e-3);
  CHECK(clusters.error < 0.1);
  CHECK(grow("clusters:0.3", 1).error > clusters.error);
  CHECK(grow("share:0.5", 1).bytes == doctest::Approx(0.75).epsilon(0.1));
}

}  // namespace
}  // namespace santa::example::test
