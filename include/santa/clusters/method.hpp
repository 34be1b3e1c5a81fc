// Clusters: how many bytes a step over clustered keys reads, and by which estimate.
#pragma once

#include <santa/core/check.hpp>
#include <santa/sample/row_budget.hpp>

#include <cstdint>

namespace santa {

/// What a step makes of what it has read (docs/clusters.md).
enum class ClusterEstimate : std::uint8_t {
  telescoping,      // the clusters' means, corrected by the drawn clusters' codes, corrected by the drawn rows
  self_normalised,  // sum W v / sum W over the drawn rows alone
};

/// Draws clusters of keys by their means, rows of the drawn clusters by their codes, and reads those rows: of most keys
/// nothing is read.
/// Computes: pi_p = min(1, max_h m_hp / (n_p M_h tau)) of a cluster of n_p keys, m_hp = n_p exp(score of its mean) and
///           M_h their sum; rho_i = min(1, max_h w_hi / (A_h delta pi_p)) of a key in a drawn cluster, w_hi by its code
///           and A_h the drawn clusters' sum / pi; out = N / Z, of which docs/clusters.md has both. Numerator and
///           denominator are unbiased for any tau and delta, which are fixed before the draw.
/// Units:    bytes is the share of the bytes that exact attention reads (all keys and values once). The means are read
///           in any case, and the first 4 keys and those in no full chunk; of the rest `code_share` goes to codes. At
///           least an eighth of `bytes` is left for codes and rows, whatever the others take. Or, both given, `keys`
///           whose codes are read and `rows` that are read of the keys in clusters, as numbers or shares of these.
///           steered: a step that follows another first reads the means of keys, to see how far its scores are from the
///           last step's; their bytes are counted. Else thresholds are the last step's. value_codes: whether residuals
///           of values are read, where they are kept. chooses_codes: not where the steps before found that the means
///           predict masses badly (of most heads, the mass by codes is over 4 times that by means): what they take goes
///           to codes of more keys, of all keys where it is enough. The statistics say so.
/// Requires: bytes above what the means take (an error says what that is), at most 1; code_share 0.05 to 0.95.
/// Random:   a 26-bit integer for each 32 clusters of a chunk and each 32 keys in drawn ones of these.
/// Source:   ours; the telescoping sum is that of multilevel Monte Carlo (Giles, "Multilevel Monte Carlo path
///           simulation", 2008).
struct Clusters {
  double bytes = 0.125;
  double code_share = 0.67;
  RowBudget keys = {};
  RowBudget rows = {};
  ClusterEstimate estimate = ClusterEstimate::telescoping;  // what a drawn cluster adds
  bool value_codes = true;
  bool steered = true;
  bool chooses_codes = true;

  /// Whether `bytes` and `code_share` rule; else `keys` and `rows`.
  [[nodiscard]] bool by_bytes() const { return keys == RowBudget{} && rows == RowBudget{}; }

  /// `least` is the share of the bytes that means take. Errors: std::invalid_argument: name, given, accepted.
  void check(double least) const {
    if (by_bytes()) {
      if (!(bytes > least && bytes <= 1.))
        detail::reject("Clusters.bytes", detail::text_of(bytes),
                       "above " + detail::text_of(least) + ", what the means of clusters take, to 1");
      if (!(code_share >= 0.05 && code_share <= 0.95))
        detail::reject("Clusters.code_share", detail::text_of(code_share), "0.05 to 0.95");
      return;
    }
    keys.check("Clusters.keys");
    rows.check("Clusters.rows");
  }
};

/// Counts of one (batch, kv head) in one run.
struct ClusterStatistics {
  std::int64_t clusters_read = 0;  // whose codes were read
  std::int64_t keys_read = 0;      // whose codes were read
  std::int64_t rows_read = 0;      // whose keys and values were read, certain ones included
  std::int64_t bytes_read = 0;     // means, codes, indices and rows
  std::uint32_t flags = 0;         // bits of Flag

  enum Flag : std::uint32_t {
    /// The request's length was negative or beyond the storage, and was clamped.
    length_clamped = 1,
    /// Of some query head, Z came out below half of sum W by chance: its output is sum W v / sum W, its error bar NaN.
    self_normalised = 2,
    /// More chunks were said to be clustered than the request has full ones: those beyond were not used.
    clusters_ahead = 4,
    /// Means predict masses badly: codes of values were left out, for those of more keys (Clusters::chooses_codes).
    value_codes_left_out = 8,
    /// The budget has codes of all keys: no cluster was drawn, all were read.
    all_keys = 16,
  };
};

}  // namespace santa
