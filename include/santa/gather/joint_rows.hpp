// The running state of a lane group that draws once for all its heads.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/core/head_state.hpp>
#include <santa/gather/product_masses.hpp>
#include <santa/gather/queue_order.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <type_traits>

namespace santa::detail::inline SANTA_BUILD {

/// What GroupState is elsewhere: drawn rows wait in a queue, their weights as the stage's product takes them that adds
/// them up. A lane has numbers of a few heads only, so that 16 of them find room in registers. Without error bars.
///
/// Rows that are scored again wait with a weight per unit of their own, as GroupState has it, and what they add up to
/// has references of its own.
///
/// `Stage`: one that `draws_jointly`.
template <class Group, class Stage>
class JointRows {
  using Scores = typename Stage::Products::Joint;
  using Queue = typename Stage::Products::Queue;
  using Numbers = typename Scores::Heads;
  static constexpr int batch = 16;

 protected:
  static constexpr int capacity = Queue::capacity;
  static_assert(capacity % batch == 0 && capacity >= 2 * batch - 1 + Group::size,
                "a batch on its way, one that is not full, a tile");
  static_assert(capacity % 4 == 0, "weights begin at whole 16 bytes");

 public:
  static constexpr bool rescored = Stage::rescored;
  /// What `close` leaves to `store`.
  using Heads = ExpectedRows;

  /// Scratch in 4-byte words: which rows wait, and their weights.
  KOKKOS_FUNCTION static constexpr int scratch_words(int /*heads*/, bool /*with_spread*/) {
    return capacity + Queue::scratch_words;
  }

  KOKKOS_FUNCTION JointRows(const Group& /*group*/, Stage& stage, float* scratch, const Arguments& arguments,
                            const Unit& unit)
      : _stage(stage),
        _index(reinterpret_cast<std::int32_t*>(scratch)),
        _queue(scratch + capacity),
        _unit(unit),
        _dim(arguments.dim) {
    Scores::for_each_head([&](int b, int k) { _used[b][k] = _squares[b][k] = 0.F; });
  }

  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t rows() const { return _rows; }

  /// Turns a tile's scores into weights and adds up their mass.
  KOKKOS_FORCEINLINE_FUNCTION void weigh(Scores& scores) {
    _masses.follow(scores, [&](const auto& factor) {
      if constexpr (!rescored) {
        rescale_waiting(factor);
        rescale_sums(factor);
      }
    });
    _masses.weigh(scores, [](float weight, float score, int, int) {
      return rescored ? (score < lanes::lowest ? 0.F : 1.F) : weight;
    });
  }

  /// Queues the drawn rows of a tile with weights: `drawn` has a bit for each lane of which the row is drawn, and each
  /// such lane what the row's weights are multiplied by. `first` is the tile's first key.
  KOKKOS_FORCEINLINE_FUNCTION void add(std::int64_t first, std::uint32_t drawn, float by, const Scores& weights) {
    if (drawn == 0) return;
    const auto place = [&](int lane) {
      return _order.place(_order.size() + Kokkos::popcount(drawn & ((std::uint32_t{1} << lane) - 1U)));
    };
    Scores::for_each_row([&](int half, int r) {
      const float row_by = Scores::of_owner(by, half, r);
      const int owner = Scores::owning_lane(half, r);
      if (((drawn >> owner) & 1U) == 0) return;
      const int at = place(owner);
      SANTA_UNROLL(Scores::blocks)
      for (int b = 0; b < Scores::blocks; ++b) {
        float weight[2];
        for (int k = 0; k < 2; ++k) {
          weight[k] = weights.of[half][b][r][k] * row_by;
          if constexpr (!rescored) count_weight(weight[k], b, k);
        }
        _queue.set(at, b, weight[0], weight[1]);
      }
    });
    const int lane = Group::thread();
    if (((drawn >> lane) & 1U) != 0)
      _index[place(lane)] = static_cast<std::int32_t>(first - _unit.begin) + Group::lane();
    const int count = Kokkos::popcount(drawn);
    _order.push(count);
    _rows += static_cast<std::uint32_t>(count);
    Group::sync();
  }

  // How an asynchronous stage sees the rows that wait: as GroupState's.
  [[nodiscard]] KOKKOS_FUNCTION int size() const { return _order.size(); }
  [[nodiscard]] KOKKOS_FUNCTION int unasked() const { return _order.size() - _order.asked(); }
  [[nodiscard]] KOKKOS_FUNCTION auto unasked_row(int i) const {
    return _stage.value_row(_index[_order.place(_order.asked()) + i]);
  }
  [[nodiscard]] KOKKOS_FUNCTION auto unasked_key(int i) const {
    return _stage.key_row(_index[_order.place(_order.asked()) + i]);
  }
  KOKKOS_FUNCTION void asked(int count) { _order.ask(count); }

  /// Gathers the oldest rows: a batch, or what there is.
  KOKKOS_FORCEINLINE_FUNCTION void take() {
    const int count = _order.in_batch();
    if (count < batch) _queue.clear(_order.front(), count);
    typename Queue::Weights weights;
    _queue.load(_order.front(), weights);
    if constexpr (rescored) weigh_again(weights);
    _stage.gather_weighed(weights);
    _order.pop(count);
  }

  /// Gathers what still waits and adds up over lanes. After it, scratch is not looked at any more.
  template <class Rule>
  KOKKOS_FUNCTION void close(const Rule& rule, Heads& expected) {
    _stage.settle(*this, 0);
    expected = rule.expected_rows(0);
    _masses.close();
    _masses.sum(_used);
    _masses.sum(_squares);
  }

  /// Writes the state of all heads: [heads][state_floats].
  KOKKOS_FUNCTION void store(const Heads& expected, float* to) const {
    store_states<Scores>(
        _stage, _unit.heads, _dim,
        [&](int b, int k) {
          HeadState state = _masses.state(b, k);
          if constexpr (rescored) state.reference = _again.reference(b, k);
          state.used = _used[b][k];
          state.squares = _squares[b][k];
          state.certain = expected.certain;
          state.uncertain = expected.uncertain;
          return state;
        },
        to);
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION void count_weight(float weight, int b, int k) {
    _used[b][k] += weight;
    _squares[b][k] = lanes::fma(weight, weight, _squares[b][k]);
  }

  /// Makes weights of the oldest rows, whose keys are here, of what they are per unit of their own weight. NaN shows,
  /// but not where a head has not drawn the row.
  KOKKOS_FORCEINLINE_FUNCTION void weigh_again(typename Queue::Weights& weights) {
    typename Queue::Weights own;
    _stage.scores_again(_index + _order.front(), own);
    own.for_each([&](float& score, int half, int b, int r, int k) {
      score = weights.of[half][b][r][k] != 0.F ? score : -lanes::infinity;
    });
    _again.follow(own, [&](const auto& factor) { rescale_sums(factor); });
    _again.weigh(own, [](float weight, float, int, int) { return weight; });
    weights.for_each([&](float& weight, int half, int b, int r, int k) {
      weight *= own.of[half][b][r][k];
      count_weight(weight, b, k);
    });
  }

  /// Multiplies the weights of rows that wait. Rare.
  KOKKOS_FUNCTION void rescale_waiting(const Numbers& factor) {
    constexpr int columns = Group::size / 4;
    SANTA_UNROLL(1)
    for (int i = Group::thread() / 4; i < _order.size(); i += columns) _queue.rescale(_order.place(i), factor);
    Group::sync();
  }
  /// Multiplies what drawn rows add up to. Rare.
  KOKKOS_FUNCTION void rescale_sums(const Numbers& factor) {
    Scores::for_each_head([&](int b, int k) {
      _used[b][k] *= factor[b][k];
      _squares[b][k] *= factor[b][k] * factor[b][k];
    });
    _stage.rescale_heads(factor);
  }

 protected:
  Stage& _stage;
  std::int32_t* _index;
  Queue _queue;
  QueueOrder<capacity, batch> _order;
  const Unit& _unit;
  int _dim;
  std::uint32_t _rows = 0;

 private:
  ProductMasses<Group, Scores> _masses;
  struct None {};
  std::conditional_t<rescored, ProductMasses<Group, typename Queue::Weights>, None> _again;
  Numbers _used;     // weights given to rows drawn
  Numbers _squares;  // and their squares
};

}  // namespace santa::detail::inline SANTA_BUILD
