// The kernels of draft acceptance: sums of logits, then how many drafts stand and which token follows them.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/chance.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>
#include <santa/token/gumbel.hpp>
#include <santa/token/token_kernel.hpp>
#include <santa/token/token_state.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Logits [batch, tokens, vocab] of one model.
struct LogitRows {
  const float* data = nullptr;
  std::int64_t stride[2] = {0, 0};

  [[nodiscard]] KOKKOS_FUNCTION const float* row(std::int64_t request, std::int64_t token) const {
    return data + request * stride[0] + token * stride[1];
  }
};

/// What is known of a row of logits: the largest, the first token that has it, the sum of the weights
/// exp((logit - largest) / temperature).
struct LogitSum {
  float largest = lanes::lowest;  // NaN: a logit was NaN or +infinity
  float mass = 0.F;
  std::int32_t best = -1;  // none: all are -infinity so far

  [[nodiscard]] KOKKOS_FUNCTION bool valid() const { return largest == largest && best >= 0; }

  /// That of more tokens, in any order; factor: log2(e) / temperature.
  KOKKOS_FUNCTION void merge(const LogitSum& other, float factor) {
    if (other.largest != other.largest) largest = other.largest;  // whatever it saw before
    if (largest != largest || other.best < 0) return;
    const bool better = best < 0 || other.largest > largest || (other.largest == largest && other.best < best);
    const float most = better ? other.largest : largest;
    mass = mass * lanes::exp2((largest - most) * factor) + other.mass * lanes::exp2((other.largest - most) * factor);
    largest = most;
    if (better) best = other.best;
  }
};

/// What kernels of one step are given.
struct DraftArguments {
  LogitRows target, draft;  // draft without data: drafts were not left to chance
  TokenMatrix drafts;       // [batch][drafts]
  TokenMatrix accepted, next;
  LogitSum* sums = nullptr;  // [batch][targets, then drafts]
  TokenArrays best;          // of parts of the vocabulary
  const std::int32_t* counts = nullptr;
  Chance chance;
  std::int64_t vocab = 0, part_rows = 0;
  std::int32_t batch = 0, most = 0;  // drafts a request
  std::int32_t parts = 1;
  float factor = lanes::log2_of_e;  // over the temperature
  bool greedy = false;              // temperature 0

  /// Rows of sums of a request.
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t rows() const { return 2 * most + 1; }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t count(std::int64_t request) const {
    if (counts == nullptr) return most;
    const std::int32_t given = counts[request];
    return given < 0 ? 0 : given < most ? given : most;
  }
};

/// Sums a row of logits; a team's work is one row. Reads: all logits once.
template <class ExecutionSpace>
struct LogitSumsKernel {
  using Extents = lanes::Teams<4>;
  using Group = lanes::GroupOf<ExecutionSpace, Extents>;
  template <class T>
  using Vector = typename Group::template Vector<T>;

  DraftArguments arguments;

  [[nodiscard]] std::int64_t units() const { return std::int64_t{arguments.batch} * arguments.rows(); }
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats() {
    return Group::groups_per_team * sizeof(LogitSum) / sizeof(float);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int groups = Group::groups_per_team;
    const DraftArguments& a = arguments;
    const Group group(member);
    auto* const sums = reinterpret_cast<LogitSum*>(group.template scratch<float>(member, scratch_floats()));
    const std::int32_t request = member.league_rank() / a.rows();
    const std::int32_t row = member.league_rank() % a.rows();
    const bool of_draft = row > a.most;
    const std::int32_t token = of_draft ? row - a.most - 1 : row;
    const bool wanted =
        of_draft ? !a.greedy && a.draft.data != nullptr && token < a.count(request) : token <= a.count(request);
    if (!wanted) return;  // the whole team
    const LogitSum own = sum_of(group, of_draft ? a.draft.row(request, token) : a.target.row(request, token));
    group.single([&] { sums[group.rank()] = own; });
    group.team_barrier();
    if (group.rank() == 0)
      group.single([&] {
        LogitSum all = sums[0];
        for (int other = 1; other < groups; ++other) all.merge(sums[other], a.factor);
        a.sums[std::int64_t{request} * a.rows() + row] = all;
      });
  }

 private:
  /// That of the tiles that are this group's.
  KOKKOS_FUNCTION LogitSum sum_of(const Group& group, const float* logits) const {
    const DraftArguments& a = arguments;
    constexpr std::int64_t turn = Group::groups_per_team * Group::size;
    LogitSum sum;
    for (std::int64_t first = group.rank() * Group::size; first < a.vocab; first += turn) {
      const int count = a.vocab - first < Group::size ? static_cast<int>(a.vocab - first) : Group::size;
      const Vector<float> tile = group.load(logits + first, count, -lanes::infinity);
      if (group.any((tile != tile) | (tile >= Vector<float>(lanes::infinity)))) {
        sum.largest = lanes::not_a_number;
        return sum;
      }
      const float largest = group.max(tile);
      if (largest > sum.largest || (sum.best < 0 && largest > -lanes::infinity)) {
        sum.mass *= lanes::exp2((sum.largest - largest) * a.factor);
        sum.largest = largest;
        sum.best = static_cast<std::int32_t>(first) + first_lane(group, tile, largest);
      }
      const Vector<float> below = (tile - Vector<float>(sum.largest)) * Vector<float>(a.factor);
      sum.mass += group.template sum<float>(lanes::exp2(below));
    }
    return sum;
  }

  /// The first lane that has the largest number.
  KOKKOS_FUNCTION static int first_lane(const Group& group, const Vector<float>& tile, float largest) {
    return Kokkos::countr_zero(group.ballot(tile >= Vector<float>(largest)));
  }
};

/// Accepts drafts, and draws the token behind them: of one part of the vocabulary, whose best rows merge_tokens' kernel
/// compares. A team's work is a part for one request. Reads: two rows of logits, no matter how many drafts there are.
template <class ExecutionSpace>
struct AcceptKernel {
  using Extents = lanes::Teams<4>;
  using Group = lanes::GroupOf<ExecutionSpace, Extents>;
  template <class T>
  using Vector = typename Group::template Vector<T>;

  /// Where drafts end, and what the next token is drawn from: max(p - q, 0), q being of the draft that was not
  /// accepted.
  struct Decision {
    std::int32_t accepted = 0;
    const float* target = nullptr;
    const float* draft = nullptr;  // null: q is 0, but for 1 at `refused`
    LogitSum of_target, of_draft;
    std::int64_t refused = -1;
  };

  DraftArguments arguments;

  [[nodiscard]] std::int64_t units() const { return std::int64_t{arguments.batch} * arguments.parts; }
  KOKKOS_FUNCTION static constexpr std::size_t scratch_floats() {
    return Group::groups_per_team * sizeof(TokenState) / sizeof(float);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    constexpr int groups = Group::groups_per_team;
    const DraftArguments& a = arguments;
    const Group group(member);
    auto* const states = reinterpret_cast<TokenState*>(group.template scratch<float>(member, scratch_floats()));
    const std::int32_t request = member.league_rank() / a.parts;
    const std::int32_t part = member.league_rank() % a.parts;
    const Decision decision = decide(request);
    if (group.rank() == 0 && part == 0)
      group.single([&] {
        a.accepted.set(0, request, decision.accepted);
        if (a.greedy) a.next.set(0, request, decision.of_target.valid() ? decision.of_target.best : -1);
      });
    if (a.greedy) return;
    const TokenState own = best_of(group, request, part, decision);
    group.single([&] { states[group.rank()] = own; });
    group.team_barrier();
    if (group.rank() == 0)
      group.single([&] {
        TokenState all = states[0];
        for (int other = 1; other < groups; ++other) all.merge(states[other]);
        all.store(a.best, part, request);
      });
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION const LogitSum& sum_of_target(std::int32_t request, std::int32_t token) const {
    return arguments.sums[std::int64_t{request} * arguments.rows() + token];
  }
  /// The probability of a token by its logit.
  [[nodiscard]] KOKKOS_FUNCTION double probability(float logit, const LogitSum& sum) const {
    const float weight = lanes::exp2((logit - sum.largest) * arguments.factor);
    return static_cast<double>(weight) / static_cast<double>(sum.mass);
  }

  [[nodiscard]] KOKKOS_FUNCTION Decision decide(std::int32_t request) const {
    const DraftArguments& a = arguments;
    const std::int32_t count = a.count(request);
    Decision result;
    for (;; ++result.accepted) {
      const std::int32_t at = result.accepted;
      result.target = a.target.row(request, at);
      result.of_target = sum_of_target(request, at);
      if (at >= count || !result.of_target.valid()) return result;
      const std::int64_t token = a.drafts.get(request, at);
      if (token < 0 || token >= a.vocab) return result;
      if (a.greedy ? token != result.of_target.best : !stands(request, at, token, result)) return result;
    }
  }

  /// Whether a draft is accepted, with probability min(1, p / q); if not, what it was drawn from is noted.
  KOKKOS_FUNCTION bool stands(std::int32_t request, std::int32_t at, std::int64_t token, Decision& result) const {
    const DraftArguments& a = arguments;
    double q = 1.;
    const float* draft = nullptr;
    if (a.draft.data != nullptr) {
      result.of_draft = sum_of_target(request, a.most + 1 + at);
      if (!result.of_draft.valid()) return false;  // no distribution: the next token is drawn from p
      draft = a.draft.row(request, at);
      q = probability(draft[token], result.of_draft);
    }
    const auto bits = a.chance.key(request).draw(token_head, static_cast<std::uint32_t>(at)).word[2];
    const double uniform = (static_cast<double>(bits) + 0.5) * 0x1p-32;
    if (uniform * q < probability(result.target[token], result.of_target)) return true;
    result.draft = draft;
    result.refused = token;
    return false;
  }

  /// The best row of a group's tiles by ln(r) + Gumbel noise, r being what the next token is drawn from.
  KOKKOS_FUNCTION TokenState best_of(const Group& group, std::int32_t request, std::int32_t part,
                                     const Decision& decision) const {
    const DraftArguments& a = arguments;
    constexpr std::int64_t turn = Group::groups_per_team * Group::size;
    TokenState state;
    if (!decision.of_target.valid()) state.score = lanes::not_a_number;
    const std::int64_t begin = part * a.part_rows;
    const std::int64_t end = begin + a.part_rows < a.vocab ? begin + a.part_rows : a.vocab;
    for (std::int64_t first = begin + group.rank() * Group::size; first < end && state.score == state.score;
         first += turn) {
      const int count = end - first < Group::size ? static_cast<int>(end - first) : Group::size;
      const Vector<float> left = left_of(group, first, count, decision);
      const auto row =
          lanes::convert<std::uint32_t>(group.lane()) + Vector<std::uint32_t>(static_cast<std::uint32_t>(first));
      Vector<std::uint32_t> random[4];
      a.chance.key(request).draw(token_head, row + Vector<std::uint32_t>(first_noise), random);
      const Vector<float> noisy = lanes::ln(left) + gumbel(random[2], random[3]);
      const Vector<float> scores = lanes::select(left > Vector<float>(0.F), noisy, Vector<float>(-lanes::infinity));
      const float largest = group.max(scores);
      if (!(largest > state.score)) continue;
      state.score = largest;
      state.token =
          static_cast<std::int32_t>(first + Kokkos::countr_zero(group.ballot(scores >= Vector<float>(largest))));
    }
    return state;
  }

  /// max(p - q, 0) of a tile, times the sum of p's weights; at least p's share of rounding, so that there is always
  /// something to draw from.
  KOKKOS_FUNCTION Vector<float> left_of(const Group& group, std::int64_t first, int count,
                                        const Decision& decision) const {
    const Vector<float> p = weights(group, decision.target + first, count, decision.of_target);
    Vector<float> q(0.F);
    if (decision.draft != nullptr) {
      const float ratio = decision.of_target.mass / decision.of_draft.mass;
      q = weights(group, decision.draft + first, count, decision.of_draft) * Vector<float>(ratio);
    } else if (decision.refused >= 0) {
      const auto others = group.lane() != Vector<std::int32_t>(static_cast<std::int32_t>(decision.refused - first));
      q = lanes::select(others, q, Vector<float>(decision.of_target.mass));
    }
    return lanes::max(p * Vector<float>(0x1p-24F), p - q);
  }
  KOKKOS_FUNCTION Vector<float> weights(const Group& group, const float* logits, int count, const LogitSum& sum) const {
    const Vector<float> tile = group.load(logits, count, -lanes::infinity);
    return lanes::exp2((tile - Vector<float>(sum.largest)) * Vector<float>(arguments.factor));
  }

  /// The index of the first row's noise: those before are the drafts'.
  static constexpr std::uint32_t first_noise = 65536;
};

}  // namespace santa::detail::inline SANTA_BUILD
