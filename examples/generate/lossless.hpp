// Lossless decoding: tokens are drafted by attention over a few drawn rows, and verified several at once by exact
// attention, so that what is written is what exact attention writes.
#pragma once

#include "generate/draft_cache.hpp"
#include "generate/draft_count.hpp"
#include "generate/lossless_options.hpp"
#include "generate/texts.hpp"
#include <santa/token/accept_drafts.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace santa::example {

/// What was written, and what it took.
struct LosslessWritten {
  std::vector<Tokens> tokens;  // of each text
  double prompt_seconds = 0., seconds = 0.;
  double draft_seconds = 0., verify_seconds = 0., draw_seconds = 0.;  // of these
  std::int64_t rounds = 0;                                            // of all texts together
  std::int64_t drafted = 0;                 // steps, each of which drafts a token of every text
  std::int64_t verified = 0;                // verifications: one for each round of a text that is still written
  std::int64_t proposed = 0, accepted = 0;  // drafts whose turn came, and those of them that stood

  [[nodiscard]] std::int64_t count() const;
  [[nodiscard]] double tokens_per_second() const;
  /// Drafts accepted by a verification, in the mean.
  [[nodiscard]] double acceptance_length() const;
  [[nodiscard]] double acceptance_rate() const;
};

/// Goes on with the texts in all slots, which have a prompt each but for its last token. Each is written as if alone.
/// Greedy, the tokens are those of exact attention, unless logits tie within rounding: products and attention of
/// several rows may round otherwise than those of one. At a temperature they have exact attention's distribution.
class LosslessWriter {
 public:
  LosslessWriter(Texts& texts, const LosslessOptions& options);

  /// `last`: the last tokens of the prompts, [slots]. Texts keep the lengths that were written.
  LosslessWritten write(std::span<const std::int32_t> last);

 private:
  struct Kernels;  // the plans

  struct Text {
    std::int64_t length;     // in the cache; what is done stays as it was before its last round
    std::int32_t pending;    // the newest token, whose key and value are not in the cache
    std::int64_t whole = 0;  // the length when it is done
    bool done = false;
  };

  [[nodiscard]] std::int64_t drafts_of_round() const;
  [[nodiscard]] bool wants_rows(std::int64_t drafts) const;
  void begin_round();
  void draft(std::int64_t at);
  void verify(std::int64_t drafts, bool weigh);
  void accept(std::int64_t drafts, LosslessWritten& written);

  Texts& _texts;
  LosslessOptions _options;
  std::int64_t _slots;
  std::optional<Model> _narrow;  // shares all but the projections
  DraftCache _draft_cache;
  std::shared_ptr<Kernels> _kernels;
  AcceptanceRate _rate;
  std::vector<Text> _text;
  std::uint32_t _step = 0;  // names random numbers: rounds, and drafts of each

  Rows _rows;
  Numbers _lengths, _visible;               // [slots]: of the texts; keys that a step sees
  FedTokens _fed;                           // [slots, most + 1]
  FloatRows _draft_logits, _target_logits;  // [most * slots], [slots * (most + 1)]
  FloatVector _lse;                         // slots * (most + 1) * heads
  Numbers _accepted, _next;                 // [slots]
  DraftVerifier<Space> _verifier;
};

/// Reads a prompt exactly, all but its last token, for the texts in all slots, and writes. Errors: as write.
LosslessWritten write_lossless(Texts& texts, std::span<const std::int32_t> prompt, const LosslessOptions& options);

}  // namespace santa::example
