// Choosing MassUnit's delta: from a subset of the keys, and from what the last step left.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Some keys of a subset: `count` of them, `step` apart, whose scores go to slots from `slot` on; each stands for
/// `stands_for` keys.
struct SubsetTile {
  std::int64_t first = 0, step = 1;
  int count = 0;
  std::int64_t slot = 0;
  float stands_for = 1.F;
};

/// The keys that a first step scores to choose delta: the first few and the last ones always (attention likes both),
/// the rest at a stride: at most one in 32 or 1024 in all, but never fewer than about 512. Source: measured; it gives
/// 0.85 to 1.13 of the rows asked for.
struct Subset {
  static constexpr std::int64_t head_keys = 32;
  static constexpr std::int64_t tail_keys = 128;
  static constexpr std::int64_t most_stride = 32;
  static constexpr std::int64_t fewest = 512;
  static constexpr std::int64_t most = 1024;

  std::int64_t first;    // first key of the strided part
  std::int64_t strided;  // number of keys of the strided part
  std::int64_t stride;
  std::int64_t tail;  // first key of the tail
  float weight;       // how many keys the strided part stands for, one by one

  KOKKOS_FUNCTION Subset(std::int64_t start, std::int64_t length) {
    const std::int64_t visible = length - start;
    const bool all = visible <= head_keys + tail_keys;
    stride = all ? 1 : visible / fewest;
    stride = stride < 1 ? 1 : (stride > most_stride ? most_stride : stride);
    stride = !all && visible / most > stride ? visible / most : stride;
    first = all ? length : start + head_keys;
    tail = all ? length : length - tail_keys;
    strided = (tail - first + stride - 1) / stride;
    weight = strided > 0 ? static_cast<float>(tail - first) / static_cast<float>(strided) : 1.F;
    _start = start;
    _length = length;
  }

  /// Slots for scores of a subset of so many tiles: every part is padded to whole tiles.
  [[nodiscard]] KOKKOS_FUNCTION static std::int64_t capacity(std::int64_t tiles) {
    const std::int64_t strided = tiles < 2 * most / tile_keys ? tiles * tile_keys : 2 * most;
    return (strided + head_keys + tail_keys + 4 * tile_keys) / tile_keys * tile_keys;
  }

  /// The tiles that cover the subset, in slots of their own: at most three of them have fewer than 32 keys.
  [[nodiscard]] KOKKOS_FUNCTION int tiles() const {
    return tiles_of(first - _start) + tiles_of(strided) + tiles_of(_length - tail);
  }
  [[nodiscard]] KOKKOS_FUNCTION SubsetTile tile(int i) const {
    const int head_tiles = tiles_of(first - _start);
    const int strided_tiles = tiles_of(strided);
    const std::int64_t slot = std::int64_t{i} * tile_keys;
    const auto part = [&](std::int64_t from, std::int64_t step, std::int64_t count, int at, float stands_for) {
      const std::int64_t before = std::int64_t{at} * tile_keys;
      const std::int64_t left = count - before;
      return SubsetTile{from + before * step, step, static_cast<int>(left < tile_keys ? left : tile_keys), slot,
                        stands_for};
    };
    if (i < head_tiles) return part(_start, 1, first - _start, i, 1.F);
    if (i < head_tiles + strided_tiles) return part(first, stride, strided, i - head_tiles, weight);
    return part(tail, 1, _length - tail, i - head_tiles - strided_tiles, 1.F);
  }

  /// Calls f(slot, what a key stands for) for all tiles, or for group `rank`'s share of them. Without branches, so that
  /// loads of several turns are on their way together.
  template <class F>
  KOKKOS_FUNCTION void for_each_slot(F&& f, int rank = 0, int groups = 1) const {
    const int count = tiles();
    const int strided_begin = tiles_of(first - _start);
    const int strided_end = strided_begin + tiles_of(strided);
    SANTA_UNROLL(3)
    for (int i = rank; i < count; i += groups)
      f(std::int64_t{i} * tile_keys, i >= strided_begin && i < strided_end ? weight : 1.F);
  }

 private:
  KOKKOS_FUNCTION static int tiles_of(std::int64_t keys) {
    return static_cast<int>((keys + tile_keys - 1) / tile_keys);
  }

  std::int64_t _start, _length;
};

/// Solves sum_i c_i pi_i(lambda) = rows for lambda; c_i is what key i stands for and pi_i its inclusion probability
/// where log2(delta / Z) is lambda. `each(lambda, add)` calls add(pi, c) for the tiles of one group, that is all or
/// its share; `exchange` is room for two numbers of each group of a team. Returns -infinity (read all) where even that
/// gives fewer rows. Sums are in integers, so that they have no order and all backends find the same delta.
///
/// Method: with the certain rows as they are, the others' sum goes as 2^-lambda: a few steps of that from above, where
/// each falls short of the root; halving where a step leaves the bracket.
template <class Group, class Each>
KOKKOS_FUNCTION float solve_log_delta_of(const Group& group, double rows, const Each& each,
                                         std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  using Sum = typename Group::template Vector<std::uint64_t>;
  constexpr float unit = 0x1p20F;
  struct Expected {
    double certain, uncertain;
  };
  const auto expected = [&](float lambda) {
    Sum certain = 0U;
    Sum uncertain = 0U;
    each(lambda, [&](const Float& probability, const Float& stands_for) {
      const Float part = probability * (stands_for * Float(unit));
      const auto sure = probability >= Float(1.F);
      certain += lanes::convert<std::uint64_t>(lanes::select(sure, part, Float(0.F)));
      uncertain += lanes::convert<std::uint64_t>(lanes::select(sure, Float(0.F), part));
    });
    std::uint64_t sums[2] = {group.sum(certain), group.sum(uncertain)};
    group.team_sum(sums, 2, exchange);
    constexpr double per_unit = 1. / static_cast<double>(unit);
    return Expected{static_cast<double>(sums[0]) * per_unit, static_cast<double>(sums[1]) * per_unit};
  };
  // Below -160 all count. Normalised weights sum to about 1: with lambda = -log2(rows) at most `rows` are expected.
  constexpr float close = 1.F / 128.F;  // half a percent of the rows
  float low = -160.F;
  float high = 1.F;
  float lambda = rows > 1. ? -lanes::log2(static_cast<float>(rows)) : 0.F;
  bool enough = false;
  for (int i = 0; i < 32 && high - low > close; ++i) {
    const Expected now = expected(lambda);
    const bool more = now.certain + now.uncertain > rows;
    enough = enough || more;
    (more ? low : high) = lambda;
    const double room = rows - now.certain;
    float next = 0.5F * (low + high);
    if (room > 0. && now.uncertain > 0.) {
      const float step = lanes::log2(static_cast<float>(now.uncertain / room));
      if (Kokkos::fabs(step) < close) return lambda + step;
      if (lambda + step > low && lambda + step < high) next = lambda + step;
    }
    lambda = next;
  }
  return enough ? lambda : -lanes::infinity;
}

/// The same over the tiles of a subset, shared by the groups of a team; `pi(slot, lambda)` gives a tile's values.
template <class Group, class Values>
KOKKOS_FUNCTION float solve_log_delta(const Group& group, const Subset& subset, double rows, const Values& pi,
                                      std::uint64_t* exchange = nullptr) {
  using Float = typename Group::template Vector<float>;
  return solve_log_delta_of(
      group, rows,
      [&](float lambda, const auto& add) {
        subset.for_each_slot([&](std::int64_t slot, float stands_for) { add(pi(slot, lambda), Float(stands_for)); },
                             group.rank(), Group::groups_per_team);
      },
      exchange);
}

/// A head's delta as the last step left it; no finite numbers where it left none.
struct CarriedDelta {
  float log_ratio;  // log2(delta / Z)
  float log2_sum;   // log2(Z)

  [[nodiscard]] KOKKOS_FUNCTION float log_delta() const { return log_ratio + log2_sum; }
};
/// Requires a state.
KOKKOS_INLINE_FUNCTION CarriedDelta carried_delta(const Arguments& a, std::int64_t row) {
  return {a.carried_number(StateArray::log_ratio, row), a.carried_number(StateArray::log2_sum, row)};
}
KOKKOS_INLINE_FUNCTION float carried_log_delta(const Arguments& a, std::int64_t row) {
  return carried_delta(a, row).log_delta();
}

/// Heads that draw together get one delta / Z, the mean of what was carried: log2 of it, or no finite number. What a
/// few keys say of Z misjudges one head's by more than another's, and would stay apart for good, so that one head pays
/// for the rows of another (seen: 2.6 times the error).
template <class Group, class Carried>
KOKKOS_FUNCTION float shared_log_ratio(const Group& group, int heads, const Carried& carried_of) {
  float sum = 0.F;
  bool all = true;  // no head is read whole
  group.for_heads(heads, [&](int head) {
    const CarriedDelta carried = carried_of(head);
    all = all && is_finite(carried.log_delta());
    sum += carried.log_ratio;
  });
  return all ? sum / static_cast<float>(heads) : lanes::not_a_number;
}
template <class Group>
KOKKOS_FUNCTION float shared_log_ratio(const Group& group, const Arguments& a, const Unit& unit) {
  return shared_log_ratio(group, unit.heads, [&](int head) { return carried_delta(a, unit.head_row(a, head)); });
}
/// The carried delta of a head with the ratio that its group shares, where there is one.
KOKKOS_INLINE_FUNCTION float shared_log_delta(const Arguments& a, std::int64_t row, float shared_ratio) {
  return is_finite(shared_ratio) ? shared_ratio + a.carried_number(StateArray::log2_sum, row)
                                 : carried_log_delta(a, row);
}

/// log2 of a head's delta in this step, `panel` being the panel's: what the last step left (`carried`), moved by as
/// much as the panel's has moved since, so that scores that have shifted or have another shape are met in the step
/// itself. The panel's own where nothing was left, or a target error is aimed at; everything is read (-infinity) where
/// it has none.
KOKKOS_INLINE_FUNCTION float steered_log_delta(const Arguments& a, std::int64_t row, float panel, float carried) {
  if (a.budget.target_error > 0.F || !is_finite(carried)) return is_finite(panel) ? panel : -lanes::infinity;
  const float moved = panel - a.carried_number(StateArray::panel, row);
  return is_finite(moved) ? carried + moved : carried;
}
/// The carried delta of a head for a step that a panel may move: part of the way towards what its group shares. All of
/// it at once would trust the panel with each head's change of Z, of which it knows less than of Z itself (seen: 93 %
/// of the steps near the budget, not 96 %). Without a panel there is nothing else to go by: all of the way.
KOKKOS_INLINE_FUNCTION float evened_log_delta(const Arguments& a, std::int64_t row, float shared_ratio) {
  const float part = a.steered ? 0.2F : 1.F;
  const float carried = carried_log_delta(a, row);
  const float shared = shared_log_delta(a, row, shared_ratio);
  return is_finite(shared) && is_finite(carried) ? lanes::fma(part, shared - carried, carried) : carried;
}

/// Whether the budget covers the visible keys.
KOKKOS_INLINE_FUNCTION bool covers_all(const Budget& budget, const Unit& unit) {
  return budget.rows_of(unit.visible()) >= static_cast<double>(unit.visible());
}

/// What a head's delta in this step follows from: loaded where it is made, looked at later.
class GivenDelta {
 public:
  KOKKOS_FUNCTION GivenDelta(const Arguments& a, std::int64_t row) : _found(a.work.log_delta != nullptr) {
    if (_found)
      _carried.log_ratio = a.work.log_delta[row];
    else if (a.state != nullptr)
      _carried = carried_delta(a, row);
  }

  /// log2 of delta: what a kernel before has left, or else what the last step left. Everything is read where the budget
  /// covers the visible keys or nothing was left.
  [[nodiscard]] KOKKOS_FUNCTION float log_delta(const Arguments& a, const Unit& unit) const {
    if (_found) return _carried.log_ratio;
    if (covers_all(a.budget, unit)) return -lanes::infinity;
    return is_finite(_carried.log_delta()) ? _carried.log_delta() : -lanes::infinity;
  }

 private:
  bool _found;  // by a kernel before
  CarriedDelta _carried{};
};

/// The deltas of a unit's heads in this step. What they follow from is loaded where this is made and looked at when
/// they are asked for, so that other things are waited for at the same time.
template <class Group>
class StepDeltas {
  using Float = typename Group::template Vector<float>;

 public:
  KOKKOS_FUNCTION StepDeltas(const Group& group, const Arguments& a, const Unit& unit)
      : _found(a.work.log_delta != nullptr) {
    const std::int64_t row = unit.head_row(a, 0);
    const auto load = [&](StateArray array) {
      return group.load(_found ? a.work.log_delta + row : &a.carried_number(array, row), unit.heads, 0.F);
    };
    _first = load(StateArray::log_ratio);
    _second = load(StateArray::log2_sum);
  }

  /// log2 of each head's delta: as GivenDelta has it; of heads that draw together with one delta / Z.
  KOKKOS_FUNCTION void find(const Group& group, const Arguments& a, const Unit& unit, bool together,
                            float* log_delta) const {
    const auto carried = [&](int head) {
      return CarriedDelta{group.value_of(_first, head), group.value_of(_second, head)};
    };
    if (_found) return group.for_all_heads(unit.heads, [&](int head) { log_delta[head] = carried(head).log_ratio; });
    const bool all_rows = covers_all(a.budget, unit);
    const float shared = together ? shared_log_ratio(group, unit.heads, carried) : lanes::not_a_number;
    group.for_all_heads(unit.heads, [&](int head) {
      CarriedDelta own = carried(head);
      if (is_finite(shared)) own.log_ratio = shared;
      log_delta[head] = !all_rows && is_finite(own.log_delta()) ? own.log_delta() : -lanes::infinity;
    });
  }

 private:
  bool _found;    // by a kernel before
  Float _first;   // log2(delta) if found, or what is carried of log2(delta / Z), head i in lane i
  Float _second;  // what is carried of log2(Z)
};

/// By how much log2(delta) missed the rows asked for, from the inclusion probabilities of its step: the uncertain rows'
/// sum goes as 1 / delta. At most a factor 4.
KOKKOS_INLINE_FUNCTION float correct_log_delta(const ExpectedRows& expected, double rows) {
  const auto room = static_cast<float>(rows - static_cast<double>(expected.certain));
  constexpr float most = 2.F;
  if (!(room > 0.F)) return expected.uncertain > 0.F || expected.certain > 0.F ? most : 0.F;
  if (!(expected.uncertain > 0.F)) return -most;
  const float change = lanes::log2(expected.uncertain) - lanes::log2(room);
  return change > most ? most : (change < -most ? -most : change);
}

/// How much of a miss the next step makes up for. What is left after a panel is mostly chance, which comes anew in
/// every step, over a constant part, what this panel always misses: a fifth of it. Beyond chance: all of it.
KOKKOS_INLINE_FUNCTION float damped(float miss) {
  constexpr float chance = 0.5F;
  constexpr float part = 0.2F;
  const float within = miss > chance ? chance : (miss < -chance ? -chance : miss);
  return lanes::fma(part, within, miss - within);
}

}  // namespace santa::detail::inline SANTA_BUILD
