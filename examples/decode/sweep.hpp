// Methods over a range of budgets.
#pragma once

#include "decode/chart.hpp"
#include "decode/report.hpp"

#include <array>
#include <vector>

namespace santa::example {

/// Shares of the visible value rows.
inline constexpr std::array sweep_budgets = {0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5};

/// Runs from one seed on that each point is the mean of: a single one jumps with the luck of its draws.
inline constexpr int sweep_seeds = 4;

/// Decodes with each method at each budget, without timing.
/// Errors: std::invalid_argument from the library.
Report sweep(const Capture& capture, const std::vector<const MethodEntry*>& methods, const MeasureOptions& options,
             Progress& progress);

/// Mean error against the share of rows read, a line for each method.
Chart chart_of(const Report& sweep);

}  // namespace santa::example
