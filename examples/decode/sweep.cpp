#include "decode/sweep.hpp"

#include "decode/error.hpp"

#include <iterator>
#include <string>
#include <utility>

namespace santa::example {
namespace {

void add(MethodReport& sum, const MethodReport& other) {
  sum.accuracy.mean += other.accuracy.mean;
  sum.accuracy.percentile95 += other.accuracy.percentile95;
  sum.accuracy.cosine += other.accuracy.cosine;
  sum.rows_read_fraction += other.rows_read_fraction;
  sum.bytes_read += other.bytes_read;
}

void divide(MethodReport& sum, double count) {
  for (double* const number :
       {&sum.accuracy.mean, &sum.accuracy.percentile95, &sum.accuracy.cosine, &sum.rows_read_fraction, &sum.bytes_read})
    *number /= count;
}

/// One point: the mean over the seeds. The first seed chooses the number of draws where there is one to choose.
MethodReport point(const Capture& capture, const References& references, const MethodEntry& method,
                   MeasureOptions options, Progress& progress) {
  const std::vector<const MethodEntry*> only = {&method};
  const auto run = [&] {
    return make_report(capture, references, measure(capture, only, options, progress), options, only).methods.front();
  };
  MethodReport mean = run();
  options.budget.samples = mean.samples;
  for (int i = 1; i < sweep_seeds; ++i) {
    ++options.seed;
    add(mean, run());
  }
  divide(mean, sweep_seeds);
  return mean;
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + " " + noun + (count == 1 ? "" : "s");
}

}  // namespace

Report sweep(const Capture& capture, const std::vector<const MethodEntry*>& methods, const MeasureOptions& options,
             Progress& progress) {
  const References references = references_of(capture);
  MeasureOptions untimed = options;
  untimed.repeat = 0;
  Report report = make_report(capture, references, {}, untimed, {});
  report.sweep = true;
  for (const MethodEntry* const method : methods) {
    double rows = 0.;
    for (const double budget : sweep_budgets) {
      untimed.budget.rows = budget;
      MethodReport next = point(capture, references, *method, untimed, progress);
      // Where a method can't read fewer or more rows, another budget brings nothing new.
      if (next.rows_read_fraction < 1.05 * rows) continue;
      rows = next.rows_read_fraction;
      report.methods.push_back(std::move(next));
    }
  }
  return report;
}

Chart chart_of(const Report& sweep) {
  const Shape& s = sweep.shape;
  Chart chart;
  chart.title = "Sampled decode attention: error against value rows read";
  chart.subtitle = printable(sweep.source, 40) + ": " + std::to_string(s.length) + " keys, " + std::to_string(s.heads) +
                   " heads on " + std::to_string(s.kv_heads) + " kv heads; " + counted(sweep.layers.size(), "layer") +
                   ", " + counted(static_cast<std::size_t>(s.batch), "position") + ", " + counted(sweep_seeds, "seed");
  chart.x_label = "value rows read, of all visible (union over the query heads of a kv head)";
  chart.y_label = "mean relative error of the output";
  chart.x_percent = true;
  for (const MethodReport& row : sweep.methods) {
    if (chart.series.empty() || chart.series.back().name != row.method) chart.series.push_back({row.method, {}});
    chart.series.back().points.emplace_back(row.rows_read_fraction, row.accuracy.mean);
  }
  return chart;
}

}  // namespace santa::example
