// The kernel that chooses MassUnit's delta.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/sample/budget.hpp>
#include <santa/sample/mass_unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// MassUnit's delta for this step: carried from the last one, or chosen from a subset of the keys. One unit a slice
/// row. Reads: the subset's keys where nothing was carried. Writes: log2(delta) per head.
template <class Context, Draws draws>
struct DeltaKernel : Context {
  using typename Context::Group;
  using typename Context::Tile;
  using Float = typename Group::template Vector<float>;

  explicit DeltaKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->whole_unit(member.league_rank());
    const Group group(member);
    const double rows = a.budget.rows_of(unit.visible());
    if (rows >= static_cast<double>(unit.visible())) return read_all(group, unit);
    if (carried(group, unit)) return;
    choose(group, this->scratch(group, member), unit, rows);
  }

 private:
  KOKKOS_FUNCTION void set(const Group& group, const Unit& unit, int head, float log_delta) const {
    if (group.rank() == 0)
      group.single([&] { this->arguments.work.log_delta[unit.head_row(this->arguments, head)] = log_delta; });
  }

  KOKKOS_FUNCTION void read_all(const Group& group, const Unit& unit) const {
    for (int head = 0; head < unit.heads; ++head) set(group, unit, head, -lanes::infinity);
  }

  /// Uses the carried deltas if all of the slice are finite numbers.
  KOKKOS_FUNCTION bool carried(const Group& group, const Unit& unit) const {
    const Arguments& a = this->arguments;
    if (a.state_log_ratio == nullptr) return false;
    for (int head = 0; head < unit.heads; ++head)
      if (!(Kokkos::fabs(carried_log_delta(a, unit, head)) < lanes::infinity)) return false;
    for (int head = 0; head < unit.heads; ++head) set(group, unit, head, carried_log_delta(a, unit, head));
    return true;
  }

  /// The groups of the team share the tiles of the subset.
  KOKKOS_FUNCTION void choose(const Group& group, float* scratch, const Unit& unit, double rows) const {
    const Arguments& a = this->arguments;
    Tile tile = this->tile(group, scratch, unit);
    auto* exchange = reinterpret_cast<std::uint64_t*>(this->first_queue_scratch(scratch));
    const Subset subset(unit.start, unit.length);
    const std::int64_t capacity = Subset::capacity(a.tiles);
    float* stored = a.work.subset + unit.slice_row(a) * a.slice_heads * capacity;
    const auto at = [&](int head, std::int64_t slot) { return stored + head * capacity + slot; };
    float lse[Group::max_heads];
    score_subset(group, tile, unit, subset, at, lse, exchange);
    const auto relative = [&](int head, std::int64_t slot) {
      if (head >= unit.heads) return Float(-lanes::infinity);  // where heads are padded
      return lanes::max(Float(-lanes::infinity), group.load(at(head, slot)) - Float(lse[head]));
    };
    if constexpr (draws == Draws::joint) keep_largest(group, unit, subset, relative, at);
    const auto joint = [&](std::int64_t slot, float lambda) {
      if constexpr (draws == Draws::joint) return Inclusion<Group>(group.load(at(0, slot)) - Float(lambda)).probability;
      const auto ratio = [&](int head) { return relative(head, slot) - Float(lambda); };
      return Inclusion<Group>::template of_heads<draws>(group, unit.heads, ratio).probability;
    };
    float shared = draws == Draws::separate ? 0.F : solve_log_delta(group, subset, rows, joint, exchange);
    group.for_heads(unit.heads, [&](int head) {
      if constexpr (draws == Draws::separate)
        shared = solve_log_delta(
            group, subset, rows,
            [&](std::int64_t slot, float lambda) {
              return Inclusion<Group>(relative(head, slot) - Float(lambda)).probability;
            },
            exchange);
      // A head that saw no finite score has nothing to relate delta to: read what there is.
      set(group, unit, head, lse[head] > -lanes::infinity ? shared + lse[head] : -lanes::infinity);
    });
  }

  /// Leaves the largest of the heads' log2(w / Z) where the first head's scores were: all that joint draws ask for.
  /// Each group does so for the tiles that it scored.
  template <class Relative, class At>
  KOKKOS_FUNCTION void keep_largest(const Group& group, const Unit& unit, const Subset& subset,
                                    const Relative& relative, const At& at) const {
    subset.for_each_tile(
        [&](const SubsetTile& tile) {
          Float largest = -lanes::infinity;
          group.for_all_heads(unit.heads, [&](int head) { largest = lanes::max(largest, relative(head, tile.slot)); });
          group.store(largest, at(0, tile.slot));
        },
        group.rank(), Group::groups_per_team);
  }

  /// Scores of the subset, kept in memory, and each head's log2 of the mass they stand for; NaN counts as nothing.
  template <class At>
  KOKKOS_FUNCTION void score_subset(const Group& group, Tile& tile, const Unit& unit, const Subset& subset,
                                    const At& at, float* lse, std::uint64_t* exchange) const {
    const auto keys = this->keys(group, tile, unit);
    this->take_queries(tile, unit, [&] {
      if (group.rank() >= subset.tiles()) return;
      const SubsetTile first = subset.tile(group.rank());
      keys.ask(first.first, first.step, first.count);
    });
    Float largest[Group::max_heads];
    group.for_heads(unit.heads, [&](int head) { largest[head] = Float(empty_reference); });
    const int tiles = subset.tiles();
    for (int i = group.rank(); i < tiles; i += Group::groups_per_team) {
      const SubsetTile now = subset.tile(i);
      const SubsetTile next = subset.tile(i + Group::groups_per_team);
      const bool follows = i + Group::groups_per_team < tiles && next.step == now.step;
      NoDrawnRows none;
      Float score[Group::max_heads];
      keys.scores(now.first, now.step, now.count, score, next.first, follows ? next.count : 0, none);
      group.for_heads(unit.heads, [&](int head) {
        largest[head] = lanes::max(largest[head], score[head]);
        group.store(score[head], at(head, now.slot));
      });
    }
    constexpr float mass_unit = 0x1p20F;
    group.for_heads(unit.heads, [&](int head) {
      const float most = group.team_max(group.max(largest[head]), reinterpret_cast<float*>(exchange));
      const float reference = lanes::ceil(most);
      typename Group::template Vector<std::uint64_t> sum = 0U;
      subset.for_each_tile(
          [&](const SubsetTile& part) {
            const Float weight =
                lanes::exp2(group.load(at(head, part.slot)) - Float(reference)) * Float(part.stands_for * mass_unit);
            sum += lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
          },
          group.rank(), Group::groups_per_team);
      const std::uint64_t mass = group.team_sum(group.sum(sum), exchange);
      lse[head] = mass > 0 ? reference + lanes::log2(static_cast<float>(mass) * (1.F / mass_unit)) : -lanes::infinity;
    });
  }
};

}  // namespace santa::detail
