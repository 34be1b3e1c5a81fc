// The main kernel of every method.
#pragma once

#include <santa/core/build.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/decode/tile_loop.hpp>
#include <santa/gather/all_rows.hpp>
#include <santa/gather/counted_rows.hpp>
#include <santa/merge/outputs.hpp>
#include <santa/sample/draw_rule.hpp>
#include <santa/sample/points/stored_scores.hpp>
#include <santa/schedule/tiles.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A rule, as the kernel of a context has it, and the running state of a group.
template <class Context, class Rule, bool stored_scores>
struct RuleIn {
  using Type = Rule;
  using State = typename Context::State;
};
template <class Context, class Rule>
  requires(Context::Extents::joint)
struct RuleIn<Context, Rule, false> {
  using Type = typename Rule::template InProducts<typename Context::Stage::Products::Joint>;
  using State = typename Context::State;
};
template <class Context, class Rule>
  requires(Context::Extents::joint)
struct RuleIn<Context, Rule, true> {
  using Type = typename Rule::template InRuns<typename Context::Stage::Products::Runs>;
  using State = CountedRows<typename Context::Group, typename Context::Stage>;
};

/// The main kernel: a lane group scores its tiles (or loads their scores), has the rule draw rows, gathers and adds
/// them; the last unit of a kv head to finish merges. Reads: the keys of the unit (or 4 bytes a key and head), the
/// drawn value rows. Writes: a state per head and unit. Order: fixed by the unit, never by threads: `out` has the same
/// bits in every run.
template <class Context, template <class> class RuleOf, bool stored_scores>
struct SweepKernel : Context {
  using typename Context::Arguments;
  using typename Context::Group;
  using typename Context::Stage;
  /// Whether heads draw together, by scores in the order of products or in runs of keys.
  static constexpr bool draws_jointly = Context::Extents::joint;
  using Rule = typename RuleIn<Context, RuleOf<Group>, stored_scores>::Type;
  using State = typename RuleIn<Context, RuleOf<Group>, stored_scores>::State;

  /// Whether the stage adds up all rows by itself, without a rule that draws.
  static constexpr bool takes_all = !stored_scores && requires {
    requires Rule::takes_all;
    requires Stage::attends;
  };

  /// Whether the rule sees all of a tile of its own, several of the kernel's, before it draws.
  static constexpr bool looks_ahead = !stored_scores && LookAheadRule<Rule, Group, Arguments>;
  static_assert(looks_ahead || (stored_scores ? StoredScoreRule<RuleOf<Group>, Group, Arguments>
                                              : DrawRule<RuleOf<Group>, Group, Arguments>),
                "santa: the rule lacks a member of DrawRule, or of the kind it is of: see santa/sample/draw_rule.hpp");

  explicit SweepKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: the usual, and behind it what the rule needs in each group.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    std::size_t floats = Context::scratch_floats(heads, dim);
    if constexpr (looks_ahead) floats += Group::groups_per_team * Rule::scratch_floats(this->arguments);
    return floats;
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.dim));
    this->for_each_unit(group, member, scratch, [&](const Unit& unit) {
      sweep(group, unit, scratch);
      if (a.keeps_states || are_merged_apart(a, unit)) return;
      this->when_all_arrived(group, unit,
                             [&](const Unit& slice) { write_outputs<State::rescored>(group, a, slice, scratch); });
    });
  }

 private:
  KOKKOS_FUNCTION void sweep(const Group& group, const Unit& unit, float* scratch) const {
    const Arguments& a = this->arguments;
    Stage stage = this->stage(group, scratch, unit);
    Rule rule = make_rule(group, unit, scratch);
    if constexpr (!stored_scores || State::rescored)
      stage.take_queries([&] {
        if constexpr (!looks_ahead && !stored_scores) ask_first_tile(group, stage, unit);
      });
    stage.clear();
    if constexpr (takes_all) {
      AllRows<Group, Stage, typename Stage::Products::Scores> state(stage, a, unit);
      if (unit.begin < unit.end) stage.attend(state);
      return finish(group, unit, state, rule, flags_of(stage), scratch);
    } else {
      draw(group, stage, unit, rule, scratch);
    }
  }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const Group& group, Stage& stage, const Unit& unit, Rule& rule,
                                        float* scratch) const {
    const Arguments& a = this->arguments;
    if constexpr (OpenedRule<Rule, Arguments>) rule.open(a, unit);
    State state = this->template state<State>(group, stage, scratch, unit);
    if constexpr (draws_jointly && stored_scores) {
      draw_from_runs<typename Stage::Products::Runs>(group, unit, rule, state);
    } else if constexpr (draws_jointly) {
      draw_jointly(group, unit, stage, rule, state);
    } else if constexpr (stored_scores) {
      StoredScores<Group> stored(group, a, unit);
      TileLoop(group, unit, stored, rule, state).draw_from_stored();
    } else if constexpr (looks_ahead) {
      TileLoop(group, unit, stage, rule, state).template draw_looking_ahead<Stage::asynchronous>(a.draw_tile);
    } else {
      TileLoop(group, unit, stage, rule, state).draw_as_scored();
    }
    finish(group, unit, state, rule, flags_of(stage), scratch);
  }

  KOKKOS_FUNCTION std::uint32_t flags_of(const Stage& stage) const {
    if constexpr (requires { stage.flags(); })
      if (this->arguments.statistics) return stage.flags();
    return 0;
  }

  KOKKOS_FUNCTION Rule make_rule(const Group& group, const Unit& unit, float* scratch) const {
    const Arguments& a = this->arguments;
    if constexpr (looks_ahead)
      return Rule(group, a, unit,
                  scratch + Context::scratch_floats(a.slice_heads, a.dim) + group.rank() * Rule::scratch_floats(a));
    else
      return Rule(group, a, unit);
  }

  /// Writes the state of the unit: the group's, or that of all groups of the team together.
  template <class UnitState>
  KOKKOS_FUNCTION void finish(const Group& group, const Unit& unit, UnitState& state, const Rule& rule,
                              std::uint32_t flags, float* scratch) const {
    const Arguments& a = this->arguments;
    const std::int64_t row = state_of_unit(a, unit);
    float* states = a.states + row * a.slice_heads * state_floats(a.dim);
    typename UnitState::Heads heads;
    state.close(rule, heads);
    const UnitCounts counts{state.rows(), rule.samples(state.rows()), flags};
    if constexpr (Group::groups_per_team == 1) {
      state.store(heads, states);
      group.single([&] { a.counts[row] = counts; });
    } else {
      group.team_barrier();  // from here on, scratch holds states
      const std::int64_t stride = Context::group_state_floats(a.slice_heads, a.dim);
      float* parts = scratch + sizeof(UnitCounts) / sizeof(float) * Group::groups_per_team;
      state.store(heads, parts + group.rank() * stride);
      group.single([&] { reinterpret_cast<UnitCounts*>(scratch)[group.rank()] = counts; });
      group.team_barrier();
      merge_groups<State::rescored>(group, parts, stride, unit.heads, a.dim, states);
      if (group.rank() == 0) group.single([&] { a.counts[row] = sum_counts(scratch); });
    }
  }

  KOKKOS_FUNCTION static UnitCounts sum_counts(const float* scratch) {
    UnitCounts sum;
    for (int i = 0; i < Group::groups_per_team; ++i) {
      sum.rows += reinterpret_cast<const UnitCounts*>(scratch)[i].rows;
      sum.samples += reinterpret_cast<const UnitCounts*>(scratch)[i].samples;
      sum.flags |= reinterpret_cast<const UnitCounts*>(scratch)[i].flags;
    }
    return sum;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
