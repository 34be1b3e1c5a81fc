#include "decode/run.hpp"

#include "decode/error.hpp"
#include "decode/sweep.hpp"

#include <algorithm>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

namespace santa::example {
namespace {

void refuse_to_overwrite(const Options& options) {
  std::error_code error;
  for (const auto& [name, file] : {std::pair("--output", options.output), std::pair("--svg", options.svg)})
    if (!file.empty() && !options.synthetic && std::filesystem::equivalent(file, options.file, error))
      throw UserError(name + std::string(" would overwrite the capture"));
}

/// Told now, rather than after minutes of work. What a file held before stays until there is something to write.
void require_writable(const Options& options) {
  for (const std::string& file : {options.output.string(), options.svg.string()})
    if (!file.empty() && !std::ofstream(file, std::ios::app))
      throw UserError(printable(file, 300) + ": the file can't be written");
}

/// Speed-ups are over the exact method: it runs even where it isn't asked for.
std::vector<const MethodEntry*> with_exact(std::vector<const MethodEntry*> methods) {
  const MethodEntry* const exact = &all_methods().front();
  if (std::find(methods.begin(), methods.end(), exact) == methods.end()) methods.push_back(exact);
  return methods;
}

void write_svg(const std::filesystem::path& path, const Chart& chart) {
  std::ofstream stream(path);
  write_svg(stream, chart);
  stream.close();
  if (!stream) throw UserError(printable(path.string(), 300) + ": the file can't be written");
}

void write_outputs(const Options& options, const Capture& capture, const Measurement& measurement) {
  std::map<std::string, Tensor> tensors;
  for (std::size_t i = 0; i < capture.layers.size(); ++i)
    tensors["layers." + std::to_string(capture.layers[i].index) + ".out"] = measurement.out[i];
  write_safetensors(options.output, tensors, {{"method", std::string(measurement.method->name)}});
}

}  // namespace

Report run(const Options& options) {
  refuse_to_overwrite(options);
  const Capture capture =
      options.synthetic ? make_synthetic(*options.synthetic) : read_capture(options.file, options.layer);
  require_writable(options);
  Progress progress;
  if (options.sweep) {
    Report report = sweep(capture, options.methods, options.measure, progress);
    if (!options.svg.empty()) write_svg(options.svg, chart_of(report));
    return report;
  }
  const auto methods = options.measure.repeat > 0 ? with_exact(options.methods) : options.methods;
  const Measurements measurements = measure(capture, methods, options.measure, progress);
  if (!options.output.empty()) write_outputs(options, capture, measurements.methods.front());
  return make_report(capture, references_of(capture), measurements, options.measure, options.methods);
}

}  // namespace santa::example
