// Budgets over steps: what is read is what was asked for, errors fall with it, and bars say what they are.
#include "clusters/cluster_problem.hpp"
#include "support/data.hpp"
#include "support/reference.hpp"
#include "support/statistics.hpp"
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <doctest/doctest.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

using Space = Kokkos::DefaultExecutionSpace;
using Memory = Space::memory_space;
using Peaked = ClusterProblem<Space, bfloat16>;

constexpr Shape shape{.batch = 2, .heads = 8, .kv_heads = 2, .length = 4100, .dim = 64};

const Peaked& peaked() {
  static const Peaked* const clusters = [] {
    auto* const made = new Peaked(shape, {.chunk = 512});
    fill_kinds(made->problem, 11, 64, 2.F, 2.5F);
    made->problem.set_lengths({4100, 2060}).upload();
    made->make();
    return made;
  }();
  return *clusters;
}

double exact_bytes(std::int64_t b) {
  return static_cast<double>(peaked().problem.lengths[static_cast<std::size_t>(b)] * shape.dim * 2 * 2);
}

}  // namespace

TEST_CASE("steps_read_the_share_of_bytes_that_was_asked_for") {
  for (const double share_of_bytes : {0.25, 0.125}) {
    CAPTURE(share_of_bytes);
    const ClusterPlan plan(Space{}, {.bytes = share_of_bytes}, peaked().problem.queries(), peaked().cache());
    const ClusterState<Memory> state(Space{}, shape);
    for (std::uint32_t step = 0; step < 12; ++step) {
      CAPTURE(step);
      const ClusterResult given = peaked().run(plan, {.seed = 3, .step = step, .state = state});
      double mean = 0.;
      for (std::size_t row = 0; row < 4; ++row) {
        const double read = static_cast<double>(given.statistics[row].bytes_read) /
                            exact_bytes(static_cast<std::int64_t>(row) / 2) / share_of_bytes;
        CHECK(read > 0.6);
        CHECK(read < 1.6);
        mean += read / 4.;
      }
      CHECK(mean > 0.8);
      CHECK(mean < 1.25);
    }
  }
}

TEST_CASE("numbers_of_keys_and_rows_are_met_too") {
  const ClusterPlan plan(Space{}, {.keys = share(0.2), .rows = 150}, peaked().problem.queries(), peaked().cache());
  const ClusterState<Memory> state(Space{}, shape);
  double keys = 0., rows = 0.;
  for (std::uint32_t step = 0; step < 10; ++step) {
    const ClusterResult given = peaked().run(plan, {.seed = 4, .step = step, .state = state});
    keys += static_cast<double>(given.statistics[0].keys_read) / 10.;
    rows += static_cast<double>(given.statistics[0].rows_read - 8) / 10.;  // 4 first ones and 4 behind the last chunk
  }
  CHECK(keys == doctest::Approx(0.2 * 4092).epsilon(0.15));
  CHECK(rows == doctest::Approx(150).epsilon(0.15));
}

TEST_CASE("errors_fall_with_bytes_and_are_what_bars_say") {
  const Reference right = exact_reference(peaked().problem);
  double before = 1.;
  for (const double bytes : {0.2, 0.35, 0.6}) {
    CAPTURE(bytes);
    const ClusterPlan plan(Space{}, {.bytes = bytes}, peaked().problem.queries(), peaked().cache());
    const ClusterState<Memory> state(Space{}, shape);
    double squares = 0., bars = 0., norm = 0.;
    for (std::uint32_t step = 0; step < 40; ++step) {
      const ClusterResult given = peaked().run(plan, {.seed = 5, .step = step, .state = state});
      for (std::size_t row = 0; row < given.error.size(); ++row) {
        if (std::isfinite(given.error[row])) bars += static_cast<double>(given.error[row] * given.error[row]);
        for (std::size_t i = row * 64; i < row * 64 + 64; ++i) {
          const double off = static_cast<double>(given.out[i]) - right.out[i];
          squares += off * off;
          norm += right.out[i] * right.out[i];
        }
      }
    }
    const double error = std::sqrt(squares / norm);
    CAPTURE(error);
    CHECK(error < 0.75 * before);
    before = error;
    CHECK(std::sqrt(bars / squares) > 0.75);
    CHECK(std::sqrt(bars / squares) < 1.35);
  }
  CHECK(before < 0.03);
}

TEST_CASE("the_telescoping_estimate_is_better_than_rows_alone") {
  const Reference right = exact_reference(peaked().problem);
  const auto error_of = [&](const Clusters& method) {
    const ClusterPlan plan(Space{}, method, peaked().problem.queries(), peaked().cache());
    const ClusterState<Memory> state(Space{}, shape);
    double sum = 0.;
    for (std::uint32_t step = 0; step < 20; ++step)
      sum += relative_error(peaked().run(plan, {.seed = 6, .step = step, .state = state}).out, right.out);
    return sum / 20.;
  };
  const RowBudget keys = share(0.25), rows = share(0.05);
  const double telescoping = error_of({.keys = keys, .rows = rows});
  const double without_values = error_of({.keys = keys, .rows = rows, .value_codes = false});
  const double rows_alone = error_of({.keys = keys, .rows = rows, .estimate = ClusterEstimate::self_normalised});
  CHECK(telescoping < without_values);
  CHECK(without_values < rows_alone);
}

TEST_CASE("value_codes_are_left_out_for_more_keys_where_means_predict_masses_badly") {
  constexpr Shape one{.batch = 1, .heads = 2, .kv_heads = 1, .length = 4096, .dim = 64};
  Peaked flat(one, {.chunk = 512}), kinds(one, {.chunk = 512});
  flat.problem.fill(12, 4.F).upload();  // keys of no kind: scores of a cluster's keys differ by as much as any
  fill_kinds(kinds.problem, 12, 32, 6.F, 2.F);
  kinds.problem.upload();
  const auto run = [&one](const Peaked& clusters, const Clusters& method) {
    const ClusterPlan plan(Space{}, method, clusters.problem.queries(), clusters.cache());
    const ClusterState<Memory> state(Space{}, one);
    ClusterResult result;
    for (std::uint32_t step = 0; step < 6; ++step)
      result = clusters.run(plan, {.seed = 3, .step = step, .state = state});
    return result.statistics[0];
  };
  flat.make();
  kinds.make();
  const ClusterStatistics chosen = run(flat, {.bytes = 0.2});
  const ClusterStatistics kept = run(flat, {.bytes = 0.2, .chooses_codes = false});
  CHECK(chosen.flags == ClusterStatistics::value_codes_left_out);
  CHECK(kept.flags == 0);
  CHECK(static_cast<double>(chosen.keys_read) > 1.6 * static_cast<double>(kept.keys_read));
  CHECK(static_cast<double>(chosen.bytes_read) == doctest::Approx(static_cast<double>(kept.bytes_read)).epsilon(0.35));
  CHECK(run(kinds, {.bytes = 0.2}).flags == 0);
  // Not for one head of two, whose keys are drawn by its own ratio: codes of values serve the other.
  Peaked half(one, {.chunk = 512});
  half.problem.fill(12, 4.F);
  for (std::int64_t d = 0; d < one.dim; ++d) half.problem.query(0, 1, d) = 0.F;
  half.problem.upload();
  half.make();
  CHECK(run(half, {.bytes = 0.2}).flags == 0);
  CHECK(run(flat, {.bytes = 0.3}).flags == (ClusterStatistics::value_codes_left_out | ClusterStatistics::all_keys));
  // Without a state, what a plan chose in the run before says nothing in the next.
  const ClusterPlan plan(Space{}, {.bytes = 0.2}, flat.problem.queries(), flat.cache());
  const ClusterResult alone = kinds.run(plan, {.seed = 3});
  CHECK((flat.run(plan, {.seed = 3}).statistics[0].flags & ClusterStatistics::value_codes_left_out) != 0);
  const ClusterResult after = kinds.run(plan, {.seed = 3});
  CHECK(after.statistics[0].keys_read == alone.statistics[0].keys_read);
  CHECK(same_bits(after.out, alone.out));
}

TEST_CASE("a_shift_of_all_scores_changes_what_is_read_only_where_steps_are_not_steered") {
  constexpr Shape one{.batch = 1, .heads = 4, .kv_heads = 1, .length = 4096, .dim = 64};
  Peaked clusters(one, {.chunk = 512});
  fill_kinds(clusters.problem, 11, 64, 2.F, 2.F);
  for (std::int64_t i = 0; i < one.length; ++i) clusters.problem.key(0, i, 0, 0) = 1.F;
  clusters.problem.upload();
  clusters.make();
  const auto keys_after_a_shift = [&](bool steered) {
    const ClusterState<Memory> state(Space{}, one);
    std::int64_t keys[2] = {0, 0};
    for (const std::uint32_t step : {0U, 1U}) {
      for (std::int64_t h = 0; h < 4; ++h) clusters.problem.query(0, h, 0) = step == 0 ? 0.F : 4.F * 8.F;
      clusters.problem.upload();  // scores are 4 higher in the second step
      const ClusterPlan plan(Space{}, {.keys = 600, .rows = 100, .steered = steered}, clusters.problem.queries(),
                             clusters.cache());
      keys[step] = clusters.run(plan, {.seed = 3, .step = step, .state = state}).statistics[0].keys_read;
    }
    return static_cast<double>(keys[1]) / static_cast<double>(keys[0]);
  };
  CHECK(keys_after_a_shift(true) == doctest::Approx(1.).epsilon(0.2));
  CHECK(keys_after_a_shift(false) > 1.5);
}
