#include "decode/calibrate.hpp"

#include <algorithm>
#include <cmath>

namespace santa::example {

std::int64_t samples_for(double wanted, std::int64_t length, const std::function<double(std::int64_t)>& rows_read,
                         std::int64_t fewest) {
  constexpr int most_tries = 8;
  constexpr double close_enough = 0.02;
  if (wanted >= 1. || length < 2 || fewest >= length) return std::max(fewest, length);
  // Logarithms of numbers that read too few and too many rows.
  double low = std::log(static_cast<double>(fewest));
  double high = std::log(static_cast<double>(length - 1));
  double at = std::clamp(std::log(wanted * static_cast<double>(length)), low, high);
  double best_miss = INFINITY;
  std::int64_t best = fewest;
  for (int i = 0; i < most_tries && high - low > 1e-3; ++i) {
    const auto samples = static_cast<std::int64_t>(std::llround(std::exp(at)));
    const double miss = std::log(wanted / std::max(rows_read(samples), 1e-12));
    if (std::abs(miss) < best_miss) {
      best_miss = std::abs(miss);
      best = samples;
    }
    if (std::abs(miss) < close_enough) break;
    (miss > 0. ? low : high) = at;
    // Rows grow more slowly than draws: a step in proportion falls short, and stays inside.
    at += 1.5 * miss;
    if (!(at > low && at < high)) at = 0.5 * (low + high);
  }
  return best;
}

}  // namespace santa::example
