// The first pass of two-pass rules.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/sample/systematic.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// First pass of a two-pass rule: scores to memory, and their masses panel by panel; the last unit sums the panels.
/// Reads: the keys. Writes: 4 bytes a key and head, 12 bytes a panel and head.
template <class Context>
struct ScoreKernel : Context {
  using typename Context::Group;
  using typename Context::Tile;
  using Float = typename Group::template Vector<float>;

  explicit ScoreKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->unit(member.league_rank());
    const Group group(member);
    Tile tile = this->tile(group, this->scratch(group, member), unit);
    const auto keys = this->keys(group, tile, unit);
    const StoredScores<Group> store(group, a, unit);
    const std::int64_t split_begin = unit.split * a.keys_per_split;
    const std::int64_t split_end = split_begin + a.keys_per_split;
    for (std::int64_t panel = split_begin / panel_keys; panel * panel_keys < split_end && panel < a.panels; ++panel)
      score_panel(group, keys, store, unit, panel);
    this->when_all_arrived(group, unit, [&](const Unit& slice) {
      group.for_heads(slice.heads, [&](int head) { group.single([&] { sum_panels(a, slice.head_row(a, head)); }); });
    });
  }

 private:
  template <class Keys>
  KOKKOS_FUNCTION void score_panel(const Group& group, const Keys& keys, const StoredScores<Group>& store,
                                   const Unit& unit, std::int64_t panel) const {
    const Arguments& a = this->arguments;
    const std::int64_t panel_begin = panel * panel_keys;
    const std::int64_t begin = panel_begin > unit.begin ? panel_begin : unit.begin;
    const std::int64_t end = panel_begin + panel_keys < unit.end ? panel_begin + panel_keys : unit.end;
    Float largest[Group::max_heads];
    group.for_heads(unit.heads, [&](int head) { largest[head] = Float(empty_reference); });
    for (std::int64_t first = begin; first < end; first += Group::size)
      score_and_keep(
          group, keys, unit.heads, first, 1, keys_of_tile<Group>(unit, first),
          [&](int head) { return store.at(head, first); }, largest);
    group.for_heads(unit.heads, [&](int head) {
      const float reference = lanes::ceil(group.max(largest[head]));
      std::uint64_t mass = 0;
      for (std::int64_t first = begin; first < end; first += Group::size)
        mass += group.sum(panel_mass<Group>(group.load(store.at(head, first)), reference));
      const std::int64_t row = unit.head_row(a, head) * a.panels + panel;
      group.single([&] {
        a.work.panel_reference[row] = reference;
        a.work.panel_mass[row] = mass;
      });
    });
  }
};

}  // namespace santa::detail
