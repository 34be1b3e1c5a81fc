// The kernels by which shards of a whole choose MassUnit's delta together.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/first_delta.hpp>
#include <santa/sample/mass_unit/panel_scores.hpp>
#include <santa/sample/mass_unit/subset_kernel.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/coming_rows.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Scores those keys of the whole's subset and panel that are here, each into its place among all: the same that one
/// cache scores. Where others' go, what is in memory stays. Reads: those keys.
template <class Context>
struct ShardSubsetKernel : Context {
  using typename Context::Group;
  using typename Context::Stage;
  using Float = typename Group::template Vector<float>;

  static constexpr std::int32_t parts = 8;  // of a slice row's subset, and one more for the panel

  explicit ShardSubsetKernel(const Context& context) : Context(context) {}

  [[nodiscard]] std::int64_t units() const { return this->arguments.slice_rows() * (parts + 1); }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const MassUnitArguments& a = this->arguments;
    const Unit unit = whole_unit_of(a, member.league_rank() / (parts + 1));
    const auto part = static_cast<std::int32_t>(member.league_rank() % (parts + 1));
    const bool is_panel = part == parts;
    if (is_panel ? !a.steered || reads_all(a, unit) : a.carried || delta_is_settled(a, unit)) return;
    const Group group(member);
    float* scratch = this->scratch(group, member);
    Stage stage = this->stage(group, scratch, unit);
    stage.take_queries([] {});
    if (is_panel) {
      const Panel panel(unit.start, unit.length);
      float* const to = a.panel + unit.slice_row(a) * a.slice_heads * Panel::keys;
      for (int i = group.rank(); i < Panel::tiles; i += Group::groups_per_team)
        score(group, stage, unit, panel.tile(i), to, Panel::keys);
    } else {
      const Subset subset(unit.start, unit.length);
      const KeptScores at(a, unit);
      const int turn = parts * Group::groups_per_team;
      for (int i = part * Group::groups_per_team + group.rank(); i < subset.tiles(); i += turn)
        score(group, stage, unit, subset.tile(i), at.first, at.capacity);
    }
  }

 private:
  /// Scores of a tile's keys that are here, to to[head * stride + slot] and on.
  KOKKOS_FUNCTION void score(const Group& group, Stage& stage, const Unit& unit, const SubsetTile& tile, float* to,
                             std::int64_t stride) const {
    const MassUnitArguments& a = this->arguments;
    const std::int64_t begin = a.shard.first_row;
    const int first = keys_before(tile, begin);
    const int count = keys_before(tile, begin + a.lengths.clamped(unit.batch, a.storage)) - first;
    if (count <= 0) return;
    NoDrawnRows none;
    Float score[Group::max_heads];
    stage.scores(tile.first + first * tile.step, tile.step, count, score, 0, 0, none);
    group.for_heads(unit.heads,
                    [&](int head) { group.store(score[head], to + head * stride + tile.slot + first, count); });
  }
  /// How many of a tile's keys lie before one.
  KOKKOS_FUNCTION static int keys_before(const SubsetTile& tile, std::int64_t key) {
    const std::int64_t count = (key - tile.first + tile.step - 1) / tile.step;
    return key <= tile.first ? 0 : static_cast<int>(count < tile.count ? count : tile.count);
  }
};

/// Finds the panel's delta and, after a first step, the step's, by the scores of all shards: one unit a slice row.
template <class Context, Draws draws, int heads>
struct PanelKernel : Context {
  using Extents = lanes::Teams<8, heads>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;

  explicit PanelKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: numbers that groups exchange.
  KOKKOS_FUNCTION static std::size_t scratch_floats(int /*heads*/, int /*dim*/) {
    return 2 * Group::groups_per_team * (Group::max_heads > 2 ? Group::max_heads : 2);
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const MassUnitArguments& a = this->arguments;
    const Unit unit = whole_unit_of(a, member.league_rank());
    const Group group(member);
    float* scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.dim));
    const bool all_rows = reads_all(a, unit);
    float panel[Group::max_heads];
    float log_spread[Group::max_heads];
    group.for_all_heads(unit.heads, [&](int head) { panel[head] = log_spread[head] = lanes::not_a_number; });
    if (!all_rows) {
      PanelScores<Group, draws> scores(group, unit);
      scores.take(a.panel + unit.slice_row(a) * a.slice_heads * Panel::keys);
      scores.solve(a, unit, panel, log_spread, reinterpret_cast<std::uint64_t*>(scratch));
    }
    note_panel(group, a, unit, all_rows, panel, log_spread);
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
