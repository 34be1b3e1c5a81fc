// Decoding a capture with each method: outputs, what was read, and how long it took.
#pragma once

#include "decode/capture.hpp"
#include "decode/methods.hpp"
#include "decode/progress.hpp"
#include "decode/scoring.hpp"

#include <cstdint>
#include <optional>
#include <vector>

namespace santa::example {

/// What one method did. A step is one position of one layer.
struct Measurement {
  const MethodEntry* method = nullptr;
  AnyMethod parameters;
  std::vector<Tensor> out;  // a layer each: F32 [positions, heads, dim]
  double rows_read = 0.;    // share of the visible value rows, over all steps and kv heads
  Scoring scoring;
  double bytes_read = 0.;  // a step: what scores are made from of the visible rows, and the distinct value rows read
  std::optional<double> microseconds;  // a step
  std::optional<double> spread;        // of the same: between the quartiles of a step's runs, relative to the median
};

struct MeasureOptions {
  Budget budget;
  std::uint64_t seed = 0;
  int repeat = 10;  // timed runs of each step; 0: no timing
  Scoring scoring;  // of methods that take narrow keys
};

struct Measurements {
  std::vector<Measurement> methods;
  std::size_t copies = 0;      // of all layers' keys and values, rotated through while timing
  std::size_t copy_bytes = 0;  // size of one
};

/// Decodes position after position, in each of them layer after layer, one request at a time.
/// State: carried from position to position, one for each layer. The random stream is the layer, the step the
/// position's
///        index.
/// Time:  a step at a time, in rotation through copies of the cache, methods taking turns; the median over `repeat`
///        runs of each step, averaged over steps.
/// Errors: std::invalid_argument from the library.
Measurements measure(const Capture& capture, const std::vector<const MethodEntry*>& methods,
                     const MeasureOptions& options, Progress& progress);

}  // namespace santa::example
