#include "decode/error.hpp"
#include "decode/report.hpp"
#include "decode/rotation.hpp"
#include "decode/sweep.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ostream>
#include <tuple>

namespace santa::example {
namespace {

constexpr std::size_t line_length = 80;  // of texts from a file

using Row = std::array<std::string, 10>;

const Row names = {"method", "budget", "error", "error", "cosine", "rows", "read", "time", "rate", "speed-up"};
const Row units = {"", "", "mean", "95th pct", "", "read", "MB", "us", "GB/s", "x"};

template <class... Arguments>
std::string format(const char* form, Arguments... arguments) {
  std::array<char, 512> text{};
  std::snprintf(text.data(), text.size(), form, arguments...);
  return text.data();
}

std::string format(const char* form, const std::optional<double>& number) {
  return number ? format(form, *number) : "-";
}

std::string count(std::int64_t number) { return std::to_string(number); }

std::string mebibytes(std::size_t bytes) { return format("%.0f MiB", static_cast<double>(bytes) / 0x1p20); }

/// Errors span many orders of magnitude.
std::string error(double value) { return format(value != 0. && value < 1e-3 ? "%.1e" : "%.4f", value); }

std::string list(const std::vector<int>& numbers) {
  std::string text;
  for (const int number : numbers) text += (text.empty() ? "" : ", ") + std::to_string(number);
  return text;
}

std::string budget_of(const MethodReport& row) {
  if (row.samples) return count(*row.samples) + " draws";
  if (row.scoring.stage == ScoreStage::clusters) return format("%.4g %% bytes", 100. * row.scoring.bytes);
  return row.rows_budget ? format("%.0f rows", *row.rows_budget) : "all";
}

Row cells(const MethodReport& row) {
  return {row.method,
          budget_of(row),
          error(row.accuracy.mean),
          error(row.accuracy.percentile95),
          format("%.5f", row.accuracy.cosine),
          format("%.1f %%", 100. * row.rows_read_fraction),
          format("%.2f", row.bytes_read * 1e-6),
          format("%.1f", row.microseconds),
          format("%.2f", row.gigabytes_per_second),
          format("%.2f", row.speedup)};
}

std::string budget_text(const Report& report) {
  const Budget& budget = report.options.budget;
  const std::string seed = std::to_string(report.options.seed);
  if (report.sweep)
    return "from " + format("%.4g", 100. * sweep_budgets.front()) + " to " +
           format("%.4g", 100. * sweep_budgets.back()) + " % of the value rows a kv head; means over " +
           std::to_string(sweep_seeds) + " seeds from " + seed + " on";
  std::string text = budget.rows < 1. ? format("%.4g %% of the value rows", 100. * budget.rows)
                                      : format("%.0f value rows", budget.rows);
  text += " a kv head";
  if (budget.samples) return text + ", " + count(*budget.samples) + " draws a query head, seed " + seed;
  return text + "; as many draws as read the same, seed " + seed;
}

/// What scores are made from instead of keys.
std::string copies_text(const Scoring& scoring, std::int64_t dim) {
  const std::string numbers = std::to_string(scoring.numbers_of(dim));
  if (scoring.stage == ScoreStage::clusters)
    return "clusters of keys and their codes, " + format("%.4g %%", 100. * scoring.bytes) +
           " of exact attention's bytes in all, whatever the rows";
  if (scoring.stage == ScoreStage::bernoulli)
    return "features that " + std::to_string(scoring.draws) + (scoring.draws == 1 ? " draw" : " draws") +
           " of a ternary query chose (bernoulli)";
  if (reads_features(scoring.stage))
    return (scoring.stage == ScoreStage::features ? "about " : "the top ") + numbers + " of " + std::to_string(dim) +
           " features of the keys";
  return std::string(name_of(scoring.stage)) + " copies of the keys" +
         (is_counted(scoring.stage) ? ", " + numbers + " numbers a key" : "");
}

void print_heading(std::ostream& stream, const Report& report) {
  const Shape& s = report.shape;
  stream << "Decode attention over " << report.source;
  if (!report.model.empty()) stream << ": " << printable(report.model, line_length);
  stream << "\n";
  if (!report.text.empty()) stream << "text     " << printable(report.text, line_length) << "\n";
  stream << "layers   " << list(report.layers) << "; in each " << s.batch << " query positions, "
         << report.first_position << " to " << report.last_position << "\n"
         << "shape    " << s.heads << " heads on " << s.kv_heads << " kv heads of dim " << s.dim << ", " << s.length
         << " keys in " << report.dtype << ", scale " << report.scale << "\n"
         << "budget   " << budget_text(report) << "\n";
  if (const Scoring& scoring = report.options.scoring; scoring.by_copy())
    stream << "scores   of mass-unit methods from " << copies_text(scoring, s.dim)
           << (scoring.rescored ? "; those of the drawn rows again from their keys" : "") << "\n";
  if (report.sweep) {
    stream << "\n";
    return;
  }
  stream << "timing   " << report.processor << " (" << report.backend << ")";
  if (report.options.repeat > 0)
    stream << ", median of " << report.options.repeat << " runs a step, over " << report.copies
           << (report.copies == 1 ? " copy" : " copies") << " of the cache, "
           << mebibytes(report.copies * report.copy_bytes)
           << " (last-level cache: " << mebibytes(processor_cache_bytes()) << ")";
  stream << "\n\n";
}

template <class Row>
void print_rows(std::ostream& stream, const std::vector<Row>& rows) {
  std::array<std::size_t, std::tuple_size_v<Row>> widths{};
  for (const Row& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  for (const Row& row : rows) {
    std::string line = row[0] + std::string(widths[0] - row[0].size(), ' ');
    for (std::size_t i = 1; i < row.size(); ++i) line += "  " + std::string(widths[i] - row[i].size(), ' ') + row[i];
    line.erase(line.find_last_not_of(' ') + 1);
    stream << line << "\n";
  }
}

/// Times of a busy machine compare badly: the reader should know.
void print_warning(std::ostream& stream, const Report& report) {
  constexpr double calm = 0.25;
  double most = 0.;
  for (const MethodReport& row : report.methods) most = std::max(most, row.spread.value_or(0.));
  if (most > calm)
    stream << "\nThe times of a step vary by " << format("%.0f %%", 100. * most)
           << " between quartiles: something else uses this machine, don't trust time, rate and speed-up.\n";
}

void print_legend(std::ostream& stream) {
  stream << "\nerror    |out - exact| / |exact| of each layer, position and head; exact attention in float64\n"
            "rows     distinct value rows read, of all visible; read: all visible keys and those rows, a step\n"
            "time     one position of one layer, one request alone; speed-up over exact. All keys are read, so\n"
            "         fewer value rows give 2x at most; with copies of the keys (--score) there is no such bound\n";
}

using SweepRow = std::array<std::string, 6>;

/// A line for each budget of each method, methods apart.
void print_sweep(std::ostream& stream, const Report& report) {
  print_heading(stream, report);
  std::vector<SweepRow> rows = {{"method", "budget", "rows", "error", "error", "cosine"},
                                {"", "", "read", "mean", "95th pct", ""}};
  std::string last;
  for (const MethodReport& row : report.methods) {
    if (row.method != last) rows.push_back({});
    last = row.method;
    rows.push_back({row.method, format("%.4g %%", 100. * row.budget), format("%.2f %%", 100. * row.rows_read_fraction),
                    error(row.accuracy.mean), error(row.accuracy.percentile95), format("%.5f", row.accuracy.cosine)});
  }
  print_rows(stream, rows);
  stream << "\nerror    |out - exact| / |exact| of each layer, position and head; exact attention in float64\n"
            "rows     distinct value rows read (the union over the query heads of a kv head), of all visible\n";
}

}  // namespace

void print_table(std::ostream& stream, const Report& report) {
  if (report.sweep) {
    print_sweep(stream, report);
    return;
  }
  print_heading(stream, report);
  std::vector<Row> rows = {names, units};
  for (const MethodReport& row : report.methods) rows.push_back(cells(row));
  print_rows(stream, rows);
  print_warning(stream, report);
  print_legend(stream);
}

}  // namespace santa::example
