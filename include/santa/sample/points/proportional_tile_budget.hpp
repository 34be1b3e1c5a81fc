// ProportionalTileBudget: samples shared out over tiles by their mass, systematic within a tile. Biased.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/check.hpp>
#include <santa/sample/points/arguments.hpp>
#include <santa/sample/points/rule.hpp>
#include <santa/schedule/unit.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Draws `samples` rows per query head: each tile of `tile` keys gets samples * mass / Z of them, rounded by largest
/// remainder (of equal ones, the first tiles), at equally spaced points with a random offset of its own. Weight
/// count / samples.
/// BIASED: which tiles are rounded down doesn't change from draw to draw; flat tails of less mass than half a sample a
/// tile are never read. For comparison with published results.
/// Requires: 1 <= samples <= 2^30, tile 32, 64 or 256. Samples that cover the visible length read every row.
/// Errors:   std::invalid_argument from the plan: name, given, accepted.
/// Passes:   two, as Systematic, and between them one over the tiles.
/// Bytes:    all keys, the scores twice, the union over a group's heads of the rows drawn.
/// Random:   one 32-bit uniform per query head and tile, key (seed; step, stream, request, head, tile).
/// Source:   S2ANTA-Prop, arXiv 2605.01910.
struct ProportionalTileBudget {
  std::int64_t samples = 1024;
  int tile = 256;

  void check() const {
    detail::require(samples >= 1 && samples <= (1 << 30), "ProportionalTileBudget.samples", samples, "1 to 2^30");
    detail::require_draw_tile(tile, "ProportionalTileBudget.tile");
  }
};

namespace detail::inline SANTA_BUILD {

/// The tiles of `tile` keys of a unit's request, each of several tiles of the kernels.
struct DrawTiles {
  std::int64_t parts;       // kernel tiles of a whole one
  std::int64_t begin, end;  // visible kernel tiles

  KOKKOS_FUNCTION DrawTiles(const PointArguments& a, const Unit& unit)
      : parts(a.draw_tile / tile_keys),
        begin(unit.start / tile_keys),
        end(unit.visible() > 0 ? (unit.length + tile_keys - 1) / tile_keys : begin) {}

  [[nodiscard]] KOKKOS_FUNCTION std::int64_t first() const { return begin / parts; }
  [[nodiscard]] KOKKOS_FUNCTION std::int64_t last() const { return (end + parts - 1) / parts; }
  /// log2 of parts, which is 1, 2 or 8.
  [[nodiscard]] KOKKOS_FUNCTION int log2_parts() const { return parts < 4 ? static_cast<int>(parts) - 1 : 3; }
  /// Where the visible parts of draw tiles begin, and where they end for those before.
  template <class Group>
  [[nodiscard]] KOKKOS_FUNCTION auto edges(const typename Group::template Vector<std::int32_t>& tile) const {
    using Int = typename Group::template Vector<std::int32_t>;
    const Int at = tile * Int(static_cast<std::int32_t>(parts));
    const Int from(static_cast<std::int32_t>(begin));
    const Int to(static_cast<std::int32_t>(end));
    return lanes::select(at < from, from, lanes::select(at < to, at, to));
  }
};

/// Shares a head's samples out over its draw tiles, by the first pass's prefixes.
struct ShareSamples {
  template <class Group>
  KOKKOS_FUNCTION static void run(const Group& group, const PointArguments& a, const Unit& unit, int head) {
    using Word = typename Group::template Vector<std::uint32_t>;
    using Int = typename Group::template Vector<std::int32_t>;
    if (a.samples >= unit.visible()) return;
    const DrawTiles tiles(a, unit);
    const std::int64_t row = unit.head_row(a, head);
    const std::uint64_t* prefix = a.tile_prefix + row * a.tile_stride();
    std::uint32_t* budget = a.points + row * a.points_of_head;
    const std::uint64_t total = a.total[row];
    const double density = total > 0 ? static_cast<double>(a.samples) / static_cast<double>(total) : 0.;
    const auto for_each_vector = [&](auto&& f) {
      for (std::int64_t first = tiles.first(); first < tiles.last(); first += Group::size)
        f(first, static_cast<int>(tiles.last() - first < Group::size ? tiles.last() - first : Group::size));
    };
    const auto quota = [&](std::int64_t first, int count) {
      return SampleQuota<Group>(group, tiles, prefix, first, count, density);
    };
    // How many samples whole quotas leave, and the remainders.
    std::uint64_t given = 0;
    for_each_vector([&](std::int64_t first, int count) {
      const auto share = quota(first, count);
      given += group.sum(share.whole);
      group.store(share.remainder, budget + first, count);
    });
    group.sync();
    const auto left = static_cast<std::uint32_t>(static_cast<std::uint64_t>(total > 0 ? a.samples : 0) - given);
    const auto above = [&](std::uint32_t limit) {
      std::uint32_t tiles_above = 0;
      for_each_vector([&](std::int64_t first, int count) {
        const Word remainder = group.load(budget + first, count, std::uint32_t{0});
        tiles_above += static_cast<std::uint32_t>(Kokkos::popcount(group.ballot(remainder > Word(limit))));
      });
      return tiles_above;
    };
    // The smallest limit that no more than `left` remainders exceed; those equal to it get what is left then, in order.
    std::uint32_t limit = 0;
    for (std::uint32_t bit = std::uint32_t{1} << 31; bit > 0; bit >>= 1)
      if (above(limit + (bit - 1)) > left) limit += bit;
    std::uint32_t spare = left - above(limit);
    for_each_vector([&](std::int64_t first, int count) {
      const Word remainder = group.load(budget + first, count, std::uint32_t{0});
      const auto inside = group.lanes_between(0, count);
      const auto equal = inside & (remainder >= Word(limit)) & (Word(limit) >= remainder);
      const Int order = group.inclusive_scan(lanes::select(equal, Int(1), Int(0)));
      const auto lucky = equal & (order < Int(static_cast<std::int32_t>(spare) + 1));
      const auto more = lucky | (remainder > Word(limit));
      const Word whole = quota(first, count).whole;
      group.store(whole + lanes::select(more, Word(1U), Word(0U)), budget + first, count);
      const auto used = static_cast<std::uint32_t>(Kokkos::popcount(group.ballot(lucky)));
      spare -= used;
    });
  }

 private:
  /// samples * mass / Z of a vector of draw tiles: whole samples, and the rest in units of 2^-32.
  template <class Group>
  struct SampleQuota {
    template <class T>
    using Vector = typename Group::template Vector<T>;

    Vector<std::uint32_t> whole, remainder;

    KOKKOS_FUNCTION SampleQuota(const Group& group, const DrawTiles& tiles, const std::uint64_t* prefix,
                                std::int64_t first, int count, double density) {
      using Int = Vector<std::int32_t>;
      using Double = Vector<double>;
      const Int tile = group.lane() + Int(static_cast<std::int32_t>(first));
      const auto mass = group.gather(prefix, tiles.template edges<Group>(tile + Int(1))) -
                        group.gather(prefix, tiles.template edges<Group>(tile));
      const Double samples = lanes::convert<double>(mass) * Double(density);
      const auto inside = group.lanes_between(0, count);
      const Vector<std::uint32_t> floor = lanes::convert<std::uint32_t>(samples);
      const Double rest =
          lanes::fma(lanes::convert<double>(mass), Double(density), Double(0.) - lanes::convert<double>(floor));
      const Double limited = lanes::select(rest > Double(0.), rest, Double(0.)) * Double(0x1p32);
      const auto part =
          lanes::convert<std::uint32_t>(lanes::select(limited < Double(0x1p32 - 1.), limited, Double(0x1p32 - 1.)));
      whole = lanes::select(inside, floor, Vector<std::uint32_t>(0U));
      remainder = lanes::select(inside, part, Vector<std::uint32_t>(0U));
    }
  };
};

/// ProportionalTileBudget's points: those of each draw tile from where it begins.
template <class Group>
class ProportionalPoints {
  template <class T>
  using Vector = typename Group::template Vector<T>;
  using Mass = Vector<std::uint64_t>;
  using Int = Vector<std::int32_t>;

 public:
  KOKKOS_FUNCTION ProportionalPoints(const Group& group, const PointArguments& arguments, const Unit& unit)
      : _group(group), _arguments(arguments), _unit(unit), _key(stream_key(arguments, unit)), _tiles(arguments, unit) {}

  KOKKOS_FUNCTION void places(int head, const Int& tile, const Mass& before, const Mass& after, Mass& begin,
                              Mass& end) const {
    const std::int64_t row = _unit.head_row(_arguments, head);
    const std::uint64_t* prefix = _arguments.tile_prefix + row * _arguments.tile_stride();
    const Int number = lanes::bit_cast<std::int32_t>(lanes::bit_cast<std::uint32_t>(tile) >> _tiles.log2_parts());
    const Mass first = _group.gather(prefix, _tiles.template edges<Group>(number));
    const Mass whole = _group.gather(prefix, _tiles.template edges<Group>(number + Int(1))) - first;
    const auto points = _group.gather(_arguments.points + row * _arguments.points_of_head, number);
    const EqualPlaces<Group> places(
        lanes::convert<double>(points), whole,
        lanes::convert<std::uint64_t>(_key.integer(static_cast<std::uint16_t>(_unit.first_head + head),
                                                   lanes::bit_cast<std::uint32_t>(number), 32)));
    begin = places.at(before - first);
    end = places.at(after - first);
  }
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION static Int below(int /*head*/, const Mass& place) {
    return whole_part(place);
  }

 private:
  const Group& _group;
  const PointArguments& _arguments;
  const Unit& _unit;
  StreamKey _key;
  DrawTiles _tiles;
};

template <class Group>
using ProportionalRule = PointRule<Group, ProportionalPoints>;

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
