// The main kernel of every method.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/drawn.hpp>
#include <santa/decode/kernel_context.hpp>
#include <santa/gather/group_state.hpp>
#include <santa/merge/outputs.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// The main kernel: a lane group scores its tiles (or loads their scores), has the rule draw rows, gathers and adds
/// them; the last unit of a kv head to finish merges. Reads: the keys of the split (or 4 bytes a key and head), the
/// drawn value rows. Writes: a state per head and split. Order: fixed by the split, never by threads: `out` has the
/// same bits in every run.
template <class Context, template <class> class Rule, bool stored_scores, bool multinomial_error = false>
struct SweepKernel : Context {
  using typename Context::Group;
  using typename Context::Tile;
  using Float = typename Group::template Vector<float>;

  explicit SweepKernel(const Context& context) : Context(context) {}

  template <class Member>
  KOKKOS_FUNCTION void operator()(const Member& member) const {
    const Arguments& a = this->arguments;
    const Unit unit = this->unit(member.league_rank());
    const Group group(member);
    float* scratch = this->scratch(group, member);
    Tile tile = this->tile(scratch, unit);
    sweep(group, tile, unit, scratch + Tile::scratch_floats(unit.heads, a.dim));
    this->when_all_arrived(group, unit,
                           [&](const Unit& slice) { write_outputs(group, a, slice, multinomial_error, scratch); });
  }

 private:
  KOKKOS_FUNCTION void sweep(const Group& group, Tile& tile, const Unit& unit, float* queue_scratch) const {
    const Arguments& a = this->arguments;
    Rule<Group> rule(group, a, unit);
    GroupState<Group, Tile, typename Context::Rows> state(group, tile, this->addresses.values(unit.batch, unit.kv_head),
                                                          queue_scratch, a, unit);
    group.for_heads(unit.heads, [&](int head) { state.set_reference(head, rule.initial_reference(head)); });
    const auto source = [&] {
      if constexpr (stored_scores)
        return StoredScores<Group>(group, a, unit);
      else
        return this->keys(group, tile, unit);
    }();
    Float score[Group::max_heads];
    Float weight[Group::max_heads];
    Drawn<Group> drawn;
    for (std::int64_t first = unit.begin; first < unit.end; first += Group::size) {
      source.scores(first, 1, keys_of_tile<Group>(unit, first), score);
      state.weigh(score, weight);
      rule.draw({static_cast<std::uint32_t>(first / Group::size), unit.heads, score, weight}, state.with_spread(),
                drawn);
      state.add(first, drawn);
    }
    const std::int64_t row = unit.slice_row(a) * a.splits + unit.split;
    state.finish(rule, a.work.states + row * a.slice_heads * state_floats(a.dim));
    group.single([&] { a.work.counts[row] = {state.rows(), rule.samples(state.rows())}; });
  }
};

}  // namespace santa::detail
