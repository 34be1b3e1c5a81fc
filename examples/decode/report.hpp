// What is printed: a table for people, or JSON for programs.
#pragma once

#include "decode/accuracy.hpp"
#include "decode/capture.hpp"
#include "decode/measure.hpp"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace santa::example {

struct MethodReport {
  std::string method;
  Scoring scoring;
  double budget = 0.;                   // what was asked for: Budget::rows
  std::optional<std::int64_t> samples;  // draws a query head
  std::optional<double> rows_budget;    // value rows a kv head
  Accuracy accuracy;
  double rows_read_fraction = 0.;
  double bytes_read = 0.;
  std::optional<double> microseconds, spread, gigabytes_per_second, speedup;
};

struct Report {
  std::string source, model, text, dtype, backend;
  std::vector<int> layers;
  std::int64_t first_position = 0, last_position = 0;  // the smallest and the largest
  Shape shape;                                         // batch: positions
  float scale = 0.F;
  MeasureOptions options;
  int threads = 0;
  std::string processor;  // what runs the steps, such as "2 threads", or a device by its name
  std::size_t copies = 0, copy_bytes = 0;
  bool sweep = false;  // `methods` has a row for each budget of each method, one after the other
  std::vector<MethodReport> methods;
};

/// Exact attention in float64, a layer each.
using References = std::vector<std::vector<double>>;
References references_of(const Capture& capture);

/// Of the methods in `shown`; the others were measured for comparison only.
Report make_report(const Capture& capture, const References& references, const Measurements& measurements,
                   const MeasureOptions& options, const std::vector<const MethodEntry*>& shown);

void print_table(std::ostream& stream, const Report& report);
nlohmann::json to_json(const Report& report);

}  // namespace santa::example
