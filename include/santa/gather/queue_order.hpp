// The places of rows that wait, in a ring.
#pragma once

#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

namespace santa::detail::inline SANTA_BUILD {

/// First come, first gone, a batch at a time. Some of the oldest may have been asked for already.
template <int capacity, int batch>
class QueueOrder {
 public:
  [[nodiscard]] KOKKOS_FUNCTION int size() const { return _size; }
  /// The place of the oldest, and of the one that comes i later.
  [[nodiscard]] KOKKOS_FUNCTION int front() const { return _front; }
  [[nodiscard]] KOKKOS_FUNCTION int place(int i) const {
    const int at = _front + i;
    return at < capacity ? at : at - capacity;
  }
  KOKKOS_FUNCTION void push(int count) { _size += count; }

  /// How many of the oldest have been asked for.
  [[nodiscard]] KOKKOS_FUNCTION int asked() const { return _asked; }
  KOKKOS_FUNCTION void ask(int count) { _asked = _asked + count < _size ? _asked + count : _size; }

  /// The oldest batch, or what there is.
  [[nodiscard]] KOKKOS_FUNCTION int in_batch() const { return _size < batch ? _size : batch; }
  /// Drops the oldest: a batch, or fewer if they are all that is left.
  KOKKOS_FUNCTION void pop(int count) {
    _size -= count;
    _front = _size > 0 ? place(count) : 0;
    _asked = _asked > count ? _asked - count : 0;
  }

 private:
  int _front = 0;
  int _size = 0;
  int _asked = 0;
};

}  // namespace santa::detail::inline SANTA_BUILD
