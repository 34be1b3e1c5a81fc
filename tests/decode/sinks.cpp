// Sinks: logits beside the scores, whose weight goes to no value row.
#include "decode/set_scores.hpp"
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

template <class Space>
Problem<Space, float> problem_of_lengths() {
  Problem<Space, float> problem({.batch = 5, .heads = 6, .kv_heads = 2, .length = 1300, .dim = 40});
  return problem.fill(9, 3.F).set_lengths({1300, 0, 1, 45, 700}).upload();
}

/// None, far below the scores, among them, above them, far beyond what a float's exponent tells apart from them.
const std::vector<float> sinks = {-infinity, -40.F, 2.F, 9.F, 60.F, 1e4F};

std::vector<double> as_double(const std::vector<float>& values) { return {values.begin(), values.end()}; }

void check_reference(const Result& result, const Reference& reference) {
  CHECK(relative_error(result.out, reference.out) < 1e-5);
  for (std::size_t i = 0; i < reference.lse.size(); ++i) {
    if (std::isinf(reference.lse[i]))
      CHECK(static_cast<double>(result.lse[i]) == reference.lse[i]);
    else
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
  }
}

/// Outputs with sinks are those without, times the share of the keys in the mass; what is drawn is the same.
void check_share(const Result& with, const Result& without, std::int64_t dim) {
  const auto d = static_cast<std::size_t>(dim);
  for (std::size_t row = 0; row < with.lse.size(); ++row) {
    CAPTURE(row);
    const double share = std::isinf(without.lse[row])
                             ? 0.
                             : std::exp(static_cast<double>(without.lse[row]) - static_cast<double>(with.lse[row]));
    CHECK(share < 1. + 1e-5);
    for (std::size_t i = row * d; i < (row + 1) * d; ++i)
      CHECK(static_cast<double>(with.out[i]) ==
            doctest::Approx(share * static_cast<double>(without.out[i])).epsilon(2e-4).scale(0.1));
    if (std::isnan(without.error[row]))
      CHECK(std::isnan(with.error[row]));
    else
      CHECK(static_cast<double>(with.error[row]) ==
            doctest::Approx(share * static_cast<double>(without.error[row])).epsilon(1e-3).scale(1e-3));
  }
  CHECK(same_bits(with.statistics, without.statistics));
}

}  // namespace

SANTA_SPACE_TEST_CASE("outputs_and_log_sums_with_sinks_are_those_of_the_reference") {
  const auto problem = problem_of_lengths<Space>();
  const Reference reference = exact_reference(problem, {.sinks = as_double(sinks)});
  for (const AnyMethod& method :
       {AnyMethod(Exact{}), AnyMethod(MassUnit{.rows = 1300}), AnyMethod(MassUnitOf<Draws::separate>{.rows = 1300}),
        AnyMethod(Systematic{.samples = 1300})})
    for (const std::int64_t keys : {0, 256, 512}) {  // merged by the last unit and, on devices, by a kernel
      Runner<Space, float> runner(problem, method, {.keys_per_split = keys});
      check_reference(runner.run({.sinks = sinks}), reference);
    }
}

SANTA_SPACE_TEST_CASE("sinks_lie_beyond_caps_and_windows") {
  const auto problem = problem_of_lengths<Space>();
  Runner<Space, float, float, float, Then<SoftCap, Window>> runner(problem, Exact{}, {}, {{4.F}, {77}});
  check_reference(runner.run({.sinks = sinks}),
                  exact_reference(problem, {.cap = 4., .window = 77, .sinks = as_double(sinks)}));
}

SANTA_SPACE_TEST_CASE("sinks_of_minus_infinity_are_none") {
  const auto problem = problem_of_lengths<Space>();
  for (const AnyMethod& method : exact_and_samplers(100)) {
    Runner<Space, float> runner(problem, method);
    const Result without = runner.run({.seed = 3});
    const Result with = runner.run({.seed = 3, .sinks = std::vector<float>(6, -infinity)});
    CHECK(same_bits(with.out, without.out));
    CHECK(same_bits(with.lse, without.lse));
    CHECK(same_bits(with.error, without.error));
    CHECK(same_bits(with.statistics, without.statistics));
  }
}

SANTA_SPACE_TEST_CASE("sinks_of_infinity_leave_nothing_and_nan_shows") {
  const auto problem = problem_of_lengths<Space>();
  const std::vector<float> center(5 * 2 * 40, 0.25F);
  for (const AnyMethod& method : exact_and_samplers(100)) {
    Runner<Space, float> runner(problem, method);
    const Result& result = runner.run({.center = center, .sinks = {infinity, quiet_nan, 0.F, 0.F, 0.F, 0.F}});
    for (std::size_t b = 0; b < 5; ++b)
      for (std::size_t d = 0; d < 40; ++d) {
        CHECK(result.out[b * 240 + d] == 0.F);
        CHECK(std::isnan(result.out[b * 240 + 40 + d]));
        CHECK(std::isfinite(result.out[b * 240 + 80 + d]));
      }
    CHECK(result.lse[0] == infinity);
    CHECK(std::isnan(result.lse[1]));
  }
}

SANTA_SPACE_TEST_CASE("what_is_sampled_keeps_its_draws_and_shares_its_mass_with_a_sink") {
  const auto problem = problem_of_lengths<Space>();
  std::vector<float> center(5 * 2 * 40);
  for (std::size_t i = 0; i < center.size(); ++i) center[i] = std::sin(static_cast<float>(i));
  for (const AnyMethod& method : exact_and_samplers(100))
    for (const bool centered : {false, true}) {
      Runner<Space, float> runner(problem, method);
      const Settings<Space> settings{.seed = 5, .center = centered ? center : std::vector<float>{}};
      const Result without = runner.run(settings);
      Settings<Space> more = settings;
      more.sinks = sinks;
      check_share(runner.run(more), without, 40);
    }
}

SANTA_SPACE_TEST_CASE("what_is_carried_is_of_the_keys_alone") {
  Problem<Space, float> problem({.batch = 2, .heads = 6, .kv_heads = 2, .length = 1300, .dim = 64});
  set_scores(problem, 2.F, 0.F);
  for (const MassUnit& method : {MassUnit{.rows = 100}, MassUnit{.rows = 100, .steered = true}}) {
    Runner<Space, float> runner(problem, method);
    const auto plain = runner.state();
    const auto beside = runner.state();
    for (std::uint32_t step = 0; step < 4; ++step) {
      runner.run({.step = step, .state = plain});
      const Result& result = runner.run({.step = step, .sinks = sinks, .state = beside});
      CHECK(static_cast<double>(result.statistics[0].rows_read) == doctest::Approx(100.).epsilon(0.5));
      for (const auto member : {&decltype(runner.state())::log_ratio, &decltype(runner.state())::log2_sum}) {
        using Memory = typename Space::memory_space;
        const auto flat = [](const auto& view) {
          return to_host<float>(Kokkos::View<float*, Memory>(view.data(), 12));
        };
        CHECK(same_bits(flat(plain.*member), flat(beside.*member)));
      }
    }
  }
}

SANTA_SPACE_TEST_CASE("sinks_of_another_number_of_heads_are_named") {
  const auto problem = problem_of_lengths<Space>();
  Runner<Space, float> runner(problem, Exact{});
  std::string message;
  try {
    runner.run({.sinks = {1.F, 2.F}});
  } catch (const std::invalid_argument& error) {
    message = error.what();
  }
  CHECK(message == "santa: sinks.extent(0) is 2; accepted: the plan's heads (6)");
}
