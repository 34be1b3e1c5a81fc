#include "generate/scores.hpp"

#include "generate/pick.hpp"

namespace santa::example {
namespace {

using Team = Kokkos::TeamPolicy<Space>;
using Doubles = Kokkos::View<double*, Memory>;

/// log sum exp of each row.
void log_sums(const Space& space, const FloatRows& logits, std::int64_t rows, const Doubles& sums) {
  const auto vocabulary = static_cast<std::int64_t>(logits.extent(1));
  Kokkos::parallel_for(
      "santa::log_sums", Team(space, static_cast<int>(rows), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team::member_type& team) {
        const int row = team.league_rank();
        const auto range = Kokkos::TeamThreadRange(team, vocabulary);
        float most = 0.F;
        Kokkos::parallel_reduce(
            range, [&](const std::int64_t i, float& x) { x = Kokkos::fmax(x, logits(row, i)); },
            Kokkos::Max<float>(most));
        double sum = 0.;
        Kokkos::parallel_reduce(
            range, [&](const std::int64_t i, double& x) { x += Kokkos::exp(logits(row, i) - most); }, sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { sums(row) = most + Kokkos::log(sum); });
      });
}

void divergences(const Space& space, const FloatRows& logits, std::int64_t rows, const Doubles& sums,
                 const Doubles& result) {
  const auto vocabulary = static_cast<std::int64_t>(logits.extent(1));
  Kokkos::parallel_for(
      "santa::divergences", Team(space, static_cast<int>(rows), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team::member_type& team) {
        const int row = team.league_rank();
        double sum = 0.;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocabulary),
            [&](const std::int64_t i, double& x) {
              const double first = logits(0, i) - sums(0);
              x += Kokkos::exp(static_cast<float>(first)) * (first - (logits(row, i) - sums(row)));
            },
            sum);
        Kokkos::single(Kokkos::PerTeam(team), [&]() { result(row) = sum; });
      });
}

}  // namespace

std::vector<Score> score_rows(const Space& space, const FloatRows& logits, std::int64_t rows, std::int32_t came) {
  const auto count = static_cast<std::size_t>(rows);
  const Doubles sums("santa::sums", count);
  const Doubles apart("santa::apart", count);
  const Numbers best("santa::best", count);
  log_sums(space, logits, rows, sums);
  divergences(space, logits, rows, sums, apart);
  pick_tokens(space, logits, rows, best, {});
  space.fence("santa::scores");
  const auto of_token = Kokkos::subview(logits, Kokkos::ALL, static_cast<std::size_t>(came));
  const Kokkos::View<float*, Memory> contiguous("santa::of_token", logits.extent(0));
  Kokkos::deep_copy(contiguous, of_token);
  const auto log_sum = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), sums);
  const auto divergence = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), apart);
  const auto likeliest = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), best);
  const auto logit = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), contiguous);
  std::vector<Score> scores;
  for (std::size_t row = 0; row < count; ++row)
    scores.push_back({log_sum(row) - logit(row), divergence(row), likeliest(row)});
  return scores;
}

}  // namespace santa::example
