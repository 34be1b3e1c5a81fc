#include "generate/draft_kernels.hpp"

#include <cmath>
#include <limits>

namespace santa::example {
namespace {

using Range = Kokkos::RangePolicy<Space, Kokkos::IndexType<std::int64_t>>;

constexpr float least = std::numeric_limits<float>::infinity() * -1.F;

template <class View>
std::int64_t extent(const View& view, std::size_t i) {
  return static_cast<std::int64_t>(view.extent(i));
}

/// A key's score by all queries of its kv head at once: neighbours in memory, so that a host's compiler makes vectors.
struct WeighRows {
  Kokkos::View<const float****, Kokkos::LayoutRight, Memory> query;
  LogSums lse;
  KvCache::View keys;
  LogWeights weights;
  Numbers lengths;
  std::int64_t layer, slots, kv_heads, capacity;
  int queries, group, dim;
  float scale;

  KOKKOS_FUNCTION void operator()(std::int64_t i) const {
    const std::int64_t slot = i / (capacity * kv_heads);
    const std::int64_t head = i / capacity % kv_heads;
    const std::int64_t key = i % capacity;
    float& weight = weights((layer * slots + slot) * kv_heads + head, key);
    if (key >= lengths(slot)) {
      weight = least;
      return;
    }
    float score[most_weighing] = {};
    const bfloat16* const row = &keys(layer, slot, key, head, 0);
    const float* const turned = &query(slot, head, 0, 0);
    for (int d = 0; d < dim; ++d) {
      const auto feature = static_cast<float>(row[d]);
      for (int q = 0; q < most_weighing; ++q) score[q] += feature * turned[d * most_weighing + q];
    }
    float sum = 1e-20F;  // every row can be drawn
    for (int q = 0; q < queries; ++q)
      sum += Kokkos::exp(score[q] * scale - lse(slot, q / group, head * group + q % group));
    weight = Kokkos::log(sum);
  }
};

}  // namespace

void place_draft(const Space& space, const FedTokens& fed, std::int64_t at, const Numbers& lengths,
                 const Numbers& begin, std::int64_t drawn, const Rows& rows, const Numbers& visible) {
  const Numbers tokens = rows.tokens, slots = rows.slots, positions = rows.positions, places = rows.places;
  Kokkos::parallel_for(
      "santa::place_draft", Range(space, 0, rows.count), KOKKOS_LAMBDA(const std::int64_t slot) {
        const std::int64_t position = lengths(slot) + at;
        const std::int64_t place = position - begin(slot) + drawn;
        tokens(slot) = fed(slot, at);
        slots(slot) = static_cast<std::int32_t>(slot);
        positions(slot) = static_cast<std::int32_t>(position);
        places(slot) = static_cast<std::int32_t>(place);
        visible(slot) = static_cast<std::int32_t>(place + 1);
      });
}

void keep_draft(const Space& space, const Numbers& picked, const FedTokens& fed, std::int64_t at) {
  Kokkos::parallel_for(
      "santa::keep_draft", Range(space, 0, extent(fed, 0)),
      KOKKOS_LAMBDA(const std::int64_t slot) { fed(slot, at) = picked(slot); });
}

void place_tokens(const Space& space, const FedTokens& fed, std::int64_t tokens, const Numbers& lengths,
                  const Rows& rows, const Numbers& visible) {
  const Numbers token = rows.tokens, slots = rows.slots, positions = rows.positions;
  Kokkos::parallel_for(
      "santa::place_tokens", Range(space, 0, rows.count), KOKKOS_LAMBDA(const std::int64_t row) {
        const std::int64_t slot = row / tokens, at = row % tokens;
        token(row) = fed(slot, at);
        slots(row) = static_cast<std::int32_t>(slot);
        positions(row) = static_cast<std::int32_t>(lengths(slot) + at);
        if (at == 0) visible(slot) = static_cast<std::int32_t>(lengths(slot) + tokens);
      });
}

void weigh_rows(const Space& space, const TokenQueries& query, const LogSums& lse, const TurnedQueries& turned,
                std::int64_t queries, const KvCache& cache, std::int64_t layer, const Numbers& lengths,
                const LogWeights& weights) {
  const std::int64_t kv_heads = extent(turned, 1), dim = extent(turned, 2);
  const std::int64_t group = extent(query, 2) / kv_heads;
  Kokkos::parallel_for(
      "santa::turn_queries", Range(space, 0, static_cast<std::int64_t>(turned.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t q = i % most_weighing, d = i / most_weighing % dim;
        const std::int64_t head = i / (most_weighing * dim) % kv_heads, slot = i / (most_weighing * dim * kv_heads);
        turned(slot, head, d, q) = q < queries ? query(slot, q / group, head * group + q % group, d) : 0.F;
      });
  const std::int64_t slots = cache.slots(), capacity = cache.capacity();
  Kokkos::parallel_for(
      "santa::weigh_rows", Range(space, 0, slots * kv_heads * capacity),
      WeighRows{turned, lse, cache.keys, weights, lengths, layer, slots, kv_heads, capacity, static_cast<int>(queries),
                static_cast<int>(group), static_cast<int>(dim), 1.F / std::sqrt(static_cast<float>(dim))});
}

void leave_newest(const Space& space, const Numbers& begin, std::int64_t kv_heads, const LogWeights& weights) {
  const std::int64_t keys = extent(weights, 1), slots = extent(begin, 0);
  Kokkos::parallel_for(
      "santa::leave_newest", Range(space, 0, static_cast<std::int64_t>(weights.size())),
      KOKKOS_LAMBDA(const std::int64_t i) {
        if (i % keys >= begin(i / keys / kv_heads % slots)) weights.data()[i] = least;
      });
}

void copy_drawn(const Space& space, const KvCache& from, const DrawnRows<Memory, double>& drawn, std::int64_t some,
                const KvCache& to) {
  const auto rows = drawn.rows;
  const auto drawn_rows = drawn.count;
  const std::int64_t heads = extent(from.keys, 3), dim = extent(from.keys, 4), slots = from.slots();
  Kokkos::parallel_for(
      "santa::copy_drawn", Range(space, 0, extent(rows, 0) * some * dim), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t d = i % dim, place = i / dim % some, vector = i / (dim * some);
        const std::int64_t head = vector % heads, slot = vector / heads % slots, layer = vector / (heads * slots);
        // Fewer are drawn only where weights are no numbers: any row will do.
        const std::int64_t row = place < drawn_rows(vector) ? rows(vector, place) : 0;
        to.keys(layer, slot, place, head, d) = from.keys(layer, slot, row, head, d);
        to.values(layer, slot, place, head, d) = from.values(layer, slot, row, head, d);
      });
}

void copy_tokens(const Space& space, const KvCache& from, const Numbers& first, std::int64_t count,
                 const Numbers& begin, std::int64_t drawn, const KvCache& to) {
  const std::int64_t layers = extent(from.keys, 0), slots = from.slots(), capacity = from.capacity();
  const std::int64_t heads = extent(from.keys, 3), dim = extent(from.keys, 4), room = to.capacity();
  Kokkos::parallel_for(
      "santa::copy_tokens", Range(space, 0, layers * slots * count * heads * dim), KOKKOS_LAMBDA(const std::int64_t i) {
        const std::int64_t d = i % dim, head = i / dim % heads, token = i / (dim * heads) % count;
        const std::int64_t slot = i / (dim * heads * count) % slots, layer = i / (dim * heads * count * slots);
        const std::int64_t position = first(slot) + token, place = drawn + position - begin(slot);
        if (position >= capacity || place >= room) return;
        to.keys(layer, slot, place, head, d) = from.keys(layer, slot, position, head, d);
        to.values(layer, slot, place, head, d) = from.values(layer, slot, position, head, d);
      });
}

}  // namespace santa::example
