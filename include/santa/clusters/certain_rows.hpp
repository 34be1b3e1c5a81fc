// Rows of a request that are in no cluster, in blocks.
#pragma once

#include <santa/clusters/arguments.hpp>
#include <santa/core/build.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa::detail::inline SANTA_BUILD {

/// The rows of no cluster are read in blocks: the first ones, where there are any, and 32 at a time those behind the
/// chunks. How many blocks there are.
KOKKOS_INLINE_FUNCTION std::int32_t certain_blocks(const ClusterArguments& a, const ClusterSlice& slice) {
  const std::int64_t behind = slice.length - slice.chunks * a.clusters.chunk;
  return static_cast<std::int32_t>((slice.leading() > 0 ? 1 : 0) + (behind + 31) / 32);
}

/// Block i of them.
KOKKOS_INLINE_FUNCTION ClusterItem certain_block(const ClusterArguments& a, const ClusterSlice& slice, std::int32_t i) {
  ClusterItem item;
  item.certain = true;
  if (slice.leading() > 0 && i == 0) {
    item.end = slice.leading();
    return item;
  }
  item.begin = slice.chunks * a.clusters.chunk + std::int64_t{32} * (i - (slice.leading() > 0 ? 1 : 0));
  item.end = item.begin + 32 < slice.length ? item.begin + 32 : slice.length;
  return item;
}

}  // namespace santa::detail::inline SANTA_BUILD
