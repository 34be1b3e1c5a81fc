// How lossless decoding went, for people.
#pragma once

#include "generate/lossless.hpp"
#include "generate/writing.hpp"

#include <ostream>

namespace santa::example {

/// The tokens of the first text, drafts and times, tokens/s beside what a model of the costs says, and the text.
void print_lossless(std::ostream& to, const LosslessWritten& written, const Vocabulary& vocabulary);

/// Where exact attention's text and another part. `gap`: how far apart the two tokens' logits are there.
struct Parting {
  std::size_t at = 0;
  double gap = 0.;
};

/// Exact attention, sampled attention (none: not asked for) and lossless decoding side by side.
void print_lossless_comparison(std::ostream& to, const Written& exact, const std::optional<Written>& sampled,
                               const LosslessWritten& lossless, const std::optional<Parting>& parting,
                               const Vocabulary& vocabulary);

}  // namespace santa::example
