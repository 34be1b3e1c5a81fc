// Going on with a prompt, token by token.
#pragma once

#include "generate/pick.hpp"
#include "generate/texts.hpp"

#include <cstdint>
#include <vector>

namespace santa::example {

struct WriteOptions {
  std::int64_t tokens = 128;  // to write, if no end of the text comes before
  Policy policy;
  double temperature = 0.;
  std::uint64_t seed = 0;
};

/// What was written, and what it took.
struct Written {
  Policy policy;
  Tokens tokens;
  double prompt_seconds = 0.;
  double seconds = 0.;            // of all tokens
  double attention_seconds = 0.;  // of these
  RowCounts rows;

  [[nodiscard]] double tokens_per_second() const {
    return seconds > 0. ? static_cast<double>(tokens.size()) / seconds : 0.;
  }
  /// Keys, of which all are read, and value rows, as a share of all.
  [[nodiscard]] double cache_share() const { return 0.5 + 0.5 * rows.share(); }
};

/// Reads a prompt exactly, all but its last token, whose step is the first one of a policy. Returns the seconds it
/// took. Errors: UserError for an empty prompt, a token that the model doesn't know, a cache too short for `tokens`
/// more.
double read_prompt(Texts& texts, std::span<const std::int32_t> prompt, std::int64_t tokens);

/// Goes on from a prompt that was read, whatever has been written since. The tokens stay on the device; the host reads
/// each one for the record.
Written write_on(Texts& texts, std::span<const std::int32_t> prompt, const WriteOptions& options);

/// Both.
Written write(Texts& texts, std::span<const std::int32_t> prompt, const WriteOptions& options);

}  // namespace santa::example
