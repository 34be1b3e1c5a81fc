// Lossless decoding: the tokens of exact attention, or its distribution, whatever drafts are like.
#include "generate/lossless.hpp"

#include "../examples/files.hpp"
#include "../examples/programs.hpp"
#include "generate/lossless_report.hpp"
#include "generate/options.hpp"
#include "generate/writing.hpp"
#include "support/statistics.hpp"
#include "tiny_model.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <sstream>

namespace santa::example::test {
namespace {

Model load(const TinyModel& tiny) {
  const Folder folder;
  tiny.write(folder / "model");
  return {read_weights(folder / "model"), Texts::chunk};
}

Tokens some_tokens(std::size_t count, std::int64_t vocabulary, std::size_t first = 0) {
  Tokens tokens;
  for (std::size_t i = first; i < first + count; ++i)
    tokens.push_back(static_cast<std::int32_t>(i * i * 7 + 3 * i) % static_cast<std::int32_t>(vocabulary));
  return tokens;
}

/// A model that looks far back, so that drafts by a few rows are often wrong.
TinyModel far_sighted(std::int64_t vocabulary = 45) {
  TinySizes sizes;
  sizes.layers = 3;
  sizes.vocabulary = vocabulary;
  sizes.tied = false;
  TinyModel tiny(sizes, 3);
  for (auto& [name, tensor] : tiny.tensors) {
    const float gain = contains(name, "o_proj") ? 6.F : contains(name, "k_proj") ? 0.3F : 1.F;
    if (gain != 1.F)
      for (bfloat16& x : tensor.as<bfloat16>()) x = bfloat16(gain * static_cast<float>(x));
  }
  return tiny;
}

/// Exact attention's text of a prompt.
Tokens exact_text(const Model& model, const Tokens& prompt, std::int64_t tokens) {
  Texts texts(model, 1, static_cast<std::int64_t>(prompt.size()) + tokens);
  return write(texts, prompt, {.tokens = tokens, .policy = {}}).tokens;
}

/// Prompts read side by side but for their last tokens, and written on.
LosslessWritten write_side_by_side(Texts& texts, const std::vector<Tokens>& prompts, const LosslessOptions& options) {
  Tokens last;
  for (std::size_t slot = 0; slot < prompts.size(); ++slot) {
    texts.prefill(static_cast<std::int64_t>(slot), std::span(prompts[slot]).first(prompts[slot].size() - 1));
    last.push_back(prompts[slot].back());
  }
  return LosslessWriter(texts, options).write(last);
}

LosslessOptions with(std::int64_t tokens, std::optional<std::int64_t> drafts, std::int64_t rows) {
  LosslessOptions options;
  options.tokens = tokens;
  options.drafts = drafts;
  options.rows = rows;
  return options;
}

TEST_CASE("greedy_texts_are_those_of_exact_attention") {
  const TinyModel tiny = far_sighted();
  const Model model = load(tiny);
  std::vector<Tokens> prompts, expected;
  for (const std::size_t length : {400, 333, 3}) {
    prompts.push_back(some_tokens(length, tiny.sizes.vocabulary, length));
    expected.push_back(exact_text(model, prompts.back(), 300));
  }
  for (const std::size_t batch : {1, 3})
    for (const std::optional<std::int64_t> drafts : {std::optional<std::int64_t>(), {0}, {1}, {4}, {15}}) {
      CAPTURE(batch);
      CAPTURE(drafts.value_or(-1));
      const std::vector<Tokens> some(prompts.begin(), prompts.begin() + static_cast<std::ptrdiff_t>(batch));
      Texts texts(model, static_cast<std::int64_t>(batch), 700);  // no more than the longest takes
      const LosslessWritten written = write_side_by_side(texts, some, with(300, drafts, 24));
      for (std::size_t slot = 0; slot < batch; ++slot) {
        CHECK(written.tokens[slot] == expected[slot]);
        CHECK(texts.length(static_cast<std::int64_t>(slot)) == static_cast<std::int64_t>(prompts[slot].size()) + 299);
      }
      CHECK(written.count() == static_cast<std::int64_t>(batch) * 300);
      if (drafts == 0) {
        CHECK(written.proposed == 0);
        CHECK(written.rounds == 300);
      } else {  // some stand, some do not
        CHECK(written.accepted > 0);
        CHECK(written.accepted < written.proposed);
        CHECK(written.rounds < 300);
      }
    }
}

TEST_CASE("the_cache_has_what_exact_attention_leaves_there") {
  const TinyModel tiny = far_sighted();
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(300, tiny.sizes.vocabulary);
  Texts exact(model, 1, 500), lossless(model, 1, 500);
  write(exact, prompt, {.tokens = 150, .policy = {}});
  const LosslessWritten written = write_side_by_side(lossless, {prompt}, with(150, 4, 16));
  REQUIRE(written.accepted < written.proposed);
  for (const auto& [a, b] : {std::pair(exact.cache().keys, lossless.cache().keys),
                             std::pair(exact.cache().values, lossless.cache().values)}) {
    const auto one = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), a);
    const auto other = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), b);
    double most = 0.;
    for (std::size_t layer = 0; layer < one.extent(0); ++layer)
      for (std::size_t token = 0; token < 449; ++token)
        for (std::size_t head = 0; head < one.extent(3); ++head)
          for (std::size_t d = 0; d < one.extent(4); ++d)
            most = std::fmax(most, std::fabs(static_cast<double>(static_cast<float>(one(layer, 0, token, head, d))) -
                                             static_cast<float>(other(layer, 0, token, head, d))));
    CHECK(most < 0.02);  // rounding to BF16
  }
}

TEST_CASE("drafts_that_see_all_rows_all_stand") {
  const TinyModel tiny = far_sighted();
  const Model model = load(tiny);
  LosslessOptions options = with(400, 5, 1000);
  options.narrow_weights = false;
  Texts texts(model, 2, 700);
  const LosslessWritten written = write_side_by_side(
      texts, {some_tokens(290, tiny.sizes.vocabulary), some_tokens(77, tiny.sizes.vocabulary, 9)}, options);
  CHECK(written.acceptance_rate() > 0.99);
  CHECK(written.proposed > 600);
}

TEST_CASE("an_end_of_a_text_ends_it_alone") {
  TinyModel tiny = far_sighted();
  const std::vector<Tokens> prompts = {some_tokens(200, tiny.sizes.vocabulary),
                                       some_tokens(150, tiny.sizes.vocabulary, 5)};
  const Tokens whole = exact_text(load(tiny), prompts[0], 60);
  tiny.metadata["end_token"] = std::to_string(whole[20]);
  const Model model = load(tiny);
  Texts texts(model, 2, 260);
  const LosslessWritten written = write_side_by_side(texts, prompts, with(60, 6, 24));
  CHECK(written.tokens[0] == exact_text(model, prompts[0], 60));
  CHECK(written.tokens[1] == exact_text(model, prompts[1], 60));
  CHECK(written.tokens[0].size() <= 21);
  CHECK(texts.length(0) == 199 + static_cast<std::int64_t>(written.tokens[0].size()));
}

/// Probabilities of the next token of exact attention at a temperature, after each of some ways to go on.
std::vector<std::vector<double>> next_of(const Model& model, const Tokens& prompt, const std::vector<Tokens>& ways,
                                         double temperature) {
  Texts texts(model, 1, static_cast<std::int64_t>(prompt.size()) + 8);
  std::vector<std::vector<double>> result;
  for (const Tokens& way : ways) {
    Tokens all = prompt;
    all.insert(all.end(), way.begin(), way.end());
    texts.prefill(0, std::span(all).first(all.size() - 1));
    Kokkos::deep_copy(Kokkos::subview(texts.tokens(), 0), all.back());
    texts.step(1);
    const auto logits = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), texts.logits());
    std::vector<double> p;
    double sum = 0.;
    for (std::size_t i = 0; i < logits.extent(1); ++i) sum += p.emplace_back(std::exp(logits(0, i) / temperature));
    for (double& x : p) x /= sum;
    result.push_back(p);
  }
  return result;
}

/// What is expected less than 10 times counts together.
void pool(std::vector<double>& counts, std::vector<double>& probabilities, double total) {
  std::vector<double> pooled_counts(1, 0.), pooled(1, 0.);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const bool rare = probabilities[i] * total < 10.;
    if (!rare) pooled_counts.push_back(0.), pooled.push_back(0.);
    (rare ? pooled_counts.front() : pooled_counts.back()) += counts[i];
    (rare ? pooled.front() : pooled.back()) += probabilities[i];
  }
  if (pooled.front() * total < 10.) {  // with the next
    pooled[1] += pooled[0];
    pooled_counts[1] += pooled_counts[0];
    pooled.erase(pooled.begin());
    pooled_counts.erase(pooled_counts.begin());
  }
  counts = pooled_counts;
  probabilities = pooled;
}

TEST_CASE("at_a_temperature_texts_have_the_distribution_of_exact_attention") {
  constexpr std::size_t vocabulary = 6;
  const TinyModel tiny = far_sighted(vocabulary);
  const Model model = load(tiny);
  Tokens prompt(330, 1);  // of which drafts see next to nothing
  for (const std::int32_t token : some_tokens(70, vocabulary)) prompt.push_back(token);
  const double temperature = 4.;
  // The second and third token: of drafts, where the first comes from a verification alone.
  std::vector<Tokens> ones, twos;
  for (std::int32_t a = 0; a < static_cast<std::int32_t>(vocabulary); ++a) {
    ones.push_back({a});
    for (std::int32_t b = 0; b < static_cast<std::int32_t>(vocabulary); ++b) twos.push_back({a, b});
  }
  const auto p1 = next_of(model, prompt, {{}}, temperature);
  const auto p2 = next_of(model, prompt, ones, temperature);
  const auto p3 = next_of(model, prompt, twos, temperature);
  std::vector<double> expected(vocabulary * vocabulary, 0.), counts(expected.size(), 0.);
  for (std::size_t a = 0; a < vocabulary; ++a)
    for (std::size_t b = 0; b < vocabulary; ++b)
      for (std::size_t c = 0; c < vocabulary; ++c)
        expected[b * vocabulary + c] += p1[0][a] * p2[a][b] * p3[a * vocabulary + b][c];

  constexpr std::size_t batch = 15;
  Texts texts(model, batch, 420);
  std::int64_t accepted = 0, proposed = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    LosslessOptions options = with(3, 3, 2);
    options.temperature = temperature;
    options.seed = seed;
    if (seed == 0) texts.prefill(0, std::span(prompt).first(prompt.size() - 1));
    texts.shorten(0, static_cast<std::int64_t>(prompt.size()) - 1);
    for (std::int64_t slot = 1; slot < static_cast<std::int64_t>(batch); ++slot) texts.start(slot, 0, {}, 0);
    const LosslessWritten written = LosslessWriter(texts, options).write(Tokens(batch, prompt.back()));
    for (const Tokens& text : written.tokens)
      counts[static_cast<std::size_t>(text[1]) * vocabulary + static_cast<std::size_t>(text[2])] += 1.;
    accepted += written.accepted;
    proposed += written.proposed;
  }
  CHECK(accepted > proposed / 10);
  CHECK(accepted < proposed * 9 / 10);
  pool(counts, expected, 200. * batch);
  CHECK(counts.size() > 15);
  // A right program exceeds it with probability 1e-6.
  CHECK(santa::test::chi_square_z(counts, expected) < santa::test::two_sided_quantile(2e-6));
}

TEST_CASE("the_same_seed_drafts_and_writes_the_same_text") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(300, tiny.sizes.vocabulary);
  const auto text = [&](std::uint64_t seed) {
    Texts texts(model, 1, 400);
    LosslessOptions options = with(80, {}, 32);
    options.temperature = 6.;
    options.seed = seed;
    return write_lossless(texts, prompt, options).tokens;
  };
  CHECK(text(1) == text(1));
  CHECK(text(1) != text(2));
}

TEST_CASE("a_prompt_is_that_of_all_slots") {
  const TinyModel tiny;
  const Model model = load(tiny);
  const Tokens prompt = some_tokens(300, tiny.sizes.vocabulary);
  Texts texts(model, 3, 400);
  const std::vector<Tokens> written = write_lossless(texts, prompt, with(20, {}, 32)).tokens;
  REQUIRE(written.size() == 3);
  for (const std::int64_t slot : {0, 1, 2}) {
    CHECK(written[static_cast<std::size_t>(slot)] == written[0]);
    CHECK(texts.length(slot) == 319);  // the last of 20 tokens is not in the cache
  }
}

TEST_CASE("the_tokens_of_a_round_are_those_of_a_simulation") {
  std::mt19937 random(1);
  for (const double rate : {0., 0.5, 0.9, 1.}) {
    std::bernoulli_distribution stands(rate);
    double sum = 0.;
    constexpr int rounds = 40000;
    for (int i = 0; i < rounds; ++i) {
      int tokens = 1;
      while (tokens <= 6 && stands(random)) ++tokens;
      sum += tokens;
    }
    CHECK(tokens_of_round(rate, 6.) == doctest::Approx(sum / rounds).epsilon(0.02));
  }
}

TEST_CASE("more_are_drafted_where_more_stand_and_drafts_are_cheap") {
  const DraftCosts costs;
  CHECK(best_drafts(0., costs, 15) == 1);
  CHECK(best_drafts(1., costs, 15) == 15);
  for (double rate = 0.05; rate < 1.; rate += 0.05) {
    CHECK(best_drafts(rate, costs, 15) >= best_drafts(rate - 0.05, costs, 15));
    DraftCosts dear = costs;
    dear.draft *= 3.;
    CHECK(best_drafts(rate, dear, 15) <= best_drafts(rate, costs, 15));
  }
  // Where a verification costs more, it is asked for less often.
  CHECK(best_drafts(0.9, DraftCosts::at(8000), 15) > best_drafts(0.9, DraftCosts::at(500), 15));
  CHECK(best_drafts(0.9, {.draft = 0., .verify = 1., .token = 0.}, 15) == 15);
}

TEST_CASE("the_acceptance_rate_follows_drafts_whose_turn_came") {
  AcceptanceRate rate;
  std::mt19937 random(2);
  const auto run = [&](double chance) {
    std::bernoulli_distribution stands(chance);
    double sum = 0.;
    for (int i = 0; i < 4000; ++i) {
      std::int64_t accepted = 0;
      while (accepted < 5 && stands(random)) ++accepted;
      rate.note(accepted, 5);
      if (i >= 1000) sum += rate.rate() / 3000.;
    }
    return sum;
  };
  CHECK(run(0.9) == doctest::Approx(0.9).epsilon(0.03));
  CHECK(run(0.4) == doctest::Approx(0.4).epsilon(0.05));
}

TEST_CASE("lossless_options_that_make_no_sense_are_refused") {
  const auto refusal = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), {"--model", "m", "--prompt-tokens", "p"});
    return sentence_of([&] { parse_generate_options(arguments); });
  };
  CHECK(refusal({"--lossless"}).empty());
  CHECK(refusal({"--lossless", "--compare", "--method", "exact"}).empty());
  for (const char* const option : {"--drafts", "--draft-rows"})
    CHECK(contains(refusal({option, "3"}), std::string(option) + " needs --lossless"));
  CHECK(contains(refusal({"--draft-weights", "int8"}), "--draft-weights needs --lossless"));
  for (const char* const number : {"16", "-1", "x", "1.5"})
    CHECK(contains(refusal({"--lossless", "--drafts", number}), "--drafts"));
  CHECK(contains(refusal({"--lossless", "--draft-rows", "0"}), "--draft-rows"));
  CHECK(contains(refusal({"--lossless", "--draft-weights", "int3"}), "--draft-weights"));
  const GenerateOptions options =
      parse_generate_options({"--model", "m", "--prompt-tokens", "p", "--lossless", "--drafts", "3", "--draft-rows",
                              "77", "--draft-weights", "full"});
  CHECK(options.lossless);
  CHECK(options.drafting.drafts == 3);
  CHECK(options.drafting.rows == 77);
  CHECK(!options.drafting.narrow_weights);
}

TEST_CASE("the_program_compares_and_finds_no_difference") {
  const Folder folder;
  const TinyModel tiny;
  tiny.write(folder / "model");
  std::ofstream prompt(folder / "prompt");
  for (const std::int32_t token : some_tokens(100, tiny.sizes.vocabulary)) prompt << token << " ";
  prompt.close();
  const Ran ran = run_command(folder, std::string(SANTA_GENERATE_PROGRAM) + " --model " + (folder / "model").string() +
                                          " --prompt-tokens " + (folder / "prompt").string() +
                                          " --tokens 40 --lossless --compare --method exact --draft-rows 16");
  CHECK(ran.code == 0);
  CHECK(contains(ran.said, "lossless              40"));
  CHECK(contains(ran.said, "none\n"));
  CHECK(contains(ran.said, "accepted"));
}

}  // namespace
}  // namespace santa::example::test
