// Exact: every row is read.
#pragma once

#include <santa/core/arguments.hpp>
#include <santa/core/build.hpp>
#include <santa/core/drawn.hpp>
#include <santa/lanes/math.hpp>
#include <santa/schedule/unit.hpp>

namespace santa {

/// Exact attention: reads every key and every value row of the visible keys.
/// Bytes: 2 * length * dim elements per (batch, kv head).
struct Exact {
  void check() const {}
};

namespace detail::inline SANTA_BUILD {

/// All lanes with any weight at all, at their own weight. NaN is read: it must show.
template <class Group>
KOKKOS_FORCEINLINE_FUNCTION void draw_every_row(const Group& group, const ScoredTile<Group>& tile,
                                                Drawn<Group>& drawn) {
  using Float = typename Group::template Vector<float>;
  drawn.rows = 0;
  group.for_all_heads(tile.heads, [&](int head) {
    drawn.rows |= group.ballot(tile.score[head] != Float(-lanes::infinity));
    drawn.weight[head] = tile.weight[head];
    drawn.spread[head] = Float(0.F);
  });
}

/// The rule of Exact. A rule is constructed once for a unit of work and asked for every tile of it, in order.
template <class Group>
class ExactRule {
 public:
  /// Stages that can take all rows themselves are not asked for scores.
  static constexpr bool takes_all = true;

  KOKKOS_FUNCTION ExactRule(const Group& group, const Arguments& /*arguments*/, const Unit& /*unit*/) : _group(group) {}

  /// The reference exponent to start a head with; empty: the first tile sets it.
  KOKKOS_FUNCTION static float initial_reference(int /*head*/) { return empty_reference; }

  KOKKOS_FORCEINLINE_FUNCTION void draw(const ScoredTile<Group>& tile, bool /*with_spread*/, Drawn<Group>& drawn) {
    draw_every_row(_group, tile, drawn);
  }

  [[nodiscard]] KOKKOS_FUNCTION static ExpectedRows expected_rows(int /*head*/) { return {}; }
  [[nodiscard]] KOKKOS_FUNCTION static std::uint32_t samples(std::uint32_t rows) { return rows; }

 private:
  const Group& _group;
};

}  // namespace detail::inline SANTA_BUILD
}  // namespace santa
