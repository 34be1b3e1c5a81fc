// Delta by the panel: what a team makes of the panel's scores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/mass_unit/first_delta.hpp>
#include <santa/sample/mass_unit/panel.hpp>
#include <santa/sample/mass_unit/solve_delta.hpp>
#include <santa/sample/mass_unit/target_error.hpp>
#include <santa/score/coming_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Scores of a panel, of which each group of a team holds its share of the tiles. Everything that follows is the same
/// in all teams that score the same keys.
template <class Group, Draws draws>
class PanelScores {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FUNCTION PanelScores(const Group& group, const Unit& unit)
      : _group(group), _panel(unit.start, unit.length), _heads(unit.heads) {}

  /// Has the group's first tile asked for.
  template <class Stage>
  KOKKOS_FUNCTION void ask(Stage& stage) const {
    const SubsetTile first = _panel.tile(_group.rank());
    if (first.count > 0) stage.ask(first.first, first.step, first.count);
  }

  /// Scores the group's tiles. Bytes: 256 key rows, by all groups together.
  template <class Stage>
  KOKKOS_FUNCTION void score(Stage& stage) {
    SANTA_UNROLL(scored_at_once)
    for (int k = 0; k < own_tiles; ++k) {
      const int i = _group.rank() + k * Group::groups_per_team;
      const SubsetTile now = _panel.tile(i);
      const SubsetTile next = _panel.tile(i + Group::groups_per_team);
      const bool follows = now.count > 0 && k + 1 < own_tiles && next.step == now.step;
      Float score[Group::max_heads];
      NoDrawnRows none;
      if (now.count > 0)
        stage.scores(now.first, now.step, now.count, score, next.first, follows ? next.count : 0, none);
      _weight[k] = _panel.weights(_group, i);
      _group.for_all_heads(_heads,
                           [&](int head) { _score[k][head] = now.count > 0 ? score[head] : Float(-lanes::infinity); });
    }
  }

  /// Takes scores that others have made, [heads][Panel::keys], in the place of scoring.
  KOKKOS_FUNCTION void take(const float* scores) {
    for_own([&](int k) {
      const int i = _group.rank() + k * Group::groups_per_team;
      _weight[k] = _panel.weights(_group, i);
      _group.for_all_heads(_heads, [&](int head) {
        const bool there = head < _heads && i < Panel::tiles;
        _score[k][head] = there ? _group.load(scores + head * Panel::keys + i * tile_keys) : Float(-lanes::infinity);
      });
    });
  }

  /// log2 of the delta of each head that meets the budget, by the panel; no finite number where that says nothing. NaN
  /// counts as nothing. With a target error, log2 of the spread besides: the panel's S (see target_error.hpp). Where a
  /// model's layers share delta / Z, log2 of the panel's Z in the place of delta: how that moves is all that is asked.
  /// `exchange` is room for a number of each head and group.
  KOKKOS_FUNCTION void solve(const MassUnitArguments& a, const Unit& unit, float* log_delta, float* log_spread,
                             std::uint64_t* exchange) {
    float lse[Group::max_heads] = {};
    log2_sums(lse, exchange);
    for_own([&](int k) {
      _largest[k] = Float(-lanes::infinity);
      _group.for_all_heads(_heads, [&](int head) {
        const Float relative = head < _heads ? Float(_score[k][head] - Float(lse[head])) : Float(-lanes::infinity);
        _score[k][head] = lanes::max(Float(-lanes::infinity), relative);
        _largest[k] = lanes::max(_largest[k], _score[k][head]);
      });
    });
    const bool sums_alone = has_common_ratio(a, unit);
    const auto lambda_of = [&](int begin, int end) {  // of heads that draw together
      return rows_follow_error(a, unit, begin, end) ? lambda_for_target(a, unit, begin, end, exchange)
                                                    : lambda_for_rows(a, unit, begin, exchange);
    };
    float lambda = 0.F;
    if constexpr (draws != Draws::separate)
      if (!sums_alone) lambda = lambda_of(0, _heads);
    _group.for_heads(_heads, [&](int head) {
      if constexpr (draws == Draws::separate)
        if (!sums_alone) lambda = lambda_of(head, head + 1);
      log_delta[head] = lse[head] > -lanes::infinity ? lambda + lse[head] : -lanes::infinity;
      log_spread[head] = a.target_error > 0.F ? spread(head, lambda, exchange) : lanes::not_a_number;
    });
  }

 private:
  static constexpr int own_tiles = (Panel::tiles + Group::groups_per_team - 1) / Group::groups_per_team;
  static constexpr float unit_mass = 0x1p20F;
  /// Many heads make a tile's scores long: their code is there once, which is worth a detour of scores by memory.
  static constexpr int scored_at_once = Group::max_heads > 8 ? 1 : 8;

  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION static void for_own(F&& f) {
    SANTA_UNROLL(8)
    for (int k = 0; k < own_tiles; ++k) f(k);
  }

  /// Inclusion probabilities of the group's k-th tile where log2(delta / Z) of the heads that draw together is lambda.
  [[nodiscard]] KOKKOS_FUNCTION Float inclusion(int k, int head, float lambda) const {
    if constexpr (draws == Draws::separate) return Inclusion<Group>(_score[k][head] - Float(lambda)).probability;
    if constexpr (draws == Draws::joint) return Inclusion<Group>(_largest[k] - Float(lambda)).probability;
    const auto ratio = [&](int each) { return _score[k][each] - Float(lambda); };
    return Inclusion<Group>::template of_heads<Draws::joint_l2>(_group, _heads, ratio).probability;
  }

  KOKKOS_FUNCTION float lambda_for_rows(const MassUnitArguments& a, const Unit& unit, int head,
                                        std::uint64_t* exchange) const {
    const auto each = [&](float lambda, const auto& add) {
      for_own([&](int k) { add(inclusion(k, head, lambda), _weight[k]); });
    };
    return solve_log_delta_of(_group, a.rows_of(unit), each, exchange);
  }

  KOKKOS_FUNCTION float lambda_for_target(const MassUnitArguments& a, const Unit& unit, int begin, int end,
                                          std::uint64_t* exchange) const {
    const float start = -lanes::log2(static_cast<float>(a.rows_of(unit)));
    return solve_log_delta_for(log_squared_goal(a), start, [&](float lambda) {
      float largest = -lanes::infinity;
      _group.for_heads(_heads, [&](int head) {
        if (head < begin || head >= end) return;
        const float value = carried_error_scale(a, unit.head_row(a, head)) + spread(head, lambda, exchange);
        largest = lanes::max(largest, value);
      });
      return largest;
    });
  }

  /// log2 of a head's spread. A term is at most 2^(2 lambda), as w / delta is at most pi.
  KOKKOS_FUNCTION float spread(int head, float lambda, std::uint64_t* exchange) const {
    typename Group::template Vector<std::uint64_t> sum = 0U;
    for_own([&](int k) {
      const Float pi = inclusion(k, head, lambda);
      const Float ratio = _score[k][head] - Float(lambda);
      const Float own = lanes::exp2(lanes::select(ratio < Float(0.F), ratio, Float(0.F)));
      const Float term = (Float(1.F) - pi) * own * (own / pi) * (_weight[k] * Float(unit_mass));
      sum += lanes::convert<std::uint64_t>(lanes::select(term > Float(0.F), term, Float(0.F)));
    });
    std::uint64_t total[1] = {_group.sum(sum)};
    _group.team_sum(total, 1, exchange);
    return lanes::log2(static_cast<float>(total[0]) * (1.F / unit_mass)) + 2.F * lambda;
  }

  /// log2 of the sum of weights that each head's scores stand for.
  KOKKOS_FUNCTION void log2_sums(float* sums, std::uint64_t* exchange) const {
    float reference[Group::max_heads] = {};
    std::uint64_t mass[Group::max_heads] = {};
    _group.for_all_heads(_heads, [&](int head) {
      Float largest = empty_reference;
      for_own([&](int k) { largest = lanes::max(largest, _score[k][head]); });
      reference[head] = _group.max(largest);
    });
    _group.team_max(reference, _heads, reinterpret_cast<float*>(exchange));
    _group.for_all_heads(_heads, [&](int head) {
      reference[head] = lanes::ceil(reference[head]);
      typename Group::template Vector<std::uint64_t> sum = 0U;
      for_own([&](int k) {
        const Float weight = lanes::exp2(_score[k][head] - Float(reference[head])) * (_weight[k] * Float(unit_mass));
        sum += lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
      });
      mass[head] = _group.sum(sum);
    });
    _group.team_sum(mass, _heads, exchange);
    _group.for_heads(_heads, [&](int head) {
      sums[head] = mass[head] > 0 ? reference[head] + lanes::log2(static_cast<float>(mass[head]) * (1.F / unit_mass))
                                  : -lanes::infinity;
    });
  }

  const Group& _group;
  Panel _panel;
  int _heads;
  Float _weight[own_tiles];
  Float _score[own_tiles][Group::max_heads];  // relative to the panel's sum once that is known
  Float _largest[own_tiles];                  // of the heads
};

}  // namespace santa::detail::inline SANTA_BUILD
