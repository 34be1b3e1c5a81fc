// Choosing a method's parameter by the rows that it reads.
#pragma once

#include <functional>
#include <optional>

namespace santa::accuracy {

/// The parameter from `low` to `high` at which `rows_of` is nearest to `rows`: bisection over logarithms, for a
/// function that grows. None where even `high` gives less than 99 % of the rows or `low` more than 101 %.
std::optional<double> match_rows(double rows, double low, double high, bool whole,
                                 const std::function<double(double)>& rows_of);

}  // namespace santa::accuracy
