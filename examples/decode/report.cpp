#include "decode/report.hpp"

#include "decode/decoder.hpp"
#include "decode/reference.hpp"
#include "decode/rotation.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cmath>
#include <variant>

namespace santa::example {
namespace {

using Json = nlohmann::json;

/// The method's own parameters: whichever of them it has.
void note_parameters(const Measurement& from, std::int64_t length, MethodReport& to) {
  to.samples = samples_of(from.parameters);
  std::visit(
      [&](const auto& method) {
        if constexpr (requires { method.rows; }) to.rows_budget = method.rows.of(length);
      },
      from.parameters);
}

std::optional<double> exact_time(const Measurements& measurements) {
  for (const Measurement& measurement : measurements.methods)
    if (std::holds_alternative<Exact>(measurement.parameters)) return measurement.microseconds;
  return std::nullopt;
}

Json number_or_null(const std::optional<double>& number) {
  return number && std::isfinite(*number) ? Json(*number) : Json(nullptr);
}

Json to_json(const MethodReport& row) {
  return {{"method", row.method},
          {"score_stage", name_of(row.scoring.stage)},
          {"rescored", row.scoring.rescored},
          {"bytes_budget", row.scoring.stage == ScoreStage::clusters ? Json(row.scoring.bytes) : Json(nullptr)},
          {"budget", row.budget},
          {"samples", row.samples ? Json(*row.samples) : Json(nullptr)},
          {"rows_budget", number_or_null(row.rows_budget)},
          {"relative_error", number_or_null(row.accuracy.mean)},
          {"relative_error_p95", number_or_null(row.accuracy.percentile95)},
          {"cosine_similarity", number_or_null(row.accuracy.cosine)},
          {"rows_read_fraction", row.rows_read_fraction},
          {"bytes_read", row.bytes_read},
          {"microseconds", number_or_null(row.microseconds)},
          {"microseconds_spread", number_or_null(row.spread)},
          {"gigabytes_per_second", number_or_null(row.gigabytes_per_second)},
          {"speedup", number_or_null(row.speedup)}};
}

}  // namespace

References references_of(const Capture& capture) {
  References references;
  for (const CapturedLayer& layer : capture.layers)
    references.push_back(reference_attention(layer, capture.shape, capture.scale));
  return references;
}

Report make_report(const Capture& capture, const References& references, const Measurements& measurements,
                   const MeasureOptions& options, const std::vector<const MethodEntry*>& shown) {
  Report report;
  report.source = capture.source;
  report.model = capture.model;
  report.text = capture.text;
  report.dtype = capture.layers.front().key.dtype;
  report.shape = capture.shape;
  report.scale = capture.scale;
  report.options = options;
  report.backend = Space::name();
  report.threads = static_cast<int>(Space().concurrency());
  report.processor = processor();
  report.copies = measurements.copies;
  report.copy_bytes = measurements.copy_bytes;
  report.first_position = capture.shape.length;
  for (const CapturedLayer& layer : capture.layers) {
    report.layers.push_back(layer.index);
    const auto [least, most] = std::minmax_element(layer.positions.begin(), layer.positions.end());
    report.first_position = std::min(report.first_position, *least);
    report.last_position = std::max(report.last_position, *most);
  }
  for (const Measurement& measurement : measurements.methods) {
    if (std::find(shown.begin(), shown.end(), measurement.method) == shown.end()) continue;
    MethodReport row;
    row.method = measurement.method->name;
    row.scoring = measurement.scoring;
    row.budget = options.budget.rows;
    note_parameters(measurement, capture.shape.length, row);
    row.accuracy = compare(measurement.out, references, capture.shape.dim);
    row.rows_read_fraction = measurement.rows_read;
    row.bytes_read = measurement.bytes_read;
    row.microseconds = measurement.microseconds;
    row.spread = measurement.spread;
    if (row.microseconds) row.gigabytes_per_second = row.bytes_read / *row.microseconds * 1e-3;
    if (const auto exact = exact_time(measurements); exact && row.microseconds)
      row.speedup = *exact / *row.microseconds;
    report.methods.push_back(std::move(row));
  }
  return report;
}

Json to_json(const Report& report) {
  Json methods = Json::array();
  for (const MethodReport& row : report.methods) methods.push_back(to_json(row));
  return {{"file", report.source},
          {"model", report.model},
          {"text", report.text},
          {"dtype", report.dtype},
          {"scale", report.scale},
          {"layers", report.layers},
          {"shape",
           {{"positions", report.shape.batch},
            {"heads", report.shape.heads},
            {"kv_heads", report.shape.kv_heads},
            {"dim", report.shape.dim},
            {"length", report.shape.length}}},
          {"first_position", report.first_position},
          {"last_position", report.last_position},
          {"backend", report.backend},
          {"threads", report.threads},
          {"seed", report.options.seed},
          {"repeat", report.options.repeat},
          {"cache_copies", report.copies},
          {"cache_copy_bytes", report.copy_bytes},
          {"sweep", report.sweep},
          {"methods", methods}};
}

}  // namespace santa::example
