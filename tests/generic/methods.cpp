// Every method by the lane group that every device of Kokkos' has, on a host: compiled with SANTA_GENERIC_DEVICE and
// run on 32 threads, however few cores there are. Shapes are small, as a barrier of such a team takes its time.
#include "support/reference.hpp"
#include "support/runner.hpp"
#include "support/runner_members.hpp"
#include "support/statistics.hpp"

#include <cmath>

using namespace santa;
using namespace santa::test;

using Space = Kokkos::DefaultExecutionSpace;
template class santa::test::Runner<Space, bfloat16, float>;

static_assert(lanes::GroupOf<Space>::groups_per_team == 1 && sizeof(lanes::GroupOf<Space>::Vector<float>) == 4);

TEST_CASE("every_method_on_a_team_of_threads_is_near_the_exact_answer") {
  if (Space().concurrency() < lanes::GroupOf<Space>::size) {
    MESSAGE("not run: needs 32 threads");
    return;
  }
  const Shape shape{.batch = 2, .heads = 6, .kv_heads = 1, .length = 300, .dim = 40};
  Problem<Space, bfloat16, float> problem(shape);
  problem.fill(3).set_lengths({300, 33}).upload();
  const Reference reference = exact_reference(problem);
  const std::vector<float> center(static_cast<std::size_t>(shape.dim * shape.batch), 0.25F);
  for (const AnyMethod& method :
       {AnyMethod{Exact{}}, AnyMethod{MassUnit{.rows = 60}}, AnyMethod{Systematic{.samples = 60}},
        AnyMethod{Stratified{.samples = 60}}, AnyMethod{Multinomial{.samples = 60}},
        AnyMethod{FixedTileBudget{.samples = 60, .tile = 64}},
        AnyMethod{ProportionalTileBudget{.samples = 60, .tile = 64}}}) {
    CAPTURE(method.index());
    Runner<Space, bfloat16, float> runner(problem, method, {.keys_per_split = 256});
    const auto state = runner.state();
    const Result& result = runner.run({.center = center, .state = state});
    CHECK(relative_error(result.out, reference.out) < (method.index() == 0 ? 1e-5 : 0.6));
    for (std::size_t i = 0; i < reference.lse.size(); ++i)
      CHECK(static_cast<double>(result.lse[i]) == doctest::Approx(reference.lse[i]).epsilon(1e-5));
    for (const Statistics& s : result.statistics) CHECK((s.rows_read > 0 && s.rows_read <= 300));
  }
}
