// The phases in which a chunk is clustered, and what is kept from one to the next.
#pragma once

#include <santa/core/build.hpp>
#include <santa/lanes/math.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// What chunks are worked on in, of each place: centroids feature by feature, and each key's cluster.
struct ClusterWork {
  static constexpr int blocks = 32;  // of keys, whose sums of features are added up at last

  float* centroids;           // [places][width][columns]
  float* norms;               // [places][columns]: half of a centroid's square
  float* sums;                // [places][3][blocks][width]: of a feature: how many, their sum, squares of what is off
  std::int32_t* counts;       // [places][columns]: keys of each cluster
  std::uint16_t* cluster_of;  // [places][chunk]
  std::int32_t columns;       // clusters, in whole eights
};

/// Which phase is what. Between two of them all teams of a chunk have to be done with the first. Those that take long
/// are cut in `pieces`.
struct ChunkPhases {
  static constexpr int rounds = 6;
  std::int32_t pieces = 1;

  enum Kind : std::uint8_t { start, assign, count, sort, means, sums, squares, spread, mean_codes, codes };
  struct Phase {
    Kind kind;
    int piece;
    int of;  // 0: keys, 1: values
  };

  [[nodiscard]] KOKKOS_FUNCTION int of_round() const { return pieces + 3; }
  [[nodiscard]] KOKKOS_FUNCTION int of_codes() const { return 4 + pieces; }
  [[nodiscard]] KOKKOS_FUNCTION int all() const { return 1 + rounds * of_round() + 2 * of_codes() + 1; }

  [[nodiscard]] KOKKOS_FUNCTION Phase at(int n) const {
    if (n == 0) return {start, 0, 0};
    n -= 1;
    if (n < rounds * of_round()) {
      const int step = n % of_round();
      if (step < pieces) return {assign, step, 0};
      return {static_cast<Kind>(count + step - pieces), 0, 0};
    }
    n -= rounds * of_round();
    int of = 0;
    if (n >= of_codes()) {  // after the keys' codes, the means of values
      n -= of_codes();
      of = 1;
      if (n == 0) return {means, 0, 1};
      n -= 1;
    }
    if (n < 4) return {static_cast<Kind>(sums + n), 0, of};
    return {codes, n - 4, of};
  }
};

/// Which of the teams that share a chunk this is.
struct ChunkPart {
  int number, all;

  /// Where the team's share of one piece of [0, count) begins, or that of the team `next` further on.
  [[nodiscard]] KOKKOS_FUNCTION int begin(int count, int next, int piece, int pieces) const {
    return static_cast<int>(std::int64_t{count} * (piece * all + number + next) / (pieces * all));
  }
};

/// A centroid and its distance, but for what is the same for all. The sum of two is the nearer one, of equally near
/// ones the first.
struct Nearest {
  float distance = lanes::infinity;
  int cluster = 0;

  KOKKOS_FUNCTION Nearest& operator+=(const Nearest& other) {
    const bool nearer = other.distance < distance ||
                        (other.distance == distance && other.cluster < cluster && distance < lanes::infinity);
    if (nearer) *this = other;
    return *this;
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
