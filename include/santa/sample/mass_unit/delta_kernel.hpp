// The kernel that chooses MassUnit's delta at a first step.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/group.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit.hpp>
#include <santa/sample/mass_unit/carried_delta.hpp>
#include <santa/sample/mass_unit/first_delta.hpp>
#include <santa/sample/mass_unit/solve_delta.hpp>
#include <santa/schedule/units.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// MassUnit's delta at a first step: what the state holds (a caller may have filled it), moved by the panel, or chosen
/// from the scores of a subset; one unit a slice row, whose groups share the subset's tiles. Writes: log2(delta) per
/// head.
template <class Context, Draws draws, int heads>
struct DeltaKernel : Context {
  using Extents = lanes::Teams<8, heads>;
  using Group = lanes::GroupOf<typename Context::Space, Extents>;
  using Float = typename Group::template Vector<float>;

  explicit DeltaKernel(const Context& context) : Context(context) {}

  /// Scratch of a team: numbers that groups exchange, and the largest of the heads' log2(w / Z) of each key.
  [[nodiscard]] KOKKOS_FUNCTION std::size_t scratch_floats(int /*heads*/, int /*dim*/) const {
    return exchange_floats + static_cast<std::size_t>(Subset::capacity(this->arguments.tiles));
  }

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const MassUnitArguments& a = this->arguments;
    const Unit unit = whole_unit_of(a, member.league_rank());
    const Group group(member);
    if (!delta_is_settled(a, unit)) {
      float* scratch = group.template scratch<float>(member, scratch_floats(a.slice_heads, a.dim));
      return choose(group, unit, reinterpret_cast<std::uint64_t*>(scratch), scratch + exchange_floats);
    }
    const float ratio = a.state == nullptr || a.separate ? lanes::not_a_number : shared_log_ratio(group, a, unit);
    for (int head = 0; head < unit.heads; ++head) {
      const std::int64_t row = unit.head_row(a, head);
      const float panel = a.steered ? a.panel_log_delta(row) : lanes::not_a_number;
      set(group, unit, head,
          reads_all(a, unit) ? -lanes::infinity : steered_log_delta(a, row, panel, evened_log_delta(a, row, ratio)));
    }
  }

 private:
  static constexpr std::size_t exchange_floats =
      2 * Group::groups_per_team * (Group::max_heads > 2 ? Group::max_heads : 2);

  KOKKOS_FUNCTION void set(const Group& group, const Unit& unit, int head, float log_delta) const {
    if (group.rank() == 0)
      group.single([&] { this->arguments.log_delta[unit.head_row(this->arguments, head)] = log_delta; });
  }

  KOKKOS_FUNCTION void choose(const Group& group, const Unit& unit, std::uint64_t* exchange, float* largest) const {
    const MassUnitArguments& a = this->arguments;
    const double rows = a.rows_of(unit);
    const Subset subset(unit.start, unit.length);
    const KeptScores at(a, unit);
    float lse[Group::max_heads];
    sum_masses(group, unit, subset, at, exchange, lse);
    const auto relative = [&](int head, std::int64_t slot) {
      if (head >= unit.heads) return Float(-lanes::infinity);  // where heads are padded
      return lanes::max(Float(-lanes::infinity), group.load(at(head, slot)) - Float(lse[head]));
    };
    // What all heads ask for together is found once.
    if constexpr (draws == Draws::joint)
      subset.for_each_slot(
          [&](std::int64_t slot, float /*stands_for*/) {
            Float most = -lanes::infinity;
            group.for_all_heads(unit.heads, [&](int head) { most = lanes::max(most, relative(head, slot)); });
            group.store(most, largest + slot);
          },
          group.rank(), Group::groups_per_team);
    const auto together = [&](std::int64_t slot, float lambda) {
      if constexpr (draws == Draws::joint)
        return Inclusion<Group>(group.load(largest + slot) - Float(lambda)).probability;
      const auto ratio = [&](int head) { return relative(head, slot) - Float(lambda); };
      return Inclusion<Group>::template of_heads<draws>(group, unit.heads, ratio).probability;
    };
    float shared = draws == Draws::separate ? 0.F : solve_log_delta(group, subset, rows, together, exchange);
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

  /// Each head's log2 of the mass that the kept scores stand for; NaN counts as nothing.
  KOKKOS_FUNCTION void sum_masses(const Group& group, const Unit& unit, const Subset& subset, const KeptScores& at,
                                  std::uint64_t* exchange, float (&lse)[Group::max_heads]) const {
    constexpr float mass_unit = 0x1p20F;
    const auto score = [&](int head, std::int64_t slot) {
      return head < unit.heads ? group.load(at(head, slot)) : Float(-lanes::infinity);
    };
    Float largest[Group::max_heads] = {};
    float reference[Group::max_heads] = {};
    group.for_all_heads(unit.heads, [&](int head) { largest[head] = Float(empty_reference); });
    subset.for_each_slot(
        [&](std::int64_t slot, float /*stands_for*/) {
          group.for_all_heads(unit.heads,
                              [&](int head) { largest[head] = lanes::max(largest[head], score(head, slot)); });
        },
        group.rank(), Group::groups_per_team);
    group.for_all_heads(unit.heads, [&](int head) { reference[head] = group.max(largest[head]); });
    group.team_max(reference, unit.heads, reinterpret_cast<float*>(exchange));
    typename Group::template Vector<std::uint64_t> sum[Group::max_heads] = {};
    group.for_all_heads(unit.heads, [&](int head) { reference[head] = lanes::ceil(reference[head]); });
    subset.for_each_slot(
        [&](std::int64_t slot, float stands_for) {
          group.for_all_heads(unit.heads, [&](int head) {
            const Float weight =
                lanes::exp2(score(head, slot) - Float(reference[head])) * Float(stands_for * mass_unit);
            sum[head] += lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
          });
        },
        group.rank(), Group::groups_per_team);
    std::uint64_t mass[Group::max_heads] = {};
    group.for_all_heads(unit.heads, [&](int head) { mass[head] = group.sum(sum[head]); });
    group.team_sum(mass, unit.heads, exchange);
    group.for_all_heads(unit.heads, [&](int head) {
      lse[head] = mass[head] > 0 ? reference[head] + lanes::log2(static_cast<float>(mass[head]) * (1.F / mass_unit))
                                 : -lanes::infinity;
    });
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
