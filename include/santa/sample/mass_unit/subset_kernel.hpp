// The kernel that scores the keys by which a step chooses delta before it draws.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>
#include <santa/sample/mass_unit/first_delta.hpp>
#include <santa/sample/mass_unit/panel_scores.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/coming_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Notes what the panel says of each head, and the step's delta, where one is carried. By the first group of a team.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION void note_panel(const Group& group, const MassUnitArguments& a, const Unit& unit,
                                            bool all_rows, const float* panel, const float* log_spread) {
  if (group.rank() != 0) return;
  const float ratio = a.separate ? lanes::not_a_number : shared_log_ratio(group, a, unit);
  const float shift = has_common_ratio(a, unit) && a.carried ? shift_within_token(a.model, unit.batch) : 0.F;
  group.for_heads(unit.heads, [&](int head) {
    const std::int64_t row = unit.head_row(a, head);
    group.single([&] {
      a.panel_log_delta(row) = panel[head];
      a.panel_log_spread(row) = log_spread[head];
      if (!a.carried) return;
      const float log_delta = steered_log_delta(a, row, panel[head], evened_log_delta(a, row, ratio)) + shift;
      a.log_delta[row] = all_rows ? -lanes::infinity : log_delta;
      if (shift != 0.F) a.carried_number(StateArray::log_ratio, row) += shift;
    });
  });
}

/// Scores the keys by which a step chooses delta before it draws, several units a slice row: at a first step the
/// subset, whose scores are kept for DeltaKernel; and where the step is steered, by a unit of its own, the panel, by
/// which it also finds the panel's delta and, after a first step, the step's. Reads: those keys.
template <class Context, Draws draws>
struct SubsetKernel : Context {
  using typename Context::Group;
  using typename Context::Stage;
  using Float = typename Group::template Vector<float>;
  using Scores = PanelScores<Group, draws>;

  std::int32_t parts;  // of a slice row's subset
  std::int32_t all;    // and one more for the panel

  /// As many as run at once and have something to do.
  explicit SubsetKernel(const Context& context)
      : Context(context),
        parts(context.arguments.carried ? 0 : (context.arguments.splits < 4 ? 2 * context.arguments.splits : 8)),
        all(parts + (context.arguments.steered ? 1 : 0)) {}

  [[nodiscard]] std::int64_t units() const { return this->arguments.slice_rows() * all; }

  /// What units score in and, afterwards, exchange a number of each head and group in.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    constexpr std::size_t exchange = 2 * Group::groups_per_team * (Group::max_heads > 2 ? Group::max_heads : 2);
    const std::size_t scoring = Context::scratch_floats(heads, dim);
    return exchange > scoring ? exchange : scoring;
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const MassUnitArguments& a = this->arguments;
    const Unit unit = whole_unit_of(a, member.league_rank() / all);
    const auto part = static_cast<std::int32_t>(member.league_rank() % all);
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.dim));
    if (part == parts)
      steer(group, unit, scratch);
    else if (!delta_is_settled(a, unit))
      score_part(group, unit, scratch, part);
  }

 private:
  KOKKOS_FUNCTION void steer(const Group& group, const Unit& unit, float* scratch) const {
    const MassUnitArguments& a = this->arguments;
    const bool all_rows = reads_all(a, unit);
    float panel[Group::max_heads];
    float log_spread[Group::max_heads];
    group.for_all_heads(unit.heads, [&](int head) { panel[head] = log_spread[head] = lanes::not_a_number; });
    if (!all_rows) {
      Stage stage = this->stage(group, scratch, unit);
      Scores scores(group, unit);
      stage.take_queries([&] { scores.ask(stage); });
      scores.score(stage);
      group.team_barrier();  // from here on, groups exchange numbers in scratch
      scores.solve(a, unit, panel, log_spread, reinterpret_cast<std::uint64_t*>(scratch));
    }
    note_panel(group, a, unit, all_rows, panel, log_spread);
  }

  KOKKOS_FUNCTION void score_part(const Group& group, const Unit& unit, float* scratch, int part) const {
    const MassUnitArguments& a = this->arguments;
    Stage stage = this->stage(group, scratch, unit);
    const Subset subset(unit.start, unit.length);
    const KeptScores at(a, unit);
    const int turn = parts * Group::groups_per_team;
    const int tiles = subset.tiles();
    const int begin = part * Group::groups_per_team + group.rank();
    stage.take_queries([&] {
      if (begin >= tiles) return;
      const SubsetTile first = subset.tile(begin);
      stage.ask(first.first, first.step, first.count);
    });
    for (int i = begin; i < tiles; i += turn) {
      const SubsetTile now = subset.tile(i);
      const SubsetTile next = subset.tile(i + turn);
      const bool follows = i + turn < tiles && next.step == now.step;
      NoDrawnRows none;
      Float score[Group::max_heads];
      stage.scores(now.first, now.step, now.count, score, next.first, follows ? next.count : 0, none);
      group.for_heads(unit.heads, [&](int head) { group.store(score[head], at(head, now.slot)); });
    }
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
