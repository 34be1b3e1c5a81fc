// A lane group's way through the tiles of its unit: scores, weights, draws, sums.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/sample/draw_rule.hpp>
#include <santa/schedule/tiles.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The loop of the main kernel where heads draw together.
template <class Group, class Stage, class Rule, class State>
KOKKOS_FORCEINLINE_FUNCTION void draw_jointly(const Group& group, const Unit& unit, Stage& stage, Rule& rule,
                                              State& state) {
  constexpr int turn = Group::groups_per_team * Group::size;
  for_each_tile(group, unit, [&](std::int64_t first) {
    typename Stage::Products::Joint scores;
    stage.joint_scores(first, first + turn, scores, state);
    const float ratio = rule.ratio(scores);
    state.weigh(scores);
    const auto sweep = rule.draw(static_cast<std::uint32_t>(first / Group::size), ratio);
    state.add(first, sweep.rows, sweep.inverse, scores);
  });
}

/// The same where scores are stored and drawn from by several tiles at once.
template <class Runs, class Group, class Rule, class State>
KOKKOS_FORCEINLINE_FUNCTION void draw_from_runs(const Group& group, const Unit& unit, Rule& rule, State& state) {
  constexpr int turn = Group::groups_per_team * Group::size;
  std::int64_t first = unit.begin + group.rank() * Group::size;
  if (first >= unit.end) return;
  typename Rule::Ahead ahead;
  rule.load(first, ahead);
  SANTA_UNROLL(1)
  for (; first < unit.end; first += Rule::step) {
    typename Rule::Ahead now = ahead;
    if (first + Rule::step < unit.end) rule.load(first + Rule::step, ahead);
    const std::uint32_t drawn = rule.draw(first, now);
    if (group.any(drawn != 0)) state.add(first + Runs::tile() * turn + Runs::part() * Runs::keys, drawn, now.numbers);
  }
}

/// The loop of the main kernel, in its three forms. `source` gives scores: the stage, or what an earlier pass has
/// stored.
template <class Group, class Source, class Rule, class State>
class TileLoop {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FORCEINLINE_FUNCTION TileLoop(const Group& group, const Unit& unit, Source& source, Rule& rule, State& state)
      : _group(group), _unit(unit), _source(source), _rule(rule), _state(state) {
    _group.for_all_heads(unit.heads, [&](int head) { state.set_reference(head, rule.initial_reference(head)); });
  }

  /// Rules that draw as scores come.
  KOKKOS_FORCEINLINE_FUNCTION void draw_as_scored() {
    for_each_tile(_group, _unit, [&](std::int64_t first) {
      take_scores(first);
      _state.weigh(_score, _weight);
      draw(first);
    });
  }

  /// Rules that know beforehand which tiles they draw from, by stored scores.
  KOKKOS_FORCEINLINE_FUNCTION void draw_from_stored() {
    for_each_tile(_group, _unit, [&](std::int64_t first) {
      take_scores(first);
      if (!_rule.begin(number(first))) return;
      if (_rule.reads_weights())
        _state.weigh(_score, _weight);
      else if constexpr (State::rescored)
        _state.weights(_score, _weight);
      draw(first);
    });
    if (!_rule.reads_weights() && _group.rank() == 0)
      _group.for_all_heads(_unit.heads, [&](int head) { _state.set_mass(head, _rule.mass(head)); });
  }

  /// Rules that see all of a tile of their own, `keys` long, before they draw from it. `asynchronous`: see Stage.
  template <bool asynchronous>
  KOKKOS_FORCEINLINE_FUNCTION void draw_looking_ahead(std::int64_t keys) {
    const std::int64_t turn = Group::groups_per_team * keys;
    for (std::int64_t at = _unit.begin / keys * keys + _group.rank() * keys; at < _unit.end; at += turn) {
      const std::int64_t begin = at > _unit.begin ? at : _unit.begin;
      const std::int64_t end = at + keys < _unit.end ? at + keys : _unit.end;
      keep_scores<asynchronous>(begin, end, at + turn);
      _rule.template settle<State::rescored>([&](int head) { return _state.reference(head); });
      for (std::int64_t first = begin; first < end; first += Group::size) draw_kept(first);
    }
  }

 private:
  static constexpr int tile_turn = Group::groups_per_team * Group::size;

  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static std::uint32_t number(std::int64_t first) {
    return static_cast<std::uint32_t>(first / Group::size);
  }

  KOKKOS_FORCEINLINE_FUNCTION void take_scores(std::int64_t first) {
    const std::int64_t next = first + tile_turn;
    _source.scores(first, 1, keys_of_tile<Group>(_unit, first), _score, next, keys_of_tile<Group>(_unit, next), _state,
                   _unit.end);
  }

  /// Scores and weighs a tile of the rule's, which keeps the scores.
  template <bool asynchronous>
  KOKKOS_FORCEINLINE_FUNCTION void keep_scores(std::int64_t begin, std::int64_t end, std::int64_t next) {
    _rule.begin(begin, end);
    for (std::int64_t first = begin; first < end; first += Group::size) {
      std::int64_t coming = first + Group::size;
      if (!asynchronous && coming >= end) coming = next;
      // Rows on their way would be in the way of the ones that are drawn before they are needed.
      const int coming_keys = asynchronous && coming >= end ? 0 : keys_of_tile<Group>(_unit, coming);
      _source.scores(first, 1, keys_of_tile<Group>(_unit, first), _score, coming, coming_keys, _state, end);
      _state.weigh(_score, _weight);
      _rule.keep(first, _score);
    }
  }
  KOKKOS_FORCEINLINE_FUNCTION void draw_kept(std::int64_t first) {
    if (_rule.reads_weights()) {
      _rule.scores(first, _score);
      _state.weights_for_rule(_score, _weight);
    } else if constexpr (State::rescored) {
      _rule.own_weights(first, _weight);
    }
    _state.make_room();
    draw(first);
  }

  /// Has the rule draw from the tile at hand; its rows are queued, and summed in their turn.
  KOKKOS_FORCEINLINE_FUNCTION void draw(std::int64_t first) {
    _rule.draw({number(first), _unit.heads, _score, _weight}, _state.with_spread(), _drawn);
    if constexpr (State::rescored && ReadsWeightsAtTimes<Rule>)
      if (!_rule.reads_weights()) _state.make_relative(_weight, _drawn);
    _state.add(first, _drawn);
  }

  const Group& _group;
  const Unit& _unit;
  Source& _source;
  Rule& _rule;
  State& _state;
  Float _score[Group::max_heads];
  Float _weight[Group::max_heads];
  Drawn<Group> _drawn;
};

}  // namespace santa::detail::inline SANTA_BUILD
