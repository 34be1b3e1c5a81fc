// MassUnit: rows drawn with probability weight / delta in one pass, once for a group of heads or head by head.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/mass_unit/step_delta.hpp>
#include <santa/sample/row_budget.hpp>

#include <cstdint>
#include <limits>

namespace santa {

/// How MassUnit draws for the query heads that share one kv head. A program compiles the kernels of those it names.
enum class Draws : std::uint8_t {
  joint,     // once for all heads: pi = min(1, max over heads of w / delta)
  joint_l2,  // once for all heads: pi = min(1, root of the sum over heads of (w / delta)^2)
  separate,  // head by head: pi = min(1, w / delta); the rows read are the union
};

/// Draws rows in proportion to their weight, in one pass over the keys and without a sort.
/// Computes: rows read and weight w_h / pi, with pi = min(1, max_h w_h / delta_h), or as `form` says; delta_h is fixed
///           before the draw, from a strided subset of the keys at the first step, from the last step afterwards.
/// Units:    rows is the number of distinct value rows to read per (batch, kv head), or a share of the visible length;
///           with separate draws, per query head.
///           steered: with a state, steps after the first score a panel of 256 keys before they draw, by a kernel of
///           its own; 97 % of the steps of real sequences then read 0.8 to 1.25 of a tenth of the rows. Else the rows
///           of a step scatter (30 % of the steps are that near); their mean does not. target_error, if not 0, is the
///           error of a head's output relative to its norm, in place of rows: as many rows are read as keep it below
///           that in 95 % of steps and heads, by the error bars of the steps before (docs/accuracy_on_demand.md). That
///           takes a state; `rows` is what its first step reads, and a run without. It is always steered.
/// Requires: rows as RowBudget has it. A budget that covers the visible length reads every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Bytes:    all keys, about `rows` value rows, the subset's keys at a first step, the panel's where steered,
///           `center` where given.
/// Random:   one 26-bit integer a tile of 32 keys, key (seed; step, stream, request, head, tile):
///           the query head, or the first one of heads that draw together.
/// Unbiased for any delta: a wrong one costs rows or variance only.
template <Draws form = Draws::joint>
struct MassUnitOf {
  static constexpr Draws draws = form;

  RowBudget rows = share(0.1);
  double target_error = 0.;
  bool steered = false;

  void check() const {
    // Kernels get a float: not one that is none, or 1.
    constexpr auto least = static_cast<double>(std::numeric_limits<float>::min());
    if (target_error != 0. && !(target_error >= least && target_error < 1. && static_cast<float>(target_error) < 1.F))
      detail::reject("MassUnit.target_error", detail::text_of(target_error), "0 (none), or 2^-126 to less than 1");
    rows.check("MassUnit.rows");
  }
};
/// MassUnit as it is unless a program says otherwise: one draw for all heads, by the largest ratio.
using MassUnit = MassUnitOf<>;

namespace detail::inline SANTA_BUILD {

/// Bits of an inclusion probability: P(row read) is exactly P / 2^26 for an integer P. The sums of 32 such numbers and
/// a 26-bit phase fit in 32 bits.
inline constexpr int probability_bits = 26;
inline constexpr float probability_unit = 0x1p26F;

/// Inclusion probabilities of a tile's rows, by lane, for the given log2(w / delta) of the heads that draw together:
/// one head, or the largest of several.
template <class Group>
struct Inclusion {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  Vector<float> probability;     // at most 1
  typename Group::Mask certain;  // rows that are read in any case
  typename Group::Mask present;  // rows of any weight at all

  KOKKOS_FORCEINLINE_FUNCTION explicit Inclusion(const Vector<float>& ratio)
      : certain(ratio >= Vector<float>(0.F)), present(ratio >= Vector<float>(lanes::lowest)) {
    probability = lanes::exp2(lanes::select(certain, Vector<float>(0.F), ratio));
  }

  /// Those of heads that draw together, with log2(w / delta) of a head from ratio_of(head).
  template <Draws draws, class RatioOf>
  KOKKOS_FORCEINLINE_FUNCTION static Inclusion of_heads(const Group& group, int heads, const RatioOf& ratio_of) {
    Vector<float> largest = -lanes::infinity;
    group.for_all_heads(heads, [&](int head) { largest = lanes::max(largest, ratio_of(head)); });
    Inclusion result(largest);
    if constexpr (draws == Draws::joint_l2) result.take_root_of_squares(group, heads, ratio_of);
    return result;
  }

 private:
  /// In the order of the heads, each product and sum rounded once: the same on every backend.
  template <class RatioOf>
  KOKKOS_FORCEINLINE_FUNCTION void take_root_of_squares(const Group& group, int heads, const RatioOf& ratio_of) {
    Vector<float> sum = 0.F;
    group.for_all_heads(heads, [&](int head) {
      const Vector<float> ratio = lanes::max(Vector<float>(-lanes::infinity), ratio_of(head));
      const Vector<float> part = lanes::exp2(lanes::select(certain, Vector<float>(0.F), ratio));
      sum = lanes::fma(part, part, sum);
    });
    certain = certain | (sum >= Vector<float>(1.F));
    probability = lanes::select(certain, Vector<float>(1.F), lanes::sqrt(sum));
  }
};

/// The systematic sweep of one tile. `phase` is a uniform integer below 2^26. Certain lanes keep out of the sweep; row
/// i of the others is read when floor((phase + P_0 + ... + P_i) / 2^26) changes at it.
template <class Group>
struct Sweep {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  std::uint32_t rows;       // lanes read
  Vector<float> inverse;    // 1 / pi by lane
  Vector<float> doubt;      // 1 - pi by lane
  std::uint32_t certain;    // lanes with pi = 1
  std::uint32_t uncertain;  // sum of P over the other lanes

  KOKKOS_FORCEINLINE_FUNCTION Sweep(const Group& group, const Inclusion<Group>& rows_in, std::uint32_t phase) {
    using lanes::bit_cast, lanes::convert, lanes::select;
    certain = group.ballot(rows_in.certain);
    // Every lane of any weight gets at least one unit, so that it can be read.
    const Vector<float> scaled = rows_in.probability * Vector<float>(probability_unit);
    const Vector<float> rounded = select(scaled < Vector<float>(1.F), Vector<float>(1.F), scaled + Vector<float>(0.5F));
    const Vector<float> swept =
        select(rows_in.certain, Vector<float>(0.F), select(rows_in.present, rounded, Vector<float>(0.F)));
    const auto units = convert<std::int32_t>(swept);
    const auto prefix = group.inclusive_scan(bit_cast<std::uint32_t>(units));
    const auto after = prefix + Vector<std::uint32_t>(phase);
    const auto before = after - bit_cast<std::uint32_t>(units);
    const auto crossed = (after >> probability_bits) != (before >> probability_bits);
    rows = group.ballot(crossed) | certain;
    uncertain = group.last(prefix);
    const Vector<float> pi =
        select(rows_in.certain, Vector<float>(1.F), convert<float>(units) * Vector<float>(1.F / probability_unit));
    inverse = lanes::inverse_near(pi);
    doubt = Vector<float>(1.F) - pi;
  }
};

/// The rule of MassUnit for one unit of work.
template <class Group, Draws draws>
class MassUnitRule {
  template <class T>
  using Vector = typename Group::template Vector<T>;

 public:
  KOKKOS_FUNCTION MassUnitRule(const Group& group, const MassUnitArguments& arguments, const Unit& unit)
      : _group(group),
        _key(stream_key(arguments, unit)),
        _first_head(static_cast<std::uint16_t>(unit.first_head)),
        _given(group, arguments, unit) {
    _group.for_all_heads(unit.heads, [&](int head) {
      _certain[head] = 0;
      _uncertain[head] = 0;
    });
  }
  /// What the constructor has loaded is looked at here.
  KOKKOS_FUNCTION void open(const MassUnitArguments& arguments, const Unit& unit) {
    _given.find(_group, arguments, unit, draws != Draws::separate, _log_delta);
  }

  KOKKOS_FUNCTION static float initial_reference(int /*head*/) { return empty_reference; }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    drawn.rows = 0;
    if constexpr (draws != Draws::separate) {
      const auto rows = Inclusion<Group>::template of_heads<draws>(_group, tile.heads,
                                                                   [&](int head) { return log_ratio(tile, head); });
      const Sweep<Group> sweep = this->sweep(tile, rows, 0);
      _group.for_all_heads(tile.heads, [&](int head) { give_weights(tile, sweep, head, with_spread, drawn); });
      drawn.rows = sweep.rows;
    } else {
      _group.for_all_heads(tile.heads, [&](int head) {
        const Sweep<Group> sweep = this->sweep(
            tile, Inclusion<Group>(lanes::max(Vector<float>(-lanes::infinity), log_ratio(tile, head))), head);
        give_weights(tile, sweep, head, with_spread, drawn);
        const auto chosen = _group.lanes_of(sweep.rows);
        drawn.weight[head] = lanes::select(chosen, drawn.weight[head], Vector<float>(0.F));
        drawn.spread[head] = lanes::select(chosen, drawn.spread[head], Vector<float>(0.F));
        drawn.rows |= sweep.rows;
        _samples += static_cast<std::uint32_t>(Kokkos::popcount(sweep.rows));
      });
    }
  }

  [[nodiscard]] KOKKOS_FUNCTION ExpectedRows expected_rows(int head) const {
    const int draw = draws == Draws::separate ? head : 0;
    return {static_cast<float>(_certain[draw]),
            static_cast<float>(static_cast<double>(_uncertain[draw]) / static_cast<double>(probability_unit))};
  }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t rows) const {
    return draws == Draws::separate ? _samples : rows;
  }

 private:
  KOKKOS_FORCEINLINE_FUNCTION Vector<float> log_ratio(const ScoredTile<Group>& tile, int head) const {
    return tile.score[head] - Vector<float>(_log_delta[head]);
  }

  KOKKOS_FORCEINLINE_FUNCTION Sweep<Group> sweep(const ScoredTile<Group>& tile, const Inclusion<Group>& rows_in,
                                                 int head) {
    const auto stream = static_cast<std::uint16_t>(_first_head + head);
    const std::uint32_t phase = _phase[head].get(
        tile.number, [&](const auto& numbers) { return _key.integer(stream, numbers, probability_bits); });
    const Sweep<Group> sweep(_group, rows_in, phase);
    _certain[head] += static_cast<std::uint32_t>(Kokkos::popcount(sweep.certain));
    _uncertain[head] += sweep.uncertain;
    return sweep;
  }

  KOKKOS_FORCEINLINE_FUNCTION static void give_weights(const ScoredTile<Group>& tile, const Sweep<Group>& sweep,
                                                       int head, bool with_spread, Drawn<Group>& drawn) {
    const Vector<float> weight = tile.weight[head] * sweep.inverse;
    drawn.weight[head] = weight;
    if (with_spread) drawn.spread[head] = sweep.doubt * weight * weight;
  }

  const Group& _group;
  StreamKey _key;
  std::uint16_t _first_head;
  StepDeltas<Group> _given;
  typename Group::template PerTile<std::uint32_t> _phase[Group::max_heads];
  std::uint32_t _samples = 0;
  float _log_delta[Group::max_heads];
  std::uint32_t _certain[Group::max_heads];
  std::uint64_t _uncertain[Group::max_heads];
};

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
