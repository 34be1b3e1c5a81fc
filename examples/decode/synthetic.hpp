// Random queries, keys and values, for sizes and sharpnesses that no capture has.
#pragma once

#include "decode/capture.hpp"

#include <cstdint>

namespace santa::example {

struct Synthetic {
  Shape shape;            // batch: the number of query positions, the last ones of `length`
  double sharpness = 3.;  // standard deviation of the scores
  std::uint64_t seed = 0;
};

/// One layer in bfloat16: keys standard normal, queries scaled so that scores have the standard deviation asked for,
/// values normal around a mean of each kv head.
/// Errors: UserError for a shape that can't be.
Capture make_synthetic(const Synthetic& recipe);

}  // namespace santa::example
