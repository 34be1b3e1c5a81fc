// SANTA_TEST_UNIT: the name of what this file is compiled for.
#include "builds/unit.hpp"

namespace santa::test {

#if !defined(SANTA_GENERIC_DEVICE)
namespace {

/// Everything else that runs kernels; results are not looked at.
void run_the_rest(const Step& step, const Kokkos::View<float***, Memory>& out) {
  const Space space;
  const NarrowKeys<std::int8_t, Memory> narrow(space, step.cache.shape());
  calibrate(space, step.cache, narrow);
  encode_keys(space, step.cache, narrow);
  validate(space, NarrowCache{step.cache, narrow});
  decode(space, Systematic{.samples = 64}, step.query, rescored(NarrowCache{step.cache, narrow}), out);
  step.state.reset(space, 0);

  const Kokkos::View<float*, Memory> log_weights("log_weights", Step::length);
  const DrawnRows<Memory> drawn(space, 1, Step::length);
  const Kokkos::View<float*, Memory> sum("sum", Step::dim);
  const Kokkos::View<float**, Memory> rows("rows", Step::length, Step::dim);
  draw_rows(space, MassUnit{.rows = 10}, log_weights, drawn);
  gather_add(space, drawn, rows, sum);
  merge(space,
        PartialStates{Kokkos::View<float***, Memory>("outs", 2, 3, Step::dim),
                      Kokkos::View<float**, Memory>("log_sums", 2, 3)},
        Kokkos::View<float**, Memory>("merged", 3, Step::dim), Kokkos::View<float*, Memory>("log_sum", 3));
  sample_tokens(space, Kokkos::View<float**, Memory>("hidden", 2, Step::dim),
                Kokkos::View<bfloat16**, Memory>("head", 1000, Step::dim),
                Kokkos::View<std::int32_t*, Memory>("tokens", 2));
}

}  // namespace
#endif

void SANTA_TEST_UNIT(const Step& step, const Step::Plan& plan, int number,
                     const Kokkos::View<float***, Memory>& exact) {
  const Space space;
#if !defined(SANTA_GENERIC_DEVICE)
  if (number < 0) return run_the_rest(step, exact);
#endif
  plan.run(space, step.query, step.cache, step.out, {.seed = 3U, .step = number, .state = step.state});
  decode(space, Exact{}, step.query, step.cache, exact);
}

}  // namespace santa::test
