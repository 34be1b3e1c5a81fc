// The list of drawn rows between rule and gather.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/core/shape.hpp>
#include <santa/gather/queue_order.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Rows that wait to be read: (row, weight per head), one queue a lane group, in a ring. Rows are gathered `batch` at a
/// time, so the cost of a gather depends on how many rows are drawn, not on where they are.
template <class Group>
class RowQueue {
 public:
  static constexpr int batch = 16;
  /// At least two batches that are on their way, one that isn't full, and a tile's rows; whole batches, so that none of
  /// them goes round the end.
  static constexpr int capacity = Group::queue_capacity;
  static_assert(capacity % batch == 0 && capacity >= 3 * batch - 1 + Group::size &&
                capacity >= batch + Group::newest_kept - 1 + Group::size);

  /// Scratch in 4-byte words.
  KOKKOS_FUNCTION static constexpr int scratch_words(int heads, bool with_spread) {
    return capacity * (1 + (with_spread ? 2 : 1) * heads);
  }

  KOKKOS_FUNCTION RowQueue(float* scratch, int heads, bool with_spread)
      : _index(reinterpret_cast<std::int32_t*>(scratch)),
        _weight(scratch + capacity),
        _spread(scratch + capacity * (1 + heads)),
        _heads(heads),
        _with_spread(with_spread) {}

  [[nodiscard]] KOKKOS_FUNCTION int size() const { return _order.size(); }
  /// The oldest batch: row, weight and spread of its members.
  [[nodiscard]] KOKKOS_FUNCTION const std::int32_t* index() const { return _index + _order.front(); }
  [[nodiscard]] KOKKOS_FUNCTION float* weight(int head) const { return _weight + head * capacity + _order.front(); }
  [[nodiscard]] KOKKOS_FUNCTION float* spread(int head) const { return _spread + head * capacity + _order.front(); }

  /// Appends the drawn rows of the tile whose first row is `first`; there is room for a tile.
  KOKKOS_FORCEINLINE_FUNCTION void push(const Group& group, std::int32_t first, const Drawn<Group>& drawn) {
    using Index = typename Group::template Vector<std::int32_t>;
    const int at = _order.place(size());
    group.compact(drawn.rows, group.lane() + Index(first), _index, at, capacity);
    group.for_all_heads(_heads, [&](int head) {
      group.compact(drawn.rows, drawn.weight[head], _weight + head * capacity, at, capacity);
      if (_with_spread) group.compact(drawn.rows, drawn.spread[head], _spread + head * capacity, at, capacity);
    });
    _order.push(Kokkos::popcount(drawn.rows));
    group.sync();
  }

  /// How many of the oldest rows have been asked for, and the row that comes i later than those.
  [[nodiscard]] KOKKOS_FUNCTION int asked() const { return _order.asked(); }
  [[nodiscard]] KOKKOS_FUNCTION std::int32_t unasked(int i) const { return _index[_order.place(asked() + i)]; }
  /// The same of 16 of them side by side, where whole batches alone have been asked for.
  [[nodiscard]] KOKKOS_FUNCTION const std::int32_t* unasked_batch() const { return _index + _order.place(asked()); }
  KOKKOS_FUNCTION void ask(int count) { _order.ask(count); }

  /// Drops the oldest rows: a batch, or fewer if they are all that is left.
  KOKKOS_FUNCTION void pop(int count) { _order.pop(count); }

  /// Brings a head's weights to another reference.
  KOKKOS_FUNCTION void rescale(const Group& group, int head, float factor) {
    group.for_each(size(), [&](int i) {
      const int at = head * capacity + _order.place(i);
      _weight[at] *= factor;
      if (_with_spread) _spread[at] *= factor * factor;
    });
    group.sync();
  }

 private:
  std::int32_t* _index;
  float* _weight;
  float* _spread;
  int _heads;
  bool _with_spread;
  QueueOrder<capacity, batch> _order;
};

}  // namespace santa::detail::inline SANTA_BUILD
