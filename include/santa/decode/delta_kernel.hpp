// The kernel that chooses MassUnit's delta.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/sample/budget.hpp>
#include <santa/sample/mass_unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// MassUnit's delta for this step: carried from the last one, or chosen from a subset of the keys. Reads: the subset's
/// keys where nothing was carried. Writes: log2(delta) per head.
template <class Context, Draws draws>
struct DeltaKernel : Context {
  using typename Context::Group;
  using typename Context::Tile;
  using Float = typename Group::template Vector<float>;

  /// Teams that score the subset of a slice row; the last of a kv head's to finish chooses. Where teams are many, so
  /// that a first step is short.
  static constexpr int parts = Tile::asynchronous ? 8 : 1;

  explicit DeltaKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: the usual, or what it needs to choose.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int heads, int dim) const {
    const std::size_t scoring = Context::scratch_floats(heads, dim);
    const std::size_t choosing =
        Room::exchange_floats + Room::lse_floats + static_cast<std::size_t>(Subset::capacity(this->arguments.tiles));
    return scoring > choosing ? scoring : choosing;
  }

  /// Units of work.
  [[nodiscard]] std::int64_t units() const { return slice_rows(this->arguments) * parts; }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->whole_unit(member.league_rank() / parts);
    const Group group(member);
    float* scratch =
        group.template scratch<float>(member, scratch_floats(this->arguments.slice_heads, this->arguments.dim));
    if (!settled(unit)) score_subset(group, scratch, unit, member.league_rank() % parts);
    this->when_all_arrived(group, unit, parts * a.slices, [&](const Unit& slice) {
      if (settled(slice))
        keep(group, slice);
      else
        choose(group, scratch, slice);
    });
  }

 private:
  /// Where scores of the subset are kept.
  struct Kept {
    float* first;
    std::int64_t capacity;

    KOKKOS_FUNCTION Kept(const Arguments& a, const Unit& unit)
        : first(a.work.subset + unit.slice_row(a) * a.slice_heads * Subset::capacity(a.tiles)),
          capacity(Subset::capacity(a.tiles)) {}
    KOKKOS_FUNCTION float* operator()(int head, std::int64_t slot) const { return first + head * capacity + slot; }
  };

  KOKKOS_FUNCTION void set(const Group& group, const Unit& unit, int head, float log_delta) const {
    if (group.rank() == 0)
      group.single([&] { this->arguments.work.log_delta[unit.head_row(this->arguments, head)] = log_delta; });
  }

  /// Whether nothing is to be chosen: a budget that covers the visible keys, or deltas of the whole slice that were
  /// carried.
  [[nodiscard]] KOKKOS_FUNCTION bool settled(const Unit& unit) const {
    const Arguments& a = this->arguments;
    if (a.budget.rows_of(unit.visible()) >= static_cast<double>(unit.visible())) return true;
    if (a.state_log_ratio == nullptr) return false;
    for (int head = 0; head < unit.heads; ++head)
      if (!(Kokkos::fabs(carried_log_delta(a, unit, head)) < lanes::infinity)) return false;
    return true;
  }
  /// Leaves what was settled before.
  KOKKOS_FUNCTION void keep(const Group& group, const Unit& unit) const {
    const Arguments& a = this->arguments;
    const bool all = a.budget.rows_of(unit.visible()) >= static_cast<double>(unit.visible());
    for (int head = 0; head < unit.heads; ++head)
      set(group, unit, head, all ? -lanes::infinity : carried_log_delta(a, unit, head));
  }

  /// Room in a team's scratch while it chooses. Device code that runs once is as slow as it is long, so heads are
  /// looped over, not unrolled, and what would be an array over them in registers is here.
  struct Room {
    std::uint64_t* exchange;
    float* lse;      // [head]: log2 of the mass that the kept scores stand for
    float* largest;  // [slot]: the largest of the heads' log2(w / Z)

    static constexpr std::size_t exchange_floats = 4 * Group::groups_per_team;
    static constexpr std::size_t lse_floats = 32;

    KOKKOS_FUNCTION explicit Room(float* scratch)
        : exchange(reinterpret_cast<std::uint64_t*>(scratch)),
          lse(scratch + exchange_floats),
          largest(scratch + exchange_floats + lse_floats) {}
  };

  /// The groups of the team share heads, then the tiles of the subset.
  KOKKOS_FUNCTION void choose(const Group& group, float* scratch, const Unit& unit) const {
    const Arguments& a = this->arguments;
    const Room room(scratch);
    const double rows = a.budget.rows_of(unit.visible());
    const Subset subset(unit.start, unit.length);
    const Kept at(a, unit);
    for (int head = group.rank(); head < unit.heads; head += Group::groups_per_team) {
      const float lse = log_mass(group, subset, at, head);
      group.single([&] { room.lse[head] = lse; });
    }
    group.team_barrier();
    const auto relative = [&](int head, std::int64_t slot) {
      return lanes::max(Float(-lanes::infinity), group.load(at(head, slot)) - Float(room.lse[head]));
    };
    // What all heads ask for together is found once.
    if constexpr (draws == Draws::joint)
      subset.for_each_slot(
          [&](std::int64_t slot, float /*stands_for*/) {
            Float largest = -lanes::infinity;
            SANTA_UNROLL(4)
            for (int head = 0; head < unit.heads; ++head) largest = lanes::max(largest, relative(head, slot));
            group.store(largest, room.largest + slot);
          },
          group.rank(), Group::groups_per_team);
    const auto together = [&](std::int64_t slot, float lambda) {
      if constexpr (draws == Draws::joint)
        return Inclusion<Group>(group.load(room.largest + slot) - Float(lambda)).probability;
      const auto ratio = [&](int head) {
        return head < unit.heads ? relative(head, slot) - Float(lambda) : Float(-lanes::infinity);
      };
      return Inclusion<Group>::template of_heads<draws>(group, unit.heads, ratio).probability;
    };
    float ratio = 0.F;
    if constexpr (draws != Draws::separate) ratio = solve_log_delta(group, subset, rows, together, room.exchange);
    for (int head = 0; head < unit.heads; ++head) {
      if constexpr (draws == Draws::separate)
        ratio = solve_log_delta(
            group, subset, rows,
            [&](std::int64_t slot, float lambda) {
              return Inclusion<Group>(relative(head, slot) - Float(lambda)).probability;
            },
            room.exchange);
      // A head that saw no finite score has nothing to relate delta to: read what there is.
      set(group, unit, head, room.lse[head] > -lanes::infinity ? ratio + room.lse[head] : -lanes::infinity);
    }
    group.team_barrier();  // before scratch is used for the next slice
  }

  /// Scores a part of the subset and keeps the scores in memory.
  KOKKOS_FUNCTION void score_subset(const Group& group, float* scratch, const Unit& unit, int part) const {
    Tile tile = this->tile(group, scratch, unit);
    const auto keys = this->keys(group, tile, unit);
    const Subset subset(unit.start, unit.length);
    const Kept at(this->arguments, unit);
    constexpr int turn = parts * Group::groups_per_team;
    const int tiles = subset.tiles();
    const int begin = part * Group::groups_per_team + group.rank();
    this->take_queries(tile, unit, [&] {
      if (begin >= tiles) return;
      const SubsetTile first = subset.tile(begin);
      keys.ask(first.first, first.step, first.count);
    });
    for (int i = begin; i < tiles; i += turn) {
      const SubsetTile now = subset.tile(i);
      const SubsetTile next = subset.tile(i + turn);
      const bool follows = i + turn < tiles && next.step == now.step;
      NoDrawnRows none;
      Float score[Group::max_heads];
      keys.scores(now.first, now.step, now.count, score, next.first, follows ? next.count : 0, none);
      group.for_heads(unit.heads, [&](int head) { group.store(score[head], at(head, now.slot)); });
    }
  }

  /// log2 of the mass that a head's kept scores stand for, by one group; NaN counts as nothing.
  KOKKOS_FUNCTION float log_mass(const Group& group, const Subset& subset, const Kept& at, int head) const {
    constexpr float mass_unit = 0x1p20F;
    Float largest = empty_reference;
    subset.for_each_slot(
        [&](std::int64_t slot, float /*stands_for*/) { largest = lanes::max(largest, group.load(at(head, slot))); });
    const float reference = lanes::ceil(group.max(largest));
    typename Group::template Vector<std::uint64_t> sum = 0U;
    subset.for_each_slot([&](std::int64_t slot, float stands_for) {
      const Float weight = lanes::exp2(group.load(at(head, slot)) - Float(reference)) * Float(stands_for * mass_unit);
      sum += lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
    });
    const std::uint64_t mass = group.sum(sum);
    return mass > 0 ? reference + lanes::log2(static_cast<float>(mass) * (1.F / mass_unit)) : -lanes::infinity;
  }
};

}  // namespace santa::detail
