// Sums of rows over ranks: as one rank's, and where ranks disagree.
#include "support/spaces.hpp"
#include <santa/ranks/one_process.hpp>
#include <santa/ranks/rank_sums.hpp>

#include <cmath>
#include <cstddef>
#include <cstdint>

using namespace santa;

namespace {

/// Ranks that do not look at tickets, as those of NCCL.
struct TrustingRank {
  const ThreadRank& ranks;

  [[nodiscard]] int rank() const { return ranks.rank(); }
  [[nodiscard]] int size() const { return ranks.size(); }
  template <class Space>
  void all_gather(const Space& space, void* all, std::size_t bytes, std::uint64_t /*ticket*/) const {
    ranks.all_gather(space, all, bytes, 0);
  }
};

}  // namespace

TEST_CASE("sums_of_ranks_that_were_told_other_things_are_not_numbers") {
  using Space = Kokkos::DefaultHostExecutionSpace;
  using Memory = Space::memory_space;
  using Matrix = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;
  constexpr std::size_t dim = 3;
  for (const bool same : {true, false})
    run_ranks(2, [&](const ThreadRank& threads) {
      const TrustingRank ranks{threads};
      const Matrix rows("test::rows", 4, dim), center("test::center", 1, dim), sum("test::sum", 1, dim),
          error("test::error", 1, dim);
      const DrawnRows<Memory> drawn(Space{}, 1, 2);
      drawn.count(0) = 2;
      for (std::size_t i = 0; i < 2; ++i) {
        drawn.rows(0, i) = static_cast<std::int64_t>(i);
        drawn.weights(0, i) = 0.25F;
        drawn.spreads(0, i) = 0.5F;
      }
      for (std::size_t d = 0; d < dim; ++d) {
        rows(0, d) = rows(1, d) = 3.F + static_cast<float>(d);
        center(0, d) = 2.F;
      }
      const RankSums<Space> sums(Space{}, ranks, 1, dim);
      GatherOptions<Memory> options{.error = error};
      if (same || ranks.rank() == 0) options.center = center;
      sums.run(Space{}, ranks, drawn, rows, sum, options);
      Space{}.fence();
      for (std::size_t d = 0; d < dim; ++d) {
        CHECK(std::isnan(sum(0, d)) != same);
        CHECK(std::isnan(error(0, d)) != same);
        if (same) CHECK(sum(0, d) == doctest::Approx(3. + static_cast<double>(d)));
        if (same) CHECK(error(0, d) == doctest::Approx(std::sqrt(2.) * (1. + static_cast<double>(d))));
      }
    });
}
