// A chart of lines on two logarithmic axes, drawn as SVG.
#pragma once

#include <iosfwd>
#include <string>
#include <utility>
#include <vector>

namespace santa::example {

/// One line: points (x, y) in the order in which they are joined.
struct Series {
  std::string name;
  std::vector<std::pair<double, double>> points;
};

struct Chart {
  std::string title, subtitle, x_label, y_label;
  bool x_percent = false;  // x is a share, its ticks are told in percent
  std::vector<Series> series;
};

/// The range of one axis: from and to a tick, so that every point lies within.
struct LogAxis {
  double low = 0.1, high = 1.;
  std::vector<double> labelled, others;  // ticks from low to high

  /// Of positive finite numbers; the others are passed over.
  explicit LogAxis(const std::vector<double>& numbers);
  /// 0 at low, 1 at high.
  [[nodiscard]] double place(double number) const;
};

/// Writes the chart as a whole SVG file. Points that a logarithmic axis can't show (0, negative, not finite) are left
/// out. Names are labels at the lines' ends, in their colours, and stand in the order of the lines.
void write_svg(std::ostream& stream, const Chart& chart);

}  // namespace santa::example
