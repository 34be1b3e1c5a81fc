// Systematic: S equally spaced points in each head's cumulative distribution, with one random offset.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/check.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/exact.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head at the points (k + 1 - u) / samples of the softmax distribution's cumulative
/// sum. Computes: counts c_i, floor or ceil of samples * a_i, that sum to samples; weight c_i / samples. Unbiased.
/// Requires: 1 <= samples <= 2^30. Samples that cover the visible length read every row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two: scores (4 bytes a key and head) are written, their masses summed, then rows drawn and gathered.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn.
/// Random:   one 53-bit uniform per query head, key (seed; step, stream, request, head, 0).
/// Source:   S2ANTA, arXiv 2605.01910.
struct Systematic {
  std::int64_t samples = 1024;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "Systematic.samples", samples, "1 to 2^30");
  }
};

namespace detail {

/// Masses are integers: exp2(score - reference of the panel) in units of 2^-40. Sums within a panel are exact; panels
/// add up in double. Lanes of -infinity or NaN have no mass.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION auto panel_mass(const typename Group::template Vector<float>& score,
                                            float panel_reference) {
  using Float = typename Group::template Vector<float>;
  const Float weight = lanes::exp2(score - Float(panel_reference)) * Float(0x1p40F);
  return lanes::convert<std::uint64_t>(lanes::select(weight > Float(0.F), weight, Float(0.F)));
}

/// A panel's place in the cumulative sum of a head: double(local sum) * scale + prefix.
struct PanelPlace {
  double prefix = 0.;
  double scale = 0.;
};

KOKKOS_INLINE_FUNCTION double panel_scale(float panel_reference, float reference) {
  return static_cast<double>(lanes::exp2(panel_reference - reference));
}

/// Prefix sums over the panels of one head, and the head's reference; the last prefix is the whole mass.
KOKKOS_INLINE_FUNCTION void sum_panels(const Arguments& a, std::int64_t head_row) {
  const float* references = a.work.panel_reference + head_row * a.panels;
  const std::uint64_t* masses = a.work.panel_mass + head_row * a.panels;
  double* prefix = a.work.panel_prefix + head_row * (a.panels + 1);
  float reference = empty_reference;
  for (std::int32_t panel = 0; panel < a.panels; ++panel) reference = lanes::max(reference, references[panel]);
  double sum = 0.;
  for (std::int32_t panel = 0; panel < a.panels; ++panel) {
    prefix[panel] = sum;
    sum = Kokkos::fma(static_cast<double>(masses[panel]), panel_scale(references[panel], reference), sum);
  }
  prefix[a.panels] = sum;
  a.work.reference[head_row] = reference;
}

/// The rule of Systematic's second pass for one unit of work; tiles must come in order, panel by panel.
template <class Group>
class SystematicRule {
  template <class T>
  using Vector = typename Group::template Vector<T>;

 public:
  KOKKOS_FUNCTION SystematicRule(const Group& group, const Arguments& arguments, const Unit& unit)
      : _group(group), _arguments(arguments), _unit(unit), _every_row(arguments.budget.samples >= unit.visible()) {
    const StreamKey key = stream_key(arguments, unit);
    _group.for_heads(unit.heads, [&](int head) {
      const std::int64_t row = unit.head_row(arguments, head);
      _total[head] = arguments.work.panel_prefix[row * (arguments.panels + 1) + arguments.panels];
      _density[head] = _total[head] > 0. ? static_cast<double>(arguments.budget.samples) / _total[head] : 0.;
      _unit_weight[head] = static_cast<float>(_total[head] * 0x1p-40 / static_cast<double>(arguments.budget.samples));
      _offset[head] = key.uniform(static_cast<std::uint16_t>(unit.first_head + head), 0);
      _running[head] = 0;
    });
  }

  /// All tiles count in units of the head's largest score.
  KOKKOS_FUNCTION float initial_reference(int head) const {
    return _arguments.work.reference[_unit.head_row(_arguments, head)];
  }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    if (_every_row) return draw_every_row(_group, tile, drawn);
    drawn.rows = 0;
    const auto panel = static_cast<std::int32_t>(tile.number / (panel_keys / tile_keys));
    if (panel != _panel) enter(panel);
    _group.for_heads(tile.heads, [&](int head) {
      const Vector<std::int32_t> count = counts(tile.score[head], head);
      drawn.weight[head] = lanes::convert<float>(count) * Vector<float>(_unit_weight[head]);
      if (with_spread) drawn.spread[head] = drawn.weight[head] * Vector<float>(_unit_weight[head]);
      drawn.rows |= _group.ballot(count > Vector<std::int32_t>(0));
      _samples += static_cast<std::uint32_t>(_group.sum(count));
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION static ExpectedRows expected_rows(int /*head*/) { return {}; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t rows) const { return _every_row ? rows : _samples; }

 private:
  KOKKOS_FUNCTION void enter(std::int32_t panel) {
    _panel = panel;
    _group.for_heads(_unit.heads, [&](int head) {
      const std::int64_t row = _unit.head_row(_arguments, head);
      _panel_reference[head] = _arguments.work.panel_reference[row * _arguments.panels + panel];
      _place[head] = {_arguments.work.panel_prefix[row * (_arguments.panels + 1) + panel],
                      panel_scale(_panel_reference[head], _arguments.work.reference[row])};
      _running[head] = 0;
    });
  }

  /// How many of the head's points fall into each lane's part of the cumulative sum.
  KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> counts(const Vector<float>& score, int head) {
    const auto mass = panel_mass<Group>(score, _panel_reference[head]);
    const auto sum = _group.inclusive_scan(mass);
    const auto after = sum + Vector<std::uint64_t>(_running[head]);
    _running[head] += _group.last(sum);
    return points_below(after, head) - points_below(after - mass, head);
  }

  /// Points of the head below a sum within the panel. A function of the place in the whole cumulative sum alone, and
  /// monotone in it, so that counts are never negative and add up to `samples`.
  KOKKOS_FORCEINLINE_FUNCTION Vector<std::int32_t> points_below(const Vector<std::uint64_t>& local, int head) const {
    using Double = Vector<double>;
    const Double place =
        lanes::fma(lanes::convert<double>(local), Double(_place[head].scale), Double(_place[head].prefix));
    const Double points = lanes::fma(place, Double(_density[head]), Double(_offset[head]));
    const Double most = Double(static_cast<double>(_arguments.budget.samples));
    const Double limited = lanes::select(points > most, most, points);
    return lanes::convert<std::int32_t>(lanes::select(place >= Double(_total[head]), most, limited));
  }

  const Group& _group;
  const Arguments& _arguments;
  const Unit& _unit;
  bool _every_row;
  std::int32_t _panel = -1;
  std::uint32_t _samples = 0;
  double _total[Group::max_heads];
  double _density[Group::max_heads];
  double _offset[Group::max_heads];
  float _unit_weight[Group::max_heads];  // of one draw
  float _panel_reference[Group::max_heads];
  PanelPlace _place[Group::max_heads];
  std::uint64_t _running[Group::max_heads];
};

}  // namespace detail
}  // namespace santa
