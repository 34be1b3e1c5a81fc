// Schedules: one for the plans of a step, brought up to date by lengths in memory, refused where they don't fit.
#include "support/data.hpp"
#include "support/events.hpp"
#include "support/reference.hpp"
#include "support/spaces.hpp"
#include "support/statistics.hpp"

#include <concepts>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using namespace santa;
using namespace santa::test;

namespace {

constexpr Shape shape{.batch = 4, .heads = 4, .kv_heads = 2, .length = 3000, .dim = 32};
const std::vector<std::int64_t> short_lengths = {1, 0, 300, 64};
const std::vector<std::int64_t> long_lengths = {3000, 31, 777, 2049};

template <class Space>
using OutputOf = Kokkos::View<float***, Kokkos::LayoutRight, typename Space::memory_space>;

template <class Space>
Problem<Space, float> some_problem() {
  Problem<Space, float> problem(shape, Arrangement::token_major, true);
  problem.fill(3).set_lengths(long_lengths).upload();
  return problem;
}

/// One step's output.
template <class Space, class Plan>
std::vector<float> run(const Plan& plan, const Problem<Space, float>& problem,
                       const RunOptions<typename Space::memory_space>& options = {}) {
  const OutputOf<Space> out("test::out", static_cast<std::size_t>(shape.batch), static_cast<std::size_t>(shape.heads),
                            static_cast<std::size_t>(shape.dim));
  Kokkos::deep_copy(out, -77.F);
  plan.run(Space{}, problem.queries(), problem.cache(), out, options);
  Space{}.fence();
  return to_host<float>(Kokkos::View<float*, typename Space::memory_space>(out.data(), out.size()));
}

template <class Space, class M>
auto plan_of(const M& method, const PlanOptions& options = {}) {
  return DecodePlan(Space{}, method, shape, cache_of<typename Problem<Space, float>::Cache>, options);
}

template <class F>
std::string message_of(const F& f) {
  try {
    f();
  } catch (const std::invalid_argument& error) {
    return error.what();
  }
  return "";
}

}  // namespace

SANTA_SPACE_TEST_CASE("a_schedule_serves_all_plans_of_a_step_and_gives_the_bits_of_their_own") {
  auto problem = some_problem<Space>();
  const auto exact = plan_of<Space>(Exact{});
  const auto sampled = plan_of<Space>(MassUnit{.rows = 60});
  const Schedule<typename Space::memory_space> schedule(Space{}, shape);
  CHECK(schedule.given());
  CHECK(schedule.shape() == shape);
  // Short, long, and short again: nothing is left of what was before.
  for (const auto& lengths : {short_lengths, long_lengths, short_lengths}) {
    problem.replace_lengths(lengths);
    schedule.update(Space{}, problem.cache());
    CHECK(same_bits(run(exact, problem, {.schedule = schedule}), run(exact, problem)));
    CHECK(same_bits(run(sampled, problem, {.seed = 2, .schedule = schedule}), run(sampled, problem, {.seed = 2})));
  }
}

SANTA_SPACE_TEST_CASE("schedules_are_made_of_lengths_of_either_width_and_of_caches") {
  const auto problem = some_problem<Space>();
  const auto plan = plan_of<Space>(Exact{});
  const std::vector<float> expected = run(plan, problem);
  const Schedule<typename Space::memory_space> schedule(Space{}, shape);
  const auto check = [&] { CHECK(same_bits(run(plan, problem, {.schedule = schedule}), expected)); };
  schedule.update(Space{}, problem.length_view());
  check();
  const auto narrow = to_space<Space>(std::vector<std::int32_t>(long_lengths.begin(), long_lengths.end()), "lengths");
  schedule.update(Space{}, narrow);
  check();
  const Schedule<typename Space::memory_space> copy = schedule;
  copy.update(Space{}, problem.cache());
  check();
}

SANTA_SPACE_TEST_CASE("a_schedule_of_other_lengths_gives_right_outputs_and_the_same_draws") {
  auto problem = some_problem<Space>();
  const auto exact = plan_of<Space>(Exact{});
  const auto sampled = plan_of<Space>(MassUnit{.rows = 60});
  const Schedule<typename Space::memory_space> schedule(Space{}, shape);
  problem.replace_lengths(short_lengths);
  schedule.update(Space{}, problem.cache());
  problem.replace_lengths(long_lengths);
  CHECK(relative_error(run(exact, problem, {.schedule = schedule}), exact_reference(problem).out) < 1e-5);
  CHECK(relative_error(run(sampled, problem, {.seed = 2, .schedule = schedule}), run(sampled, problem, {.seed = 2})) <
        1e-5);
}

SANTA_SPACE_TEST_CASE("a_run_with_a_schedule_launches_none_and_an_update_neither_allocates_nor_fences") {
  const auto problem = some_problem<Space>();
  const auto plan = plan_of<Space>(Exact{});
  const Schedule<typename Space::memory_space> schedule(Space{}, shape);
  schedule.update(Space{}, problem.cache());
  run(plan, problem, {.schedule = schedule});
  const OutputOf<Space> out("test::out", 4, 4, 32);
  {
    const Events events;
    schedule.update(Space{}, problem.cache());
    plan.run(Space{}, problem.queries(), problem.cache(), out, {.schedule = schedule});
    plan.run(Space{}, problem.queries(), problem.cache(), out, {.schedule = schedule});
    CHECK(Events::allocations == 0);
    CHECK(Events::fences.empty());
    std::vector<std::string> kernels;
    for (const std::string& label : Events::kernels)
      if (label != "santa::merge") kernels.push_back(label);
    CHECK(kernels == std::vector<std::string>{"santa::schedule", "santa::exact", "santa::exact"});
  }
  Space{}.fence();
}

SANTA_SPACE_TEST_CASE("a_cache_without_lengths_has_no_use_for_a_schedule") {
  const auto problem = some_problem<Space>();
  const ContiguousCache full{problem.key_view(), problem.value_view()};
  const DecodePlan plan(Space{}, Exact{}, problem.queries(), full);
  const Schedule<typename Space::memory_space> schedule(Space{}, shape);
  schedule.update(Space{}, full);
  const OutputOf<Space> out("test::out", 4, 4, 32), with("test::out", 4, 4, 32);
  plan.run(Space{}, problem.queries(), full, out);
  {
    const Events events;
    plan.run(Space{}, problem.queries(), full, with, {.schedule = schedule});
    CHECK(Events::kernels.front() == "santa::exact");
  }
  Space{}.fence();
  const auto flat = [](const auto& view) {
    return to_host<float>(Kokkos::View<float*, typename Space::memory_space>(view.data(), view.size()));
  };
  CHECK(same_bits(flat(out), flat(with)));
}

SANTA_SPACE_TEST_CASE("schedules_that_do_not_fit_are_refused_before_anything_is_launched") {
  using Given = Schedule<typename Space::memory_space>;
  const auto problem = some_problem<Space>();
  const auto plan = plan_of<Space>(Exact{});
  const auto error_of = [&](const Given& schedule, const auto& of) {
    const OutputOf<Space> out("test::out", 4, 4, 32);
    const Events events;
    const std::string message =
        message_of([&] { of.run(Space{}, problem.queries(), problem.cache(), out, {.schedule = schedule}); });
    if (!message.empty()) CHECK(Events::kernels.empty());
    return message;
  };
  const auto made = [&](const Shape& other, const ScheduleOptions& options = {}) {
    const Given schedule(Space{}, other, options);
    schedule.update(Space{}, problem.length_view());
    Space{}.fence();
    return schedule;
  };
  CHECK(error_of(made(shape), plan) == "");
  Shape other = shape;
  other.heads = 8;
  CHECK(error_of(made(other), plan) ==
        "santa: the schedule's shape is batch 4, heads 8/2, dim 32, length 3000; accepted: the plan's, batch 4, heads "
        "4/2, dim 32, length 3000");
  other = shape;
  other.tokens = 2;
  other.value_dim = 16;
  CHECK(error_of(made(other), plan).find("is batch 4, heads 4/2, dim 32/16, length 3000, 2 tokens; accepted") !=
        std::string::npos);
  other = shape;
  other.batch = 9;
  CHECK(error_of(made(other), plan).find("santa: the schedule's shape is batch 9") == 0);
  CHECK(error_of(made(shape, {.keys_per_split = 512}), plan) ==
        "santa: the schedule's keys_per_split is 512; accepted: the plan's 0");
  CHECK(error_of(made(shape, {.keys_per_split = 512}), plan_of<Space>(Exact{}, {.keys_per_split = 512})) == "");
  CHECK(error_of(made(shape, {.window = 5}), plan).find("santa: the schedule's window is 5; accepted: the plan's ") ==
        0);
  CHECK(error_of(Given(Space{}, shape), plan) ==
        "santa: the schedule is without lengths; accepted: one that `update` was called for");
  const Given fewer(Space{}, shape);
  fewer.update(Space{}, Kokkos::subview(problem.length_view(), std::pair<int, int>(0, 3)));
  CHECK(error_of(fewer, plan) == "santa: the schedule's requests is 3; accepted: those of the run (4)");
  Given moved = made(shape);
  const Given taken = std::move(moved);
  CHECK(error_of(moved, plan).find("santa: schedule is moved from") == 0);  // NOLINT(bugprone-use-after-move)
  CHECK(error_of(taken, plan) == "");
}

SANTA_SPACE_TEST_CASE("schedules_refuse_bad_shapes_options_and_lengths") {
  using Given = Schedule<typename Space::memory_space>;
  const auto error_of = [](const Shape& of, const ScheduleOptions& options = {}) {
    return message_of([&] { const Given schedule(Space{}, of, options); });
  };
  CHECK(error_of(shape, {.keys_per_split = 100}) ==
        "santa: keys_per_split is 100; accepted: a multiple of 256 below 2^31, or 0");
  CHECK(error_of(shape, {.window = -1}) == "santa: window is -1; accepted: 0 or more");
  Shape bad = shape;
  bad.heads = 3;
  CHECK(error_of(bad) == "santa: heads is 3; accepted: a multiple of kv_heads (2)");
  const Given schedule(Space{}, shape);
  const Kokkos::View<std::int64_t*, typename Space::memory_space> five("lengths", 5);
  CHECK(message_of([&] { schedule.update(Space{}, five); }) == "santa: batch is 5; accepted: at most the schedule's 4");
  Problem<Space, float> longer({.batch = 1, .heads = 4, .kv_heads = 2, .length = 3001, .dim = 32});
  longer.fill(1).upload();
  CHECK(message_of([&] { schedule.update(Space{}, longer.cache()); }) ==
        "santa: length is 3001; accepted: at most the schedule's 3000");
  CHECK_FALSE(Given{}.given());
}

// A cache without lengths has a type of its own: no lengths that a program gives pass for none, whatever their type.
TEST_CASE("lengths_of_constant_numbers_on_a_host_are_no_none") {
  using Space = Kokkos::DefaultHostExecutionSpace;
  using Rows = Kokkos::View<float****, Kokkos::LayoutRight, Kokkos::HostSpace>;
  const Rows rows("test::rows", 2, 64, 1, 8);
  const std::int64_t given[] = {64, 65};
  const auto refused = [&](const auto& lengths) {
    const ContiguousCache cache{rows, rows, lengths};
    static_assert(!std::same_as<typename decltype(cache)::length_view, NoLengths>);
    CHECK_THROWS_WITH_AS(validate(Space{}, cache), "santa: lengths(1) is 65; accepted: 0 to the storage length (64)",
                         std::invalid_argument);
  };
  refused(Kokkos::View<const std::int64_t*, Kokkos::HostSpace>(given, 2));
  refused(Kokkos::View<const std::int64_t*, Kokkos::HostSpace, Kokkos::MemoryTraits<Kokkos::Unmanaged>>(given, 2));
  static_assert(!std::constructible_from<ContiguousCache<Rows, Rows, NoLengths>, Rows, Rows, NoLengths>);
  validate(Space{}, ContiguousCache{rows, rows});
}
