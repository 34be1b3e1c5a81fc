// Rows drawn by log-weights on several ranks are those of one plan.
#include "support/data.hpp"
#include "support/runner.hpp"
#include <santa/ranks/one_process.hpp>
#include <santa/santa.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t batch = 2, rows = 5000, dim = 7;

template <class T>
std::vector<T> log_weights_of(double largest) {
  std::mt19937 random(5);
  std::normal_distribution<double> normal;
  std::vector<T> values;
  for (std::int64_t i = 0; i < batch * rows; ++i) values.push_back(static_cast<T>(largest + 2. * normal(random)));
  return values;
}

/// A list on the host: [vector][n] of row, weight, spread.
struct Listed {
  std::vector<std::vector<std::int64_t>> rows;
  std::vector<std::vector<float>> weights, spreads;
  std::vector<double> log_sum;
};

template <class Space>
Listed listed(const DrawnRows<typename Space::memory_space>& drawn,
              const Kokkos::View<double*, typename Space::memory_space>& log_sum, std::int64_t first_row) {
  const auto here = [](const auto& view) { return Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, view); };
  const auto of_rows = here(drawn.rows);
  const auto weights = here(drawn.weights), spreads = here(drawn.spreads);
  const auto count = here(drawn.count);
  Listed result;
  for (std::size_t b = 0; b < batch; ++b) {
    result.rows.emplace_back();
    result.weights.emplace_back();
    result.spreads.emplace_back();
    for (std::size_t i = 0; i < static_cast<std::size_t>(count(b)); ++i) {
      result.rows[b].push_back(of_rows(b, i) + first_row);
      result.weights[b].push_back(weights(b, i));
      result.spreads[b].push_back(spreads(b, i));
    }
    result.log_sum.push_back(here(log_sum)(b));
  }
  return result;
}

template <class Space, class T>
void check_ranks(const AnyMethod& any, const std::vector<T>& values, std::int64_t multiple) {
  using Memory = typename Space::memory_space;
  using Weights = Kokkos::View<T**, Kokkos::LayoutRight, Memory>;
  using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
  const auto there = to_space<Space>(values, "test::log_weights");
  const Weights log_weights(there.data(), batch, rows);
  std::vector<float> numbers, means(batch * dim, 0.4F);
  for (std::int64_t i = 0; i < rows * dim; ++i) numbers.push_back(0.5F + std::sin(static_cast<float>(i)));
  const auto matrix_there = to_space<Space>(numbers, "test::matrix"),
             center_there = to_space<Space>(means, "test::center");
  const Matrix matrix(matrix_there.data(), rows, dim), center(center_there.data(), batch, dim);
  std::visit(
      [&](const auto& method) {
        CAPTURE(std::string(detail::Recipe<std::decay_t<decltype(method)>>::name));
        const DrawnRows<Memory> all(Space{}, batch, rows);
        const Kokkos::View<double*, Memory> all_sum("test::log_sum", batch);
        draw_rows(Space{}, method, log_weights, all, {.seed = 3, .log_sum = all_sum});
        const Listed whole = listed<Space>(all, all_sum, 0);
        const Matrix sum("test::sum", batch, dim), error("test::error", batch, dim);
        gather_add(Space{}, all, matrix, sum, {.center = center, .error = error});
        Space{}.fence();
        for (const int size : {1, 2, 3, 4}) {
          CAPTURE(size);
          std::vector<Listed> of_ranks(static_cast<std::size_t>(size));
          run_ranks(size, [&](const ThreadRank& ranks) {
            const auto cut = [&](int rank) { return rank == size ? rows : rows * rank / size / multiple * multiple; };
            const std::int64_t begin = cut(ranks.rank()), end = cut(ranks.rank() + 1);
            const auto range = std::pair<std::size_t, std::size_t>(begin, end);
            const DrawPlan own(Space{}, method, batch, end - begin, Shard{.first_row = begin, .length = rows});
            const ShardedDraw plan(Space{}, ranks, own);
            const DrawnRows<Memory> drawn(Space{}, batch, end - begin);
            const Kokkos::View<double*, Memory> log_sum("test::log_sum", batch);
            // A copy, so that what is not the rank's shows.
            const Weights copy("test::shard", batch, static_cast<std::size_t>(end - begin));
            Kokkos::deep_copy(copy, Kokkos::subview(log_weights, Kokkos::ALL, range));
            plan.run(Space{}, ranks, copy, drawn, {.seed = 3, .log_sum = log_sum});
            const Matrix own_sum("test::sum", batch, dim), own_error("test::error", batch, dim);
            RankSums<Space>(Space{}, ranks, batch, dim)
                .run(Space{}, ranks, drawn, Kokkos::subview(matrix, range, Kokkos::ALL), own_sum,
                     {.center = center, .error = own_error});
            Space{}.fence();
            of_ranks[static_cast<std::size_t>(ranks.rank())] = listed<Space>(drawn, log_sum, begin);
            for (std::size_t i = 0; i < sum.size(); ++i) {
              CHECK(own_sum.data()[i] == doctest::Approx(sum.data()[i]).epsilon(2e-5));
              CHECK(own_error.data()[i] == doctest::Approx(error.data()[i]).epsilon(1e-4));
            }
          });
          for (std::size_t b = 0; b < batch; ++b) {
            Listed together{{{}}, {{}}, {{}}, {}};
            for (const Listed& own : of_ranks) {
              together.rows[0].insert(together.rows[0].end(), own.rows[b].begin(), own.rows[b].end());
              together.weights[0].insert(together.weights[0].end(), own.weights[b].begin(), own.weights[b].end());
              CHECK(own.log_sum[b] == doctest::Approx(whole.log_sum[b]).epsilon(1e-6));
            }
            REQUIRE(together.rows[0] == whole.rows[b]);
            for (std::size_t i = 0; i < whole.weights[b].size(); ++i)
              CHECK(together.weights[0][i] == doctest::Approx(whole.weights[b][i]).epsilon(1e-5));
          }
        }
      },
      any);
}

}  // namespace

TEST_CASE("ranks_draw_the_rows_of_one_plan_by_log_weights") {
  using Space = Kokkos::DefaultHostExecutionSpace;
  for (const AnyMethod& method : exact_and_samplers(300)) {
    const bool looks_ahead = std::holds_alternative<FixedTileBudget>(method);
    const std::int64_t multiple = looks_ahead ? std::get<FixedTileBudget>(method).tile : 32;
    check_ranks<Space>(method, log_weights_of<float>(3.), multiple);
    check_ranks<Space>(method, log_weights_of<double>(-1e5), multiple);
  }
  // The largest of all are the last rank's: relative to another's they would be no floats.
  std::vector<double> last = log_weights_of<double>(0.);
  for (std::int64_t i = 0; i < batch * rows; ++i)
    if (i % rows >= rows - 1000) last[static_cast<std::size_t>(i)] += 1e5;
  for (const AnyMethod& method : {AnyMethod(MassUnit{.rows = 300}), AnyMethod(Systematic{.samples = 300})}) {
    check_ranks<Space>(method, last, 32);
  }
}

TEST_CASE("shards_of_log_weights_that_disagree_are_refused") {
  using Space = Kokkos::DefaultHostExecutionSpace;
  const Kokkos::View<float**, Kokkos::LayoutRight, Space::memory_space> zeros("test::log_weights", 1, 64);
  const DrawPlan own(Space{}, MassUnit{.rows = 5}, 1, 64, Shard{.first_row = 0, .length = 128});
  const DrawnRows<Space::memory_space> drawn(Space{}, 1, 64);
  CHECK_THROWS_WITH_AS(own.run(Space{}, zeros, drawn), doctest::Contains("one of a shard"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ShardedDraw(Space{}, OneRank{}, own), doctest::Contains("the shards end at row 64"), RankError);
  CHECK_THROWS_WITH_AS(DrawPlan(Space{}, Exact{}, 1, 64, Shard{.first_row = 8, .length = 128}),
                       doctest::Contains("shard.first_row is 8"), std::invalid_argument);
  run_ranks(2, [&](const ThreadRank& ranks) {
    const DrawPlan plan(Space{}, MassUnit{.rows = 5}, 1, 64, Shard{.first_row = 64 * ranks.rank(), .length = 128});
    const ShardedDraw draw(Space{}, ranks, plan);
    const DrawnRows<Space::memory_space> list(Space{}, 1, 64);
    CHECK_THROWS_AS(draw.run(Space{}, ranks, zeros, list, {.seed = static_cast<unsigned>(ranks.rank())}), RankError);
    const Kokkos::View<std::uint64_t, Space::memory_space> seed("test::seed");
    Kokkos::deep_copy(seed, static_cast<std::uint64_t>(ranks.rank()));
    const Kokkos::View<float*, Space::memory_space> log_sum("test::log_sum", 1);
    draw.run(Space{}, ranks, zeros, list, {.seed = seed, .log_sum = log_sum});
    CHECK(std::isnan(log_sum(0)));
    CHECK(list.count(0) > 0);
    CHECK(std::isnan(list.weights(0, 0)));
  });
}
