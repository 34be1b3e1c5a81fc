// The clusters that captures and texts get.
#pragma once

#include <santa/clusters/layout.hpp>

#include <cstdint>

namespace santa::example {

/// Chunks of at most a sixteenth of the keys, so that what is in no cluster yet is few of them.
inline ClusterLayout cluster_layout(std::int64_t length) {
  ClusterLayout layout;
  while (layout.chunk > 64 && layout.chunk > length / 16) layout.chunk /= 2;
  return layout;
}

}  // namespace santa::example
