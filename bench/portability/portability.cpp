// The portability benchmark: one program for every backend. Time of each method against the streaming-read ceiling of
// the device in the same run, over shapes of decode attention; results as a table and as JSON.
#include "measure.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace {

using Space = Kokkos::DefaultExecutionSpace;

struct Options {
  double share = 0.1;
  float sharpness = 3.F;
  int repeats = 21;
  bool quick = false;
  std::string only;  // a method
  std::string shape;
  std::string layout;
  std::string json;
};

constexpr const char* usage =
    "santa_portability [options]\n"
    "  --share S       share of the value rows that sampling methods read (0.1)\n"
    "  --sharpness S   standard deviation of the scores (3)\n"
    "  --repeats N     timed repetitions (21)\n"
    "  --shape B,H,KVH,L,D   only this shape\n"
    "  --method NAME   only this method and exact: mass-unit, mass-unit-steered,\n"
    "                  mass-unit-first, systematic, fixed-tile-budget\n"
    "  --layout NAME   only this layout of the cache: token-major, head-major\n"
    "  --quick         only batch 1 at 8192 and 32768 keys, for hosts\n"
    "  --json FILE     results as JSON\n";

std::string kokkos_version() {
  return std::to_string(KOKKOS_VERSION / 10000) + "." + std::to_string(KOKKOS_VERSION / 100 % 100) + "." +
         std::to_string(KOKKOS_VERSION % 100);
}

std::string device_name() {
#if defined(KOKKOS_ENABLE_CUDA)
  if constexpr (std::is_same_v<Space, Kokkos::Cuda>) return Space{}.cuda_device_prop().name;
#endif
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::vector<santa::Shape> shapes(const Options& options) {
  if (!options.shape.empty()) {
    santa::Shape s;
    if (std::sscanf(options.shape.c_str(), "%ld,%ld,%ld,%ld,%ld", &s.batch, &s.heads, &s.kv_heads, &s.length, &s.dim) !=
        5)
      throw std::runtime_error("--shape needs B,H,KVH,L,D");
    return {s};
  }
  // Llama-3.1-8B; Qwen2-7B; Llama-3.1-70B; SmolLM2-135M; one kv head of the largest dim.
  const std::int64_t geometries[][3] = {{32, 8, 128}, {28, 4, 128}, {64, 8, 128}, {9, 3, 64}, {8, 1, 256}};
  const std::int64_t sizes[][2] = {{1, 8}, {1, 32}, {1, 128}, {4, 32}, {16, 32}, {4, 128}, {64, 8}};
  std::vector<santa::Shape> all;
  for (const auto& [heads, kv_heads, dim] : geometries)
    for (const auto& [batch, k] : sizes)
      if (!options.quick || batch * k <= 32) all.push_back({batch, heads, kv_heads, k * 1024, dim});
  return all;
}

class Report {
 public:
  explicit Report(const Options& options) : _options(options) {
    char date[32];
    const std::time_t now = std::time(nullptr);
    std::strftime(date, sizeof date, "%Y-%m-%d", std::gmtime(&now));
    _json = "{\"device\": \"" + device_name() + "\", \"backend\": \"" + Space::name() + "\", \"date\": \"" + date +
            "\", \"kokkos\": \"" + kokkos_version() + "\", \"concurrency\": " + std::to_string(Space{}.concurrency()) +
            ", \"results\": [";
    std::printf("%s, %s (hm: head-major)\n%-24s %-17s %6s %9s %9s %8s %8s %8s %9s\n", device_name().c_str(),
                Space::name(), "b, h/kvh/d, n", "method", "rows", "us", "launch us", "ceiling", "of it", "speed-up",
                "error");
  }

  /// What a method was asked for: samples a query head (and in which tiles), or rows a kv head; 0 where it has none.
  struct Budget {
    std::int64_t samples = 0;
    int tile = 0;
    double rows = 0.;
  };

  void set_layout(santa::CacheLayout layout) { _layout = layout; }

  void add(const santa::Shape& s, const std::string& method, const Budget& budget, double ceiling,
           const santa_bench::Measured& m, double speedup, double error) {
    const double fraction = m.bytes / m.microseconds() * 1e-3 / ceiling;
    std::printf("%-24s %-17s %5.1f%% %9.1f %9.1f %8.0f %8.3f %8.2f %9.2g\n", name_of(s).c_str(), method.c_str(),
                100. * m.rows_fraction, m.microseconds(), m.launch_microseconds, ceiling, fraction, speedup, error);
    std::fflush(stdout);
    const auto number = [](auto value) { return value > 0 ? std::to_string(value) : std::string("null"); };
    char text[1024];
    std::snprintf(
        text, sizeof text,
        "\"samples\": %s, \"tile\": %s, \"rows_budget\": %s, \"rows_read_fraction\": %.5f, \"microseconds\": %.3f, "
        "\"timing\": \"%s\", \"launch_microseconds\": %.3f, \"bytes_read\": %.0f, \"ceiling_gb_s\": %.1f, "
        "\"ceiling_fraction\": %.4f, \"speedup_over_exact\": %.4f, \"relative_error\": %.4g",
        number(budget.samples).c_str(), number(budget.tile).c_str(), number(budget.rows).c_str(), m.rows_fraction,
        m.microseconds(), m.graph_microseconds > 0. ? "graph" : "launch", m.launch_microseconds, m.bytes, ceiling,
        fraction, speedup, error);
    add_record(s, method, text);
  }

  /// Of a method that did not run: its time is null.
  void add_unsupported(const santa::Shape& s, const std::string& method, const std::string& why) {
    std::printf("%-24s %-17s not run: %s\n", name_of(s).c_str(), method.c_str(), why.c_str());
    std::string text;
    for (const char c : why) text += c == '"' || c == '\\' || static_cast<unsigned char>(c) < ' ' ? ' ' : c;
    add_record(s, method, "\"microseconds\": null, \"reason\": \"" + text + "\"");
  }

  void write() const {
    if (_options.json.empty()) return;
    std::ofstream file(_options.json);
    file << _json << "\n]}\n";
    if (!file) throw std::runtime_error("can't write " + _options.json);
  }

 private:
  [[nodiscard]] std::string name_of(const santa::Shape& s) const {
    char text[64];
    std::snprintf(text, sizeof text, "%ld, %ld/%ld/%ld, %ldk%s", s.batch, s.heads, s.kv_heads, s.dim, s.length / 1024,
                  _layout == santa::CacheLayout::token_major ? "" : " hm");
    return text;
  }

  void add_record(const santa::Shape& s, const std::string& method, const std::string& rest) {
    char text[256];
    std::snprintf(text, sizeof text,
                  "\"score_stage\": \"bf16\", \"rescored\": false, \"batch\": %ld, \"length\": %ld, \"heads\": %ld, "
                  "\"kv_heads\": %ld, \"dim\": %ld, \"dtype\": \"bf16\", \"layout\": \"%s\", \"sharpness\": %g, ",
                  s.batch, s.length, s.heads, s.kv_heads, s.dim,
                  _layout == santa::CacheLayout::token_major ? "token-major" : "head-major",
                  static_cast<double>(_options.sharpness));
    _json += std::string(_first ? "" : ",") + "\n  {\"method\": \"" + method + "\", " + text + rest + "}";
    _first = false;
  }

  const Options& _options;
  santa::CacheLayout _layout = santa::CacheLayout::token_major;
  std::string _json;
  bool _first = true;
};

/// Copies of a cache add up to more than twice the last-level cache, or to 1.2 GB, whichever host it is.
constexpr std::size_t rotation_bytes = std::size_t{santa::lanes::is_host_space<Space> ? 1200 : 512} << 20;

/// All methods at one shape and layout.
void run(const Space& space, const santa_bench::Caches<Space>& caches, double ceiling, const Options& options,
         Report& report) {
  const santa::Shape& shape = caches.shape;
  santa_bench::Measured exact;
  // A kernel that a device has no room for is a result too.
  const auto add = [&](const char* name, const auto& method, const Report::Budget& budget, bool first = false) {
    if (!options.only.empty() && options.only != name && std::strcmp(name, "exact") != 0) return;
    try {
      const auto measured = santa_bench::measure(space, caches, method, options.repeats, first);
      if (exact.out.empty()) exact = measured;
      report.add(shape, name, budget, ceiling, measured, exact.microseconds() / measured.microseconds(),
                 santa_bench::relative_error(measured.out, exact.out));
    } catch (const std::exception& error) {
      space.fence();  // an error that stays with the device ends the run
      report.add_unsupported(shape, name, error.what());
    }
  };
  add("exact", santa::Exact{}, {});
  if (exact.out.empty()) return;  // nothing to compare with
  const double rows = options.share * static_cast<double>(shape.length);
  const santa::MassUnit mass_unit{.rows = santa::share(options.share), .steered = false};
  const santa::MassUnit steered{.rows = santa::share(options.share)};
  add("mass-unit", mass_unit, {.rows = rows});
  add("mass-unit-steered", steered, {.rows = rows});
  add("mass-unit-first", mass_unit, {.rows = rows}, true);
  const auto samples = std::max<std::int64_t>(1, static_cast<std::int64_t>(rows));
  add("systematic", santa::Systematic{.samples = samples}, {.samples = samples});
  santa::FixedTileBudget fixed{.samples = samples, .tile = 256};
  fixed.samples = std::max(samples, fixed.tiles(shape.length));  // it draws at least one a tile
  add("fixed-tile-budget", fixed, {.samples = fixed.samples, .tile = fixed.tile});
}

void run(const Options& options) {
  const Space space;
  Report report(options);
  for (const santa::Shape& shape : shapes(options)) {
    santa_bench::Caches<Space> caches(space, shape, options.sharpness, rotation_bytes);
    const double ceiling = santa_bench::ceiling(space, caches, options.repeats);
    for (const auto& [name, layout] : {std::pair{"token-major", santa::CacheLayout::token_major},
                                       std::pair{"head-major", santa::CacheLayout::head_major}}) {
      if (!options.layout.empty() && options.layout != name) continue;
      report.set_layout(caches.layout = layout);
      run(space, caches, ceiling, options, report);
    }
    report.write();  // so far: the run may be cut short
  }
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&]() -> std::string {
      if (++i == argc) throw std::runtime_error(name + " needs a value");
      return argv[i];
    };
    if (name == "--share")
      options.share = std::stod(value());
    else if (name == "--sharpness")
      options.sharpness = std::stof(value());
    else if (name == "--repeats")
      options.repeats = std::stoi(value());
    else if (name == "--shape")
      options.shape = value();
    else if (name == "--method")
      options.only = value();
    else if (name == "--layout")
      options.layout = value();
    else if (name == "--json")
      options.json = value();
    else if (name == "--quick")
      options.quick = true;
    else if (name == "--help") {
      std::fputs(usage, stdout);
      std::exit(0);
    } else
      throw std::runtime_error("unknown option " + name + "\n" + usage);
  }
  bool known = options.only.empty();
  for (const char* name : {"mass-unit", "mass-unit-steered", "mass-unit-first", "systematic", "fixed-tile-budget"})
    known = known || options.only == name;
  if (!known) throw std::runtime_error("unknown method " + options.only + "\n" + usage);
  if (!options.layout.empty() && options.layout != "token-major" && options.layout != "head-major")
    throw std::runtime_error("unknown layout " + options.layout + "\n" + usage);
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const Options options = parse(argc, argv);
    const Kokkos::ScopeGuard kokkos(argc, argv);
    run(options);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "santa_portability: %s\n", error.what());
    return 2;
  }
}
