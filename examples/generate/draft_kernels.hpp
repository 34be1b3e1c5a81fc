// What a round of drafts and its verification do besides the model and attention.
#pragma once

#include "generate/cache.hpp"
#include "generate/kernels.hpp"
#include "generate/views.hpp"
#include <santa/rows/drawn_rows.hpp>

#include <cstdint>

namespace santa::example {

/// Tokens that a round gives to the model, [slots, drafts + 1]: the one that is pending, then drafts.
using FedTokens = Kokkos::View<std::int32_t**, Kokkos::LayoutRight, Memory>;
using LogWeights = Kokkos::View<float**, Kokkos::LayoutRight, Memory>;  // [layers * slots * kv_heads, keys]
using LogSums = Kokkos::View<float***, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;

/// Queries of the tokens of a step, [slots, tokens, heads, dim].
using TokenQueries =
    Kokkos::View<const float****, Kokkos::LayoutRight, Memory, Kokkos::MemoryTraits<Kokkos::Unmanaged>>;
/// The same by kv head, zeros beyond those that there are: [slots, kv_heads, dim, most].
using TurnedQueries = Kokkos::View<float****, Kokkos::LayoutRight, Memory>;

/// Queries of a kv head by whose attention rows are weighed, at most.
inline constexpr int most_weighing = 16;

/// A row for each text: its token `at`, which goes behind `drawn` rows to the place that its position has behind
/// begin[slot]. visible[slot]: keys that it sees.
void place_draft(const Space& space, const FedTokens& fed, std::int64_t at, const Numbers& lengths,
                 const Numbers& begin, std::int64_t drawn, const Rows& rows, const Numbers& visible);
/// Notes what was picked as token `at` of each text.
void keep_draft(const Space& space, const Numbers& picked, const FedTokens& fed, std::int64_t at);
/// Rows for the first `tokens` tokens of each text, which follow its first lengths[slot].
void place_tokens(const Space& space, const FedTokens& fed, std::int64_t tokens, const Numbers& lengths,
                  const Rows& rows, const Numbers& visible);

/// Log-weights of a layer's keys: ln of the sum over `queries` queries of a kv head of exp(scale * <q, k> - lse); those
/// of the first tokens. Keys beyond lengths[slot] get -infinity, all others a number.
void weigh_rows(const Space& space, const TokenQueries& query, const LogSums& lse, const TurnedQueries& turned,
                std::int64_t queries, const KvCache& cache, std::int64_t layer, const Numbers& lengths,
                const LogWeights& weights);
/// -infinity for the keys of each text from begin[slot] on.
void leave_newest(const Space& space, const Numbers& begin, std::int64_t kv_heads, const LogWeights& weights);
/// Copies the drawn rows of each (layer, slot, kv head) to the first `some` places there.
void copy_drawn(const Space& space, const KvCache& from, const DrawnRows<Memory, double>& drawn, std::int64_t some,
                const KvCache& to);
/// Copies tokens first[slot] to first[slot] + count - 1 of each text, in all layers, to the places that place_draft
/// gives them; what has no place or is no token of the cache is left out.
void copy_tokens(const Space& space, const KvCache& from, const Numbers& first, std::int64_t count,
                 const Numbers& begin, std::int64_t drawn, const KvCache& to);

}  // namespace santa::example
