// What a tool of Kokkos sees of a run: labels, the region, and on which instance everything happens.
#include "support/data.hpp"
#include "support/events.hpp"
#include "support/spaces.hpp"
#include <santa/santa.hpp>

#include <algorithm>
#include <atomic>
#include <optional>
#include <string>
#include <vector>

#if defined(KOKKOS_ENABLE_OPENMP)
#include <omp.h>
#endif

using namespace santa;
using namespace santa::test;

namespace {

using Strings = std::vector<std::string>;

/// An instance that is not the default one: a stream, or threads, of its own.
template <class Space>
Space other_instance() {
  return Kokkos::Experimental::partition_space(Space{}, 1, 1)[1];
}

template <class Space>
std::uint32_t id_of(const Space& space) {
  return Kokkos::Tools::Experimental::device_id(space);
}

template <class Space>
struct Outputs {
  using Memory = typename Space::memory_space;
  Kokkos::View<float*, Memory> flat{"test::out", 5 * 4 * 64};
  Kokkos::View<float***, Kokkos::LayoutRight, Memory> out{flat.data(), 5, 4, 64};
};

template <class Space>
Problem<Space, float> small_problem() {
  Problem<Space, float> problem({.batch = 5, .heads = 4, .kv_heads = 2, .length = 600, .dim = 64});
  problem.fill(1).upload();
  return problem;
}

template <class Space, class M>
Strings labels_of(const M& method) {
  const auto problem = small_problem<Space>();
  const Outputs<Space> to;
  const DecodePlan plan(Space{}, method, problem.queries(), problem.cache());
  {
    const Events events;
    plan.run(Space{}, problem.queries(), problem.cache(), to.out);
  }
  Space{}.fence();
  REQUIRE(Events::kernels.front() == "santa::schedule");  // by the lengths of the cache, before any method's own
  return {Events::kernels.begin() + 1, Events::kernels.end()};
}

/// Where groups are many, a first pass has a kernel for its prefixes.
template <class Space>
Strings with_prefix(Strings labels) {
  if (lanes::Seam<Space>::many_groups)
    labels.insert(std::find(labels.begin(), labels.end(), "santa::score") + 1, "santa::prefix");
  return labels;
}

}  // namespace

SANTA_SPACE_TEST_CASE("each_method_runs_the_kernels_that_its_name_tells") {
  CHECK(labels_of<Space>(Exact{}) == Strings{"santa::exact"});
  CHECK(labels_of<Space>(MassUnit{.rows = 40}) == Strings{"santa::subset", "santa::delta", "santa::mass_unit"});
  CHECK(labels_of<Space>(MassUnitOf<Draws::separate>{.rows = 40}) ==
        Strings{"santa::subset", "santa::delta", "santa::mass_unit"});
  CHECK(labels_of<Space>(Systematic{.samples = 40}) == with_prefix<Space>({"santa::score", "santa::systematic"}));
  CHECK(labels_of<Space>(Stratified{.samples = 40}) == with_prefix<Space>({"santa::score", "santa::stratified"}));
  CHECK(labels_of<Space>(Multinomial{.samples = 40}) ==
        with_prefix<Space>({"santa::cells", "santa::score", "santa::multinomial"}));
  CHECK(labels_of<Space>(FixedTileBudget{.samples = 40}) == Strings{"santa::fixed_tile_budget"});
  CHECK(labels_of<Space>(ProportionalTileBudget{.samples = 40}) ==
        with_prefix<Space>({"santa::score", "santa::tile_budgets", "santa::proportional"}));
}

SANTA_SPACE_TEST_CASE("a_run_is_a_region_around_its_kernels") {
  const auto problem = small_problem<Space>();
  const Outputs<Space> to;
  const DecodePlan plan(Space{}, MassUnit{.rows = 40}, problem.queries(), problem.cache());
  {
    const Events events;
    for (int i = 0; i < 2; ++i) plan.run(Space{}, problem.queries(), problem.cache(), to.out);
  }
  Space{}.fence();
  CHECK(Events::regions == Strings{"santa::decode", "", "santa::decode", ""});
  CHECK(Events::regions_of_kernels == Strings(8, "santa::decode"));
}

SANTA_SPACE_TEST_CASE("everything_happens_on_the_instance_given") {
  const Space space = other_instance<Space>();
  // OpenMP gives all of its instances one number: see the next test.
  if (std::string(Space::name()) != "OpenMP") REQUIRE(id_of(space) != id_of(Space{}));
  const auto problem = small_problem<Space>();
  const Outputs<Space> to;
  const auto check = [&](const auto& method) {
    std::optional<Events> events(std::in_place);
    const DecodePlan plan(space, method, problem.queries(), problem.cache());
    const DecodeState<typename Space::memory_space> state(space, problem.shape);
    state.reset(space);
    plan.run(space, problem.queries(), problem.cache(), to.out, {.state = state});
    plan.run(space, problem.queries(), problem.cache(), to.out, {.state = state});
    space.fence("test");
    events.reset();  // before memory is freed: then Kokkos fences everything
    CHECK(!Events::kernels.empty());
    for (std::size_t i = 0; i < Events::kernels.size(); ++i) {
      CAPTURE(Events::kernels[i]);
      CHECK(Events::kernel_devices[i] == id_of(space));
    }
    // Construction may fence, but only the instance that it was given.
    for (std::size_t i = 0; i < Events::fences.size(); ++i) {
      CAPTURE(Events::fences[i]);
      CHECK(Events::fence_devices[i] == id_of(space));
    }
  };
  check(Exact{});
  check(MassUnit{.rows = 40});
  check(MassUnitOf<Draws::separate>{.rows = 40});
  check(Systematic{.samples = 40});
}

#if defined(KOKKOS_ENABLE_OPENMP) && !defined(KOKKOS_ENABLE_CUDA)

namespace {

/// Notes the most threads that ever worked on a kernel together.
struct ThreadsSeen : Identity {
  static inline std::atomic<int> most = 0;

  template <class Float>
  static Float apply(const Float& score) {
    const int threads = omp_get_num_threads();
    for (int seen = most; threads > seen && !most.compare_exchange_weak(seen, threads);) {
    }
    return score;
  }
};

}  // namespace

TEST_CASE("kernels_run_on_the_threads_of_the_instance_given") {
  const auto problem = small_problem<Kokkos::OpenMP>();
  const Outputs<Kokkos::OpenMP> to;
  const auto threads_of = [&](const Kokkos::OpenMP& space) {
    ThreadsSeen::most = 0;
    const DecodePlan plan(space, Systematic{.samples = 40}, problem.queries(), problem.cache(), {}, ThreadsSeen{});
    plan.run(space, problem.queries(), problem.cache(), to.out);
    space.fence("test");
    return ThreadsSeen::most.load();
  };
  CHECK(threads_of(Kokkos::OpenMP(1)) == 1);
  CHECK(threads_of(Kokkos::OpenMP{}) == Kokkos::OpenMP{}.concurrency());
}

#endif

SANTA_SPACE_TEST_CASE("the_one_call_form_stays_on_its_instance_and_fences_it_last") {
  const Space space = other_instance<Space>();
  const auto problem = small_problem<Space>();
  const Outputs<Space> to;
  {
    const Events events;
    decode(space, MassUnit{.rows = 40}, problem.queries(), problem.cache(), to.out);
  }
  for (const std::uint32_t device : Events::kernel_devices) CHECK(device == id_of(space));
  CHECK(std::count(Events::fence_devices.begin(), Events::fence_devices.end(), id_of(space)) >= 1);
}

SANTA_SPACE_TEST_CASE("even_a_first_run_neither_allocates_nor_fences") {
  const auto problem = small_problem<Space>();
  const Outputs<Space> to;
  const auto check = [&](const auto& method) {
    const DecodePlan plan(Space{}, method, problem.queries(), problem.cache());
    {
      const Events events;
      plan.run(Space{}, problem.queries(), problem.cache(), to.out);
    }
    Space{}.fence();
    CHECK(Events::fences.empty());
  };
  decode(Space{}, FixedTileBudget{.samples = 40}, problem.queries(), problem.cache(), to.out);  // Kokkos' own scratch
  check(Exact{});
  check(MassUnit{.rows = 40});
  check(Systematic{.samples = 40});
}
