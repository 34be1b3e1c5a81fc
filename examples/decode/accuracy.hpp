// How far outputs are from exact attention in float64.
#pragma once

#include "decode/safetensors.hpp"

#include <cstdint>
#include <vector>

namespace santa::example {

/// Over the vectors of all layers, positions and heads.
struct Accuracy {
  double mean = 0.;          // of |out - reference| / |reference|
  double percentile95 = 0.;  // of the same: the smallest that 95 % of the vectors don't exceed
  double cosine = 0.;        // mean cosine similarity
};

/// `out` and `reference`: a layer each, [positions, heads, dim].
Accuracy compare(const std::vector<Tensor>& out, const std::vector<std::vector<double>>& reference, std::int64_t dim);

}  // namespace santa::example
