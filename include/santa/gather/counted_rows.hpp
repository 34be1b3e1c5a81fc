// The running state of a lane group whose heads count the draws of rows, several tiles at a time.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/head_state.hpp>
#include <santa/gather/joint_rows.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What JointRows is where a lane has all heads' weights of the rows that it draws, and the masses of all keys are
/// known but where every row is taken. References stay what they are set to. Of JointRows the queue is used, and how
/// stages see it; all else hides what it has.
template <class Group, class Stage>
class CountedRows : public JointRows<Group, Stage> {
  using Base = JointRows<Group, Stage>;
  using Runs = typename Stage::Products::Runs;
  using Base::_stage, Base::_index, Base::_queue, Base::_order, Base::_unit, Base::_dim, Base::_rows;
  static constexpr int heads = Group::max_heads;

 public:
  using Heads = HeadState[heads];  // what `close` hands to `store`

  KOKKOS_FUNCTION CountedRows(const Group& group, Stage& stage, float* scratch, const Arguments& arguments,
                              const Unit& unit)
      : Base(group, stage, scratch, arguments, unit) {
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) _used[head] = _squares[head] = 0.F;
  }

  /// Queues the drawn rows of several tiles, in the order of keys: `drawn` has a bit for each of the keys of a lane's
  /// run, of which the first one's row is `first`. Rows are gathered as others need their room.
  KOKKOS_FORCEINLINE_FUNCTION void add(std::int64_t first, std::uint32_t drawn, const typename Runs::Numbers& weight) {
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) {
      SANTA_UNROLL(Runs::keys)
      for (int k = 0; k < Runs::keys; ++k) {
        _used[head] += weight[head][k];
        _squares[head] = lanes::fma(weight[head][k], weight[head][k], _squares[head]);
      }
    }
    const int own = Kokkos::popcount(drawn);
    int all = 0;
    const int before = Runs::sum_of_threads(own, all) - own;
    _rows += static_cast<std::uint32_t>(all);
    SANTA_UNROLL(1)
    for (int done = 0; done < all;) {
      _stage.settle(*this, most_waiting);
      const int room = Base::capacity - _order.size();
      const int count = all - done < room ? all - done : room;
      queue(first, drawn, weight, before - done, count);
      done += count;
    }
    _stage.settle(*this, Base::capacity);
  }

  /// Gathers what still waits and adds up over lanes. After it, scratch is not looked at any more.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& rule, Heads& states) {
    _stage.settle(*this, 0);
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head) {
      HeadState& state = states[head];
      state = {};
      state.reference = state.mass_reference = rule.initial_reference(head);
      state.used = Group::sum(_used[head]);
      state.squares = Group::sum(_squares[head]);
      // Of a unit's, known to all its groups, the first one tells.
      state.mass = rule.reads_weights() ? state.used : (Group::rank() == 0 ? rule.mass(head) : 0.F);
    }
  }

  /// Writes the state of all heads: [heads][state_floats].
  KOKKOS_FUNCTION void store(const Heads& states, float* to) const {
    SANTA_UNROLL(heads)
    for (int head = 0; head < heads; ++head)
      if (head < _unit.heads)
        Group::single([&] { *reinterpret_cast<HeadState*>(to + head * state_floats(_dim)) = states[head]; });
    _stage.store_sums(to + head_state_floats, static_cast<int>(state_floats(_dim)));
  }

 private:
  /// Rows that may wait while others are queued: what is on its way, and as many again.
  static constexpr int most_waiting = Base::capacity - 32;

  /// Queues those whose rank, of which the lane's first one is `rank`, is from 0 to count - 1.
  KOKKOS_FORCEINLINE_FUNCTION void queue(std::int64_t first, std::uint32_t drawn, const typename Runs::Numbers& weight,
                                         int rank, int count) {
    const int waiting = _order.size();
    SANTA_UNROLL(Runs::keys)
    for (int k = 0; k < Runs::keys; ++k) {
      if (((drawn >> k) & 1U) == 0) continue;
      if (rank >= 0 && rank < count) {
        const int at = _order.place(waiting + rank);
        float own[heads];
        SANTA_UNROLL(heads)
        for (int head = 0; head < heads; ++head) own[head] = weight[head][k];
        _queue.set_row(at, own);
        _index[at] = static_cast<std::int32_t>(first - _unit.begin) + k;
      }
      ++rank;
    }
    _order.push(count);
    Group::sync();
  }

  float _used[heads];     // weights given to rows drawn
  float _squares[heads];  // and their squares
};

}  // namespace santa::detail::inline SANTA_BUILD
