// What was measured, as lines and as JSON.
#pragma once

#include "results_file.hpp"

#include <cmath>
#include <cstdio>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace santa_bench {

struct Record {
  std::string problem;
  int draw = 0;
  std::string program;
  double microseconds = 0.;
  double bytes = 0.;  // that it must read
  double ceiling_gb_s = 0.;
  double error = 0.;  // of the outputs, relative to santa's Exact
};

/// Written after each record, as a run may be cut short.
class Records {
 public:
  Records(std::string device, std::string file, int repetitions)
      : repeats(repetitions), _device(std::move(device)), _file(std::move(file)) {
    if (!_file.empty()) require_writable(_file);
    std::printf("%-16s %-26s %9s %8s %8s %9s\n", "problem", "program", "us", "ceiling", "of it", "error");
  }

  /// Errors: std::runtime_error.
  void add(const Record& r) {
    std::printf("%-16s %-26s %9.1f %8.0f %8.3f %9.2g\n", r.problem.c_str(), r.program.c_str(), r.microseconds,
                r.ceiling_gb_s, 1e-3 * r.bytes / r.microseconds / r.ceiling_gb_s, r.error);
    std::fflush(stdout);
    _records.push_back(r);
    if (!_file.empty()) write();
  }

  /// What others' kernels, exact all of them, may differ by: they round weights and partial sums to bfloat16.
  static constexpr double most_error = 0.01;

  /// Errors: std::runtime_error that names an exact program whose outputs differ.
  void check() const {
    for (const Record& r : _records)
      if (r.program.find("MassUnit") == std::string::npos && !(r.error < most_error))
        throw std::runtime_error("\"" + r.program + "\" at \"" + r.problem + "\" differs from Exact by " +
                                 std::to_string(r.error) + "; accepted: below " + std::to_string(most_error));
  }

  int repeats;

 private:
  void write() const {
    std::ostringstream file;
    file << "{\"device\": \"" << _device << "\", \"results\": [";
    const char* between = "";
    for (const Record& r : _records) {
      char text[512];
      std::snprintf(text, sizeof text,
                    "%s\n  {\"problem\": \"%s\", \"draw\": %d, \"program\": \"%s\", \"microseconds\": %.3f, \"bytes\": "
                    "%.0f, \"ceiling_gb_s\": %.1f, \"relative_error\": %s}",
                    between, r.problem.c_str(), r.draw, r.program.c_str(), r.microseconds, r.bytes, r.ceiling_gb_s,
                    std::isfinite(r.error) ? std::to_string(r.error).c_str() : "null");
      file << text;
      between = ",";
    }
    file << "\n]}\n";
    write_results(_file, file.str());
  }

  std::string _device, _file;
  std::vector<Record> _records;
};

}  // namespace santa_bench
