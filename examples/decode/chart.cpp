#include "decode/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <string_view>

namespace santa::example {
namespace {

// The page, in pixels.
constexpr double width = 1000., height = 640.;
constexpr double left = 92., right = 770., top = 92., bottom = 560.;
constexpr double label_left = 808., label_height = 22.;

// Told apart by people with any colour vision (Okabe and Ito, Tol), and by marker.
constexpr std::array<std::string_view, 10> colours = {"#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00",
                                                      "#56b4e9", "#882255", "#000000", "#999933", "#777777"};
constexpr int marker_shapes = 4;

std::string format(const char* form, double number) {
  std::array<char, 64> text{};
  std::snprintf(text.data(), text.size(), form, number);
  return text.data();
}

std::string pixels(double number) { return format("%.1f", number); }

std::string escaped(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c == '&')
      result += "&amp;";
    else if (c == '<')
      result += "&lt;";
    else if (c == '>')
      result += "&gt;";
    else if (c == '"')
      result += "&quot;";
    else
      result += c;
  }
  return result;
}

bool is_drawable(const std::pair<double, double>& point) {
  const auto good = [](double x) { return std::isfinite(x) && x > 0.; };
  return good(point.first) && good(point.second);
}

/// The largest 1, 2 or 5 times a power of ten that is not above, or the smallest not below.
double round_number(double number, bool up) {
  const double decade = std::pow(10., std::floor(std::log10(number)));
  constexpr double slack = 1e-9;
  double result = decade;
  for (const double step : {1., 2., 5., 10.}) {
    const double candidate = step * decade;
    if (up && candidate >= number * (1. - slack)) return candidate;
    if (!up && candidate <= number * (1. + slack)) result = candidate;
  }
  return result;
}

std::string tick_text(double number, bool percent) {
  if (percent) return format("%.4g", 100. * number) + " %";
  return format(number < 1e-4 ? "%.0e" : "%.6g", number);
}

class SvgChart {
 public:
  SvgChart(std::ostream& stream, const Chart& chart)
      : _stream(stream), _chart(chart), _x(numbers(chart, true)), _y(numbers(chart, false)) {}

  void write() const {
    _stream << R"(<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 )" << pixels(width) << " " << pixels(height)
            << R"(" width=")" << pixels(width) << R"(" height=")" << pixels(height)
            << R"(" font-family="Helvetica, Arial, 'DejaVu Sans', sans-serif" font-size="14" fill="#333333">)"
            << "\n"
            << "<title>" << escaped(_chart.title) << "</title>\n"
            << R"(<rect width="100%" height="100%" fill="#ffffff"/>)"
            << "\n";
    text(left, 40., _chart.title, R"(font-size="21" font-weight="bold" fill="#111111")");
    text(left, 64., _chart.subtitle, R"(fill="#666666")");
    write_axes();
    std::vector<Label> labels;
    // Whole lines first, dashed ones over them: where two coincide both show.
    for (const std::size_t first : {0, 1})
      for (std::size_t i = first; i < _chart.series.size(); i += 2) write_series(i, labels);
    write_labels(labels);
    _stream << "</svg>\n";
  }

 private:
  /// A name beside the line's end.
  struct Label {
    std::size_t series;
    double from_x, from_y;  // the line's last point
    double y;
  };

  static std::vector<double> numbers(const Chart& chart, bool x) {
    std::vector<double> result;
    for (const Series& series : chart.series)
      for (const auto& point : series.points)
        if (is_drawable(point)) result.push_back(x ? point.first : point.second);
    return result;
  }

  [[nodiscard]] double x_of(double number) const { return left + _x.place(number) * (right - left); }
  [[nodiscard]] double y_of(double number) const { return bottom - _y.place(number) * (bottom - top); }
  static std::string_view colour(std::size_t series) { return colours[series % colours.size()]; }

  void text(double x, double y, std::string_view what, std::string_view attributes) const {
    _stream << R"(<text x=")" << pixels(x) << R"(" y=")" << pixels(y) << R"(" )" << attributes << ">" << escaped(what)
            << "</text>\n";
  }

  void line(double x1, double y1, double x2, double y2, std::string_view attributes) const {
    _stream << R"(<line x1=")" << pixels(x1) << R"(" y1=")" << pixels(y1) << R"(" x2=")" << pixels(x2) << R"(" y2=")"
            << pixels(y2) << R"(" )" << attributes << "/>\n";
  }

  void write_axes() const {
    constexpr std::string_view strong = R"(stroke="#d8d8d8")";
    constexpr std::string_view faint = R"(stroke="#f0f0f0")";
    for (const double tick : _x.others) line(x_of(tick), top, x_of(tick), bottom, faint);
    for (const double tick : _y.others) line(left, y_of(tick), right, y_of(tick), faint);
    for (const double tick : _x.labelled) {
      line(x_of(tick), top, x_of(tick), bottom, strong);
      text(x_of(tick), bottom + 22., tick_text(tick, _chart.x_percent), R"(text-anchor="middle")");
    }
    for (const double tick : _y.labelled) {
      line(left, y_of(tick), right, y_of(tick), strong);
      text(left - 10., y_of(tick) + 5., tick_text(tick, false), R"(text-anchor="end")");
    }
    line(left, bottom, right, bottom, R"(stroke="#333333" stroke-width="1.5")");
    line(left, top, left, bottom, R"(stroke="#333333" stroke-width="1.5")");
    text(0.5 * (left + right), bottom + 54., _chart.x_label, R"(text-anchor="middle" font-size="15")");
    _stream << R"(<g transform="translate(26 )" << pixels(0.5 * (top + bottom)) << R"lit() rotate(-90)">)lit";
    text(0., 0., _chart.y_label, R"(text-anchor="middle" font-size="15")");
    _stream << "</g>\n";
  }

  void write_series(std::size_t i, std::vector<Label>& labels) const {
    const Series& series = _chart.series[i];
    std::string path;
    std::vector<std::pair<double, double>> places;
    for (const auto& point : series.points)
      if (is_drawable(point)) places.emplace_back(x_of(point.first), y_of(point.second));
    if (places.empty()) return;
    for (const auto& [x, y] : places) path += (path.empty() ? "M" : " L") + pixels(x) + " " + pixels(y);
    _stream << R"(<g stroke=")" << colour(i) << R"(" fill=")" << colour(i) << R"("><title>)" << escaped(series.name)
            << "</title>\n"
            << R"(<path d=")" << path << R"(" fill="none" stroke-width="2.2" stroke-linejoin="round")"
            << (i % 2 == 1 ? R"( stroke-dasharray="9 4")" : "") << "/>\n";
    for (const auto& [x, y] : places) write_marker(i, x, y);
    _stream << "</g>\n";
    labels.push_back({i, places.back().first, places.back().second, places.back().second});
  }

  void write_marker(std::size_t i, double x, double y) const {
    const auto corner = [&](double dx, double dy) { return pixels(x + dx) + "," + pixels(y + dy) + " "; };
    std::string corners;
    switch (i % marker_shapes) {
      case 0:
        _stream << R"(<circle cx=")" << pixels(x) << R"(" cy=")" << pixels(y) << R"(" r="4.2" stroke="#ffffff"/>)"
                << "\n";
        return;
      case 1: corners = corner(-4., -4.) + corner(4., -4.) + corner(4., 4.) + corner(-4., 4.); break;
      case 2: corners = corner(0., -5.4) + corner(5., 3.6) + corner(-5., 3.6); break;
      default: corners = corner(0., -5.6) + corner(5.6, 0.) + corner(0., 5.6) + corner(-5.6, 0.);
    }
    _stream << R"(<polygon points=")" << corners << R"(" stroke="#ffffff"/>)"
            << "\n";
  }

  /// Names in the order of the lines' ends, none over another.
  void write_labels(std::vector<Label>& labels) const {
    std::stable_sort(labels.begin(), labels.end(), [](const Label& a, const Label& b) { return a.from_y < b.from_y; });
    double free = top + 0.5 * label_height;
    for (Label& label : labels) {
      label.y = std::max(label.y, free);
      free = label.y + label_height;
    }
    // What was pushed below the plot moves up again.
    double end = bottom;
    for (std::size_t i = labels.size(); i-- > 0;) {
      labels[i].y = std::min(labels[i].y, end);
      end = labels[i].y - label_height;
    }
    for (const Label& label : labels) {
      const std::string stroke = R"(stroke=")" + std::string(colour(label.series)) + R"(" )";
      line(label.from_x + 8., label.from_y, label_left - 22., label.y,
           stroke + R"(stroke-opacity="0.6" stroke-dasharray="2 3")");
      _stream << R"(<g fill=")" << colour(label.series) << R"(">)";
      write_marker(label.series, label_left - 12., label.y);
      text(label_left, label.y + 5., _chart.series[label.series].name, R"(class="name")");
      _stream << "</g>\n";
    }
  }

  std::ostream& _stream;
  const Chart& _chart;
  LogAxis _x, _y;
};

}  // namespace

LogAxis::LogAxis(const std::vector<double>& numbers) {
  double least = INFINITY;
  double most = 0.;
  for (const double number : numbers)
    if (std::isfinite(number) && number > 0.) {
      least = std::min(least, number);
      most = std::max(most, number);
    }
  if (most > 0.) {
    low = round_number(least, false);
    high = round_number(most, true);
    if (!(high > low)) high = round_number(1.5 * low, true);
  }
  // Few decades have room for labels at 1, 2 and 5, many for the powers of ten alone.
  const double decades = std::log10(high / low);
  for (int power = static_cast<int>(std::floor(std::log10(low))); std::pow(10., power) <= high * 1.001; ++power)
    for (int step = 1; step < 10; ++step) {
      const double tick = step * std::pow(10., power);
      if (tick < low * 0.999 || tick > high * 1.001) continue;
      const bool has_label = step == 1 || (decades <= 4.2 && (step == 2 || step == 5));
      (has_label ? labelled : others).push_back(tick);
    }
}

double LogAxis::place(double number) const { return std::log(number / low) / std::log(high / low); }

void write_svg(std::ostream& stream, const Chart& chart) { SvgChart(stream, chart).write(); }

}  // namespace santa::example
