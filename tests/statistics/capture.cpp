// Every rule on a real model's keys, values and queries: the mean over many draws is exact attention, and the test of
// that finds out the rule that is biased.
#include "decode/capture.hpp"

#include "statistics/outcome.hpp"

#include <iterator>
#include <string>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t draws_at_once = 128;
constexpr int captured_runs = 8;
constexpr double false_alarms = 1e-3;  // of all tests of this file together

struct CapturedGroup {
  int layer;
  std::int64_t kv_head;
};

// The flattest attention of the capture, and one in which heads of a group differ much.
constexpr CapturedGroup captured_groups[] = {{7, 1}, {18, 0}};

/// The query heads of one kv head at the capture's last position, for a batch of draws.
template <class Space>
Problem<Space, float> captured_problem(const CapturedGroup& group) {
  static const example::Capture capture = example::read_capture(SANTA_DATA_DIR "/smollm2_135m.safetensors");
  const Shape& all = capture.shape;
  const example::CapturedLayer& layer = *std::find_if(capture.layers.begin(), capture.layers.end(),
                                                      [&](const auto& each) { return each.index == group.layer; });
  Problem<Space, float> problem(
      {.batch = draws_at_once, .heads = all.group(), .kv_heads = 1, .length = all.length, .dim = all.dim},
      Arrangement::token_major, true);
  const auto query =
      layer.query.as<bfloat16>().subspan(static_cast<std::size_t>((all.batch - 1) * all.heads * all.dim));
  const auto keys = layer.key.as<bfloat16>();
  const auto values = layer.value.as<bfloat16>();
  for (std::int64_t d = 0; d < all.dim; ++d) {
    for (std::int64_t h = 0; h < all.group(); ++h)
      problem.query(0, h, d) =
          static_cast<float>(query[static_cast<std::size_t>((group.kv_head * all.group() + h) * all.dim + d)]);
    for (std::int64_t i = 0; i < all.length; ++i) {
      const auto at = static_cast<std::size_t>((i * all.kv_heads + group.kv_head) * all.dim + d);
      problem.key(0, i, 0, d) = static_cast<float>(keys[at]);
      problem.value(0, i, 0, d) = static_cast<float>(values[at]);
    }
  }
  problem.upload();
  return problem;
}

struct Rule {
  const char* name;
  AnyMethod method;
  bool with_state = false;
  bool with_center = false;
};

const std::vector<Rule> unbiased_rules = {
    {"mass unit", MassUnit{.rows = share(0.05)}},
    {"mass unit, carried", MassUnit{.rows = share(0.05)}, true},
    {"mass unit, centered", MassUnit{.rows = share(0.05)}, false, true},
    {"mass unit by squares", MassUnitOf<Draws::joint_l2>{.rows = share(0.05)}},
    {"mass unit, separate", MassUnitOf<Draws::separate>{.rows = share(0.03)}},
    {"systematic", Systematic{.samples = 256}},
    {"stratified", Stratified{.samples = 256}},
    {"multinomial", Multinomial{.samples = 256}},
    {"fixed tile budget", FixedTileBudget{.samples = 256}},
    {"fixed tile budget of small tiles", FixedTileBudget{.samples = 256, .tile = 32}},
};

/// Largest |z| of the mean of any output of the group, over all draws.
template <class Space>
double largest_z(const Problem<Space, float>& problem, const Rule& rule, int runs = captured_runs) {
  Problem<Space, float> one = problem;
  one.shape.batch = 1;
  MeanTest test(exact_reference(one).out);
  Runner<Space, float> runner(problem, rule.method);
  Settings<Space> settings{.seed = 11};
  if (rule.with_state) settings.state = runner.state();
  if (rule.with_center) settings.center = std::vector<float>(static_cast<std::size_t>(draws_at_once * 64), 0.02F);
  for (int run = 0; run < runs; ++run) {
    settings.step = static_cast<std::uint32_t>(run);
    const Result& result = runner.run(settings);
    for (std::int64_t b = 0; b < draws_at_once; ++b)
      test.add(result.out.data() + b * problem.shape.heads * problem.shape.dim);
  }
  return test.largest_z();
}

/// The bound that any of all rules' outputs on all groups passes with a chance of `false_alarms` if all are unbiased.
double family_bound() {
  constexpr std::size_t outputs = 3 * 64;
  return z_bound(outputs * unbiased_rules.size() * std::size(captured_groups), false_alarms);
}

}  // namespace

SANTA_SPACE_TEST_CASE("every_unbiased_rule_is_unbiased_on_captured_attention") {
  for (const CapturedGroup& group : captured_groups) {
    const auto problem = captured_problem<Space>(group);
    for (const Rule& rule : unbiased_rules) {
      const std::string name = rule.name;
      CAPTURE(name);
      CAPTURE(group.layer);
      const double z = largest_z(problem, rule);
      CHECK(z < family_bound());
      CHECK(z > 1.);  // else nothing was random
    }
  }
}

SANTA_SPACE_TEST_CASE("the_same_test_rejects_proportional_tile_budgets_on_captured_attention") {
  const auto problem = captured_problem<Space>(captured_groups[0]);
  const auto z = [&](int tile, int runs) {
    return largest_z(problem, {"proportional tile budget", ProportionalTileBudget{.samples = 256, .tile = tile}}, runs);
  };
  CHECK(z(32, captured_runs) > 2. * family_bound());
  CHECK(z(256, 4 * captured_runs) > family_bound());  // fewer tiles, less rounding: a fifth of the bias
}
