// How well logits foretell the token that came, and how far they are from others.
#pragma once

#include "generate/views.hpp"

#include <cstdint>
#include <vector>

namespace santa::example {

struct Score {
  double loss = 0.;        // -log of the probability of the token that came
  double divergence = 0.;  // KL(softmax of row 0 || softmax of this row)
  std::int32_t best = 0;   // the likeliest token, the first one of equals
};

/// Scores rows of logits against the token that came, all beside row 0. Fences and reads back.
std::vector<Score> score_rows(const Space& space, const FloatRows& logits, std::int64_t rows, std::int32_t came);

}  // namespace santa::example
