// Exact attention in float64: what every method is compared with.
#pragma once

#include "decode/capture.hpp"

#include <vector>

namespace santa::example {

/// Computes: softmax(scale <q, k_i>) over the keys 0 to the query's position, times the values; on all host threads.
/// Returns:  [positions, heads, dim].
std::vector<double> reference_attention(const CapturedLayer& layer, const Shape& shape, float scale);

}  // namespace santa::example
