// The picture of a sweep: a file that other programs can read, with everything in it.
#include "decode/chart.hpp"

#include "decode/run.hpp"
#include "decode/sweep.hpp"
#include "files.hpp"

#include <doctest/doctest.h>
#include <nlohmann/json.hpp>

#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <limits>
#include <sstream>
#include <string>
#include <vector>

using namespace santa::example;
using namespace santa::example::test;

namespace {

std::string svg_of(const Chart& chart) {
  std::ostringstream stream;
  write_svg(stream, chart);
  return stream.str();
}

bool all_quoted(const std::string& attributes) {
  std::size_t quotes = 0;
  for (const char c : attributes) {
    if (c == '"') ++quotes;
    if (c == '=' && quotes % 2 == 0 && !contains(attributes, "=\"")) return false;
  }
  return quotes % 2 == 0;
}

/// Whether elements nest and close, attributes are quoted, and every & begins an entity.
bool is_well_formed(const std::string& xml) {
  std::vector<std::string> open;
  int roots = 0;
  for (std::size_t at = 0; at < xml.size();) {
    if (xml[at] == '&') {
      const std::string entity = xml.substr(at, xml.find(';', at) - at);
      if (entity != "&amp" && entity != "&lt" && entity != "&gt" && entity != "&quot") return false;
    }
    if (xml[at] == '>') return false;
    if (xml[at] != '<') {
      if (open.empty() && xml[at] != '\n') return false;
      ++at;
      continue;
    }
    const std::size_t end = xml.find('>', at);
    if (end == std::string::npos) return false;
    const std::string tag = xml.substr(at + 1, end - at - 1);
    at = end + 1;
    if (contains(tag, "<") || !all_quoted(tag)) return false;
    if (tag[0] == '/') {
      if (open.empty() || open.back() != tag.substr(1)) return false;
      open.pop_back();
    } else if (tag.back() != '/') {
      roots += open.empty() ? 1 : 0;
      open.push_back(tag.substr(0, tag.find(' ')));
    }
  }
  return open.empty() && roots == 1;
}

/// The values of an attribute, in order.
std::vector<double> numbers(const std::string& svg, const std::string& attribute) {
  std::vector<double> result;
  const std::string start = std::string(" ").append(attribute).append("=\"");
  for (std::size_t at = svg.find(start); at != std::string::npos; at = svg.find(start, at + 1))
    result.push_back(std::strtod(svg.c_str() + at + start.size(), nullptr));
  return result;
}

std::vector<double> label_heights(const std::string& svg) {
  std::vector<double> result;
  for (std::size_t at = svg.find("class=\"name\""); at != std::string::npos; at = svg.find("class=\"name\"", at + 1))
    result.push_back(numbers(svg.substr(svg.rfind("<text", at), 100), "y").front());
  return result;
}

Chart chart_of_lines(std::size_t count) {
  Chart chart{"a title", "a subtitle", "across", "up", true, {}};
  for (std::size_t i = 0; i < count; ++i) {
    const double y = 0.01 * (1. + 0.01 * static_cast<double>(i));
    chart.series.push_back({std::string("line ").append(std::to_string(i)), {{0.01, 10. * y}, {0.1, y}}});
  }
  return chart;
}

}  // namespace

TEST_CASE("the_test_of_form_sees_what_is_wrong") {
  CHECK(is_well_formed("<a>\n<b c=\"1\"/>x &lt; y</a>\n"));
  for (const char* const wrong : {"<a>", "<a></b>", "<a><b></a></b>", "<a b=\"1></a>", "<a b=1></a>", "<a> & </a>",
                                  "<a>></a>", "<a/><a></a><b></b>", "x<a></a>", "<a <b></a>"})
    CHECK_MESSAGE(!is_well_formed(wrong), wrong);
}

TEST_CASE("axes_hold_every_number_and_end_at_ticks") {
  for (const std::vector<double>& range : std::vector<std::vector<double>>{
           {0.03, 0.4}, {1e-7, 3.}, {0.1, 0.1}, {0.099, 0.101}, {5., 5.5}, {1e-30, 1e30}}) {
    const LogAxis axis(range);
    CAPTURE(range[0]);
    CHECK(axis.low <= range[0] * (1. + 1e-6));
    CHECK(axis.high >= range[1] * (1. - 1e-6));
    CHECK(axis.high > axis.low);
    CHECK(axis.place(axis.low) == doctest::Approx(0.));
    CHECK(axis.place(axis.high) == doctest::Approx(1.));
    REQUIRE(!axis.labelled.empty());
    for (const double tick : axis.labelled) CHECK((tick >= axis.low * 0.99 && tick <= axis.high * 1.01));
  }
  const LogAxis tenth({0.03, 0.4});
  CHECK(tenth.low == doctest::Approx(0.02));
  CHECK(tenth.high == doctest::Approx(0.5));
  CHECK(tenth.labelled.size() == 5);  // 0.02 0.05 0.1 0.2 0.5
  CHECK(LogAxis({}).high == 1.);
  CHECK(LogAxis({0., -1., std::nan(""), INFINITY}).low == 0.1);
}

TEST_CASE("a_chart_names_every_line_once_and_no_label_hides_another") {
  for (const std::size_t count : {1, 2, 9, 20}) {
    const std::string svg = svg_of(chart_of_lines(count));
    CHECK(is_well_formed(svg));
    const std::vector<double> heights = label_heights(svg);
    REQUIRE(heights.size() == count);
    for (std::size_t i = 1; i < count; ++i) CHECK(heights[i] - heights[i - 1] > 15.);
    for (std::size_t i = 0; i < count; ++i)
      CHECK(contains(svg, std::string(">line ").append(std::to_string(i)).append("</text>")));
    for (const char* const text : {"a title", "a subtitle", "across", "up", "1 %", "10 %"})
      CHECK(contains(svg, std::string(">").append(text).append("</text>")));
  }
}

TEST_CASE("points_lie_inside_the_axes_where_their_numbers_say") {
  Chart chart{"t", "s", "x", "y", false, {{"line", {{1., 1.}, {10., 0.1}, {100., 0.01}}}}};
  const std::string svg = svg_of(chart);
  const auto x = numbers(svg, "cx");
  const auto y = numbers(svg, "cy");
  REQUIRE(x.size() == 4);  // three points and the name's marker
  CHECK(x[1] - x[0] == doctest::Approx(x[2] - x[1]).epsilon(1e-3));
  CHECK(y[1] - y[0] == doctest::Approx(y[2] - y[1]).epsilon(1e-3));
  CHECK(x[0] < x[2]);
  CHECK(y[0] < y[2]);  // downwards
}

TEST_CASE("points_that_a_logarithm_does_not_know_are_left_out") {
  const double infinity = std::numeric_limits<double>::infinity();
  Chart chart{"t", "s",   "x",
              "y", false, {{"all bad", {{0., 1.}, {1., 0.}, {1., -1.}, {infinity, 1.}, {1., std::nan("")}}}}};
  CHECK(is_well_formed(svg_of(chart)));
  CHECK(numbers(svg_of(chart), "cx").empty());
  CHECK(!contains(svg_of(chart), "nan"));
  chart.series.push_back({"good", {{1., 1.}}});
  CHECK(label_heights(svg_of(chart)).size() == 1);
  chart.series.clear();
  CHECK(is_well_formed(svg_of(chart)));
}

TEST_CASE("names_can_not_break_the_file") {
  Chart chart = chart_of_lines(1);
  chart.title = "</title><script>&\"'";
  chart.series[0].name = "a<b & \"c\">";
  CHECK(is_well_formed(svg_of(chart)));
  CHECK(!contains(svg_of(chart), "<script"));
}

TEST_CASE("a_sweep_reads_more_rows_for_less_error_and_draws_every_method") {
  const Folder folder;
  const Options options =
      parse_options({"--synthetic", "2,4,2,1024,64", "--sweep", "--svg", (folder / "sweep.svg").string()});
  const Report report = run(options);
  CHECK(report.sweep);
  std::ifstream stream(folder / "sweep.svg");
  const std::string svg{std::istreambuf_iterator<char>(stream), {}};
  CHECK(is_well_formed(svg));
  std::ostringstream table;
  print_table(table, report);
  const nlohmann::json json = nlohmann::json::parse(to_json(report).dump());
  CHECK(json.at("sweep") == true);
  for (const MethodEntry& method : all_methods()) {
    if (!has_budget(method)) continue;
    const std::string name(method.name);
    CAPTURE(name);
    CHECK(contains(svg, std::string(">").append(name).append("</text>")));
    CHECK(contains(table.str(), std::string("\n").append(name).append(" ")));
    std::vector<MethodReport> points;
    for (const MethodReport& row : report.methods)
      if (row.method == name) points.push_back(row);
    REQUIRE(points.size() >= 3);
    for (std::size_t i = 1; i < points.size(); ++i)
      CHECK(points[i].rows_read_fraction > points[i - 1].rows_read_fraction);
    CHECK(points.back().accuracy.mean < 0.7 * points.front().accuracy.mean);
    CHECK(!points.back().microseconds);
  }
  CHECK(json.at("methods").size() == report.methods.size());
  CHECK(json.at("methods").at(0).at("budget") == sweep_budgets[0]);
}

TEST_CASE("a_sweep_refuses_to_write_where_it_should_not") {
  const Folder folder;
  write_safetensors(folder / "capture", small_capture());
  const auto complaint = [&](const std::string& svg) {
    return sentence_of([&] {
      (void)run(parse_options(
          {(folder / "capture").string(), "--sweep", "--method", "mass-unit", "--svg", (folder / svg).string()}));
    });
  };
  CHECK(contains(complaint("capture"), "--svg would overwrite the capture"));
  CHECK(contains(complaint("none/file"), "can't be written"));
}
