// The next tokens: the likeliest ones, or drawn.
#pragma once

#include "generate/views.hpp"

#include <cstdint>

namespace santa::example {

struct PickOptions {
  double temperature = 0.;  // 0: the likeliest token
  std::uint64_t seed = 0;
  std::uint32_t step = 0;
};

/// tokens[row] = the token of the largest logit / temperature + Gumbel noise, which draws from their softmax; the first
/// one of equals. All on the device.
/// Shapes: logits [rows, vocabulary], tokens [rows]; both may have more rows.
void pick_tokens(const Space& space, const FloatRows& logits, std::int64_t rows, const Numbers& tokens,
                 const PickOptions& options);

}  // namespace santa::example
