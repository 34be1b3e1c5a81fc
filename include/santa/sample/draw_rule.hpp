// DrawRule: what kernels ask of the rule of a method, which draws rows by their scores.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/schedule/unit.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What every rule has. `tile.number` is key / 32; tiles come in any order, so nothing that decides draws is carried
/// from one to the next.
///   initial_reference(head) -> float  what the head's weights are relative to at first, an integer in log2 units;
///                                     empty_reference: the first tile sets it. Called once, before all tiles
///   draw(tile, with_spread, drawn)    for each tile: fills drawn.rows, drawn.weight[head] and, if `with_spread`,
///                                     drawn.spread[head] of all heads. The expectation of a row's weight is
///                                     tile.weight[head], that of a row which is not drawn being 0. Lanes whose score
///                                     is -infinity have no key and are not drawn; NaN is drawn, as it must show
///   expected_rows(head) -> ExpectedRows  for budgets; {} if the rule has none. Called when all tiles are done
///   samples(rows) -> std::uint32_t    draws that led to so many rows: Statistics::samples
template <class R, class Group>
concept DrawsRows = requires(R rule, const R& fixed, const ScoredTile<Group>& tile, Drawn<Group>& drawn, int head,
                             std::uint32_t rows, bool with_spread) {
  { fixed.initial_reference(head) } -> std::same_as<float>;
  rule.draw(tile, with_spread, drawn);
  { fixed.expected_rows(head) } -> std::same_as<ExpectedRows>;
  { fixed.samples(rows) } -> std::same_as<std::uint32_t>;
};

/// A rule that draws as scores come, tile by tile: constructed once a unit, by all lanes of each group.
template <class R, class Group, class Arguments>
concept DrawRule = DrawsRows<R, Group> && std::constructible_from<R, const Group&, const Arguments&, const Unit&>;

/// Of any rule, optional.
///   open(arguments, unit)  called once, when the group has begun to ask for its first tile: what the constructor has
///                          loaded is looked at here
template <class R, class Arguments>
concept OpenedRule = requires(R rule, const Arguments& a, const Unit& unit) {
  rule.open(a, unit);
};

/// A rule that needs a tile's weights at times only.
///   reads_weights() -> bool  whether `draw` looks at the weights of the tile at hand
template <class R>
concept ReadsWeightsAtTimes = requires(const R& rule) {
  { rule.reads_weights() } -> std::same_as<bool>;
};

/// A rule that draws by scores which an earlier pass has stored, and knows from it what lies in which tile.
///   begin(tile) -> bool   whether rows may be drawn from a tile; asked for each of the group's tiles in turn, and
///                         `draw` is called for those alone
///   reads_weights()       of all tiles of the unit. If not, weights are found of no tile but where rows are rescored
///   mass(head) -> float   the unit's sum of weights, where `reads_weights` is false; at the end
///   InRuns<Runs>          if its recipe runs it with_runs: the rule that draws the same from several tiles at once, by
///                         masses that the first pass has stored: see RunRule
template <class R, class Group, class Arguments>
concept StoredScoreRule = DrawRule<R, Group, Arguments> && ReadsWeightsAtTimes<R> &&
    requires(R rule, const R& fixed, std::uint32_t tile, int head) {
  { rule.begin(tile) } -> std::same_as<bool>;
  { fixed.mass(head) } -> std::same_as<float>;
};

/// A rule that sees all scores of a tile of its own, arguments.draw_tile keys, before it draws from it. They wait in
/// scratch, with which it is constructed besides. For each of its tiles: `begin`, `keep` of each part of 32 keys,
/// `settle`, and of each part again (`scores` or `own_weights`, then) `draw`.
///   scratch_floats(arguments)  static: floats of each group
///   begin(begin, end)          a tile of keys begin to end - 1
///   keep(first, score)         takes the scores of the part whose first key is `first`
///   settle<own>(reference)     all are kept: chooses what to draw. From here to the end of the tile weights are
///                              relative to reference(head); with `own`, to what the rule likes: rows are rescored
///   reads_weights()            of this tile
///   scores(first, score)       gives back the scores of a part, where `reads_weights`
///   own_weights(first, weight) else, and where rows are scored again: the weights that `draw` draws by
template <class R, class Group, class Arguments>
concept LookAheadRule = DrawsRows<R, Group> && ReadsWeightsAtTimes<R> &&
    std::constructible_from<R, const Group&, const Arguments&, const Unit&, float*> &&
    requires(R rule, const R& fixed, const Arguments& a, std::int64_t key,
             typename Group::template Vector<float>* lanes, float (*reference)(int)) {
  { R::scratch_floats(a) } -> std::same_as<std::size_t>;
  rule.begin(key, key);
  rule.keep(key, lanes);
  rule.template settle<true>(reference);
  rule.template settle<false>(reference);
  fixed.scores(key, lanes);
  fixed.own_weights(key, lanes);
};

}  // namespace santa::detail::inline SANTA_BUILD
