// A target error over real decode sequences: how often it held, and the rows that it took.
#include "sequences/sequence.hpp"
#include "support/spaces.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

struct Held {
  double target = 0.;
  std::vector<double> errors;  // relative, of all steps but the first, layers and query heads
  std::vector<double> bars;    // over the error, where there is a bar
  double rows = 0.;            // mean share of the visible rows that was read
  double worst_head = 1.;      // the smallest share of a head's steps that held
  int without_bar = 0;

  [[nodiscard]] double share() const {
    const auto held = std::count_if(errors.begin(), errors.end(), [&](double e) { return e <= target; });
    return static_cast<double>(held) / static_cast<double>(errors.size());
  }
};

/// |a - b| and |b| of a head.
std::pair<double, double> distance(const std::vector<float>& a, const std::vector<float>& b, std::size_t head,
                                   std::size_t dim) {
  double difference = 0.;
  double norm = 0.;
  for (std::size_t d = head * dim; d < (head + 1) * dim; ++d) {
    const auto x = static_cast<double>(a[d]);
    const auto y = static_cast<double>(b[d]);
    difference += (x - y) * (x - y);
    norm += y * y;
  }
  return {std::sqrt(difference), std::sqrt(norm)};
}

template <class Space, Method M>
Held held(const example::Capture& capture, const M& method, std::uint64_t seed = 1) {
  const double target = method.target_error;
  Held result;
  result.target = target;
  std::size_t counted = 0;
  for (const auto& layer : capture.layers) {
    const Sequence<Space> sequence(capture, layer);
    const auto plan = sequence.plan(method);
    const auto exact = sequence.plan(Exact{});
    const auto state = sequence.state();
    const auto heads = static_cast<std::size_t>(sequence.shape().heads);
    const auto dim = static_cast<std::size_t>(sequence.shape().dim);
    std::vector<int> kept(heads, 0);
    for (std::size_t step = 0; step < sequence.steps(); ++step) {
      const StepResult given = sequence.run(plan, step, state, seed);
      if (step == 0) continue;
      const StepResult right = sequence.run(exact, step, {});
      for (std::size_t h = 0; h < heads; ++h) {
        const auto [error, norm] = distance(given.out, right.out, h, dim);
        result.errors.push_back(error / norm);
        kept[h] += error <= target * norm;
        if (std::isnan(given.error[h])) ++result.without_bar;
        if (given.error[h] > 0.F) result.bars.push_back(static_cast<double>(given.error[h]) / error);
      }
      for (const std::int64_t rows : given.rows) {
        result.rows += static_cast<double>(rows) / static_cast<double>(sequence.visible(step));
        ++counted;
      }
    }
    for (const int k : kept)
      result.worst_head = std::min(result.worst_head, k / static_cast<double>(sequence.steps() - 1));
  }
  result.rows /= static_cast<double>(counted);
  return result;
}

}  // namespace

SANTA_SPACE_TEST_CASE("errors_stay_below_the_target_in_95_of_100_steps_and_heads_of_a_real_sequence") {
  const auto capture = captured();
  const auto check = [&](auto method) {
    double rows = 0.;
    for (const double target : {0.1, 0.05}) {
      method.target_error = target;
      const Held result = held<Space>(capture, method);
      CHECK(result.errors.size() == 2 * 9 * 31);
      CHECK(result.share() >= 0.95);
      // Not by reading too much: half of the rows would have missed it.
      CHECK(result.rows > rows);
      CHECK(result.rows < 0.1);
      rows = result.rows;
    }
  };
  check(MassUnit{.rows = share(0.1)});
  check(MassUnitOf<Draws::joint_l2>{.rows = share(0.1)});
}

TEST_CASE("report_of_targets" * doctest::skip()) {
  using Space = Kokkos::DefaultExecutionSpace;
  const auto capture = captured();
  const auto report = [&](auto method) {
    for (const double target : {0.2, 0.1, 0.05, 0.02}) {
      method.target_error = target;
      const Held result = held<Space>(capture, method);
      double squares = 0.;
      for (const double e : result.errors) squares += e * e / static_cast<double>(result.errors.size());
      std::vector<double> bars = result.bars;
      std::sort(bars.begin(), bars.end());
      std::printf(
          "draws %d target %.2f: held in %.4f of %zu, worst head %.3f, RMS error %.4f, rows %.4f; bar / error "
          "%.2f (median), none in %d\n",
          static_cast<int>(method.draws), target, result.share(), result.errors.size(), result.worst_head,
          std::sqrt(squares), result.rows, bars.empty() ? 0. : bars[bars.size() / 2], result.without_bar);
    }
  };
  report(MassUnit{.rows = share(0.1)});
  report(MassUnitOf<Draws::separate>{.rows = share(0.1)});
}
