// How many tokens to draft: what a round brings and costs.
#pragma once

#include <cstdint>

namespace santa::example {

/// Seconds, or any unit. A round drafts k tokens one after the other, and verifies k + 1 at once.
struct DraftCosts {
  double draft = 1.;    // of one draft
  double verify = 1.1;  // of a verification, without
  double token = 0.4;   // each of its tokens

  /// Of a text of so many tokens, in drafts: about what a core takes for a model of 135 million weights. Attention over
  /// the text is a verification's alone.
  static DraftCosts at(std::int64_t length) {
    const double thousands = static_cast<double>(length) / 1000.;
    return {1., 1.1 + 0.27 * thousands, 0.4 + 0.075 * thousands};
  }
  [[nodiscard]] double round(double drafts) const { return drafts * draft + verify + (drafts + 1.) * token; }
};

/// Tokens that a round writes in the mean, if each of its drafts stands with this chance once those before it do:
/// (1 - rate^(drafts + 1)) / (1 - rate). Source: Leviathan et al., arXiv 2211.17192, equation 1.
double tokens_of_round(double rate, double drafts);

/// The number of drafts, 1 to `most`, that writes most tokens for what a round costs.
std::int64_t best_drafts(double rate, const DraftCosts& costs, std::int64_t most);

/// The share of drafts that stand, of those whose turn came, the newest counting most. Nothing but this, not how long
/// things took, decides how many are drafted: the same seed writes the same text.
class AcceptanceRate {
 public:
  /// Of `drafts` drafts the first `accepted` stood; those after the first that did not had no turn.
  void note(std::int64_t accepted, std::int64_t drafts);
  [[nodiscard]] double rate() const { return _accepted / _tried; }

 private:
  static constexpr double memory = 0.98;  // a draft's weight after another
  double _accepted = 8., _tried = 10.;    // as if some had been seen
};

}  // namespace santa::example
