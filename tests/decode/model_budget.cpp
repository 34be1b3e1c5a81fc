// One budget for the layers of a model: rows of a token, bounds of heads, bits, what is refused.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <random>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr std::int64_t length = 2048;
const Shape shape{.batch = 2, .heads = 8, .kv_heads = 2, .length = length, .dim = 16};

/// Layers whose attention differs: the standard deviations of their scores.
const std::vector<float> sigmas = {1.F, 0.5F, 12.F, 2.F, 3.F, 1.5F};
constexpr std::size_t flat_layer = 5, peaked_layer = 2;

/// Layers of a model, each with keys of its own and new queries for each token.
template <class Space>
struct Model {
  using Budget = ModelBudget<typename Space::memory_space>;

  std::vector<std::unique_ptr<Problem<Space, float>>> problems;
  std::vector<Runner<Space, float>> layers;

  explicit Model(const AnyMethod& method, std::size_t count = sigmas.size()) {
    for (std::size_t layer = 0; layer < count; ++layer) {
      problems.push_back(std::make_unique<Problem<Space, float>>(shape));
      problems.back()->fill(static_cast<unsigned>(layer + 1), 1.F).upload();
    }
    for (const auto& problem : problems) layers.emplace_back(*problem, method);
  }
  [[nodiscard]] Budget budget(const typename Budget::Options& options = {}) const {
    return Budget(Space{}, shape, static_cast<std::int64_t>(problems.size()), options);
  }

  /// A token in all layers: rows (or draws, of separate ones) read of each request, layer and kv head.
  std::vector<double> token(const Budget& budget, std::uint32_t step, std::uint64_t seed = 1, const Space& space = {}) {
    std::mt19937 random(step + 100);
    std::normal_distribution<float> normal;
    std::vector<double> rows;
    for (std::size_t layer = 0; layer < layers.size(); ++layer) {
      const float sigma = sigmas[layer] * std::exp2(0.1F * normal(random));
      for (std::int64_t b = 0; b < shape.batch; ++b)
        for (std::int64_t h = 0; h < shape.heads; ++h)
          for (std::int64_t d = 0; d < shape.dim; ++d) problems[layer]->query(b, h, d) = sigma * normal(random);
      problems[layer]->upload();
      const Result& result = layers[layer].run({.seed = seed,
                                                .step = step,
                                                .stream = static_cast<std::uint16_t>(layer),
                                                .state = budget.state(static_cast<std::int64_t>(layer)),
                                                .space = space});
      for (const Statistics& one : result.statistics) rows.push_back(static_cast<double>(one.samples));
    }
    budget.next_token(space);
    return rows;
  }
};

/// Of a token's rows [layer][request][kv head], those of a request, as a part of those asked for.
double part_of_budget(const std::vector<double>& rows, std::size_t request, double asked) {
  double sum = 0.;
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (i / 2 % 2 == request) sum += rows[i];
  return sum / (asked * static_cast<double>(rows.size() / 2));
}

template <class Memory>
std::vector<float> ratios(const ModelBudget<Memory>& budget) {
  const auto host = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, budget.log_ratio());
  return {host.data(), host.data() + host.size()};
}

}  // namespace

SANTA_SPACE_TEST_CASE("rows_of_a_token_stay_near_the_budget_of_all_layers") {
  for (const Draws draws : {Draws::joint, Draws::separate}) {
    Model<Space> model(mass_unit(draws, {.rows = share(0.1), .steered = true}));
    const double asked = 0.1 * length * (draws == Draws::separate ? 4 : 1);
    const auto budget = model.budget();
    int near = 0;
    int all = 0;
    double flat = 0.;
    double peaked = 0.;
    for (std::uint32_t step = 0; step < 40; ++step) {
      const std::vector<double> rows = model.token(budget, step);
      for (const std::size_t request : {0U, 1U}) {
        const double part = part_of_budget(rows, request, asked);
        CHECK(part > 0.7);
        CHECK(part < 1.4);
        if (step < 2) continue;
        near += part > 0.9 && part < 1.1;
        ++all;
      }
      if (step < 2) continue;
      flat += rows[4 * flat_layer];
      peaked += rows[4 * peaked_layer];
    }
    CHECK(near >= 0.95 * all);
    CHECK(flat > 4. * peaked);  // each had the same share, were it not for the model's budget
  }
}

SANTA_SPACE_TEST_CASE("without_a_panel_the_mean_is_the_budget") {
  Model<Space> model(MassUnit{.rows = 200});
  const auto budget = model.budget();
  double mean = 0.;
  for (std::uint32_t step = 0; step < 40; ++step) {
    const std::vector<double> rows = model.token(budget, step);
    if (step >= 8) mean += part_of_budget(rows, 0, 200.) / 32.;
  }
  CHECK(mean > 0.93);
  CHECK(mean < 1.07);
}

SANTA_SPACE_TEST_CASE("one_ratio_is_that_of_all_heads_and_heads_stay_within_their_bounds") {
  Model<Space> model(MassUnit{.rows = share(0.1), .steered = true});
  const auto free = model.budget({.least = 0., .most = 1e6});
  const auto bounded = model.budget({.least = 0.5, .most = 2.});
  std::vector<double> unbound(24, 0.);
  std::vector<double> bound(24, 0.);
  for (std::uint32_t step = 0; step < 24; ++step) {
    const std::vector<double> one = model.token(free, step);
    const std::vector<double> other = model.token(bounded, step);
    for (std::size_t i = 0; i < 24 && step >= 8; ++i) {
      unbound[i] += one[i] / (16. * 0.1 * length);
      bound[i] += other[i] / (16. * 0.1 * length);
    }
  }
  CHECK(*std::min_element(unbound.begin(), unbound.end()) < 0.35);
  CHECK(*std::min_element(bound.begin(), bound.end()) > 0.35);
  CHECK(*std::max_element(bound.begin(), bound.end()) < 2.5);
  const std::vector<float> ratio = ratios(free);
  CHECK(ratio[0] != ratio[1]);  // each request has its own
  for (std::int64_t layer = 0; layer < free.layers(); ++layer) {
    const auto state = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, free.state(layer).log_ratio);
    for (std::size_t i = 0; i < state.size(); ++i) CHECK(state.data()[i] == ratio[i / 8]);
  }
}

SANTA_SPACE_TEST_CASE("weights_divide_the_ratio_and_infinity_reads_all_rows") {
  using Memory = typename Space::memory_space;
  Model<Space> model(MassUnit{.rows = share(0.1), .steered = true});
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> weights("test::weights", sigmas.size(), 2);
  const auto host = Kokkos::create_mirror_view(weights);
  for (std::size_t i = 0; i < host.size(); ++i) host.data()[i] = i == 5 ? 4.F : 1.F;
  host.data()[2] = std::numeric_limits<float>::infinity();
  Kokkos::deep_copy(weights, host);
  const auto budget = model.budget({.least = 0., .most = 1e6, .weights = weights});
  for (std::uint32_t step = 0; step < 6; ++step) {
    const std::vector<double> rows = model.token(budget, step);
    CHECK(rows[4] == length);  // layer 1, kv head 0
    CHECK(rows[6] == length);
    CHECK(rows[5] < length);
  }
  const float ratio = ratios(budget)[0];
  const auto state = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace{}, budget.state(2).log_ratio);
  CHECK(state.data()[0] == ratio);
  CHECK(state.data()[4] == doctest::Approx(ratio - 2.F).epsilon(1e-5));
}

SANTA_SPACE_TEST_CASE("ratios_have_the_same_bits_whatever_the_threads_and_the_batch_mates") {
  const auto after = [](const Space& space, bool shared, std::uint32_t tokens) {
    Model<Space> model(MassUnit{.rows = share(0.1), .steered = true});
    const auto budget = model.budget({.shared = shared});
    for (std::uint32_t step = 0; step < tokens; ++step) model.token(budget, step, 1, space);
    return ratios(budget);
  };
  const auto parts = Kokkos::Experimental::partition_space(Space{}, 1, 1);
  const std::vector<float> own = after(Space{}, false, 5);
  CHECK(same_bits(own, after(parts[0], false, 5)));
  CHECK(same_bits(own, after(Space{}, false, 5)));
  const std::vector<float> shared = after(Space{}, true, 5);
  CHECK(shared[0] == shared[1]);
  CHECK(shared[0] != own[0]);
  CHECK(same_bits(shared, after(parts[0], true, 5)));
}

SANTA_SPACE_TEST_CASE("a_request_that_is_reset_or_moved_leaves_the_others_as_they_are") {
  Model<Space> model(MassUnit{.rows = share(0.1), .steered = true});
  const auto budget = model.budget();
  for (std::uint32_t step = 0; step < 4; ++step) model.token(budget, step);
  const std::vector<float> before = ratios(budget);
  budget.next_token(Space{});  // of no token: what was read is used once
  CHECK(same_bits(ratios(budget), before));
  budget.reset(Space{}, 1);
  CHECK(ratios(budget)[0] == before[0]);
  CHECK(std::isnan(ratios(budget)[1]));
  const double first = part_of_budget(model.token(budget, 4), 1, 0.1 * length);
  CHECK(first > 0.6);  // equal shares, by the panel
  CHECK(first < 1.6);
  CHECK(std::isfinite(ratios(budget)[1]));

  const std::vector<float> both = ratios(budget);
  const Kokkos::View<std::int32_t*, typename Space::memory_space> order("test::order", 2);
  const auto host = Kokkos::create_mirror_view(order);
  host(0) = 1;
  host(1) = 0;
  Kokkos::deep_copy(order, host);
  budget.permute(Space{}, order);
  CHECK(ratios(budget)[0] == both[1]);
  CHECK(ratios(budget)[1] == both[0]);
  budget.reset(Space{});
  CHECK(std::isnan(ratios(budget)[0]));
}

SANTA_SPACE_TEST_CASE("heads_of_infinite_weight_read_all_rows_of_scores_far_below_0_and_after_a_mate_is_reset") {
  using Memory = typename Space::memory_space;
  Model<Space> model(MassUnit{.rows = share(0.1), .steered = true}, 1);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> weights("test::weights", 1, 2);
  Kokkos::deep_copy(weights, std::numeric_limits<float>::infinity());
  const auto budget = model.budget({.weights = weights});
  // One feature of all keys and queries moves all scores by as much.
  Problem<Space, float>& problem = *model.problems[0];
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t n = 0; n < length; ++n)
      for (std::int64_t g = 0; g < shape.kv_heads; ++g) problem.key(b, n, g, 0) = 400.F;
  for (std::int64_t b = 0; b < shape.batch; ++b)
    for (std::int64_t h = 0; h < shape.heads; ++h) problem.query(b, h, 0) = -4.F;
  problem.upload();
  const auto token = [&](std::uint32_t step) {
    const Result& result = model.layers[0].run({.seed = 1, .step = step, .state = budget.state(0)});
    for (const Statistics& one : result.statistics) CHECK(one.samples == length);
    budget.next_token(Space{});
  };
  token(0);
  token(1);
  budget.reset(Space{}, 1);
  token(2);
}

// Marks of heads of infinite weight are there for a request that joins, and for one that has seen nothing for a while.
SANTA_SPACE_TEST_CASE("heads_of_infinite_weight_read_all_rows_of_requests_that_join_by_moves_or_were_empty") {
  using Memory = typename Space::memory_space;
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> weights("test::weights", 1, 2);
  Kokkos::deep_copy(weights, std::numeric_limits<float>::infinity());
  const Kokkos::View<std::int32_t*, Memory> order("test::order", 2);
  Kokkos::deep_copy(Kokkos::subview(order, 1), -1);
  for (const bool steered : {false, true}) {
    CAPTURE(steered);
    Model<Space> model(MassUnit{.rows = share(0.1), .steered = steered}, 1);
    Problem<Space, float>& problem = *model.problems[0];
    const auto budget = model.budget({.weights = weights});
    std::uint32_t step = 0;
    const auto token = [&](std::int64_t second) {
      CAPTURE(step);
      problem.replace_lengths({length, second});
      const Result& result = model.layers[0].run({.seed = 1, .step = step, .state = budget.state(0)});
      for (std::size_t i = 0; i < 4; ++i) CHECK(result.statistics[i].samples == (i < 2 ? length : second));
      budget.next_token(Space{});
      ++step;
    };
    token(length);
    budget.permute(Space{}, order);
    for (int i = 0; i < 2; ++i) token(length);
    for (int i = 0; i < 2; ++i) token(0);
    for (int i = 0; i < 2; ++i) token(length);
  }
}

SANTA_SPACE_TEST_CASE("requests_that_are_exact_or_short_are_no_part_of_the_budget") {
  Model<Space> model(MassUnit{.rows = 200, .steered = true});
  for (const auto& problem : model.problems) problem->set_lengths({length, 150}).upload();
  const auto budget = model.budget({.shared = true});
  for (std::uint32_t step = 0; step < 4; ++step) {
    const std::vector<double> rows = model.token(budget, step);
    for (std::size_t i = 2; i < rows.size(); i += 4) CHECK(rows[i] == 150.);
    if (step > 1) CHECK(part_of_budget(rows, 0, 200.) == doctest::Approx(1.).epsilon(0.1));
  }
}

SANTA_SPACE_TEST_CASE("outputs_with_a_carried_ratio_are_unbiased") {
  Model<Space> model(MassUnit{.rows = 60, .steered = true}, 2);
  constexpr int seeds = 250;
  const std::size_t numbers = 2 * 8 * 16;
  std::vector<double> sum(numbers, 0.);
  std::vector<double> squares(numbers, 0.);
  for (int seed = 0; seed < seeds; ++seed) {
    const auto budget = model.budget();
    for (std::uint32_t step = 0; step < 2; ++step) model.token(budget, step, static_cast<std::uint64_t>(seed));
    const Result& result = model.layers[1].run(
        {.seed = static_cast<std::uint64_t>(seed), .step = 9, .stream = 1, .state = budget.state(1)});
    for (std::size_t i = 0; i < numbers; ++i) {
      sum[i] += result.out[i];
      squares[i] += static_cast<double>(result.out[i]) * result.out[i];
    }
  }
  const Reference exact = exact_reference(*model.problems[1]);
  double of_z = 0.;
  for (std::size_t i = 0; i < numbers; ++i) {
    const double mean = sum[i] / seeds;
    const double z = (mean - exact.out[i]) / std::sqrt((squares[i] / seeds - mean * mean) / (seeds - 1));
    CHECK(std::abs(z) < 5.);
    of_z += z * z / static_cast<double>(numbers);
  }
  CHECK(of_z < 1.35);
}

SANTA_SPACE_TEST_CASE("model_budgets_name_what_they_refuse") {
  using Memory = typename Space::memory_space;
  using Budget = ModelBudget<Memory>;
  const auto make = [](std::int64_t layers, const typename Budget::Options& options) {
    const Budget budget(Space{}, shape, layers, options);
  };
  CHECK_THROWS_WITH_AS(make(0, {}), doctest::Contains("layers is 0; accepted: 1 to 65536"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(make(1, {.least = -1.}), doctest::Contains("least is -1"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(make(1, {.most = 0.5}), doctest::Contains("most is 0.5"), std::invalid_argument);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> weights("test::weights", 2, 2);
  CHECK_THROWS_WITH_AS(make(3, {.weights = weights}), doctest::Contains("weights.extent(0) is 2"),
                       std::invalid_argument);
  const Budget budget(Space{}, shape, 2);
  CHECK_THROWS_WITH_AS((void)budget.state(2), doctest::Contains("layer is 2; accepted: 0 to 1"), std::invalid_argument);
  CHECK_THROWS_WITH_AS(budget.reset(Space{}, 2), doctest::Contains("request is 2"), std::invalid_argument);
  Problem<Space, float> problem(shape);
  problem.fill(1).upload();
  Runner<Space, float> runner(problem, MassUnit{.rows = 100, .target_error = 0.1});
  CHECK_THROWS_WITH_AS(runner.run({.state = budget.state(0)}), doctest::Contains("one of a ModelBudget"),
                       std::invalid_argument);
}
