// A method of one's own: rows of a large score are read, a coin is thrown for each other. Link santa::santa.
#include "your_own.hpp"

#include <cstdio>
#include <string>

/// Reads every row whose score is at least `score` (natural units), and each other one with probability 1/2 at twice
/// its weight, which is unbiased. The heads of a kv head share their coins.
struct ThresholdAndCoin {
  float score = 0.F;
  void check() const {}
};

/// What its kernels are given beside what all kernels are.
struct CoinArguments : santa::detail::Arguments {
  float least_score = 0.F;  // in log2 units
};

/// The rule (concept santa::detail::DrawRule): an object for each unit of work.
template <class Group>
struct CoinRule {
  using Float = typename Group::template Vector<float>;
  using Word = typename Group::template Vector<std::uint32_t>;
  const Group& group;
  const CoinArguments& arguments;
  const santa::detail::Unit& unit;

  KOKKOS_FUNCTION CoinRule(const Group& g, const CoinArguments& a, const santa::detail::Unit& u)
      : group(g), arguments(a), unit(u) {}
  KOKKOS_FUNCTION static float initial_reference(int /*head*/) { return santa::detail::empty_reference; }
  KOKKOS_FUNCTION void draw(const santa::detail::ScoredTile<Group>& tile, bool with_spread,
                            santa::detail::Drawn<Group>& drawn) const {
    const Word keys = santa::lanes::bit_cast<std::uint32_t>(group.lane()) + Word(tile.number * Group::size);
    const auto first_head = static_cast<std::uint16_t>(unit.first_head);
    const auto heads_up = santa::detail::stream_key(arguments, unit).integer(first_head, keys, 1) > Word(0U);
    drawn.rows = 0;
    group.for_all_heads(tile.heads, [&](int head) {
      const Float score = tile.score[head], weight = tile.weight[head];
      const auto certain = (score >= Float(arguments.least_score)) | (score != score);  // NaN is to show
      const auto chance = heads_up & (score > Float(-santa::lanes::infinity));          // there is a key
      const Float twice = santa::lanes::select(chance, weight * Float(2.F), Float(0.F));
      drawn.weight[head] = santa::lanes::select(certain, weight, twice);
      if (with_spread) drawn.spread[head] = santa::lanes::select(certain, Float(0.F), twice * twice * Float(0.5F));
      drawn.rows |= group.ballot(certain | chance);
    });
  }
  KOKKOS_FUNCTION static santa::detail::ExpectedRows expected_rows(int /*head*/) { return {}; }
  KOKKOS_FUNCTION static std::uint32_t samples(std::uint32_t rows) { return rows; }
};

/// How it runs: by the main kernel alone. This makes ThresholdAndCoin a method.
template <>
struct santa::detail::Recipe<ThresholdAndCoin> {
  static constexpr const char* name = "ThresholdAndCoin";
  using Arguments = CoinArguments;
  static constexpr bool looks_ahead = false;
  static void set(Arguments& a, const ThresholdAndCoin& method, std::int64_t /*length*/) {
    a.least_score = method.score * santa::lanes::log2_of_e;
  }
  static std::string rows_read(const ThresholdAndCoin& /*method*/, std::int64_t /*length*/) { return "half or more"; }
  template <class Space, class Context>
  static void run(const Space& space, const Context& context, bool /*first_step*/) {
    sweep<CoinRule>("threshold_and_coin", space, context);
  }
};

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Problem problem(8192);
  const santa::ContiguousCache cache{problem.keys, problem.values};
  const auto error = [&](const auto& method, int seeds) { return problem.error_of_mean(method, cache, seeds); };
  const double sampled = error(ThresholdAndCoin{.score = 10.F}, 1), mean = error(ThresholdAndCoin{.score = 10.F}, 64);
  const double all = error(ThresholdAndCoin{.score = -1e30F}, 1);  // no coins
  std::printf("off from Exact by %.2g, the mean of 64 runs by %.2g; without coins by %.2g\n", sampled, mean, all);
  return sampled > 0. && sampled < 0.2 && mean < sampled / 6. && all < 1e-6 ? 0 : 1;  // 8 is what to expect
}
