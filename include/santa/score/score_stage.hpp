// ScoreStage: what kernels ask of the stage, which knows a unit's data: scores of its keys, sums of its value rows.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>
#include <santa/schedule/unit.hpp>
#include <santa/score/coming_rows.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A stage that takes rows in the course of its other work, when they have come, rather than when they are drawn.
///   settle(drawn, most)            has drawn rows taken until at most `most` wait; `drawn` is the group's state
///   value_row(index), key_row(index)  where a drawn row lies, for those that ask for it by address
template <class S>
concept AsynchronousStage = requires(S stage, const S& fixed, NoDrawnRows& drawn, std::int32_t index) {
  stage.settle(drawn, 0);
  fixed.value_row(index);
  fixed.key_row(index);
};

/// A stage whose drawn rows are scored again by their keys.
///   scores_again(index, count, score)  as `scores`: lane i's is that of drawn row index[i], i < count. Called before
///                                      these rows are gathered
template <class S, class Group>
concept RescoringStage = requires(S stage, const std::int32_t* index, int count,
                                  typename Group::template Vector<float>* score) {
  stage.scores_again(index, count, score);
};

/// A stage by which error bars can be had: one of these, called for rows that are gathered where `with_spread` is set.
///   squared_distance(index, center) -> float  |value row - center|^2; a center of null is 0
///   add_spreads(spread, count)                takes the spreads of the `count` rows gathered last, in place of it
template <class S>
concept SpreadingStage = requires(const S& fixed, std::int32_t index, const float* center) {
  { fixed.squared_distance(index, center) } -> std::same_as<float>;
}
|| requires(S stage, const float* spread, int count) { stage.add_spreads(spread, count); };

/// A unit's data, as a lane group sees it. All lanes call its members, in this order; `heads` are those of the unit.
///   asynchronous  it is an AsynchronousStage
///   rescored      it is a RescoringStage
///   take_queries(meanwhile)  once, by all groups of the team; meanwhile() may be called while queries are on their way
///   ask(first, step, count)  asks for a tile's keys ahead of time, where that can be done; may do nothing
///   scores(first, step, count, score, next, next_count, drawn, end)
///       score[head], in log2 units, of keys first, first + step, ..., one a lane; -infinity in lanes from `count` on
///       and of keys that are not visible. +infinity, which has no softmax, becomes NaN. What follows are hints: the
///       group's next tile begins at key `next` and has `next_count` keys, others follow as far apart until `end` (0:
///       unknown). `drawn` are the rows that wait to be gathered
///   clear()                  sums are 0: before rows are gathered
///   ask_row(index)           asks for what will be read of a drawn row; of groups with newest_kept > 0. Rows are named
///                            by their distance from the unit's first key
///   gather(index, count, ahead, weight, stride)
///       adds weight[head * stride + i] times value row index[i] to each head's sum, i < count <= 16. ahead(i) is a row
///       that will be wanted after these
///   rescale(head, factor)    multiplies a head's sum: its weights' reference has changed
///   store_sums(to, stride)   writes to[head * stride + d], d < Arguments::dim: when the unit is done
///   flags()                  of stages that have it, by all groups of the team: bits of Statistics::Flag. The last
template <class S, class Group>
concept ScoreStage = requires(S stage, const S& fixed, std::int64_t key, int count, std::int32_t index,
                              const std::int32_t* rows, typename Group::template Vector<float>* score,
                              NoDrawnRows& drawn, void (*meanwhile)(), std::int32_t (*ahead)(int), const float* weight,
                              float* to) {
  requires std::same_as<decltype(S::asynchronous), const bool> && std::same_as<decltype(S::rescored), const bool>;
  stage.take_queries(meanwhile);
  stage.ask(key, key, count);
  stage.scores(key, key, count, score, key, count, drawn, key);
  stage.scores(key, key, count, score, key, count, drawn);
  stage.clear();
  stage.gather(rows, count, ahead, weight, count);
  stage.rescale(count, *weight);
  fixed.store_sums(to, count);
  requires Group::newest_kept == 0 || requires { fixed.ask_row(index); };
  requires !S::asynchronous || AsynchronousStage<S>;
  requires !S::rescored || RescoringStage<S, Group>;
  requires SpreadingStage<S>;
};

/// What a context holds: the data of all units, copied as bytes with the kernels, which makes stages of them. `heads`
/// is the largest number of query heads of a unit.
///   Stage<Extents>              ScoreStage for groups of Extents
///   shared_floats<Extents>(heads, dims), own_floats<Extents>(heads, dims)  scratch: of a team, and of each of its
///                               groups
///   stage<Extents>(group, arguments, unit, shared, own)  the stage of a unit, which has that scratch. Once a unit
template <class Stages, class Extents, class Group>
concept ScoreStages = ScoreStage<typename Stages::template Stage<Extents>, Group> &&
    requires(const Stages& stages, const Group& group, const Arguments& a, const Unit& unit, float* scratch, int heads,
             RowDims dims) {
  { stages.template shared_floats<Extents>(heads, dims) } -> std::same_as<std::size_t>;
  { stages.template own_floats<Extents>(heads, dims) } -> std::same_as<std::size_t>;
  {
    stages.template stage<Extents>(group, a, unit, scratch, scratch)
    } -> std::same_as<typename Stages::template Stage<Extents>>;
};

}  // namespace santa::detail::inline SANTA_BUILD
