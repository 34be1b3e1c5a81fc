// What a rule makes of one tile of scores: the rows to read and their weights.
#pragma once

#include <santa/core/build.hpp>
#include <santa/core/shape.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// A tile as a rule sees it. Scores are in log2 units; lanes without a visible key hold -infinity.
template <class Group>
struct ScoredTile {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  std::uint32_t number;         // key / tile_keys: names the tile's random number
  int heads;                    // of the group's slice
  const Vector<float>* score;   // [heads]
  const Vector<float>* weight;  // [heads]: exp2(score - reference of the head), 0 for -infinity
};

/// The rows that a rule reads of a tile: lane i of `weight` belongs to row i if lane i is in the set
/// `rows`, of those that a group's ballot gives.
template <class Group>
struct Drawn {
  template <class T>
  using Vector = typename Group::template Vector<T>;

  std::uint32_t rows = 0;
  Vector<float> weight[Group::max_heads];  // expectation over draws: the tile's own weights
  Vector<float> spread[Group::max_heads];  // the row's share of the variance, per |v - c|^2; only filled when asked for
};

/// Sums of inclusion probabilities, by which a budget steers.
struct ExpectedRows {
  float certain = 0.F;
  float uncertain = 0.F;
};

}  // namespace santa::detail::inline SANTA_BUILD
