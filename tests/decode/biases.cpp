// Modifiers that look at a score's head and key: linear biases, and one of a program's own.
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// A bias of all that a modifier is told: growth (1 + request) (1 + head) position.
struct Growth {
  float growth = 0.F;

  static void check() {}
  [[nodiscard]] static std::int64_t window() { return every_key; }
  template <class Float>
  [[nodiscard]] KOKKOS_FORCEINLINE_FUNCTION Float apply(const Float& score, const ScoredKeys<Float>& keys) const {
    const auto all = static_cast<float>((1 + keys.request) * (1 + keys.head));
    const Float position = keys.offset + Float(static_cast<float>(keys.query));
    return lanes::fma(position, Float(growth * all * lanes::log2_of_e), score);
  }
};
static_assert(ScoreModifier<Growth> && !PlainModifier<Growth>);
static_assert(PlainModifier<Then<SoftCap, Window>> && !PlainModifier<Then<SoftCap, Alibi>>);

constexpr double growth = 2e-4;
const std::vector<float> slopes = {0.5F, 0.25F, 0.125F, 0.0625F, 0.03125F, -0.0078125F};

/// Heads that are padded in a lane group, requests of which the first key of a window is not the first of a tile.
template <class Space>
Problem<Space, float> problem_of_lengths() {
  Problem<Space, float> problem({.batch = 5, .heads = 6, .kv_heads = 2, .length = 1300, .dim = 40});
  return problem.fill(9, 3.F).set_lengths({1300, 0, 1, 45, 700}).upload();
}

template <class Space>
auto slopes_of(const std::vector<float>& values) {
  return to_space<Space>(values, "test::slopes");
}

ReferenceOptions with_slopes(ReferenceOptions options = {}) {
  options.slopes = {slopes.begin(), slopes.end()};
  return options;
}

void check_reference(const Result& result, const Reference& reference, double tolerance = 1e-5) {
  CHECK(relative_error(result.out, reference.out) < tolerance);
  for (std::size_t i = 0; i < reference.lse.size(); ++i) {
    if (std::isinf(reference.lse[i]))
      CHECK(static_cast<double>(result.lse[i]) == reference.lse[i]);
    else
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5).scale(1.));
  }
}

template <class Space, class M, class Modifier>
Result run(const Problem<Space, float>& problem, const M& method, const Modifier& modifier,
           const Settings<Space>& settings = {}) {
  return run_once(method, problem, problem.cache(), settings, {}, modifier);
}

/// Budgets that cover all keys give the exact result, through each method's own kernels.
template <class Space, class Modifier>
void check_methods(const Modifier& modifier, const ReferenceOptions& options) {
  const auto problem = problem_of_lengths<Space>();
  const Reference reference = exact_reference(problem, options);
  check_reference(run(problem, Exact{}, modifier), reference);
  check_reference(run(problem, MassUnit{.rows = 1300}, modifier), reference);
  check_reference(run(problem, MassUnitOf<Draws::separate>{.rows = 1300}, modifier), reference);
  check_reference(run(problem, Systematic{.samples = 1300}, modifier), reference);
  check_reference(run(problem, FixedTileBudget{.samples = 1312, .tile = 32}, modifier), reference);
}

/// Means over seeds approach the reference, and the rows read the budget, which a first step finds by its subset and a
/// steered one by its panel: both are scored with the biases.
template <class Space, class Modifier>
void check_sampled(const Modifier& modifier, const ReferenceOptions& options) {
  const auto problem = problem_of_lengths<Space>();
  const Reference reference = exact_reference(problem, options);
  std::vector<double> mean(reference.out.size(), 0.);
  constexpr int runs = 40;
  const DecodeState<typename Space::memory_space> state(Space{}, problem.shape);
  double rows = 0.;
  for (int i = 0; i < runs; ++i) {
    const Result result = run(problem, MassUnit{.rows = 100, .steered = true}, modifier,
                              {.seed = 7, .step = static_cast<std::uint32_t>(i), .state = state});
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += static_cast<double>(result.out[k]) / runs;
    rows += static_cast<double>(result.statistics[0].rows_read) / runs;
  }
  CHECK(relative_error(mean, reference.out) < 0.05);
  CHECK(rows == doctest::Approx(100.).epsilon(0.25));
}

}  // namespace

SANTA_SPACE_TEST_CASE("linear_biases_match_the_reference") {
  const auto memory = slopes_of<Space>(slopes);
  check_methods<Space>(Alibi(memory), with_slopes());
  check_sampled<Space>(Alibi(memory), with_slopes());
}

SANTA_SPACE_TEST_CASE("linear_biases_come_after_a_cap_within_a_window") {
  const auto memory = slopes_of<Space>(slopes);
  const auto problem = problem_of_lengths<Space>();
  const Then<Then<SoftCap, Alibi>, Window> all{{{4.F}, Alibi(memory)}, {77}};
  check_reference(run(problem, Exact{}, all), exact_reference(problem, with_slopes({.cap = 4., .window = 77})));
}

SANTA_SPACE_TEST_CASE("a_modifier_of_ones_own_sees_request_head_and_position") {
  check_methods<Space>(Growth{static_cast<float>(growth)}, {.growth = growth});
  check_sampled<Space>(Growth{static_cast<float>(growth)}, {.growth = growth});
}

SANTA_SPACE_TEST_CASE("drawn_rows_that_are_scored_again_have_their_biases") {
  // Codes of 8 bits and a budget of all rows: exact, as each row is weighed by its full key.
  const auto problem = problem_of_lengths<Space>();
  const NarrowKeys<std::int8_t, typename Space::memory_space> narrow(Space{}, problem.shape);
  calibrate(Space{}, problem.cache(), narrow);
  encode_keys(Space{}, problem.cache(), narrow);
  const auto memory = slopes_of<Space>(slopes);
  const NarrowCache by_codes{problem.cache(), narrow};
  const MassUnit all{.rows = 1300};
  check_reference(run_once(all, problem, rescored(by_codes), {}, {}, Alibi(memory)),
                  exact_reference(problem, with_slopes()));
  // By the codes alone it is near that: their biases are the same.
  const Result by_code_alone = run_once(all, problem, by_codes, {}, {}, Alibi(memory));
  CHECK(relative_error(by_code_alone.out, exact_reference(problem, with_slopes()).out) < 0.05);
}

SANTA_SPACE_TEST_CASE("a_first_step_scores_its_strided_subset_with_the_biases_of_its_keys") {
  // Old keys count, for which the subset is 16 keys apart: their weights fall by e every 100 keys.
  Problem<Space, float> problem({.batch = 1, .heads = 2, .kv_heads = 1, .length = 8192, .dim = 16});
  problem.fill(3, 1.F).upload();
  const auto memory = slopes_of<Space>({-0.01F, -0.01F});
  double rows = 0.;
  for (std::uint64_t seed = 0; seed < 10; ++seed)
    rows += 0.1 * static_cast<double>(
                      run(problem, MassUnit{.rows = 200}, Alibi(memory), {.seed = seed}).statistics[0].rows_read);
  CHECK(rows == doctest::Approx(200.).epsilon(0.15));
}

SANTA_SPACE_TEST_CASE("slopes_of_no_use_are_named") {
  const auto problem = problem_of_lengths<Space>();
  const auto complaint = [&](const auto& modifier) -> std::string {
    try {
      run(problem, Exact{}, modifier);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  const auto few = slopes_of<Space>({1.F, 2.F});
  const std::string named = "santa: Alibi.slopes.extent(0) is 2; accepted: the plan's heads (6)";
  CHECK(complaint(Alibi(few)) == named);
  CHECK(complaint(Then<SoftCap, Alibi>{{1.F}, Alibi(few)}) == named);
  CHECK(complaint(Alibi(Kokkos::View<float*, typename Space::memory_space>{})) ==
        "santa: Alibi.slopes is null; accepted: a view with data");
}
