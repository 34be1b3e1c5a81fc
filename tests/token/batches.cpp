// What a request's token may not depend on: batch mates, its place, shards. What a run may not do: allocate, fence.
#include "problem.hpp"
#include "support/events.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

SANTA_SPACE_TEST_CASE("a_request_draws_the_same_alone_and_in_any_place_of_any_batch") {
  using Memory = typename Space::memory_space;
  TokenProblem<Space, bfloat16, float> problem(70, 700, 72);
  problem.fill(1);
  const TokenSampler<Space> sampler(Space{}, problem.shape());
  const Sampled all = problem.sample(sampler, problem.hidden(), problem.weights(), {.seed = 3});
  const auto identities = [](std::uint32_t first, std::size_t count) {
    Kokkos::View<std::uint32_t*, Memory> view("test::requests", count);
    const auto there = Kokkos::create_mirror_view(view);
    for (std::size_t i = 0; i < count; ++i) there(i) = first + static_cast<std::uint32_t>(i);
    Kokkos::deep_copy(view, there);
    return view;
  };
  const std::pair<std::size_t, std::size_t> places[] = {{69, 1}, {1, 3}, {5, 64}, {20, 12}, {30, 25}};
  for (const auto& place : places) {
    const std::size_t first = place.first;
    const std::size_t count = place.second;
    CAPTURE(first);
    const Sampled some = problem.sample(sampler, problem.hidden(first, count), problem.weights(),
                                        {.seed = 3, .requests = identities(static_cast<std::uint32_t>(first), count)});
    for (std::size_t i = 0; i < count; ++i) {
      REQUIRE(some.tokens[i] == all.tokens[first + i]);
      REQUIRE(some.score[i] == all.score[first + i]);
      REQUIRE(some.lse[i] == all.lse[first + i]);
    }
  }
  // Requests that are not told apart would draw alike.
  std::vector<std::int64_t> tokens = all.tokens;
  std::sort(tokens.begin(), tokens.end());
  CHECK(std::unique(tokens.begin(), tokens.end()) - tokens.begin() > 50);
}

SANTA_SPACE_TEST_CASE("shards_of_a_vocabulary_give_the_token_of_the_whole") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 67, vocab = 3000;
  const std::vector<std::size_t> begins = {0, 37, 1500, 1501, vocab};
  const std::size_t shards = begins.size() - 1;
  for (const bool with_ties : {false, true}) {
    TokenProblem<Space, bfloat16, float> problem(batch, vocab, 48);
    if (with_ties)
      problem.fill_exact(2);
    else
      problem.fill(2, 2.);
    for (const float temperature : {0.F, 0.8F}) {
      const Sampled whole = problem.sample({.temperature = temperature, .seed = 5});
      using Scores = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
      const Kokkos::View<std::int64_t**, Kokkos::LayoutRight, Memory> tokens("test::tokens", shards, batch);
      const Scores score("test::score", shards, batch), logit("test::logit", shards, batch),
          lse("test::lse", shards, batch);
      for (std::size_t s = 0; s < shards; ++s) {
        const auto row = [&](const auto& view) { return Kokkos::subview(view, s, Kokkos::ALL); };
        sample_tokens(Space{}, problem.hidden(), problem.weights(begins[s], begins[s + 1] - begins[s]), row(tokens),
                      {.temperature = temperature,
                       .seed = 5,
                       .first_row = static_cast<std::int64_t>(begins[s]),
                       .results = {row(score), row(logit), row(lse)}});
      }
      const Kokkos::View<std::int32_t*, Memory> merged("test::merged", batch);
      const Kokkos::View<float*, Memory> best("test::best", batch), best_logit("test::logit", batch),
          sum("test::sum", batch);
      merge_tokens(Space{}, TokenShards{tokens, score, logit, lse}, merged, {best, best_logit, sum});
      Space{}.fence();
      const auto given = host_vector(merged);
      const auto scores = host_vector(best), logits = host_vector(best_logit), sums = host_vector(sum);
      for (std::size_t b = 0; b < batch; ++b) {
        REQUIRE(given[b] == whole.tokens[b]);
        REQUIRE(scores[b] == whole.score[b]);
        REQUIRE(logits[b] == whole.logit[b]);
        REQUIRE(sums[b] == doctest::Approx(whole.lse[b]).epsilon(1e-6));
      }
      merge_tokens(Space{}, TokenShards{tokens, score}, merged);
      Space{}.fence();
      CHECK(host_vector(merged) == given);
    }
  }
}

SANTA_SPACE_TEST_CASE("merging_keeps_what_shows") {
  using Memory = typename Space::memory_space;
  const Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory> tokens("test::tokens", 40, 3);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> score("test::score", 40, 3);
  const auto there = Kokkos::create_mirror_view(score);
  Kokkos::deep_copy(tokens, 7);
  for (std::size_t s = 0; s < 40; ++s) {
    there(s, 0) = s == 35 ? NAN : 1.F;
    there(s, 1) = -HUGE_VALF;
    there(s, 2) = s == 39 ? -5.F : -HUGE_VALF;
  }
  Kokkos::deep_copy(score, there);
  const Kokkos::View<std::int64_t*, Memory> merged("test::merged", 3);
  const Kokkos::View<float*, Memory> best("test::best", 3);
  merge_tokens(Space{}, TokenShards{tokens, score}, merged, {.score = best});
  Space{}.fence();
  CHECK(host_vector(merged) == std::vector<std::int64_t>{-1, -1, 7});
  const auto scores = host_vector(best);
  CHECK(std::isnan(scores[0]));
  CHECK(scores[1] == -HUGE_VALF);
  CHECK(scores[2] == -5.F);
}

SANTA_SPACE_TEST_CASE("a_run_neither_allocates_nor_fences_and_its_kernels_have_names") {
  using Memory = typename Space::memory_space;
  TokenProblem<Space, bfloat16, float> problem(3, 600, 64);
  problem.fill(1);
  const TokenSampler<Space> sampler(Space{}, problem.shape());
  const Kokkos::View<std::int32_t*, Memory> tokens("test::tokens", 3);
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  CHECK(sampler.workspace_bytes() > 0);
  sampler.run(Space{}, problem.hidden(), problem.weights(), tokens);
  Space{}.fence();
  const Events events;
  sampler.run(Space{}, problem.hidden(), problem.weights(), tokens, {.step = step});
  CHECK(Events::allocations == 0);
  CHECK(Events::fences.empty());
  CHECK(Events::kernels ==
        std::vector<std::string>{"santa::arrange_hidden", "santa::sample_tokens", "santa::merge_tokens"});
  CHECK(Events::regions_of_kernels == std::vector<std::string>(3, "santa::sample_tokens"));
}

SANTA_SPACE_TEST_CASE("seed_and_step_may_be_read_from_memory") {
  using Memory = typename Space::memory_space;
  TokenProblem<Space, bfloat16, float> problem(9, 600, 64);
  problem.fill(1);
  const Kokkos::View<std::uint32_t, Memory> step("test::step");
  const Kokkos::View<std::uint64_t, Memory> seed("test::seed");
  Kokkos::deep_copy(step, 8U);
  Kokkos::deep_copy(seed, std::uint64_t{1} << 40);
  CHECK(problem.sample({.seed = seed, .step = step}).tokens ==
        problem.sample({.seed = std::uint64_t{1} << 40, .step = 8}).tokens);
  CHECK(problem.sample({.seed = seed, .step = step}).tokens != problem.sample({.step = 8}).tokens);
}

SANTA_SPACE_TEST_CASE("an_empty_batch_is_no_error") {
  TokenProblem<Space, float, float> problem(0, 10, 8);
  CHECK(problem.sample({}).tokens.empty());
}
