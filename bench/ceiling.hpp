// The streaming-read ceiling of a run, and the check that it is one.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>

namespace santa_bench {

/// How fast a machine reads memory that no cache holds, and which reader was that fast.
struct Ceiling {
  double gb_s = 0.;
  std::string reader;
};

/// The parts of the ceiling that the rows of a report reach. No method can read its bytes faster than they can be read:
/// a part above `most` shows that no reader was fast enough to be a ceiling, or that a cache held the data.
class CeilingCheck {
 public:
  static constexpr double most = 1.02;  // times are not exact

  /// A row that comes again takes the place of the former one: a benchmark is run until it has taken long enough.
  /// What is no number counts as infinite.
  void set(const std::string& row, double fraction) {
    _fractions[row] = std::isnan(fraction) ? std::numeric_limits<double>::infinity() : fraction;
  }

  /// To be called when the report is written. Errors: std::runtime_error that names the row that is furthest above.
  void finish() const {
    const auto is_above = [](const auto& row) { return row.second > most; };
    const auto less = [](const auto& a, const auto& b) { return a.second < b.second; };
    const auto above = std::count_if(_fractions.begin(), _fractions.end(), is_above);
    if (above == 0) return;
    const auto& [row, fraction] = *std::max_element(_fractions.begin(), _fractions.end(), less);
    char text[128];
    std::snprintf(text, sizeof text,
                  " reaches %.3f of its ceiling; accepted: up to %.2f (%ld of %zu rows are above): ", fraction, most,
                  static_cast<long>(above), _fractions.size());
    throw std::runtime_error("\"" + row + "\"" + text + "no reader was fast enough, or a cache held the data");
  }

 private:
  std::map<std::string, double> _fractions;
};

}  // namespace santa_bench
