// Units of requests of different lengths, as a schedule in memory tells kernels of them.
#pragma once

#include <cstdint>

namespace santa::detail {

/// How a request's visible keys are cut: into splits of equal length, but for the last.
struct RequestSplits {
  std::int32_t before;  // splits of the requests before it
  std::int32_t count;   // 1 or more: an empty request has an empty one
  std::int32_t steps;   // of split_keys keys, in each
  std::int32_t origin;  // where the first begins, in such steps; at most the first visible key
};

/// A split of a request.
struct SplitOfRequest {
  std::int32_t request, split;
};

/// The splits of all requests, by which units are found that are not all alike; see schedule/balanced.hpp.
struct Balance {
  // [batch + 1], the last with the splits of all requests `before` it and the number of requests `apart` as its count;
  // null: all have equally many splits.
  RequestSplits* requests = nullptr;
  SplitOfRequest* order = nullptr;  // [splits of all requests], the longest first
  std::int32_t* apart = nullptr;    // [batch]: the requests whose states a kernel of their own merges
};

}  // namespace santa::detail
