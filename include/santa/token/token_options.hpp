// Options and optional results of token sampling.
#pragma once

#include <santa/decode/options.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>

namespace santa {

/// Extents of a step: `batch` hidden states of `dim` features, a language-model head (or a shard of one) of `vocab`
/// rows.
struct TokenShape {
  std::int64_t batch = 1;
  std::int64_t vocab = 1;
  std::int64_t dim = 0;  // a multiple of 8
};

/// What can be told of each request besides its token; views without data are not written. All [batch], float.
template <class MemorySpace>
struct TokenResults {
  using View = Kokkos::View<float*, Kokkos::LayoutStride, MemorySpace>;

  View score = {};  // the best row's: logit + temperature * noise; by these, shards of a vocabulary merge
  View logit = {};  // the token's own
  View lse = {};    // natural log-sum-exp of the logits: logit - lse is the token's log-probability at temperature 1
};

/// Options of a step; all views are optional.
template <class MemorySpace>
struct TokenOptions {
  float temperature = 1.F;  // 0 to 1e30; 0: the row of the largest logit
  RunScalar<std::uint64_t, MemorySpace> seed = {};
  RunScalar<std::uint32_t, MemorySpace> step = {};
  WholeNumber stream = 0;                                         // streams draw independently
  Kokkos::View<const std::uint32_t*, MemorySpace> requests = {};  // [batch] identities; default: the batch index
  std::int64_t first_row = 0;  // the first row of these weights in the whole vocabulary, if they are a shard of it
  // Refused unless left alone: which rows they keep is only known once all logits are.
  std::int64_t top_k = 0;
  float top_p = 1.F;                       // refused, as top_k
  TokenResults<MemorySpace> results = {};  // what is told besides the tokens
};

}  // namespace santa
