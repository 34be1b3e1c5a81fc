#include "decode/run.hpp"

#include "decode/error.hpp"

#include <algorithm>
#include <string>
#include <system_error>

namespace santa::example {
namespace {

void refuse_to_overwrite(const Options& options) {
  std::error_code error;
  if (!options.synthetic && std::filesystem::equivalent(options.output, options.file, error))
    throw UserError("--output would overwrite the capture");
}

/// Speed-ups are over the exact method: it runs even where it isn't asked for.
std::vector<const MethodEntry*> with_exact(std::vector<const MethodEntry*> methods) {
  const MethodEntry* const exact = &all_methods().front();
  if (std::find(methods.begin(), methods.end(), exact) == methods.end()) methods.push_back(exact);
  return methods;
}

void write_outputs(const Options& options, const Capture& capture, const Measurement& measurement) {
  std::map<std::string, Tensor> tensors;
  for (std::size_t i = 0; i < capture.layers.size(); ++i)
    tensors["layers." + std::to_string(capture.layers[i].index) + ".out"] = measurement.out[i];
  write_safetensors(options.output, tensors, {{"method", std::string(measurement.method->name)}});
}

}  // namespace

Report run(const Options& options) {
  if (!options.output.empty()) refuse_to_overwrite(options);
  const Capture capture =
      options.synthetic ? make_synthetic(*options.synthetic) : read_capture(options.file, options.layer);
  Progress progress;
  const auto methods = options.measure.repeat > 0 ? with_exact(options.methods) : options.methods;
  const Measurements measurements = measure(capture, methods, options.measure, progress);
  if (!options.output.empty()) write_outputs(options, capture, measurements.methods.front());
  return make_report(capture, measurements, options.measure, options.methods);
}

}  // namespace santa::example
