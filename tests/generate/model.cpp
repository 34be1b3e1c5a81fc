// The model against a plain reference in float64, token by token.
#include "../examples/files.hpp"
#include "generate/texts.hpp"
#include "generate/writing.hpp"
#include "reference.hpp"

#include <doctest/doctest.h>

#include <algorithm>

namespace santa::example::test {
namespace {

// Logits have a standard deviation of 5 or so; keys that round to another BF16 number make most of the difference.
constexpr double tolerance = 0.02;

Model load(const TinyModel& tiny) {
  const Folder folder;
  tiny.write(folder / "model");
  return {read_weights(folder / "model"), Texts::chunk};
}

Tokens some_tokens(std::size_t count, std::int64_t vocabulary) {
  Tokens tokens;
  for (std::size_t i = 0; i < count; ++i)
    tokens.push_back(static_cast<std::int32_t>(i * i * 7 + 3 * i) % static_cast<std::int32_t>(vocabulary));
  return tokens;
}

std::vector<float> logits_of(const Texts& texts, std::int64_t slot) {
  const auto all = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), texts.logits());
  const float* const begin = all.data() + static_cast<std::size_t>(slot) * all.extent(1);
  return {begin, begin + all.extent(1)};
}

void set_token(const Texts& texts, std::int64_t slot, std::int32_t token) {
  Kokkos::deep_copy(Kokkos::subview(texts.tokens(), static_cast<std::size_t>(slot)), token);
}

template <class A, class B>
double farthest(const A& a, const B& b) {
  double most = a.size() == b.size() ? 0. : 1e300;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    most = std::max(most, std::abs(static_cast<double>(a[i]) - static_cast<double>(b[i])));
  return most;
}

Policy of_share(double share) {
  Policy policy;
  policy.budget = Policy::Budget::share;
  policy.number = share;
  policy.from = 0;
  return policy;
}

/// Writes greedily by exact attention and by the reference, from the reference's tokens.
void check_against_reference(const TinySizes& sizes) {
  const TinyModel tiny(sizes);
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(11, sizes.vocabulary);
  Reference reference(tiny);
  std::vector<double> expected;
  for (const std::int32_t token : prompt) expected = reference.step(token);

  Texts texts(model, 1, 64);
  texts.prefill(0, std::span(prompt).first(prompt.size() - 1));
  texts.start(0, 0, {}, 0);
  set_token(texts, 0, prompt.back());
  Tokens written;
  Tokens by_reference;
  for (int step = 0; step < 24; ++step) {
    texts.step(1);
    const std::vector<float> logits = logits_of(texts, 0);
    REQUIRE(farthest(logits, expected) < tolerance);
    written.push_back(static_cast<std::int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin()));
    by_reference.push_back(
        static_cast<std::int32_t>(std::max_element(expected.begin(), expected.end()) - expected.begin()));
    set_token(texts, 0, by_reference.back());
    expected = reference.step(by_reference.back());
  }
  CHECK(written == by_reference);
  CHECK(texts.length(0) == 34);

  Texts again(model, 1, 64);
  const Written all = write(again, prompt, {.tokens = 24, .policy = {}});
  CHECK(all.tokens == by_reference);
  CHECK(all.rows.read == all.rows.visible);
}

TEST_CASE("logits_and_tokens_are_the_references") { check_against_reference({}); }

TEST_CASE("a_head_of_its_own") { check_against_reference({.tied = false}); }

TEST_CASE("scaled_rotary_embedding") {
  check_against_reference({.rope_scaling = 2.5});
  check_against_reference({.factors = true});
}

TEST_CASE("as_many_kv_heads_as_heads") { check_against_reference({.layers = 1, .heads = 5, .kv_heads = 5, .dim = 16}); }

TEST_CASE("gemma_with_layers_that_see_a_window") {
  check_against_reference({.layers = 4, .gemma = true});
  check_against_reference({.layers = 2, .gemma = true, .window = 1, .full_layer_every = 2});
  check_against_reference({.layers = 2, .gemma = true, .window = 100});
}

TEST_CASE("rows_of_layers_with_a_window_are_all_read_and_counted") {
  const TinyModel tiny({.layers = 4, .gemma = true, .window = 30});
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(600, tiny.sizes.vocabulary);
  Texts texts(model, 2, 640);
  texts.prefill(0, prompt);
  texts.start(1, 0, of_share(0.1), 5);
  texts.start(0, 0, {}, 0);
  for (int step = 0; step < 10; ++step) {
    for (std::int64_t slot = 0; slot < 2; ++slot) set_token(texts, slot, 4 + step);
    texts.step(2);
  }
  // Layer 2 sees all, the others 30.
  const RowCounts exact = texts.attention(0).rows(), sampled = texts.attention(1).rows();
  CHECK(exact.visible == 2 * (10 * 600 + 55 + 3 * 300));
  CHECK(exact.read == exact.visible);
  CHECK(texts.attention(0).bytes_share() == doctest::Approx(1.));
  CHECK(sampled.visible == exact.visible);
  const std::vector<std::int64_t> rows = texts.attention(1).rows_by_layer();
  for (const std::size_t layer : {0, 1, 3}) CHECK(rows[layer] == 600);
  CHECK(static_cast<double>(rows[2]) == doctest::Approx(0.1 * 2 * 6055).epsilon(0.3));
  CHECK_THROWS_AS(texts.start(1, 0, parse_policy("share:0.1,int4"), 5), UserError);
}

TEST_CASE("a_prompt_in_chunks_is_the_prompt_token_by_token") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(static_cast<std::size_t>(Texts::chunk) + 45, tiny.sizes.vocabulary);
  Texts texts(model, 2, 320);
  std::vector<std::size_t> noted;
  texts.prefill(0, std::span(prompt).first(prompt.size() - 1), [&](std::size_t done) { noted.push_back(done); });
  CHECK(noted == std::vector<std::size_t>{256, 300});
  set_token(texts, 0, prompt.back());
  texts.step(1);
  const std::vector<float> in_chunks = logits_of(texts, 0);

  Reference reference(tiny);
  std::vector<double> expected;
  for (const std::int32_t token : prompt) expected = reference.step(token);
  CHECK(farthest(in_chunks, expected) < tolerance);
}

TEST_CASE("texts_side_by_side_are_those_alone") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(20, tiny.sizes.vocabulary);
  Texts texts(model, 3, 40);
  texts.prefill(0, prompt);
  for (std::int64_t slot = 0; slot < 3; ++slot) texts.start(slot, 0, {}, 0);
  for (int step = 0; step < 4; ++step) {
    for (std::int64_t slot = 0; slot < 3; ++slot) set_token(texts, slot, static_cast<std::int32_t>(slot) * step);
    texts.step(3);
  }
  for (std::int64_t slot = 0; slot < 3; ++slot) {
    Reference reference(tiny);
    std::vector<double> expected;
    for (const std::int32_t token : prompt) reference.step(token);
    for (int step = 0; step < 4; ++step) expected = reference.step(static_cast<std::int32_t>(slot) * step);
    CHECK(farthest(logits_of(texts, slot), expected) < tolerance);
  }
}

TEST_CASE("a_budget_that_covers_all_rows_is_exact") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(290, tiny.sizes.vocabulary);
  Texts texts(model, 2, 320);
  texts.prefill(0, prompt);
  texts.start(1, 0, of_share(1.), 5);
  texts.start(0, 0, {}, 0);
  for (int step = 0; step < 3; ++step) {
    set_token(texts, 0, 4 + step);
    set_token(texts, 1, 4 + step);
    texts.step(2);
    CHECK(farthest(logits_of(texts, 0), logits_of(texts, 1)) < 1e-4);
  }
  CHECK(texts.attention(1).rows().share() == 1.);
}

TEST_CASE("a_small_budget_reads_few_rows_and_stays_near") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(1500, tiny.sizes.vocabulary);
  Texts texts(model, 3, 1600);
  texts.prefill(0, prompt);
  texts.start(1, 0, of_share(0.2), 5);
  texts.start(2, 0, of_share(0.2), 6);
  texts.start(0, 0, {}, 0);
  for (int step = 0; step < 20; ++step) {
    for (std::int64_t slot = 0; slot < 3; ++slot) set_token(texts, slot, 4 + step);
    texts.step(3);
    const double apart = farthest(logits_of(texts, 0), logits_of(texts, 1));
    CHECK(apart > 0.);
    CHECK(apart < 10.);
    CHECK(farthest(logits_of(texts, 1), logits_of(texts, 2)) > 0.);  // seeds draw other rows
  }
  CHECK(texts.attention(1).rows().share() > 0.1);
  CHECK(texts.attention(1).rows().share() < 0.3);
  CHECK(texts.attention(1).rows().visible == 2 * 2 * (20 * 1500 + 210));
  CHECK(texts.attention(0).rows().share() == 1.);
}

TEST_CASE("short_texts_are_read_whole") {
  Policy policy = of_share(0.1);
  policy.from = 512;
  CHECK(!method_of(policy, 0, 511));
  CHECK(method_of(policy, 0, 512)->rows == santa::share(0.1));
  policy.layers = {0., 0.7};
  CHECK(!method_of(policy, 0, 512));
  CHECK(method_of(policy, 1, 512)->rows == santa::share(0.7));
}

TEST_CASE("the_same_seed_writes_the_same_text") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(600, tiny.sizes.vocabulary);
  const auto text = [&](std::uint64_t seed) {
    Texts texts(model, 1, 700);
    return write(texts, prompt, {.tokens = 40, .policy = of_share(0.1), .temperature = 8., .seed = seed}).tokens;
  };
  CHECK(text(1) == text(1));
  CHECK(text(1) != text(2));
}

TEST_CASE("an_end_of_the_text_ends_it") {
  TinyModel tiny;
  const Tokens prompt = some_tokens(9, tiny.sizes.vocabulary);
  const auto text = [&] {
    const Model model = load(tiny);
    Texts texts(model, 1, 64);
    return write(texts, prompt, {.tokens = 20, .policy = {}}).tokens;
  };
  const Tokens whole = text();
  REQUIRE(whole.size() == 20);
  tiny.metadata["end_token"] = std::to_string(whole[6]);
  const auto first = std::find(whole.begin(), whole.end(), whole[6]);
  CHECK(text() == Tokens(whole.begin(), first + 1));
}

TEST_CASE("the_vocabulary_gives_text") {
  const Model model = load(TinyModel());
  CHECK(model.vocabulary().text({0, 1, 9}) == "019");
  CHECK(model.vocabulary().piece(-1) == "<-1>");
  CHECK(model.vocabulary().piece(45) == "<45>");
}

}  // namespace
}  // namespace santa::example::test
