// What a caller may get wrong: one sentence each, before anything is launched.
#include "problem.hpp"
#include <santa/token/accept_drafts.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstdint>
#include <string>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
using Tokens = Kokkos::View<std::int32_t*, Memory>;

/// The message of the error that f throws; empty if none.
template <class F>
std::string error_of(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

struct Step {
  Matrix hidden{"test::hidden", 2, 16}, weights{"test::weights", 40, 16};
  Tokens tokens{"test::tokens", 2};

  [[nodiscard]] std::string error(const TokenOptions<Memory>& options = {}) const {
    return error_of([&] { sample_tokens(Space{}, hidden, weights, tokens, options); });
  }
};

}  // namespace

TEST_CASE("options_that_make_no_sense_are_refused") {
  const Step step;
  CHECK(step.error().empty());
  for (const float temperature : {-1.F, NAN, HUGE_VALF, 3e38F})
    CHECK(step.error({.temperature = temperature}).find("santa: temperature is") == 0);
  CHECK(step.error({.first_row = -1}).find("santa: first_row is -1") == 0);
  CHECK(step.error({.first_row = (std::int64_t{1} << 31) - 40}).find("santa: first_row is") == 0);
  const Kokkos::View<std::uint32_t*, Memory> one("test::requests", 1);
  CHECK(step.error({.requests = one}) == "santa: requests.extent(0) is 1; accepted: the batch (2) or more");
}

TEST_CASE("leaving_rows_out_is_refused_with_what_to_do_instead") {
  const Step step;
  const std::string instead = "to leave rows out, write the logits and draw_rows from those kept";
  for (const std::string& error :
       {step.error({.top_k = 50}), step.error({.top_p = 0.9F}), step.error({.top_p = NAN})}) {
    CHECK(error.find("santa: top_") == 0);
    CHECK(error.find(instead) != std::string::npos);
  }
}

TEST_CASE("extents_that_do_not_fit_are_refused") {
  Step step;
  step.tokens = Tokens("test::tokens", 3);
  CHECK(step.error() == "santa: tokens.extent(0) is 3; accepted: the batch (2)");
  step = {};
  step.weights = Matrix("test::weights", 40, 24);
  CHECK(step.error() == "santa: weights.extent(1) is 24; accepted: the dim of hidden (16)");
  step = {};
  step.weights = Matrix("test::weights", 0, 16);
  CHECK(step.error().find("santa: vocab is 0") == 0);
  step = {};
  step.hidden = Matrix("test::hidden", 2, 12);
  CHECK(step.error().find("santa: dim is 12") == 0);
  step = {};
  const Kokkos::View<float*, Memory> three("test::three", 3);
  CHECK(step.error({.results = {.score = three}}) == "santa: results.score.extent(0) is 3; accepted: the batch (2)");
  CHECK(step.error({.results = {.logit = three}}).find("santa: results.logit") == 0);
  CHECK(step.error({.results = {.lse = three}}).find("santa: results.lse") == 0);
  const auto rejects = [](const TokenShape& shape) {
    return !error_of([&] { const TokenSampler<Space> sampler(Space{}, shape); }).empty();
  };
  CHECK(rejects({.batch = -1, .vocab = 10, .dim = 8}));
  CHECK(rejects({.batch = 1, .vocab = std::int64_t{1} << 31, .dim = 8}));
  CHECK(rejects({.batch = 1, .vocab = 10, .dim = 0}));
}

TEST_CASE("a_sampler_takes_no_more_than_it_was_made_for") {
  const Step step;
  const auto error = [&](const TokenShape& shape) {
    return error_of([&] { TokenSampler<Space>(Space{}, shape).run(Space{}, step.hidden, step.weights, step.tokens); });
  };
  CHECK(error({2, 40, 16}).empty());
  CHECK(error({3, 50, 24}).empty());
  CHECK(error({1, 40, 16}).find("santa: hidden.extent(0) is 2; accepted: at most the sampler's 1") == 0);
  CHECK(error({2, 39, 16}).find("santa: weights.extent(0) is 40") == 0);
  CHECK(error({2, 40, 8}).find("santa: hidden.extent(1) is 16") == 0);
}

// How long parts are follows from the vocabulary, so that a smaller one may have more of them: 2^20 beside 2^20 + 1.
TEST_CASE("what_is_made_for_a_vocabulary_has_memory_for_smaller_ones") {
  const auto sampler_bytes = [](std::int64_t vocab) {
    return TokenSampler<Space>(Space{}, {.batch = 4, .vocab = vocab, .dim = 8}).workspace_bytes();
  };
  const auto verifier_bytes = [](std::int64_t vocab) {
    return DraftVerifier<Space>(Space{}, {.batch = 4, .drafts = 1, .vocab = vocab}).workspace_bytes();
  };
  for (std::int64_t smaller = 1; smaller <= std::int64_t{1} << 24; smaller *= 2)
    for (const std::int64_t larger : {smaller + 1, smaller + 1 + smaller / 8, smaller + 1 + smaller / 2}) {
      CAPTURE(smaller);
      CAPTURE(larger);
      CHECK(sampler_bytes(larger) >= sampler_bytes(smaller));
      CHECK(verifier_bytes(larger) >= verifier_bytes(smaller));
    }
}

TEST_CASE("rows_with_gaps_between_features_and_missing_data_are_refused") {
  const Step step;
  const Kokkos::View<float**, Kokkos::LayoutLeft, Memory> left("test::left", 2, 16);
  CHECK(error_of([&] {
          sample_tokens(Space{}, left, step.weights, step.tokens);
        }).find("santa: hidden.stride(1) is 2") == 0);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>> null(nullptr, 2,
                                                                                                         16);
  CHECK(error_of([&] { sample_tokens(Space{}, null, step.weights, step.tokens); }) ==
        "santa: hidden.data() is null; accepted: a view with data");
}

TEST_CASE("shards_that_do_not_fit_are_refused") {
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> tokens("test::tokens", 4, 2);
  const Matrix score("test::score", 4, 2), few("test::few", 3, 2), none;
  const Tokens out("test::out", 2), longer("test::out", 3);
  const Kokkos::View<float*, Memory> sum("test::sum", 2);
  CHECK(error_of([&] {
          merge_tokens(Space{}, TokenShards{tokens, few}, out);
        }) == "santa: shards.score.extent(0) is 3; accepted: the shards (4)");
  CHECK(error_of([&] {
          merge_tokens(Space{}, TokenShards{tokens, score}, longer);
        }) == "santa: shards.tokens.extent(1) is 2; accepted: the batch (3)");
  CHECK(error_of([&] {
          merge_tokens(Space{}, TokenShards{tokens, none}, out);
        }) == "santa: shards.score.data() is null; accepted: a view with data");
  CHECK(error_of([&] {
          merge_tokens(Space{}, TokenShards{tokens, score}, out, {.lse = sum});
        }) == "santa: shards.lse.data() is null; accepted: a view with data");
}
