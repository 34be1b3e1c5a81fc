// The cache that drafts are made by: a few rows of each text's, drawn by their attention, and its newest tokens.
#pragma once

#include "generate/cache.hpp"
#include "generate/draft_kernels.hpp"
#include "generate/views.hpp"

#include <cstdint>
#include <vector>

namespace santa::example {

/// Layout: places 0 to drawn() - 1 of each text, layer and kv head are rows drawn without replacement, row i with a
///         probability in proportion to its mean weight over some queries (at most 1); from there on the tokens from
///         begin on, as in the texts' cache. Keys have their rotary embedding: a place says nothing of the position.
/// Attention over it is biased, as rows count once whatever their probability: it is for drafts, which are verified.
class DraftCache {
 public:
  /// Newest tokens that are kept when rows are drawn, and room for these and those that follow.
  static constexpr std::int64_t kept = 64, recent = 192;

  /// `rows`: to draw for each text, layer and kv head.
  DraftCache(const Settings& settings, const KvCache& texts, std::int64_t rows);

  [[nodiscard]] const KvCache& cache() const { return _cache; }
  [[nodiscard]] std::int64_t drawn() const { return _drawn; }
  [[nodiscard]] const Numbers& begin() const { return _begin; }
  /// Tokens of each text that there is room for behind its first `length`; none before rows have been drawn.
  [[nodiscard]] std::int64_t room(std::int64_t slot, std::int64_t length) const {
    return _filled ? _begins[static_cast<std::size_t>(slot)] + recent - length : 0;
  }

  /// Weighs a layer's rows by queries whose exact attention had these log-sums; texts have lengths[slot] tokens.
  void weigh(const Space& space, std::int64_t layer, const TokenQueries& query, const LogSums& lse,
             const Numbers& lengths);
  /// Draws rows of all layers, once all have been weighed. Texts have `lengths` tokens by now. Fences.
  void draw(const Space& space, const std::vector<std::int64_t>& lengths, std::uint64_t seed, std::uint32_t step);
  /// Takes over tokens of the texts, from first[slot] on so many of each.
  void copy(const Space& space, const Numbers& first, std::int64_t count) const;

 private:
  KvCache _texts, _cache;
  std::int64_t _rows, _drawn = 0;
  bool _filled = false;
  std::vector<std::int64_t> _begins;
  Numbers _begin;
  LogWeights _weights;
  TurnedQueries _turned;
};

}  // namespace santa::example
