#include "accuracy/match_rows.hpp"

#include <algorithm>
#include <cmath>

namespace santa::accuracy {

std::optional<double> match_rows(double rows, double low, double high, bool whole,
                                 const std::function<double(double)>& rows_of) {
  constexpr int most_tries = 16;
  constexpr double close_enough = 0.005;
  constexpr double too_far = 0.01;
  struct End {
    double parameter, miss;
  };
  End best{low, INFINITY};
  const auto try_at = [&](double parameter) {
    const End end{parameter, std::log(std::max(rows_of(parameter), 1e-9) / rows)};
    if (std::abs(end.miss) < std::abs(best.miss)) best = end;
    return end;
  };
  End above = try_at(high);
  if (above.miss < -too_far) return std::nullopt;
  End below = try_at(low);
  if (below.miss > too_far) return std::nullopt;
  for (int i = 0; i < most_tries && std::abs(best.miss) > close_enough; ++i) {
    // Between the ends by their misses, but every other time in the middle: rows need not grow evenly.
    const double share = std::clamp(below.miss / (below.miss - above.miss), 0.05, 0.95);
    double next = below.parameter * std::pow(above.parameter / below.parameter, i % 2 == 0 ? share : 0.5);
    if (whole) next = std::round(next);
    if (!(next > below.parameter && next < above.parameter)) {
      next = std::round(std::sqrt(below.parameter * above.parameter));
      if (!whole || !(next > below.parameter && next < above.parameter)) break;
    }
    const End now = try_at(next);
    (now.miss < 0. ? below : above) = now;
  }
  return best.parameter;
}

}  // namespace santa::accuracy
