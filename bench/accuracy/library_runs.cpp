#include "accuracy/library_runs.hpp"

#include "accuracy/decode_group.hpp"
#include "accuracy/match_rows.hpp"

#include <algorithm>
#include <cmath>
#include <variant>

namespace santa::accuracy {
namespace {

constexpr int calibration_seeds = 16;

}  // namespace

GroupOutcome run_library(const GroupProblem& group, const example::MethodEntry& method, double parameter, int seeds) {
  example::Budget budget;
  budget.rows = std::max(1., parameter);  // below 1 it would be a share
  budget.samples = std::llround(parameter);
  const auto cache = shared_cache(group, seeds);
  GroupOutcome outcome =
      std::visit([&](const auto& chosen) { return decode_group(group, chosen, cache, method.has_center, seeds); },
                 method.make(budget));
  outcome.parameter = parameter;
  return outcome;
}

std::optional<GroupOutcome> run_library_at(const GroupProblem& group, const example::MethodEntry& method, double rows,
                                           int seeds) {
  const example::AnyMethod any = method.make(example::Budget{});
  const bool samples = example::samples_of(any).has_value();
  const auto all = static_cast<double>(group.length);
  // Samples that cover the length read every row: that is no draw. No head of a group needs more rows than the union.
  const double low = samples ? static_cast<double>(example::fewest_samples(any, group.length)) : 1.;
  const double high = samples ? all - 1. : std::min(all - 1., 2. * rows);
  const auto rows_of = [&](double parameter) {
    return run_library(group, method, parameter, std::min(seeds, calibration_seeds)).rows;
  };
  const auto parameter = match_rows(rows, low, high, samples, rows_of);
  if (!parameter) return std::nullopt;
  return run_library(group, method, *parameter, seeds);
}

}  // namespace santa::accuracy
