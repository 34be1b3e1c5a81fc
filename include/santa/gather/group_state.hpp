// The running state of one lane group: what it has seen, drawn and added up.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/drawn.hpp>
#include <santa/gather/row_queue.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Sums of one unit of work: masses by lane, the queue of drawn rows, and (in `Tile`) the weighted sum of value rows.
/// Weights are relative to a reference exponent per head, an integer in log2 units, so that changing it is exact. It is
/// raised when a score exceeds it by more than 2^8 and never lowered: nothing overflows, and what is lost below 2^-126
/// of the largest weight does not show.
template <class Group, class Tile, class Rows>
class GroupState {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Float = Vector<float>;

 public:
  static constexpr float headroom = 8.F;

  /// Scratch in 4-byte words: the queue, and sums that change once a batch of rows.
  KOKKOS_FUNCTION static constexpr int scratch_words(int heads) {
    return RowQueue<Group>::scratch_words(Group::padded(heads)) + Group::padded(heads) * (2 * Group::size + 1);
  }

  KOKKOS_FUNCTION GroupState(const Group& group, Tile& tile, const Rows& values, float* scratch,
                             const Arguments& arguments, const Unit& unit)
      : _group(group),
        _tile(tile),
        _values(values),
        _queue(scratch, Group::padded(unit.heads), static_cast<bool>(arguments.error)),
        _used(scratch + RowQueue<Group>::scratch_words(Group::padded(unit.heads))),
        _squares(_used + Group::padded(unit.heads) * Group::size),
        _variance(_squares + Group::padded(unit.heads) * Group::size),
        _unit(unit),
        _dim(arguments.dim),
        _center(arguments.center ? &arguments.center(unit.batch, unit.kv_head) : nullptr),
        _with_spread(static_cast<bool>(arguments.error)) {
    _group.for_all_heads(unit.heads, [&](int head) { _mass[head] = Float(0.F); });
    for (int i = 0; i < 2 * Group::padded(unit.heads); ++i) _group.store(Float(0.F), _used + i * Group::size);
    _group.for_each(Group::padded(unit.heads), [&](int head) { _variance[head] = 0.F; });
    _group.sync();
  }

  KOKKOS_FUNCTION void set_reference(int head, float reference) { _reference[head] = reference; }
  [[nodiscard]] KOKKOS_FUNCTION bool with_spread() const { return _with_spread; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t rows() const { return _rows; }

  [[nodiscard]] KOKKOS_FUNCTION float reference(int head) const { return _reference[head]; }

  /// Turns scores that have been weighed before into weights again.
  KOKKOS_FORCEINLINE_FUNCTION void weights(const Float* score, Float* weight) const {
    _group.for_all_heads(_unit.heads,
                         [&](int head) { weight[head] = lanes::exp2(score[head] - Float(_reference[head])); });
  }

  /// Turns a tile's scores into weights and adds up their mass.
  KOKKOS_FORCEINLINE_FUNCTION void weigh(const Float* score, Float* weight) {
    typename Group::Mask above(0);
    _group.for_all_heads(_unit.heads,
                         [&](int head) { above = above | (score[head] > Float(_reference[head] + headroom)); });
    if (_group.any(above))
      _group.for_all_heads(_unit.heads, [&](int head) {
        if (_group.any(score[head] > Float(_reference[head] + headroom))) raise_reference(head, score[head]);
      });
    _group.for_all_heads(_unit.heads, [&](int head) {
      weight[head] = lanes::exp2(score[head] - Float(_reference[head]));
      _mass[head] += weight[head];
    });
  }

  /// Queues the drawn rows of a tile; `first` is its first key.
  KOKKOS_FORCEINLINE_FUNCTION void add(std::int64_t first, const Drawn<Group>& drawn) {
    if (drawn.rows == 0) return;
    const int before = _queue.size();
    _queue.push(_group, static_cast<std::int32_t>(first - _unit.begin), drawn);
    _rows += static_cast<std::uint32_t>(_queue.size() - before);
    if constexpr (Group::newest_kept > 0) ask();
    gather(RowQueue<Group>::batch + Group::newest_kept);
  }

  /// Gathers what still waits and adds up over lanes. After it, scratch is not looked at any more.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& rule, HeadState* states) {
    gather(0);
    _group.for_heads(_unit.heads, [&](int head) {
      const ExpectedRows expected = rule.expected_rows(head);
      HeadState& state = states[head];
      state.reference = _reference[head];
      state.mass = _group.sum(_mass[head]);
      state.used = _group.sum(_group.load(_used + head * Group::size));
      state.squares = _group.sum(_group.load(_squares + head * Group::size));
      state.variance = _variance[head];
      state.certain = expected.certain;
      state.uncertain = expected.uncertain;
    });
  }

  /// Writes the state of all heads: [heads][8 + dim].
  KOKKOS_FUNCTION void store(const HeadState* states, float* to) const {
    _group.for_heads(_unit.heads, [&](int head) {
      float* place = to + head * state_floats(_dim);
      _group.single([&] { *reinterpret_cast<HeadState*>(place) = states[head]; });
    });
    _tile.store_sums(to + head_state_floats, static_cast<int>(state_floats(_dim)));
  }

 private:
  /// Asks for a few of the newest rows; more would stop everything else, and are asked for beside the sums of older
  /// ones.
  KOKKOS_FUNCTION void ask() {
    constexpr int few = 8;
    for (int i = _queue.asked(); i < _queue.size() && i < _queue.asked() + few; ++i)
      _group.prefetch(_values[_unit.begin + _queue.index()[i]], _dim * int{sizeof(typename Tile::Element)});
    _queue.ask(few);
  }

  KOKKOS_FORCEINLINE_FUNCTION void gather(int keep) {
    _queue.drain(_group, keep, [&](int at, int count) {
      const int asked = _queue.asked();
      const auto ahead = [&](int i) {
        return _values[_unit.begin + _queue.index()[asked + i < _queue.size() ? asked + i : _queue.size() - 1]];
      };
      _tile.add_rows(_values, _unit.begin, _queue.index() + at, count, ahead, _queue.weight(0) + at,
                     RowQueue<Group>::capacity);
      _queue.ask(count);
      add_weights(at, count);
      if (!_with_spread) return;
      if constexpr (requires { _tile.add_spreads(_queue.spread(0), 0); })
        _tile.add_spreads(_queue.spread(0) + at, count);
      else
        add_variance(at, count);
    });
  }

  /// Sums of the weights given to rows read, by their place in the batch.
  KOKKOS_FORCEINLINE_FUNCTION void add_weights(int at, int count) {
    const auto present = _group.lanes_between(0, count);
    for (int head = 0; head < _unit.heads; ++head) {
      const Float weight = lanes::select(present, _group.load(_queue.weight(head) + at), Float(0.F));
      float* used = _used + head * Group::size;
      float* squares = _squares + head * Group::size;
      _group.store(_group.load(used) + weight, used);
      _group.store(lanes::fma(weight, weight, _group.load(squares)), squares);
    }
  }

  KOKKOS_FUNCTION void add_variance(int at, int count) {
    for (int i = at; i < at + count; ++i) {
      const float distance = _tile.squared_distance(_values[_unit.begin + _queue.index()[i]], _center);
      _group.for_heads(_unit.heads, [&](int head) {
        if (const float spread = _queue.spread(head)[i]; spread > 0.F)
          _group.single([&] { _variance[head] = lanes::fma(spread, distance, _variance[head]); });
      });
    }
  }

  KOKKOS_FUNCTION void raise_reference(int head, const Float& score) {
    const float raised = lanes::ceil(_group.max(lanes::max(Float(empty_reference), score)));
    if (_reference[head] > empty_reference) rescale(head, lanes::exp2(_reference[head] - raised));
    _reference[head] = raised;
  }

  KOKKOS_FUNCTION void rescale(int head, float factor) {
    _mass[head] = _mass[head] * Float(factor);
    float* used = _used + head * Group::size;
    float* squares = _squares + head * Group::size;
    _group.store(_group.load(used) * Float(factor), used);
    _group.store(_group.load(squares) * Float(factor * factor), squares);
    _group.single([&] { _variance[head] *= factor * factor; });
    _queue.rescale(_group, head, factor);
    _tile.rescale(head, factor);
  }

  const Group& _group;
  Tile& _tile;
  Rows _values;
  RowQueue<Group> _queue;
  float* _used;      // [head][lane]
  float* _squares;   // [head][lane]
  float* _variance;  // [head]
  const Unit& _unit;
  int _dim;
  const float* _center;
  bool _with_spread;
  std::uint32_t _rows = 0;
  float _reference[Group::max_heads];
  Float _mass[Group::max_heads];
};

}  // namespace santa::detail
