#include "generate/pick.hpp"

#include <santa/random/stream_key.hpp>

namespace santa::example {
namespace {

/// Orders by value, then by the smaller index: one number, so that the order of a reduction doesn't matter. NaN is the
/// smallest.
KOKKOS_INLINE_FUNCTION std::uint64_t rank_of(float value, std::uint32_t index) {
  const auto bits = Kokkos::bit_cast<std::uint32_t>(value);
  const std::uint32_t ordered = (bits & 0x80000000U) != 0U ? ~bits : bits | 0x80000000U;
  return static_cast<std::uint64_t>(value == value ? ordered : 0U) << 32 | ~index;
}

/// -log(-log(u)) for a uniform u in (0, 1).
KOKKOS_INLINE_FUNCTION float gumbel(std::uint32_t bits) {
  const float uniform = (static_cast<float>(bits >> 9) + 0.5F) * 0x1p-23F;
  return -Kokkos::log(-Kokkos::log(uniform));
}

constexpr std::uint16_t token_stream = 0xffff;  // no layer's

}  // namespace

void pick_tokens(const Space& space, const FloatRows& logits, std::int64_t rows, const Numbers& tokens,
                 const PickOptions& options) {
  const auto vocabulary = static_cast<std::int64_t>(logits.extent(1));
  const bool drawn = options.temperature > 0.;
  const float factor = drawn ? static_cast<float>(1. / options.temperature) : 1.F;
  using Team = Kokkos::TeamPolicy<Space>;
  Kokkos::parallel_for(
      "santa::pick_tokens", Team(space, static_cast<int>(rows), Kokkos::AUTO),
      KOKKOS_LAMBDA(const Team::member_type& team) {
        const int row = team.league_rank();
        const StreamKey key{options.seed, options.step, token_stream, static_cast<std::uint32_t>(row)};
        std::uint64_t best = 0;
        Kokkos::parallel_reduce(
            Kokkos::TeamThreadRange(team, vocabulary),
            [&](const std::int64_t i, std::uint64_t& largest) {
              const auto index = static_cast<std::uint32_t>(i);
              const float noise = drawn ? gumbel(key.draw(0, index).word[0]) : 0.F;
              const std::uint64_t rank = rank_of(logits(row, i) * factor + noise, index);
              if (rank > largest) largest = rank;
            },
            Kokkos::Max<std::uint64_t>(best));
        Kokkos::single(Kokkos::PerTeam(team),
                       [&]() { tokens(row) = static_cast<std::int32_t>(~static_cast<std::uint32_t>(best)); });
      });
}

}  // namespace santa::example
