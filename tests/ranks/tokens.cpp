// Shards of a vocabulary, each a rank's, give the token of the whole.
#include "support/spaces.hpp"
#include "token/problem.hpp"
#include <santa/ranks/one_process.hpp>
#include <santa/ranks/sharded_sampler.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
struct Results {
  using Memory = typename Space::memory_space;
  Kokkos::View<std::int64_t*, Memory> tokens;
  Kokkos::View<float*, Memory> score, logit, lse;

  explicit Results(std::size_t batch)
      : tokens("test::tokens", batch),
        score("test::score", batch),
        logit("test::logit", batch),
        lse("test::lse", batch) {}
  [[nodiscard]] TokenResults<Memory> views() const { return {score, logit, lse}; }
};

}  // namespace

SANTA_SPACE_TEST_CASE("ranks_draw_the_tokens_of_one_sampler") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 5, vocab = 3000, dim = 64;
  TokenProblem<Space, float, float> problem(batch, vocab, dim);
  problem.fill(3, 2.);
  for (const float temperature : {0.F, 1.F}) {
    const Results<Space> whole(batch);
    sample_tokens(Space{}, problem.hidden(), problem.weights(), whole.tokens,
                  {.temperature = temperature, .seed = 4, .results = whole.views()});
    for (const int size : {1, 2, 3, 4})
      run_ranks(size, [&](const ThreadRank& ranks) {
        const std::size_t begin = vocab * static_cast<std::size_t>(ranks.rank()) / static_cast<std::size_t>(size);
        const std::size_t end = vocab * static_cast<std::size_t>(ranks.rank() + 1) / static_cast<std::size_t>(size);
        const auto rows =
            Kokkos::subview(problem.weights(), std::pair<std::size_t, std::size_t>(begin, end), Kokkos::ALL);
        const ShardedSampler<Space> sampler(Space{}, ranks,
                                            {.batch = 8, .vocab = static_cast<std::int64_t>(end - begin), .dim = dim});
        const Results<Space> own(batch);
        TokenOptions<Memory> options;
        options.temperature = temperature;
        options.seed = 4;
        options.first_row = static_cast<std::int64_t>(begin);
        options.results = own.views();
        sampler.run(Space{}, ranks, problem.hidden(), rows, own.tokens, options);
        Space{}.fence();
        CHECK(host_vector(own.tokens) == host_vector(whole.tokens));
        CHECK(host_vector(own.score) == host_vector(whole.score));
        CHECK(host_vector(own.logit) == host_vector(whole.logit));
        const auto lse = host_vector(own.lse), expected = host_vector(whole.lse);
        for (std::size_t b = 0; b < batch; ++b) CHECK(lse[b] == doctest::Approx(expected[b]).epsilon(1e-5));

        options.seed = 4U + static_cast<unsigned>(ranks.rank());
        if (size > 1)
          CHECK_THROWS_AS(sampler.run(Space{}, ranks, problem.hidden(), rows, own.tokens, options), RankError);

        const Kokkos::View<std::uint64_t*, Memory> seeds("test::seeds", batch);
        Kokkos::deep_copy(Kokkos::subview(seeds, std::size_t{3}), static_cast<std::uint64_t>(ranks.rank()));
        options.seed = seeds;
        sampler.run(Space{}, ranks, problem.hidden(), rows, own.tokens, options);
        Space{}.fence();
        for (std::size_t b = 0; b < batch; ++b) {
          CHECK((host_vector(own.tokens)[b] == -1) == (b == 3 && size > 1));
          CHECK(std::isnan(host_vector(own.score)[b]) == (b == 3 && size > 1));
        }
      });
  }
}

SANTA_SPACE_TEST_CASE("ranks_whose_rows_do_not_follow_each_other_draw_no_tokens") {
  using Memory = typename Space::memory_space;
  constexpr std::size_t batch = 3, rows = 500, dim = 64;
  TokenProblem<Space, float, float> problem(batch, 2 * rows, dim);
  problem.fill(3, 2.);
  constexpr std::int64_t first_rows[][2] = {{0, 500}, {0, 0}, {500, 0}, {0, 499}, {0, 501}, {1, 501}};
  for (const auto& first_row : first_rows)
    run_ranks(2, [&](const ThreadRank& ranks) {
      const auto rank = static_cast<std::size_t>(ranks.rank());
      const auto own_rows = std::pair<std::size_t, std::size_t>(rank * rows, (rank + 1) * rows);
      const ShardedSampler<Space> sampler(Space{}, ranks, {.batch = batch, .vocab = rows, .dim = dim});
      const Results<Space> own(batch);
      TokenOptions<Memory> options;
      options.first_row = first_row[rank];
      options.results = own.views();
      sampler.run(Space{}, ranks, problem.hidden(), Kokkos::subview(problem.weights(), own_rows, Kokkos::ALL),
                  own.tokens, options);
      Space{}.fence();
      const bool follow = first_row[0] == 0 && first_row[1] == 500;
      for (std::size_t b = 0; b < batch; ++b) {
        CHECK((host_vector(own.tokens)[b] >= 0) == follow);
        CHECK(std::isnan(host_vector(own.lse)[b]) != follow);
      }
    });
}
