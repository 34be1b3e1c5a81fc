// The attention of one text from token to token, and what it read.
#pragma once

#include "generate/plans.hpp"
#include "generate/policy.hpp"
#include "generate/text_key_copies.hpp"
#include "generate/value_means.hpp"
#include <santa/sample/mass_unit/model_budget.hpp>
#include <santa/sample/mass_unit/state.hpp>

#include <cstdint>
#include <memory>
#include <vector>

namespace santa::example {

/// Value rows over all layers, kv heads and tokens so far.
struct RowCounts {
  std::int64_t read = 0;
  std::int64_t visible = 0;

  [[nodiscard]] double share() const {
    return visible > 0 ? static_cast<double>(read) / static_cast<double>(visible) : 0.;
  }
};

class TextAttention {
 public:
  /// Of the text in `slot` of the cache, which has `length` tokens.
  TextAttention(const Space& space, Policy policy, std::uint64_t seed, const Settings& settings, const Plans& plans,
                const KvCache& cache, std::int64_t slot, std::int64_t length);

  /// Attention of the newest token, number `length` - 1, in one layer: to all of the cache, which is what it sees.
  /// Layers with a window are read whole. Neither fences nor reads back.
  void run(const Space& space, Plans& plans, std::int64_t layer, const TextCache& cache, std::int64_t length,
           const QueryRows& query, const OutRows& out);
  /// After the last layer of a token that sees `length` tokens: adds up what was read, on the device.
  void note_token(const Space& space, const KvCache& cache, std::int64_t length);

  [[nodiscard]] const Policy& policy() const { return _policy; }
  /// Fences.
  [[nodiscard]] RowCounts rows() const;
  /// Bytes read of keys, values and copies of keys, as a share of those of exact attention. Fences.
  [[nodiscard]] double bytes_share() const;
  /// log2 of the layers' common delta / Z, where they have one. Fences.
  [[nodiscard]] double log_ratio() const;
  /// Rows read in each layer. Fences.
  [[nodiscard]] std::vector<std::int64_t> rows_by_layer() const;

 private:
  [[nodiscard]] ModelBudgetOptions<Memory> budget_options(const Settings& settings) const;
  /// Whether copies of the keys are read in a text of so many tokens.
  [[nodiscard]] bool reads_copies(std::int64_t length) const { return _copies && length >= _policy.from; }

  Policy _policy;
  std::uint64_t _seed;
  Windows _windows;
  std::int64_t _slot;
  ValueMeans _means;
  std::vector<DecodeState<Memory>> _states;      // of the layers, but of a ratio's
  std::unique_ptr<ModelBudget<Memory>> _budget;  // which has those
  std::unique_ptr<TextKeyCopies> _copies;
  Kokkos::View<Statistics**, Memory> _statistics;  // [layers, kv_heads], of the last token
  Kokkos::View<std::int64_t*, Memory> _rows;       // [layers], of all
  Kokkos::View<double*, Memory> _bytes;            // [layers], of all
  std::int64_t _row_bytes;
  std::int64_t _visible = 0;
};

}  // namespace santa::example
