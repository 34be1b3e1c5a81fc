// A budget in rows over real decode sequences.
#include "sequences/sequence.hpp"
#include "support/spaces.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdio>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// Rows read over the budget, of all steps but the first, layers and kv heads.
template <class Space, Method M>
std::vector<double> rows_over_budget(const example::Capture& capture, const M& method) {
  std::vector<double> ratios;
  for (const auto& layer : capture.layers) {
    const Sequence<Space> sequence(capture, layer);
    const auto plan = sequence.plan(method);
    const auto state = sequence.state();
    for (std::size_t step = 0; step < sequence.steps(); ++step) {
      const StepResult result = sequence.run(plan, step, state, layer.index);
      const double budget = method.rows.of(sequence.visible(step));
      for (const std::int64_t rows : result.rows)
        if (step > 0) ratios.push_back(static_cast<double>(rows) / budget);
    }
  }
  return ratios;
}

double share_within(const std::vector<double>& ratios) {
  const auto within = std::count_if(ratios.begin(), ratios.end(), [](double r) { return r >= 0.8 && r <= 1.25; });
  return static_cast<double>(within) / static_cast<double>(ratios.size());
}

}  // namespace

SANTA_SPACE_TEST_CASE("rows_read_stay_near_the_budget_in_95_of_100_steps_of_a_real_sequence") {
  const auto capture = captured();
  const auto check = [&](const auto& method) {
    const std::vector<double> ratios = rows_over_budget<Space>(capture, method);
    CHECK(ratios.size() == 2 * 3 * 31);
    CHECK(share_within(ratios) >= 0.95);
  };
  check(MassUnit{.rows = share(0.1), .steered = true});
  check(MassUnitOf<Draws::joint_l2>{.rows = share(0.1), .steered = true});
}

TEST_CASE("report_of_budgets" * doctest::skip()) {
  using Space = Kokkos::DefaultExecutionSpace;
  const auto capture = captured();
  const auto report = [&](auto method) {
    for (const double part : {0.1, 0.05, 0.02}) {
      method.rows = share(part);
      std::vector<double> ratios = rows_over_budget<Space>(capture, method);
      std::sort(ratios.begin(), ratios.end());
      const auto quantile = [&](double q) {
        return ratios[static_cast<std::size_t>(q * static_cast<double>(ratios.size() - 1))];
      };
      std::printf("draws %d budget %.2f: %.4f of %zu within 0.8 to 1.25; quantiles %.2f %.2f %.2f\n",
                  static_cast<int>(method.draws), part, share_within(ratios), ratios.size(), quantile(0.025),
                  quantile(0.5), quantile(0.975));
    }
  };
  report(MassUnit{.steered = true});
  report(MassUnitOf<Draws::joint_l2>{.steered = true});
}
