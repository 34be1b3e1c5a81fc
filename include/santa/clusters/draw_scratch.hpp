// The scratch of a lane group that draws clusters.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstddef>
#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// Where a group's arrays lie: the team's `query`, then of each group the others, in floats.
struct DrawScratch {
  float* query;                     // [heads][width], times the scale in log2 units; the team's
  float* folded;                    // [heads][width]: in the coordinates of a chunk's codes
  float* kept;                      // [3][heads][width]: see ClusterSums
  float* score;                     // [heads][32]: log2 scores of a tile's means
  float* weight;                    // [heads][32]: weights of a block's keys by codes, over pi of their clusters
  float *inverse, *doubt, *log_pi;  // [32]: 1 / pi, 1 - pi, log2(pi) of a tile's clusters
  float *row_inverse, *row_doubt;   // [32]: the same of a block's rows, of rho
  std::uint32_t* prefix;            // [32]: keys of the drawn clusters up to each
  std::int32_t *cluster_of, *slot;  // [32]: of a block's keys
  ClusterHead* heads;               // [heads]: a group's results
  ClusterCounts* counts;            // of the group

  KOKKOS_FUNCTION static std::size_t team_floats(int heads, int width) {
    return static_cast<std::size_t>(heads) * static_cast<std::size_t>(width);
  }
  KOKKOS_FUNCTION static std::size_t group_floats(int heads, int width) {
    const auto rows = static_cast<std::size_t>(4 * heads * width);
    return rows +
           static_cast<std::size_t>(2 * 32 * heads + 8 * 32 + heads * cluster_head_floats + cluster_count_floats);
  }

  KOKKOS_FUNCTION DrawScratch(float* all, int heads, int width, int group) {
    query = all;
    float* place = all + team_floats(heads, width) + static_cast<std::size_t>(group) * group_floats(heads, width);
    const auto take = [&](int count) {
      float* const taken = place;
      place += count;
      return taken;
    };
    folded = take(heads * width);
    kept = take(3 * heads * width);
    score = take(32 * heads);
    weight = take(32 * heads);
    for (float** row : {&inverse, &doubt, &log_pi, &row_inverse, &row_doubt}) *row = take(32);
    prefix = reinterpret_cast<std::uint32_t*>(take(32));
    cluster_of = reinterpret_cast<std::int32_t*>(take(32));
    slot = reinterpret_cast<std::int32_t*>(take(32));
    this->heads = reinterpret_cast<ClusterHead*>(take(heads * cluster_head_floats));
    counts = reinterpret_cast<ClusterCounts*>(take(cluster_count_floats));
  }
};

}  // namespace santa::detail::inline SANTA_BUILD
