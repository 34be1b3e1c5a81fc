// The main kernel of every method.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/gather/group_state.hpp>
#include <santa/merge/outputs.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The main kernel: a lane group scores its tiles (or loads their scores), has the rule draw rows, gathers and adds
/// them; the last unit of a kv head to finish merges. Reads: the keys of the split (or 4 bytes a key and head), the
/// drawn value rows. Writes: a state per head and split. Order: fixed by the split, never by threads: `out` has the
/// same bits in every run.
template <class Context, template <class> class Rule, bool stored_scores, bool multinomial_error = false>
struct SweepKernel : Context {
  using typename Context::Group;
  using typename Context::State;
  using typename Context::Tile;
  using Float = typename Group::template Vector<float>;

  /// Whether the rule sees all of a tile of its own, several of the kernel's, before it draws.
  static constexpr bool looks_ahead = requires(const Arguments& a) { Rule<Group>::scratch_floats(a); };

  explicit SweepKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: the usual, and behind it what the rule needs in each group.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    std::size_t floats = Context::scratch_floats(heads, dim);
    if constexpr (looks_ahead) floats += Group::groups_per_team * Rule<Group>::scratch_floats(this->arguments);
    return floats;
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->unit(member.league_rank());
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.dim));
    sweep(group, unit, scratch);
    if (a.merges_apart) return;
    this->when_all_arrived(group, unit, [&](const Unit& slice) {
      write_outputs<State::rescored>(group, a, slice, multinomial_error, scratch);
    });
  }

 private:
  KOKKOS_FUNCTION void sweep(const Group& group, const Unit& unit, float* scratch) const {
    const Arguments& a = this->arguments;
    Tile tile = this->tile(group, scratch, unit);
    auto source = [&] {
      if constexpr (stored_scores)
        return StoredScores<Group>(group, a, unit);
      else
        return this->keys(group, tile, unit);
    }();
    Rule<Group> rule = make_rule(group, unit, scratch);
    if constexpr (!stored_scores || State::rescored)
      this->take_queries(tile, unit, [&] {
        if constexpr (!looks_ahead) ask_first_tile(group, source, unit);
      });
    tile.clear();
    if constexpr (requires { rule.open(a, unit); }) rule.open(a, unit);
    State state = this->state(group, tile, scratch, unit);
    group.for_all_heads(unit.heads, [&](int head) { state.set_reference(head, rule.initial_reference(head)); });
    Float score[Group::max_heads];
    Float weight[Group::max_heads];
    Drawn<Group> drawn;
    const auto draw = [&](std::int64_t first) {
      rule.draw({static_cast<std::uint32_t>(first / Group::size), unit.heads, score, weight}, state.with_spread(),
                drawn);
      if constexpr (State::rescored && (looks_ahead || stored_scores))
        if (!rule.reads_weights()) state.make_relative(weight, drawn);
      state.add(first, drawn);
    };
    if constexpr (looks_ahead) {
      for_each_draw_tile(group, unit, [&](std::int64_t begin, std::int64_t end, std::int64_t next) {
        rule.begin(begin, end);
        for (std::int64_t first = begin; first < end; first += Group::size) {
          std::int64_t coming = first + Group::size;
          if (!Tile::asynchronous && coming >= end) coming = next;
          // Rows on their way would be in the way of the ones that are drawn before they are needed.
          const int coming_keys = Tile::asynchronous && coming >= end ? 0 : keys_of_tile<Group>(unit, coming);
          source.scores(first, 1, keys_of_tile<Group>(unit, first), score, coming, coming_keys, state, end);
          state.weigh(score, weight);
          rule.keep(first, score);
        }
        rule.template settle<State::rescored>([&](int head) { return state.reference(head); });
        for (std::int64_t first = begin; first < end; first += Group::size) {
          if (rule.reads_weights()) {
            rule.scores(first, score);
            state.weights_for_rule(score, weight);
          } else if constexpr (State::rescored) {
            rule.own_weights(first, weight);
          }
          state.make_room();
          draw(first);
        }
      });
    } else {
      for_each_tile(group, unit, [&](std::int64_t first) {
        const std::int64_t next = first + Group::groups_per_team * Group::size;
        source.scores(first, 1, keys_of_tile<Group>(unit, first), score, next, keys_of_tile<Group>(unit, next), state,
                      unit.end);
        if constexpr (stored_scores) {
          if (!rule.begin(static_cast<std::uint32_t>(first / Group::size))) return;
          if (rule.reads_weights())
            state.weigh(score, weight);
          else if constexpr (State::rescored)
            state.weights(score, weight);
        } else {
          state.weigh(score, weight);
        }
        draw(first);
      });
    }
    if constexpr (stored_scores) {
      const bool adds_mass = !rule.reads_weights() && group.rank() == 0;
      if (adds_mass) group.for_all_heads(unit.heads, [&](int head) { state.set_mass(head, rule.mass(head)); });
    }
    finish(group, unit, state, rule, scratch);
  }

  KOKKOS_FUNCTION Rule<Group> make_rule(const Group& group, const Unit& unit, float* scratch) const {
    const Arguments& a = this->arguments;
    if constexpr (looks_ahead)
      return Rule<Group>(
          group, a, unit,
          scratch + Context::scratch_floats(a.slice_heads, a.dim) + group.rank() * Rule<Group>::scratch_floats(a));
    else
      return Rule<Group>(group, a, unit);
  }

  /// Calls f(begin, end, begin of the next) for the group's share of the rule's tiles, cut to the unit's keys.
  template <class F>
  KOKKOS_FUNCTION void for_each_draw_tile(const Group& group, const Unit& unit, F&& f) const {
    const std::int64_t keys = this->arguments.budget.tile;
    const std::int64_t turn = Group::groups_per_team * keys;
    for (std::int64_t at = unit.begin / keys * keys + group.rank() * keys; at < unit.end; at += turn)
      f(at > unit.begin ? at : unit.begin, at + keys < unit.end ? at + keys : unit.end, at + turn);
  }

  /// Writes the state of the unit: the group's, or that of all groups of the team together.
  KOKKOS_FUNCTION void finish(const Group& group, const Unit& unit, State& state, const Rule<Group>& rule,
                              float* scratch) const {
    const Arguments& a = this->arguments;
    const std::int64_t row = unit.slice_row(a) * a.splits + unit.split;
    float* states = a.work.states + row * a.slice_heads * state_floats(a.dim);
    HeadState heads[Group::max_heads];
    state.close(rule, heads);
    const UnitCounts counts{state.rows(), rule.samples(state.rows())};
    if constexpr (Group::groups_per_team == 1) {
      state.store(heads, states);
      group.single([&] { a.work.counts[row] = counts; });
    } else {
      group.team_barrier();  // from here on, scratch holds states
      const std::int64_t stride = Context::group_state_floats(a.slice_heads, a.dim);
      float* parts = scratch + sizeof(UnitCounts) / sizeof(float) * Group::groups_per_team;
      state.store(heads, parts + group.rank() * stride);
      group.single([&] { reinterpret_cast<UnitCounts*>(scratch)[group.rank()] = counts; });
      group.team_barrier();
      merge_groups<State::rescored>(group, parts, stride, unit.heads, a.dim, states);
      if (group.rank() == 0) group.single([&] { a.work.counts[row] = sum_counts(scratch); });
    }
  }

  KOKKOS_FUNCTION static UnitCounts sum_counts(const float* scratch) {
    UnitCounts sum;
    for (int i = 0; i < Group::groups_per_team; ++i) {
      sum.rows += reinterpret_cast<const UnitCounts*>(scratch)[i].rows;
      sum.samples += reinterpret_cast<const UnitCounts*>(scratch)[i].samples;
    }
    return sum;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
