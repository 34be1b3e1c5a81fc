// Shard: where rows lie in a whole that is kept in several places.
#pragma once

#include <santa/core/lengths.hpp>

#include <cstdint>

namespace santa {

/// Where the rows of a cache, a list or a matrix lie in a whole that several devices or processes keep: the whole's
/// row `first_row` is the shard's row 0. Rows are tokens in a cache. `length` is what the whole has room for, of each
/// request.
struct Shard {
  std::int64_t first_row = 0;  // a multiple of 32; of a cache in pages, of the page size too, and all below 2^31
  std::int64_t length = 0;     // 0: there is no whole but this
  bool operator==(const Shard&) const = default;
};

// What run plans of a shard: see ranks/.
template <class Plan>
class ShardedPlan;
template <class Plan>
class ShardedDraw;

namespace detail {

/// The same as kernels see it, and which of its keys a run is for. Keys are numbered as in the whole.
struct ShardKeys {
  std::int64_t first_row = 0;
  std::int64_t begin = 0, end = 0;  // keys of the run: a part of the shard's
  std::int64_t storage = 0;         // of the whole, for a request
  Lengths lengths;                  // of the whole's requests
  std::uint64_t ticket = 0;         // what ranks have to agree on, as one number
};

}  // namespace detail
}  // namespace santa
