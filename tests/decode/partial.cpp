// Whole states of attention over parts of the keys, and what they merge into.
#include "decode/set_scores.hpp"
#include "support/reference.hpp"
#include "support/run_once.hpp"
#include "support/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

/// A problem's keys in shards that end at some of them.
template <class Space>
struct Shards {
  using Memory = typename Space::memory_space;
  using Data = Problem<Space, float>;
  using Cache = typename Data::Cache;

  const Data& problem;
  std::vector<Cache> caches;

  Shards(const Data& whole, const std::vector<std::int64_t>& ends) : problem(whole) {
    std::int64_t begin = 0;
    for (const std::int64_t end : ends) {
      const auto range = std::pair<std::size_t, std::size_t>(begin, end);
      std::vector<std::int64_t> lengths;
      for (const std::int64_t length : whole.lengths)
        lengths.push_back(std::clamp<std::int64_t>(length - begin, 0, end - begin));
      caches.emplace_back(Kokkos::subview(whole.key_view(), Kokkos::ALL, range, Kokkos::ALL, Kokkos::ALL),
                          Kokkos::subview(whole.value_view(), Kokkos::ALL, range, Kokkos::ALL, Kokkos::ALL),
                          to_space<Space>(lengths, "test::lengths"));
      begin = end;
    }
  }
  [[nodiscard]] std::int64_t count() const { return static_cast<std::int64_t>(caches.size()); }
};

template <class Data>
auto flat(const Data& view) {
  using T = typename Data::non_const_value_type;
  return to_host<T>(Kokkos::View<T*, typename Data::memory_space>(view.data(), view.size()));
}

/// What `merge` gives, on the host.
template <class Space, class T = float>
Result merged(const AttentionStates<typename Space::memory_space>& states, const std::vector<float>& sinks = {},
              const std::vector<float>& center = {}) {
  using Memory = typename Space::memory_space;
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Shape& shape = states.shape();
  const Kokkos::View<T***, Kokkos::LayoutRight, Memory> out("out", n(shape.batch), n(shape.heads), n(shape.dim));
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> lse("lse", n(shape.batch), n(shape.heads));
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> error("error", n(shape.batch), n(shape.heads));
  const Kokkos::View<Statistics**, Kokkos::LayoutRight, Memory> statistics("statistics", n(shape.batch),
                                                                           n(shape.kv_heads));
  MergeOptions<Memory> options;
  options.lse = lse;
  options.statistics = statistics;
  if (states.error_bars()) options.error = error;
  const auto sinks_there = to_space<Space>(sinks, "sinks");
  if (!sinks.empty()) options.sinks = sinks_there;
  const auto center_there = to_space<Space>(center, "center");
  if (!center.empty())
    options.center = Kokkos::View<const float***, Kokkos::LayoutRight, Memory>(center_there.data(), n(shape.batch),
                                                                               n(shape.kv_heads), n(shape.dim));
  merge(Space{}, states, out, options);
  Space{}.fence();
  const auto values = flat(out);
  return {std::vector<float>(values.begin(), values.end()), flat(lse), flat(error), flat(statistics)};
}

template <class Space>
RunOptions<typename Space::memory_space> run_options(const Problem<Space, float>& problem,
                                                     const std::vector<float>& center,
                                                     Kokkos::View<float*, typename Space::memory_space>& keep) {
  RunOptions<typename Space::memory_space> options;
  options.seed = 5;
  if (center.empty()) return options;
  keep = to_space<Space>(center, "center");
  const auto n = [](std::int64_t extent) { return static_cast<std::size_t>(extent); };
  const Shape& shape = problem.shape;
  options.center = Kokkos::View<const float***, Kokkos::LayoutRight, typename Space::memory_space>(
      keep.data(), n(shape.batch), n(shape.kv_heads), n(shape.dim));
  return options;
}

/// Runs a method on one cache into a part.
template <class Space, class Cache>
void run_part(const AnyMethod& method, const Problem<Space, float>& problem, const Cache& cache,
              const AttentionStates<typename Space::memory_space>& states, std::int64_t part,
              const std::vector<float>& center = {}) {
  Kokkos::View<float*, typename Space::memory_space> keep;
  const auto options = run_options(problem, center, keep);
  std::visit(
      [&](const auto& m) {
        const DecodePlan plan(Space{}, m, problem.shape, cache_of<Cache>);
        plan.run_partial(Space{}, problem.queries(), cache, states, part, options);
        Space{}.fence();
      },
      method);
}

template <class Space>
auto states_of_shards(const AnyMethod& method, const Shards<Space>& shards, const std::vector<float>& center = {}) {
  AttentionStates<typename Space::memory_space> states(Space{}, shards.problem.shape, shards.count(), true);
  for (std::int64_t part = 0; part < shards.count(); ++part)
    run_part(method, shards.problem, shards.caches[static_cast<std::size_t>(part)], states, part, center);
  return states;
}

/// What each shard's own run gives, merged in double precision. Returns how many heads had a bar of some parts only.
template <class Space>
int check_against_own_runs(const Result& given, const AnyMethod& method, const Shards<Space>& shards) {
  std::vector<Result> own;
  for (const auto& cache : shards.caches)
    own.push_back(std::visit(
        [&](const auto& m) { return run_once(m, shards.problem, cache, Settings<Space>{.seed = 5}); }, method));
  const Shape& shape = shards.problem.shape;
  const auto dim = static_cast<std::size_t>(shape.dim);
  int partly_barred = 0;
  std::vector<double> out(given.out.size(), 0.);
  for (std::size_t row = 0; row < given.lse.size(); ++row) {
    double sum = 0.;
    for (const Result& part : own) sum += std::exp(static_cast<double>(part.lse[row]));
    if (sum == 0.)
      CHECK(given.lse[row] == -infinity);
    else
      CHECK(static_cast<double>(given.lse[row]) == doctest::Approx(std::log(sum)).epsilon(1e-5).scale(1.));
    double variance = 0.;
    bool barred = false, without = false;
    for (const Result& part : own) {
      const double share = sum > 0. ? std::exp(static_cast<double>(part.lse[row])) / sum : 0.;
      for (std::size_t d = 0; d < dim; ++d) out[row * dim + d] += share * static_cast<double>(part.out[row * dim + d]);
      const auto error = static_cast<double>(part.error[row]);
      without = without || std::isnan(error);
      barred = barred || error > 0.;
      if (!std::isnan(error)) variance += share * share * error * error;
    }
    CAPTURE(row);
    partly_barred += without && barred ? 1 : 0;
    if (without && !barred)
      CHECK(std::isnan(given.error[row]));
    else
      CHECK(static_cast<double>(given.error[row]) == doctest::Approx(std::sqrt(variance)).epsilon(2e-3).scale(1e-4));
  }
  CHECK(relative_error(given.out, out) < 1e-5);
  for (std::size_t i = 0; i < given.statistics.size(); ++i) {
    std::int64_t rows = 0, samples = 0;
    for (const Result& part : own) {
      rows += part.statistics[i].rows_read;
      samples += part.statistics[i].samples;
    }
    CHECK(given.statistics[i].rows_read == rows);
    CHECK(given.statistics[i].samples == samples);
  }
  return partly_barred;
}

/// Requests that end in each of three shards, one without keys.
const std::vector<std::int64_t> ends = {600, 1000, 1300};

template <class Space>
Problem<Space, float> problem_of_shards(std::int64_t heads = 6) {
  Problem<Space, float> problem({.batch = 5, .heads = heads, .kv_heads = 2, .length = 1300, .dim = 40});
  return problem.fill(9, 2.F).set_lengths({1300, 0, 599, 601, 1111}).upload();
}

}  // namespace

SANTA_SPACE_TEST_CASE("exact_parts_merge_into_what_one_run_gives") {
  for (const std::int64_t heads : {6, 40}) {  // 40: in slices
    const auto problem = problem_of_shards<Space>(heads);
    const Shards<Space> shards(problem, ends);
    const Result one = run_once(Exact{}, problem, problem.cache());
    const auto states = states_of_shards<Space>(Exact{}, shards);
    const Result given = merged<Space>(states);
    CHECK(relative_error(given.out, one.out) < 1e-6);
    CHECK(relative_error(given.out, exact_reference(problem).out) < 1e-5);
    for (std::size_t i = 0; i < one.lse.size(); ++i) {
      CHECK((given.lse[i] == one.lse[i] || std::abs(given.lse[i] - one.lse[i]) < 2e-6F));
      CHECK(given.error[i] == 0.F);
    }
    for (std::size_t i = 0; i < one.statistics.size(); ++i) {
      CHECK(given.statistics[i].rows_read == one.statistics[i].rows_read);
      CHECK(given.statistics[i].samples == one.statistics[i].samples);
      CHECK(given.statistics[i].flags == one.statistics[i].flags);
      CHECK(given.statistics[i].effective_sample_size ==
            doctest::Approx(one.statistics[i].effective_sample_size).epsilon(1e-4));
    }
    const Result again = merged<Space>(states_of_shards<Space>(Exact{}, shards));
    CHECK(same_bits(again.out, given.out));
    CHECK(same_bits(again.lse, given.lse));
  }
}

SANTA_SPACE_TEST_CASE("parts_of_every_method_merge_into_the_means_of_their_own_runs") {
  const auto problem = problem_of_shards<Space>();
  const Shards<Space> shards(problem, ends);
  for (const AnyMethod& method : exact_and_samplers(60)) {
    CAPTURE(method.index());
    check_against_own_runs(merged<Space>(states_of_shards(method, shards)), method, shards);
  }
  int partly_barred = 0;  // of a row or two a part, some parts read none
  for (const AnyMethod& method : {AnyMethod(MassUnit{.rows = 2}), AnyMethod(MassUnitOf<Draws::separate>{.rows = 2})})
    partly_barred += check_against_own_runs(merged<Space>(states_of_shards(method, shards)), method, shards);
  CHECK(partly_barred > 0);
  const auto many = problem_of_shards<Space>(40);
  const Shards<Space> many_shards(many, ends);
  check_against_own_runs(merged<Space>(states_of_shards<Space>(MassUnit{.rows = 60}, many_shards)),
                         MassUnit{.rows = 60}, many_shards);
}

SANTA_SPACE_TEST_CASE("parts_that_are_empty_and_parts_from_elsewhere_leave_the_bits_as_they_are") {
  const auto problem = problem_of_shards<Space>();
  const Shards<Space> shards(problem, ends);
  const auto states = states_of_shards<Space>(MassUnit{.rows = 60}, shards);
  const Result expected = merged<Space>(states);
  using States = AttentionStates<typename Space::memory_space>;
  // In the same order among others, one of which was written and cleared; brought there as a block, part by part.
  const States more(Space{}, problem.shape, 6, true);
  run_part<Space>(Exact{}, problem, shards.caches[0], more, 4);
  more.clear(Space{}, 4);
  const auto part_of = [](const States& of, std::int64_t part) {
    return Kokkos::subview(of.data(), static_cast<std::size_t>(part), Kokkos::ALL, Kokkos::ALL, Kokkos::ALL);
  };
  for (const auto& [to, from] : {std::pair<std::int64_t, std::int64_t>{1, 0}, {2, 1}, {5, 2}}) {
    CHECK(part_of(more, to).span_is_contiguous());
    Kokkos::deep_copy(part_of(more, to), part_of(states, from));
  }
  const Result given = merged<Space>(more);
  CHECK(same_bits(given.out, expected.out));
  CHECK(same_bits(given.lse, expected.lse));
  CHECK(same_bits(given.error, expected.error));
  CHECK(same_bits(given.statistics, expected.statistics));
  for (const std::int64_t parts : {0, 3}) {
    const Result none = merged<Space>(States(Space{}, problem.shape, parts, true));
    for (const float x : none.out) CHECK(x == 0.F);
    for (const float x : none.lse) CHECK(x == -infinity);
    for (const float x : none.error) CHECK(x == 0.F);
    for (const Statistics& s : none.statistics) CHECK((s.rows_read == 0 && s.flags == 0));
  }
}

SANTA_SPACE_TEST_CASE("sinks_are_counted_once_over_all_parts") {
  const auto problem = problem_of_shards<Space>();
  const Shards<Space> shards(problem, ends);
  const std::vector<float> sinks = {-infinity, -40.F, 2.F, 9.F, 60.F, 1e4F};
  const Result one = run_once(Exact{}, problem, problem.cache(), Settings<Space>{.sinks = sinks});
  const Result given = merged<Space>(states_of_shards<Space>(Exact{}, shards), sinks);
  CHECK(relative_error(given.out, one.out) < 1e-6);
  for (std::size_t i = 0; i < one.lse.size(); ++i)
    CHECK((given.lse[i] == one.lse[i] || std::abs(given.lse[i] - one.lse[i]) < 1e-6F * std::abs(one.lse[i]) + 2e-6F));
}

SANTA_SPACE_TEST_CASE("a_center_stands_for_what_no_part_has_drawn") {
  const auto problem = problem_of_shards<Space>();
  const Shards<Space> whole(problem, {1300});
  std::vector<float> center(5 * 2 * 40);
  for (std::size_t i = 0; i < center.size(); ++i) center[i] = std::sin(static_cast<float>(i));
  Kokkos::View<float*, typename Space::memory_space> keep;
  const auto options = run_options(problem, center, keep);
  for (const AnyMethod& method : {AnyMethod(MassUnit{.rows = 60}), AnyMethod(Systematic{.samples = 60})}) {
    const auto states = states_of_shards(method, whole, center);
    const Result given = merged<Space>(states, {}, center);
    using Memory = typename Space::memory_space;
    const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("out", 5, 6, 40);
    const Kokkos::View<float**, Kokkos::LayoutRight, Memory> error("error", 5, 6);
    std::visit(
        [&](const auto& m) {
          const DecodePlan plan(Space{}, m, problem.queries(), problem.cache());
          auto with_error = options;
          with_error.error = error;
          plan.run(Space{}, problem.queries(), problem.cache(), out, with_error);
          Space{}.fence();
        },
        method);
    CHECK(relative_error(given.out, flat(out)) < 1e-6);
    CHECK(relative_error(given.error, flat(error)) < 1e-4);
  }
}

SANTA_SPACE_TEST_CASE("a_step_kept_as_a_state_carries_what_a_step_carries") {
  Problem<Space, float> problem({.batch = 2, .heads = 4, .kv_heads = 2, .length = 1300, .dim = 64});
  set_scores(problem, 2.F, 0.F);
  using Memory = typename Space::memory_space;
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("out", 2, 4, 64);
  for (const MassUnit& method :
       {MassUnit{.rows = 100}, MassUnit{.rows = 100, .steered = true}, MassUnit{.rows = 100, .target_error = 0.1}}) {
    const DecodePlan plan(Space{}, method, problem.queries(), problem.cache());
    const DecodeState<Memory> plain(Space{}, problem.shape), kept(Space{}, problem.shape);
    const AttentionStates<Memory> states(Space{}, problem.shape, 1);
    for (std::uint32_t step = 0; step < 4; ++step) {
      plan.run(Space{}, problem.queries(), problem.cache(), out, {.step = step, .state = plain});
      plan.run_partial(Space{}, problem.queries(), problem.cache(), states, 0, {.step = step, .state = kept});
      Space{}.fence();
      const auto all = [](const DecodeState<Memory>& state) {
        return to_host<float>(Kokkos::View<float*, Memory>(state.data(), 4 * 8));
      };
      const auto a = all(plain), b = all(kept);
      for (std::size_t i = 0; i < a.size(); ++i) CHECK(((std::isnan(a[i]) && std::isnan(b[i])) || a[i] == b[i]));
      CHECK(relative_error(merged<Space>(states).out, flat(out)) < 1e-6);
    }
  }
}

SANTA_SPACE_TEST_CASE("parts_of_rows_that_are_scored_again_merge_with_others") {
  const auto problem = problem_of_shards<Space>();
  const NarrowKeys<std::int8_t, typename Space::memory_space> narrow(Space{}, problem.shape);
  calibrate(Space{}, problem.cache(), narrow);
  encode_keys(Space{}, problem.cache(), narrow);
  const auto again = rescored(NarrowCache{problem.cache(), narrow});
  const MassUnit method{.rows = 100};
  const Result one = run_once(method, problem, again, Settings<Space>{.seed = 5});
  const AttentionStates<typename Space::memory_space> states(Space{}, problem.shape, 2, true);
  run_part<Space>(method, problem, again, states, 0);
  const Result alone = merged<Space>(states);
  CHECK(relative_error(alone.out, one.out) < 1e-6);
  for (std::size_t i = 0; i < one.error.size(); ++i)
    CHECK((std::isnan(one.error[i]) ? std::isnan(alone.error[i]) : alone.error[i] == doctest::Approx(one.error[i])));
  // Beside all keys once more, exactly: the mean of both by their sums of weights.
  run_part<Space>(Exact{}, problem, problem.cache(), states, 1);
  const Result both = merged<Space>(states);
  const Result exact = run_once(Exact{}, problem, problem.cache());
  for (std::size_t row = 0; row < both.lse.size(); ++row) {
    if (std::isinf(exact.lse[row])) continue;
    const double share = 1. / (1. + std::exp(static_cast<double>(one.lse[row]) - static_cast<double>(exact.lse[row])));
    for (std::size_t d = row * 40; d < row * 40 + 40; ++d)
      CHECK(static_cast<double>(both.out[d]) ==
            doctest::Approx(share * static_cast<double>(exact.out[d]) + (1. - share) * static_cast<double>(one.out[d]))
                .epsilon(1e-4)
                .scale(0.1));
  }
}

SANTA_SPACE_TEST_CASE("outputs_of_other_types_are_rounded_ones") {
  const auto problem = problem_of_shards<Space>();
  const auto states = states_of_shards<Space>(Exact{}, Shards<Space>(problem, ends));
  const Result wide = merged<Space>(states);
  const Result narrow = merged<Space, bfloat16>(states);
  for (std::size_t i = 0; i < wide.out.size(); ++i) CHECK(narrow.out[i] == static_cast<float>(bfloat16(wide.out[i])));
}

SANTA_SPACE_TEST_CASE("states_of_no_use_are_named_and_nothing_is_written") {
  const auto problem = problem_of_shards<Space>();
  using Memory = typename Space::memory_space;
  using States = AttentionStates<Memory>;
  const auto queries = problem.queries();
  const auto cache = problem.cache();
  const DecodePlan plan(Space{}, Exact{}, queries, cache);
  const auto complaint = [](const auto& call) -> std::string {
    try {
      call();
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  const auto shape_with = [&](auto member, std::int64_t value) {
    Shape shape = problem.shape;
    shape.*member = value;
    return shape;
  };
  const auto run_into = [&](const States& states, std::int64_t part, const RunOptions<Memory>& options = {}) {
    return complaint([&] { plan.run_partial(Space{}, queries, cache, states, part, options); });
  };
  CHECK(run_into(States(Space{}, problem.shape, 2), 1) == "");
  CHECK(run_into(States(Space{}, shape_with(&Shape::batch, 9), 2), 1) == "");
  CHECK(run_into(States(Space{}, problem.shape, 2), 2) ==
        "santa: part is 2; accepted: 0 to less than the parts of states (2)");
  CHECK(run_into(States(Space{}, problem.shape, 2), -1) ==
        "santa: part is -1; accepted: 0 to less than the parts of states (2)");
  CHECK(run_into(States(Space{}, shape_with(&Shape::batch, 4), 1), 0) ==
        "santa: states.shape().batch is 4; accepted: the batch (5) or more");
  CHECK(run_into(States(Space{}, shape_with(&Shape::heads, 8), 1), 0) ==
        "santa: states.shape().heads is 8; accepted: the plan's 6");
  CHECK(run_into(States(Space{}, shape_with(&Shape::dim, 48), 1), 0) ==
        "santa: states.shape().dim is 48; accepted: the plan's 40");
  const Kokkos::View<float*, Memory> sinks("sinks", 6);
  CHECK(run_into(States(Space{}, problem.shape, 1), 0, {.sinks = sinks}) ==
        "santa: sinks is given; accepted: none: merge adds them, once");
  const Kokkos::View<float***, Kokkos::LayoutRight, Memory> out("out", 5, 6, 40);
  const Kokkos::View<float**, Kokkos::LayoutRight, Memory> error("error", 5, 6);
  const auto merge_into = [&](const States& states, const auto& to, const MergeOptions<Memory>& options = {}) {
    return complaint([&] { merge(Space{}, states, to, options); });
  };
  CHECK(merge_into(States(Space{}, problem.shape, 1), out) == "");
  CHECK(merge_into(States(Space{}, problem.shape, 1), out, {.error = error}) ==
        "santa: error is given; accepted: none: the states were made without error bars");
  CHECK(merge_into(States(Space{}, shape_with(&Shape::heads, 8), 1), out) ==
        "santa: out.extent(1) is 6; accepted: the plan's heads (8)");
  CHECK(complaint([&] { States(Space{}, problem.shape, -1); }) == "santa: parts is -1; accepted: 0 to 2^31 - 1");
  const typename States::View data("data", 2, 5, 6, 50);
  CHECK(complaint([&] { States(problem.shape, data); }) ==
        "santa: states.extent(3) is 50; accepted: that of the shape (56)");
  const Shape one{.batch = 1, .heads = 1, .kv_heads = 1, .length = 8, .dim = 40};
  const auto floats = States::floats_of_head(one);
  const typename States::View padded(Kokkos::view_alloc("padded", Kokkos::AllowPadding), 2, 1, 1, floats);
  REQUIRE(!padded.span_is_contiguous());
  CHECK(complaint([&] { States(one, padded); }) == "santa: states.stride(0) is " + std::to_string(padded.stride(0)) +
                                                       "; accepted: " + std::to_string(floats) +
                                                       ": elements lie without gaps");
}
