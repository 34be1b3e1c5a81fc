// What the kernels of a decode step have in common.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/gather/group_state.hpp>
#include <santa/gather/joint_rows.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/lane_group.hpp>
#include <santa/schedule/take_unit.hpp>
#include <santa/schedule/units.hpp>
#include <santa/score/any_stage.hpp>
#include <santa/score/score_stage.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace santa::detail::inline SANTA_BUILD {

/// The running state of a group that draws: for all its heads together, or as any rule does.
template <bool joint>
struct StateOf {
  template <class Group, class Stage>
  using Type = GroupState<Group, Stage>;
};
template <>
struct StateOf<true> {
  template <class Group, class Stage>
  using Type = JointRows<Group, Stage>;
};

/// What the kernels of one method share that touch a cache: their arguments, the stages of its units, and the group
/// that works on them.
template <class ExecutionSpace, class KernelArguments, class KernelExtents, class KernelStages>
struct KernelContext {
  using Space = ExecutionSpace;
  using Arguments = KernelArguments;
  using Extents = KernelExtents;
  using Group = lanes::GroupOf<Space, Extents>;
  static_assert(lanes::LaneGroup<Group>,
                "santa: the lane group lacks a member of LaneGroup: see santa/lanes/lane_group.hpp");
  static_assert(ScoreStages<KernelStages, Extents, Group>,
                "santa: the stage lacks a member of ScoreStage: see santa/score/score_stage.hpp");
  using Stage = typename KernelStages::template Stage<Extents>;
  using State = typename StateOf<Extents::joint>::template Type<Group, Stage>;

  Arguments arguments;
  KernelStages stages;

  /// The same for a kernel whose groups need more scratch.
  [[nodiscard]] auto roomy() const {
    return KernelContext<Space, Arguments, lanes::Roomy<Extents>, KernelStages>{arguments, stages};
  }

  /// And for one in which nothing is queued.
  [[nodiscard]] auto lean() const {
    return KernelContext<Space, Arguments, lanes::Lean<Extents>, KernelStages>{arguments, stages};
  }

  /// And for one in which heads draw together.
  [[nodiscard]] auto joint() const {
    return KernelContext<Space, Arguments, lanes::Joint<Extents>, KernelStages>{arguments, stages};
  }

  /// And for one that scores a few keys of each kv head.
  [[nodiscard]] auto wide() const {
    return KernelContext<Space, Arguments, lanes::Wide<Extents>, KernelStages>{arguments, stages};
  }

  /// And for one that keeps what the latter draws by.
  [[nodiscard]] auto scoring() const {
    return KernelContext<Space, Arguments, lanes::Scoring<Extents>, KernelStages>{arguments, stages};
  }

  template <class Member>
  [[nodiscard]] KOKKOS_FUNCTION float* scratch(const Group& group, const Member& member) const {
    return group.template scratch<float>(member, scratch_floats(arguments.slice_heads, arguments.dim));
  }

  /// The stage of a unit; uses the team's scratch and the front of the group's.
  [[nodiscard]] KOKKOS_FUNCTION Stage stage(const Group& group, float* scratch, const Unit& unit) const {
    return stages.template stage<Extents>(group, arguments, unit, scratch, group_scratch(group, scratch));
  }
  /// The running state of a group that draws rows of a unit: that of the context, or another in its place.
  template <class Own = State>
  [[nodiscard]] KOKKOS_FUNCTION Own state(const Group& group, Stage& stage, float* scratch, const Unit& unit) const {
    return Own(group, stage, group_scratch(group, scratch) + own_floats(), arguments, unit);
  }

  /// The state of a group.
  KOKKOS_FUNCTION static std::size_t group_state_floats(int heads, int dim) {
    return static_cast<std::size_t>(heads) * static_cast<std::size_t>(state_floats(dim));
  }
  /// Scratch of a team: what its groups work with, and afterwards a state of each of them.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    constexpr std::size_t groups = Group::groups_per_team;
    const std::size_t working = shared_floats() + groups * group_floats();
    const std::size_t merging = groups * (group_state_floats(heads, dim) + sizeof(UnitCounts) / sizeof(float));
    return groups > 1 && merging > working ? merging : working;
  }

  /// Calls f(unit) for the unit of a team's rank and, where units are taken, for those that it takes after it.
  /// `scratch` is the team's.
  template <class Member, class F>
  KOKKOS_FORCEINLINE_FUNCTION void for_each_unit(const Group& group, const Member& member, float* scratch,
                                                 F&& f) const {
    if constexpr (!lanes::takes_units<Space>) {
      f(unit_of(arguments, member.league_rank()));
    } else {
      std::int64_t rank = member.league_rank();
      if (are_taken(arguments) && rank >= all_units(arguments)) return;
      for (;;) {  // one place that calls f
        const std::int32_t next = are_taken(arguments) ? take_unit(group, arguments) : 0;
        f(unit_of(arguments, rank));
        if (!are_taken(arguments)) return;
        const std::int64_t all = all_units(arguments);
        rank = taken_unit(group, arguments, next, member.league_size(), all, reinterpret_cast<std::int32_t*>(scratch));
        if (rank >= all) return;
      }
    }
  }

  /// Calls f(unit) for every slice of a kv head, once all units of the kv head have arrived: by the group of the last
  /// one, which sees what the others wrote.
  template <class F>
  KOKKOS_FORCEINLINE_FUNCTION void when_all_arrived(const Group& group, const Unit& unit, F&& f) const {
    std::int32_t& arrived =
        arguments.arrived[static_cast<std::int64_t>(unit.batch) * arguments.kv_heads + unit.kv_head];
    if (group.last_of(arrived, units_of_kv_head(arguments, unit))) for_each_slice(arguments, unit, f);
  }

 private:
  [[nodiscard]] KOKKOS_FUNCTION std::size_t shared_floats() const {
    return stages.template shared_floats<Extents>(arguments.slice_heads, arguments.row_dims());
  }
  [[nodiscard]] KOKKOS_FUNCTION std::size_t own_floats() const {
    return stages.template own_floats<Extents>(arguments.slice_heads, arguments.row_dims());
  }
  /// Scratch of one lane group, in floats: whole vectors.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t group_floats() const {
    const int words = Extents::lean ? 0 : State::scratch_words(arguments.slice_heads, arguments.with_spread);
    const auto state = static_cast<std::size_t>(words);
    return (own_floats() + state + 31) / 32 * 32;
  }
  /// Where the scratch of a group begins: after what the team shares.
  [[nodiscard]] KOKKOS_FUNCTION float* group_scratch(const Group& group, float* scratch) const {
    return scratch + shared_floats() + group.rank() * group_floats();
  }
};

/// Whether kernels without error bars can draw for all heads together, by scores in the order of products.
template <class Context>
inline constexpr bool in_products = requires {
  requires Context::Stage::draws_jointly;
};

/// Whether stages of the kernels in which heads draw together score rows for other kernels too.
template <class Context>
constexpr bool scores_jointly() {
  if constexpr (requires { requires Context::Stage::draws_jointly; } && !Context::Extents::joint)
    return decltype(std::declval<const Context&>().joint())::Stage::attends;
  else
    return false;
}

/// Calls passes(scoring, drawing) with the contexts of both passes of a rule that draws in runs of keys where it can.
/// The first is cut into as many units as run at once, even where all requests are full.
template <class Space, class Context, class Passes>
void with_runs(const Space& space, const Context& context, const Passes& passes) {
  if constexpr (scores_jointly<Context>()) {
    if (!context.arguments.with_spread) {
      auto scoring = context.scoring();
      Arguments& a = scoring.arguments;
      using Extents = typename decltype(scoring)::Extents;
      const std::int64_t teams =
          lanes::Seam<Space>::template teams_at_once<Extents>(space, scoring.scratch_floats(a.slice_heads, a.dim));
      const std::int64_t splits = teams / (a.slice_rows() > 0 ? a.slice_rows() : 1);
      if (a.keys_per_split == 0 && splits > a.splits) a.splits = static_cast<std::int32_t>(splits);
      return passes(scoring, context.joint());
    }
  }
  passes(context, context);
}

/// The context of a host's kernels, for caches of any kind.
template <class KernelArguments, bool rescored>
using HostContext = KernelContext<Kokkos::DefaultHostExecutionSpace, KernelArguments, HostExtents, AnyStages<rescored>>;

/// The context of kernels that touch no keys: compiled once for all caches.
template <class ExecutionSpace, class KernelArguments>
struct KeylessContext {
  using Space = ExecutionSpace;
  using Arguments = KernelArguments;

  Arguments arguments;
};
template <class Context>
using KeylessOf = KeylessContext<typename Context::Space, typename Context::Arguments>;
template <class Context>
[[nodiscard]] KeylessOf<Context> keyless(const Context& context) {
  return {context.arguments};
}

}  // namespace santa::detail::inline SANTA_BUILD
