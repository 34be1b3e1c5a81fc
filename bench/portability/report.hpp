// The portability benchmark's results as a table and as JSON.
#pragma once

#include "ceiling.hpp"
#include "measure.hpp"
#include "options.hpp"
#include "results_file.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdint>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <string>
#include <type_traits>

namespace santa_bench {

inline std::string kokkos_version() {
  return std::to_string(KOKKOS_VERSION / 10000) + "." + std::to_string(KOKKOS_VERSION / 100 % 100) + "." +
         std::to_string(KOKKOS_VERSION % 100);
}

template <class Space>
std::string device_name() {
#if defined(KOKKOS_ENABLE_CUDA)
  if constexpr (std::is_same_v<Space, Kokkos::Cuda>) return Space{}.cuda_device_prop().name;
#endif
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

class Report {
  using Space = Kokkos::DefaultExecutionSpace;

 public:
  explicit Report(const Options& options) : _options(options) {
    if (!options.json.empty()) require_writable(options.json);
    char date[32];
    const std::time_t now = std::time(nullptr);
    std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
    _json = "{\"device\": \"" + device_name<Space>() + "\", \"backend\": \"" + Space::name() + "\", \"date\": \"" +
            date + "\", \"kokkos\": \"" + kokkos_version() +
            "\", \"concurrency\": " + std::to_string(Space{}.concurrency()) + threads() + ", \"results\": [";
    std::printf("%s, %s (hm: head-major)\n%-24s %-23s %6s %9s %9s %8s %8s %8s %9s\n", device_name<Space>().c_str(),
                Space::name(), "b, h/kvh/d, n", "method", "rows", "us", "launch us", "ceiling", "of it", "speed-up",
                "error");
  }

  /// What a method was asked for: samples a query head (and in which tiles), or rows a kv head; 0 where it has none.
  struct Budget {
    std::int64_t samples = 0;
    int tile = 0;
    double rows = 0.;
  };

  /// What scores are made from, and whether those of drawn rows are made again.
  struct Stage {
    const char* score = "bf16";
    bool rescored = false;
  };

  void set_layout(santa::CacheLayout layout) { _layout = layout; }
  /// Elements of keys and values in the rows that follow.
  void set_elements(const char* name) { _elements = name; }
  /// Of the rows that follow, whose requests differ in length; "" where all are full.
  void set_scenario(const std::string& name) { _scenario = name; }

  /// What the rows that follow are compared with.
  void set_ceiling(const santa::Shape& s, const Ceiling& ceiling) {
    _ceiling = ceiling;
    std::printf("%-24s ceiling: %.1f GB/s by %s\n", name_of(s).c_str(), ceiling.gb_s, ceiling.reader.c_str());
  }

  void add(const santa::Shape& s, const std::string& method, const Budget& budget, const Measured& m, double speedup,
           double error, const Stage& stage) {
    const double fraction = m.bytes / m.microseconds() * 1e-3 / _ceiling.gb_s;
    const std::string name = method + (stage.score == std::string("bf16") ? "" : std::string(" ") + stage.score) +
                             (stage.rescored ? " rescored" : "");
    std::printf("%-24s %-23s %5.1f%% %9.1f %9.1f %8.0f %8.3f %8.2f %9.2g\n", name_of(s).c_str(), name.c_str(),
                100. * m.rows_fraction, m.microseconds(), m.launch_microseconds, _ceiling.gb_s, fraction, speedup,
                error);
    _check.set(name + " at " + name_of(s), fraction);
    std::fflush(stdout);
    const auto number = [](auto value) { return value > 0 ? std::to_string(value) : std::string("null"); };
    char text[1024];
    std::snprintf(
        text, sizeof text,
        "\"samples\": %s, \"tile\": %s, \"rows_budget\": %s, \"rows_read_fraction\": %.5f, \"microseconds\": %.3f, "
        "\"timing\": \"%s\", \"launch_microseconds\": %.3f, \"bytes_read\": %.0f, \"ceiling_gb_s\": %.1f, "
        "\"ceiling_reader\": \"%s\", \"ceiling_fraction\": %.4f, \"speedup_over_exact\": %.4f, \"relative_error\": "
        "%.4g",
        number(budget.samples).c_str(), number(budget.tile).c_str(), number(budget.rows).c_str(), m.rows_fraction,
        m.microseconds(), m.graph_microseconds > 0. ? "graph" : "launch", m.launch_microseconds, m.bytes, _ceiling.gb_s,
        _ceiling.reader.c_str(), fraction, speedup, error);
    add_record(s, method, text, stage);
  }

  /// Of a method that did not run: its time is null.
  void add_unsupported(const santa::Shape& s, const std::string& method, const std::string& why, const Stage& stage) {
    std::printf("%-24s %-23s not run: %s\n", name_of(s).c_str(), method.c_str(), why.c_str());
    std::string text;
    for (const char c : why) text += c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    add_record(s, method, "\"microseconds\": null, \"reason\": \"" + text + "\"", stage);
  }

  void write() const {
    if (_options.json.empty()) return;
    write_results(_options.json, _json + "\n]}\n");
  }

  /// Errors: std::runtime_error where a row is above its ceiling.
  void check_ceilings() const { _check.finish(); }

 private:
  [[nodiscard]] std::string name_of(const santa::Shape& s) const {
    char text[64];
    std::snprintf(text, sizeof text, "%ld, %ld/%ld/%ld, %ldk%s", s.batch, s.heads, s.kv_heads, s.dim, s.length / 1024,
                  _layout == santa::CacheLayout::token_major ? "" : " hm");
    return text + (_scenario.empty() ? "" : " " + _scenario);
  }

  /// Of a host: results with other numbers of them are of another platform.
  static std::string threads() {
    if (!santa::lanes::is_host_space<Space>) return "";
    return ", \"threads\": " + std::to_string(Space{}.concurrency());
  }

  void add_record(const santa::Shape& s, const std::string& method, const std::string& rest, const Stage& stage) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "\"score_stage\": \"%s\", \"rescored\": %s, \"batch\": %ld, \"length\": %ld, \"heads\": %ld, "
                  "\"kv_heads\": %ld, \"dim\": %ld, \"dtype\": \"%s\", \"layout\": \"%s\", \"sharpness\": %g, ",
                  stage.score, stage.rescored ? "true" : "false", s.batch, s.length, s.heads, s.kv_heads, s.dim,
                  _elements, _layout == santa::CacheLayout::token_major ? "token-major" : "head-major",
                  static_cast<double>(_options.sharpness));
    const std::string scenario = _scenario.empty() ? "" : "\"scenario\": \"" + _scenario + "\", ";
    _json += std::string(_first ? "" : ",") + "\n  {\"method\": \"" + method + "\", " + scenario + text + rest + "}";
    _first = false;
  }

  const Options& _options;
  santa::CacheLayout _layout = santa::CacheLayout::token_major;
  std::string _scenario;
  const char* _elements = "bf16";
  Ceiling _ceiling;
  CeilingCheck _check;
  std::string _json;
  bool _first = true;
};

}  // namespace santa_bench
