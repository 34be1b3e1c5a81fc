// The list of drawn rows between rule and gather.
#pragma once

#include <santa/core/drawn.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail {

/// Rows that wait to be read: (row, weight per head), one queue a lane group. Rows are gathered `batch` at a time, so
/// the cost of a gather depends on how many rows are drawn, not on where they are.
template <class Group>
class RowQueue {
 public:
  static constexpr int batch = 16;
  static constexpr int capacity = batch + 2 * Group::size;

  /// Scratch in 4-byte words.
  KOKKOS_FUNCTION static constexpr int scratch_words(int heads) { return capacity * (1 + 2 * heads); }

  KOKKOS_FUNCTION RowQueue(float* scratch, int heads, bool with_spread)
      : _index(reinterpret_cast<std::int32_t*>(scratch)),
        _weight(scratch + capacity),
        _spread(scratch + capacity * (1 + heads)),
        _heads(heads),
        _with_spread(with_spread) {}

  [[nodiscard]] KOKKOS_FUNCTION int size() const { return _size; }
  [[nodiscard]] KOKKOS_FUNCTION const std::int32_t* index() const { return _index; }
  [[nodiscard]] KOKKOS_FUNCTION const float* weight(int head) const { return _weight + head * capacity; }
  [[nodiscard]] KOKKOS_FUNCTION const float* spread(int head) const { return _spread + head * capacity; }

  /// Appends the drawn rows of the tile whose first row is `first`.
  KOKKOS_FORCEINLINE_FUNCTION void push(const Group& group, std::int32_t first, const Drawn<Group>& drawn) {
    using Index = typename Group::template Vector<std::int32_t>;
    group.compact(drawn.rows, group.lane() + Index(first), _index + _size);
    group.for_all_heads(_heads, [&](int head) {
      group.compact(drawn.rows, drawn.weight[head], _weight + head * capacity + _size);
      if (_with_spread) group.compact(drawn.rows, drawn.spread[head], _spread + head * capacity + _size);
    });
    _size += Kokkos::popcount(drawn.rows);
    group.sync();
  }

  /// The number of the row that is to be asked for next; `size()` if all have been.
  [[nodiscard]] KOKKOS_FUNCTION int asked() const { return _asked; }
  KOKKOS_FUNCTION void ask(int count) { _asked = _asked + count < _size ? _asked + count : _size; }

  /// Hands rows to take(at, count) in batches until fewer than `keep` (a batch or more) are left; with keep = 0 all,
  /// the last batch may be smaller.
  template <class Take>
  KOKKOS_FORCEINLINE_FUNCTION void drain(const Group& group, int keep, Take&& take) {
    const int least = keep > 0 ? keep : 1;
    int at = 0;
    for (; _size - at >= least; at += batch) take(at, _size - at < batch ? _size - at : batch);
    if (at > 0) drop_front(group, at < _size ? at : _size);
  }

  /// Brings waiting rows of a head to another reference.
  KOKKOS_FUNCTION void rescale(const Group& group, int head, float factor) {
    group.for_each(_size, [&](int i) {
      _weight[head * capacity + i] *= factor;
      if (_with_spread) _spread[head * capacity + i] *= factor * factor;
    });
    group.sync();
  }

 private:
  KOKKOS_FUNCTION void drop_front(const Group& group, int count) {
    const int left = _size - count;
    group.move(_index + count, _index, left);
    for (int head = 0; head < _heads; ++head) {
      group.move(_weight + head * capacity + count, _weight + head * capacity, left);
      if (_with_spread) group.move(_spread + head * capacity + count, _spread + head * capacity, left);
    }
    _size = left;
    _asked = _asked > count ? _asked - count : 0;
    group.sync();
  }

  std::int32_t* _index;
  float* _weight;
  float* _spread;
  int _heads;
  bool _with_spread;
  int _size = 0;
  int _asked = 0;
};

}  // namespace santa::detail
