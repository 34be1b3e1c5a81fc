// FixedTileBudget: the same number of samples for every tile, in one pass.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/sample/exact.hpp>
#include <santa/sample/points/rule.hpp>
#include <santa/sample/points/tile_masses.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <string>

namespace santa {

/// Draws `samples` rows per query head, the same number in each tile of `tile` keys, at equally spaced points of the
/// tile's own cumulative sum; a row's weight is count * mass of the tile / samples of the tile. Unbiased.
/// Shares:   of N tiles in the plan's length, tile t gets floor((t + 1) * samples / N) - floor(t * samples / N). The
///           last tile, which may have fewer keys, gets a whole share, and so does one that a window cuts. A request
///           shorter than the plan has fewer tiles and so fewer samples. A tile whose share covers its keys is read
///           whole.
/// Requires: samples at least N and at most 2^30, tile 32, 64 or 256. Samples that cover the plan's length read every
///           row: the result is Exact's.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   one. The error bar is an upper bound: it takes the rows of a tile as independent and ignores their mean,
///           which `center` makes up for.
/// Bytes:    all keys, the union over a group's heads of the rows drawn.
/// Random:   one uniform of 32 bits per query head and tile, key (seed; step, stream, request, head, tile).
/// Source:   S2ANTA-Flash, arXiv 2605.01910.
struct FixedTileBudget {
  std::int64_t samples = 1024;
  int tile = 256;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "FixedTileBudget.samples", samples, "1 to 2^30");
    detail::require_draw_tile(tile, "FixedTileBudget.tile");
  }
  /// What depends on the plan's length.
  void check(std::int64_t length) const {
    detail::require(samples >= tiles(length), "FixedTileBudget.samples", samples,
                    "at least one for each of the " + std::to_string(tiles(length)) + " tiles of the plan's length");
  }
  [[nodiscard]] std::int64_t tiles(std::int64_t length) const { return (length + tile - 1) / tile; }
};

namespace detail::inline SANTA_BUILD {

/// What its kernels are given.
struct FixedTileArguments : Arguments {
  std::int64_t samples = 0;
  std::int32_t draw_tile = 0;   // keys
  std::int64_t draw_tiles = 0;  // in the plan's length
};

/// The rule of FixedTileBudget for one unit of work. It sees all scores of a tile before it draws the first row of it:
/// `keep` for each part of 32 keys, `settle`, then `draw` for each of them in order. Scores wait in `scratch`.
template <class Group>
class FixedTileRule {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Float = Vector<float>;
  using Word = Vector<std::uint32_t>;
  using Int = Vector<std::int32_t>;
  using Line = PlaceLine<std::uint64_t, std::uint32_t>;
  template <class T>
  using PerHead = typename Group::template PerHead<T>;
  /// Of the tile's parts so far.
  struct Before {
    std::uint32_t mass;
    std::int32_t points;
  };

 public:
  /// Floats of scratch a group.
  [[nodiscard]] KOKKOS_FUNCTION static std::size_t scratch_floats(const FixedTileArguments& a) {
    return static_cast<std::size_t>(Group::padded(a.slice_heads)) * static_cast<std::size_t>(a.draw_tile);
  }

  KOKKOS_FUNCTION FixedTileRule(const Group& group, const FixedTileArguments& arguments, const Unit& unit,
                                float* scratch)
      : _group(group),
        _unit(unit),
        _arguments(arguments),
        _key(stream_key(arguments, unit)),
        _unit_of_mass(0x1p31F / static_cast<float>(arguments.draw_tile)),
        _scratch(scratch) {}

  KOKKOS_FUNCTION static float initial_reference(int /*head*/) { return empty_reference; }

  /// Begins the tile of keys `begin` to `end` - 1.
  KOKKOS_FUNCTION void begin(std::int64_t begin, std::int64_t end) {
    _begin = begin;
    _end = end;
    const std::int64_t keys = end - (begin > _unit.start ? begin : _unit.start);
    const std::int64_t number = begin / _arguments.draw_tile;
    _number = static_cast<std::uint32_t>(number);
    _share = static_cast<std::int32_t>((number + 1) * _arguments.samples / _arguments.draw_tiles -
                                       number * _arguments.samples / _arguments.draw_tiles);
    _every_row = _share >= keys;
    _group.for_all_heads(_unit.heads, [&](int head) { _reference.set(head, empty_reference); });
  }

  /// Keeps the scores of a part; its first key is `first`.
  KOKKOS_FORCEINLINE_FUNCTION void keep(std::int64_t first, const Float* score) {
    _group.for_all_heads(_unit.heads, [&](int head) {
      _group.store(score[head], at(head, first));
      const float before = _reference.get(head);
      const float reference = tile_reference(_group, score[head]);
      _reference.set(head, reference > before ? reference : before);
    });
  }
  /// Whether `draw` looks at the weights of this tile's keys.
  [[nodiscard]] KOKKOS_FUNCTION bool reads_weights() const { return _every_row; }

  KOKKOS_FORCEINLINE_FUNCTION void scores(std::int64_t first, Float* score) const {
    _group.for_all_heads(_unit.heads, [&](int head) { score[head] = _group.load(at(head, first)); });
  }

  /// Once all parts are kept: chooses each head's points. `reference(head)` is what weights are relative to from here
  /// to the end of the tile; no score exceeds it by much. `own`: to the tile's own reference, where rows are scored
  /// again and weights are taken over those that rows were drawn by.
  template <bool own, class Reference>
  KOKKOS_FORCEINLINE_FUNCTION void settle(const Reference& reference) {
    _group.sync();
    if (_every_row) return;
    _group.for_all_heads(_unit.heads, [&](int head) {
      const float own_reference = _reference.get(head);
      Word sum = Word(0U);
      for (std::int64_t first = _begin; first < _end; first += Group::size) {
        const Word mass = key_masses<Group>(_group.load(at(head, first)), own_reference, _unit_of_mass);
        _group.store(lanes::bit_cast<float>(mass), at(head, first));
        sum += mass;
      }
      const std::uint32_t mass = _group.sum(sum);
      const std::uint64_t begin = _key.integer(static_cast<std::uint16_t>(_unit.first_head + head), _number, 32);
      const float own_unit = (own ? 1.F : lanes::exp2(own_reference - reference(head))) / _unit_of_mass;
      _line.set(head, Line::between(begin, begin + (static_cast<std::uint64_t>(_share) << 32), mass));
      _own_unit.set(head, own_unit);
      _unit_weight.set(head, static_cast<float>(mass) / static_cast<float>(_share) * own_unit);
      _before.set(head, {0, 0});
    });
  }

  /// The weights by which `draw` draws a part, relative to the reference that `settle` took.
  KOKKOS_FORCEINLINE_FUNCTION void own_weights(std::int64_t first, Float* weight) const {
    _group.for_all_heads(_unit.heads, [&](int head) {
      const Word mass = lanes::bit_cast<std::uint32_t>(_group.load(at(head, first)));
      weight[head] = lanes::convert<float>(lanes::bit_cast<std::int32_t>(mass)) * Float(_own_unit.get(head));
    });
  }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool with_spread, Drawn<Group>& drawn) {
    if (_every_row) {
      draw_every_row(_group, tile, drawn);
      _samples += static_cast<std::uint32_t>(Kokkos::popcount(drawn.rows));
      return;
    }
    drawn.rows = 0;
    const std::int64_t first = std::int64_t{tile.number} * Group::size;
    Word sum[Group::max_heads];
    _group.for_all_heads(tile.heads,
                         [&](int head) { sum[head] = lanes::bit_cast<std::uint32_t>(_group.load(at(head, first))); });
    _group.for_all_scans(tile.heads, sum, [](int) { return true; });
    _group.for_all_heads(tile.heads, [&](int head) {
      const Line line = _line.get(head);
      const auto [mass, points] = _before.get(head);
      sum[head] += Word(mass);
      const Int share(line.mass > 0 ? _share : 0);
      const Int below =
          lanes::select(sum[head] < Word(line.mass), whole_part(places_on<Group>(line, sum[head])), share);
      const Int count = below - _group.previous(below, points);
      _before.set(head, {_group.last(sum[head]), _group.last(below)});
      give_counts(_group, count, head, _unit_weight.get(head), with_spread, drawn);
      _samples += static_cast<std::uint32_t>(_group.sum(count));
    });
  }

  [[nodiscard]] KOKKOS_FUNCTION static ExpectedRows expected_rows(int /*head*/) { return {}; }
  [[nodiscard]] KOKKOS_FUNCTION std::uint32_t samples(std::uint32_t /*rows*/) const { return _samples; }

 private:
  [[nodiscard]] KOKKOS_FUNCTION float* at(int head, std::int64_t first) const {
    return _scratch + head * _arguments.draw_tile + (first - _begin);
  }

  const Group& _group;
  const Unit& _unit;
  const FixedTileArguments& _arguments;
  StreamKey _key;
  float _unit_of_mass;  // so that the masses of a tile add up to at most 2^31
  float* _scratch;      // [head][key of the tile]
  std::int64_t _begin = 0, _end = 0;
  std::uint32_t _number = 0;
  std::int32_t _share = 0;
  bool _every_row = false;
  std::uint32_t _samples = 0;
  PerHead<float> _reference;
  PerHead<float> _own_unit;     // of a unit of mass
  PerHead<float> _unit_weight;  // of one draw
  PerHead<Line> _line;
  PerHead<Before> _before;
};

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
