// The running state of one lane group: what it has seen, drawn and added up.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/core/head_state.hpp>
#include <santa/gather/row_queue.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Sums of one unit of work: masses by lane, the queue of drawn rows, and (in the stage) the weighted sum of value
/// rows. Weights are relative to a reference exponent per head, an integer in log2 units, so that changing it is exact.
/// It is raised when a score exceeds it by more than 2^8 and never lowered: nothing overflows, and what is lost below
/// 2^-126 of the largest weight does not show.
///
/// Where drawn rows are scored again by their keys, those in the queue wait with a weight per unit of their own weight
/// (1 / inclusion probability), which becomes a weight when they are gathered. What they add up to has a reference of
/// its own: their scores may be far above those that they were drawn by, or far below.
template <class Group, class Stage>
class GroupState {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Float = Vector<float>;

 public:
  static constexpr float headroom = 8.F;
  static constexpr bool rescored = Stage::rescored;
  using Heads = HeadState[Group::max_heads];  // what `close` hands to `store`

  /// Scratch in 4-byte words: the queue, references of drawn rows that are scored again, and the error-bar sums.
  KOKKOS_FUNCTION static constexpr int scratch_words(int heads, bool with_spread) {
    return RowQueue<Group>::scratch_words(Group::padded(heads), with_spread && !rescored) +
           (rescored ? Group::padded(heads) : 0) + (with_spread ? Group::padded(heads) : 0);
  }

  KOKKOS_FUNCTION GroupState(const Group& group, Stage& stage, float* scratch, const Arguments& arguments,
                             const Unit& unit)
      : _group(group),
        _stage(stage),
        _queue(scratch, Group::padded(unit.heads), arguments.with_spread && !rescored),
        _drawn_reference(scratch + RowQueue<Group>::scratch_words(Group::padded(unit.heads), !rescored)),
        _variance(_drawn_reference + (rescored ? Group::padded(unit.heads) : 0)),
        _unit(unit),
        _dim(arguments.dim),
        _center(arguments.center ? &arguments.center(unit.batch, unit.kv_head) : nullptr),
        _with_spread(arguments.with_spread) {
    _group.for_all_heads(unit.heads, [&](int head) { _mass[head] = _used[head] = _squares[head] = Float(0.F); });
    _group.for_each(Group::padded(unit.heads), [&](int head) {
      if constexpr (rescored) _drawn_reference[head] = empty_reference;
      if (_with_spread) _variance[head] = 0.F;
    });
    _group.sync();
  }

  KOKKOS_FUNCTION void set_reference(int head, float reference) { _reference[head] = reference; }
  [[nodiscard]] KOKKOS_FUNCTION bool with_spread() const { return _with_spread; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t rows() const { return _rows; }

  [[nodiscard]] KOKKOS_FUNCTION float reference(int head) const { return _reference[head]; }

  /// Turns scores that have been weighed before into weights again.
  KOKKOS_FORCEINLINE_FUNCTION void weights(const Float* score, Float* weight) const {
    _group.for_all_heads(_unit.heads,
                         [&](int head) { weight[head] = lanes::exp2_near(score[head] - Float(_reference[head])); });
  }

  /// What a rule is given for such scores. Where rows are scored again, what it makes of a weight is to be per unit of
  /// it: all are 1, but for those of keys that a head does not see.
  KOKKOS_FORCEINLINE_FUNCTION void weights_for_rule(const Float* score, Float* weight) const {
    if constexpr (rescored)
      _group.for_all_heads(_unit.heads, [&](int head) {
        weight[head] = lanes::select(score[head] < Float(lanes::lowest), Float(0.F), Float(1.F));
      });
    else
      weights(score, weight);
  }

  /// Turns a tile's scores into weights and adds up their mass; leaves what a rule is given.
  KOKKOS_FORCEINLINE_FUNCTION void weigh(const Float* score, Float* weight) {
    follow(score, _reference, [&](int head, float factor) {
      _mass[head] = _mass[head] * Float(factor);
      if constexpr (!rescored) rescale_drawn(head, factor);
    });
    weights(score, weight);
    _group.for_all_heads(_unit.heads, [&](int head) { _mass[head] += weight[head]; });
    if constexpr (rescored) weights_for_rule(score, weight);
  }

  /// Sets the mass of all keys where it is known beforehand.
  KOKKOS_FUNCTION void set_mass(int head, float mass) {
    _mass[head] = lanes::select(_group.lanes_between(0, 1), Float(mass), Float(0.F));
  }

  /// For rules that don't look at weights: makes those of drawn rows relative to `own`, which they were drawn by.
  KOKKOS_FORCEINLINE_FUNCTION void make_relative(const Float* own, Drawn<Group>& drawn) const {
    _group.for_all_heads(_unit.heads, [&](int head) {
      const Float inverse = lanes::select(own[head] > Float(0.F), lanes::inverse_near(own[head]), Float(0.F));
      drawn.weight[head] = drawn.weight[head] * inverse;
    });
  }

  /// Queues the drawn rows of a tile; `first` is its first key.
  KOKKOS_FORCEINLINE_FUNCTION void add(std::int64_t first, Drawn<Group>& drawn) {
    if (drawn.rows == 0) return;
    if constexpr (!rescored) {
      const auto chosen = _group.lanes_of(drawn.rows);
      _group.for_all_heads(
          _unit.heads, [&](int head) { count_weight(head, lanes::select(chosen, drawn.weight[head], Float(0.F))); });
    }
    _queue.push(_group, static_cast<std::int32_t>(first - _unit.begin), drawn);
    _rows += static_cast<std::uint32_t>(Kokkos::popcount(drawn.rows));
    if constexpr (!Stage::asynchronous) {
      if constexpr (Group::newest_kept > 0) ask();
      take_until(RowQueue<Group>::batch + Group::newest_kept - 1);
    }
  }

  /// Makes room for a tile's rows where no keys are scored between draws.
  KOKKOS_FORCEINLINE_FUNCTION void make_room() { take_until(RowQueue<Group>::capacity - Group::size); }

  // How an asynchronous stage sees the rows that wait: those it has not asked for yet, the oldest first.
  [[nodiscard]] KOKKOS_FUNCTION int size() const { return _queue.size(); }
  [[nodiscard]] KOKKOS_FUNCTION int unasked() const { return _queue.size() - _queue.asked(); }
  [[nodiscard]] KOKKOS_FUNCTION auto unasked_row(int i) const { return _stage.value_row(_queue.unasked_batch()[i]); }
  [[nodiscard]] KOKKOS_FUNCTION auto unasked_key(int i) const { return _stage.key_row(_queue.unasked_batch()[i]); }
  KOKKOS_FUNCTION void asked(int count) { _queue.ask(count); }

  /// Gathers the oldest rows: a batch, or what there is.
  KOKKOS_FORCEINLINE_FUNCTION void take() {
    const int count = _queue.size() < RowQueue<Group>::batch ? _queue.size() : RowQueue<Group>::batch;
    if constexpr (rescored && !Stage::asynchronous) rescore(count);
    const auto ahead = [&](int i) { return _queue.unasked(i < unasked() ? i : unasked() - 1); };
    _stage.gather(_queue.index(), count, ahead, _queue.weight(0), RowQueue<Group>::capacity);
    if constexpr (!Stage::asynchronous) _queue.ask(count);
    if (_with_spread && !rescored) {
      if constexpr (requires { _stage.add_spreads(_queue.spread(0), 0); })
        _stage.add_spreads(_queue.spread(0), count);
      else
        add_variance(count);
    }
    _queue.pop(count);
  }

  /// Gives the oldest batch, whose keys an asynchronous stage has here, its weights; `take` comes later.
  KOKKOS_FORCEINLINE_FUNCTION void rescore_front() {
    rescore(_queue.size() < RowQueue<Group>::batch ? _queue.size() : RowQueue<Group>::batch);
  }

  /// Gathers what still waits and adds up over lanes. After it, scratch is not looked at any more.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& rule, HeadState* states) {
    take_until(0);
    _group.sync();  // one lane added the variances up
    _group.for_heads(_unit.heads, [&](int head) {
      const ExpectedRows expected = rule.expected_rows(head);
      HeadState& state = states[head];
      state.mass_reference = _reference[head];
      state.reference = drawn_reference(head);
      state.mass = _group.sum(_mass[head]);
      state.used = _group.sum(_used[head]);
      state.squares = _group.sum(_squares[head]);
      state.variance = _with_spread ? _variance[head] : 0.F;
      state.certain = expected.certain;
      state.uncertain = expected.uncertain;
    });
  }

  /// Writes the state of all heads: [heads][state_floats].
  KOKKOS_FUNCTION void store(const HeadState* states, float* to) const {
    _group.for_heads(_unit.heads, [&](int head) {
      float* place = to + head * state_floats(_dim);
      _group.single([&] { *reinterpret_cast<HeadState*>(place) = states[head]; });
    });
    _stage.store_sums(to + head_state_floats, static_cast<int>(state_floats(_dim)));
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void count_weight(int head, const Float& weight) {
    _used[head] += weight;
    _squares[head] = lanes::fma(weight, weight, _squares[head]);
  }

  /// What drawn rows' weights are relative to.
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION float drawn_reference(int head) const {
    if constexpr (rescored)
      return _drawn_reference[head];
    else
      return _reference[head];
  }

  /// Gives the oldest rows the weights of their full keys; NaN shows, but not where a head has not drawn the row.
  /// Bytes: `count` key rows. Spreads follow from the weights: a row of inclusion probability pi and weight w has (1 -
  /// pi) (w / pi)^2.
  KOKKOS_FORCEINLINE_FUNCTION void rescore(int count) {
    Float score[Group::max_heads];
    Float spread[Group::max_heads] = {};
    _stage.scores_again(_queue.index(), count, score);
    _group.for_all_heads(_unit.heads, [&](int head) {
      const auto drawn = _group.load(_queue.weight(head), count, 0.F) != Float(0.F);
      score[head] = lanes::select(drawn, score[head], Float(-lanes::infinity));
    });
    follow(score, _drawn_reference, [&](int head, float factor) { rescale_drawn(head, factor); });
    _group.for_all_heads(_unit.heads, [&](int head) {
      float* at = _queue.weight(head);
      const Float own = lanes::exp2_near(score[head] - Float(_drawn_reference[head]));
      const Float weight = _group.load(at, count, 0.F) * own;
      _group.store(weight, at, count);
      count_weight(head, weight);
      const Float doubtful = weight - own;  // more than the rounding of 1 / pi
      spread[head] = lanes::select(doubtful > weight * Float(1e-6F), weight * doubtful, Float(0.F));
    });
    if (_with_spread)
      for (int i = 0; i < count; ++i) {
        const float distance = _stage.squared_distance(_queue.index()[i], _center);
        _group.for_heads(_unit.heads, [&](int head) {
          const float value = _group.value_of(spread[head], i);
          if (value > 0.F) _group.single([&] { _variance[head] = lanes::fma(value, distance, _variance[head]); });
        });
      }
    _group.sync();
  }

  /// Asks for a few of the newest rows; more would stop everything else, and are asked for beside the sums of older
  /// ones.
  KOKKOS_FUNCTION void ask() {
    constexpr int few = 8;
    for (int i = 0; i < unasked() && i < few; ++i) _stage.ask_row(_queue.unasked(i));
    _queue.ask(few);
  }

  /// Gathers the oldest rows until at most `most` wait.
  KOKKOS_FORCEINLINE_FUNCTION void take_until(int most) {
    if constexpr (Stage::asynchronous)
      _stage.settle(*this, most);
    else
      while (_queue.size() > most) take();
  }

  KOKKOS_FUNCTION void add_variance(int count) {
    for (int i = 0; i < count; ++i) {
      const float distance = _stage.squared_distance(_queue.index()[i], _center);
      _group.for_heads(_unit.heads, [&](int head) {
        if (const float spread = _queue.spread(head)[i]; spread > 0.F)
          _group.single([&] { _variance[head] = lanes::fma(spread, distance, _variance[head]); });
      });
    }
    _group.sync();  // rows that are pushed next may take the place of those read here
  }

  /// Raises the references that a score exceeds by too much, after rescale(head, factor) of what is in units of it.
  template <class Rescale>
  KOKKOS_FORCEINLINE_FUNCTION void follow(const Float* score, float* reference, const Rescale& rescale) {
    const auto exceeds = [&](int head) { return score[head] > Float(reference[head] + headroom); };
    typename Group::Mask above(0);
    _group.for_all_heads(_unit.heads, [&](int head) { above = above | exceeds(head); });
    if (!_group.any(above)) return;
    _group.for_all_heads(_unit.heads, [&](int head) {
      if (!_group.any(exceeds(head))) return;
      const float before = reference[head];
      const float raised = lanes::ceil(_group.max(lanes::max(Float(empty_reference), score[head])));
      if (before > empty_reference) rescale(head, lanes::exp2(before - raised));
      _group.sync();  // references may lie in scratch
      reference[head] = raised;
      _group.sync();
    });
  }

  /// Multiplies what drawn rows of a head add up to. Those that wait to be scored again have no weights yet.
  KOKKOS_FUNCTION void rescale_drawn(int head, float factor) {
    _used[head] = _used[head] * Float(factor);
    _squares[head] = _squares[head] * Float(factor * factor);
    if (_with_spread) _group.single([&] { _variance[head] *= factor * factor; });
    if constexpr (!rescored) _queue.rescale(_group, head, factor);
    _stage.rescale(head, factor);
  }

  const Group& _group;
  Stage& _stage;
  RowQueue<Group> _queue;
  float* _drawn_reference;  // [head], where rows are scored again
  float* _variance;         // [head]
  const Unit& _unit;
  int _dim;
  const float* _center;
  bool _with_spread;
  std::uint32_t _rows = 0;
  float _reference[Group::max_heads];
  Float _mass[Group::max_heads];     // weights of all keys, by lane
  Float _used[Group::max_heads];     // weights given to rows drawn
  Float _squares[Group::max_heads];  // and their squares
};

}  // namespace santa::detail::inline SANTA_BUILD
