// Merging the best rows of parts of a vocabulary: of the units of one kernel, of shards on several devices or ranks.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/extent.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/launchable.hpp>
#include <santa/token/bind_results.hpp>
#include <santa/token/token_kernel.hpp>
#include <santa/token/token_options.hpp>
#include <santa/token/token_state.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace santa {

/// What sampling from shards of a vocabulary gave, shard by shard, in the order of their rows.
/// Shapes: tokens, score and, where wanted, logit and lse [shards, batch], as sample_tokens wrote them with each
///         shard's `first_row`; any strides, so that each shard writes a row of them.
template <class Tokens, class Scores>
struct TokenShards {
  Tokens tokens;
  Scores score;
  Scores logit = {};
  Scores lse = {};
};
template <class Tokens, class Scores>
TokenShards(Tokens, Scores) -> TokenShards<Tokens, Scores>;
template <class Tokens, class Scores>
TokenShards(Tokens, Scores, Scores) -> TokenShards<Tokens, Scores>;
template <class Tokens, class Scores>
TokenShards(Tokens, Scores, Scores, Scores) -> TokenShards<Tokens, Scores>;

namespace detail::inline SANTA_BUILD {

/// A team's work is one request; its lanes share the parts. Reads: all scores and sums once, one token.
template <class ExecutionSpace>
struct MergeTokensKernel {
  using Extents = lanes::Teams<1>;
  using Group = lanes::GroupOf<ExecutionSpace, Extents>;
  template <class T>
  using Vector = typename Group::template Vector<T>;

  TokenArrays of, to;
  std::int32_t parts, batch;

  [[nodiscard]] std::int64_t units() const { return batch; }
  static constexpr std::size_t scratch_floats() { return 0; }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Group group(member);
    const std::int64_t request = member.league_rank();
    float score = -lanes::infinity;
    const std::int32_t part = best_part(group, request, score);
    const float lse = to.lse && of.lse ? log_sum(group, request) : lanes::not_a_number;
    group.single([&] {
      to.token.set(0, request, part < 0 ? -1 : of.token.get(part, request));
      if (to.score) to.score(0, request) = score;
      if (to.logit) to.logit(0, request) = part < 0 ? score : of.logit(part, request);
      if (to.lse) to.lse(0, request) = lse;
    });
  }

 private:
  KOKKOS_FUNCTION Vector<float> load(const Group& group, const Matrix<float>& from, std::int64_t first,
                                     std::int64_t request) const {
    return group.load_strided(&from(first, request), from.stride[0], static_cast<int>(parts - first), -lanes::infinity);
  }

  /// The first part of the largest score; -1 where no part has a row, or (then `score` is NaN) a logit was wrong.
  KOKKOS_FUNCTION std::int32_t best_part(const Group& group, std::int64_t request, float& score) const {
    Vector<float> best(-lanes::infinity);
    Vector<std::int32_t> where(-1);
    auto wrong = group.lanes_of(0);
    for (std::int32_t first = 0; first < parts; first += Group::size) {
      const Vector<float> scores = load(group, of.score, first, request);
      const auto better = scores > best;
      best = lanes::select(better, scores, best);
      where = lanes::select(better, group.lane() + Vector<std::int32_t>(first), where);
      wrong = wrong | (scores != scores);
    }
    const bool fails = group.any(wrong);
    score = fails ? lanes::not_a_number : group.max(best);
    std::int32_t lowest = -1;
    if (fails || score == -lanes::infinity) return lowest;
    for (std::uint32_t bits = group.ballot(best >= Vector<float>(score)); bits != 0; bits &= bits - 1) {
      const std::int32_t part = group.value_of(where, Kokkos::countr_zero(bits));
      lowest = lowest < 0 || part < lowest ? part : lowest;
    }
    return lowest;
  }

  KOKKOS_FUNCTION float log_sum(const Group& group, std::int64_t request) const {
    Vector<float> largest(lanes::lowest);
    for (std::int32_t first = 0; first < parts; first += Group::size)
      largest = lanes::max(largest, load(group, of.lse, first, request));
    const float reference = group.max(largest);
    Vector<float> mass(0.F);
    for (std::int32_t first = 0; first < parts; first += Group::size) {
      const Vector<float> above = load(group, of.lse, first, request) - Vector<float>(reference);
      mass = mass + lanes::exp2(above * Vector<float>(lanes::log2_of_e));
    }
    return lanes::fma(lanes::log2(group.template sum<float>(mass)), lanes::ln_of_2, reference);
  }
};

}  // namespace detail::inline SANTA_BUILD

/// Merges what sampling from shards of a vocabulary gave. Neither allocates nor fences.
/// Computes: the token of the shard with the largest score, the same that sampling from the whole vocabulary gives,
///           where the shards' logits have the same bits; the first of shards with the same score. Its score and logit,
///           the log-sum-exp of all. A shard without a row to draw has score -infinity; one with NaN or +infinity among
///           its logits has NaN, which makes the token -1.
/// Shapes:   tokens [batch], std::int32_t or std::int64_t; results as for sample_tokens.
/// Errors:   std::invalid_argument before anything is launched or written.
/// Bytes:    all scores and sums, one token a request.
template <class Space, class Tokens, class Scores, class Out, class Build = lanes::Build>
  requires Kokkos::is_execution_space_v<Space>
void merge_tokens(const Space& space, const TokenShards<Tokens, Scores>& shards, const Out& tokens,
                  const TokenResults<typename Space::memory_space>& results = {}) {
  static_assert(Kokkos::is_view_v<Tokens> && Kokkos::is_view_v<Scores> && Kokkos::is_view_v<Out>,
                "santa::merge_tokens: shards and tokens must be Kokkos views");
  static_assert(Tokens::rank() == 2 && Scores::rank() == 2,
                "santa::merge_tokens: what shards gave must have rank 2: [shards, batch]");
  static_assert(std::is_same_v<typename Scores::non_const_value_type, float>,
                "santa::merge_tokens: scores of shards must be float");
  static_assert(Kokkos::SpaceAccessibility<Space, typename Scores::memory_space>::accessible,
                "santa::merge_tokens: views must be accessible from the execution space");
  const auto batch = static_cast<std::int64_t>(tokens.extent(0));
  const auto parts = static_cast<std::int64_t>(shards.tokens.extent(0));
  lanes::require_launchable(space);
  detail::require(batch <= detail::most_counted, "batch", batch, "less than 2^31");
  detail::require(parts >= 1 && parts <= (std::int64_t{1} << 30), "shards", parts, "1 to 2^30");
  detail::TokenArrays of{detail::bind_tokens<Space>("shards.tokens", shards.tokens, batch),
                         detail::bind_scores("shards.score", shards.score, parts, batch),
                         detail::bind_scores("shards.logit", shards.logit, parts, batch),
                         detail::bind_scores("shards.lse", shards.lse, parts, batch)};
  const detail::TokenArrays to = detail::bind_results<Space>(tokens, results, batch);
  if (batch == 0) return;
  detail::require_pointer(of.score.data, "shards.score.data()");
  if (to.logit) detail::require_pointer(of.logit.data, "shards.logit.data()");
  if (to.lse) detail::require_pointer(of.lse.data, "shards.lse.data()");
  detail::launch_tokens(
      "santa::merge_tokens", space,
      detail::MergeTokensKernel<Space>{of, to, static_cast<std::int32_t>(parts), static_cast<std::int32_t>(batch)});
}

}  // namespace santa
