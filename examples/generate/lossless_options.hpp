// What a user asks of lossless decoding.
#pragma once

#include <cstdint>
#include <optional>

namespace santa::example {

struct LosslessOptions {
  /// Drafts of a round, at most.
  static constexpr std::int64_t most = 15;

  std::int64_t tokens = 128;           // to write, if no end of the text comes before
  std::optional<std::int64_t> drafts;  // of a round, 0 to `most`; none: as many as the acceptance rate says
  std::int64_t rows = 256;             // that drafts attend to, of each layer and kv head, beside the newest tokens
  bool narrow_weights = true;          // drafts multiply by weights of 8 bits
  double temperature = 0.;
  std::uint64_t seed = 0;
};

}  // namespace santa::example
