// The C++ of docs/hpc.md: the stages by themselves.
#include "given.hpp"

void drawn(const Space& space, const View<double**>& log_weights, const View<float**>& rows, const View<float**>& sum,
           const View<const float**>& mean_of_some, const View<float**>& bars, std::int64_t batch,
           std::int64_t capacity) {
  // [draw]
  santa::DrawnRows<Memory> drawn{space, batch, capacity};  // rows, weights, counts: yours
  santa::draw_rows(space, santa::MassUnit{.rows = 1000}, log_weights, drawn, {.seed = 7});  // or a DrawPlan, for more
  santa::gather_add(space, drawn, rows, sum, {.center = mean_of_some, .error = bars});
  // [/draw]
}

void in_double(const Space& space, std::int64_t n, std::int64_t k, std::int64_t m, const View<double*>& log_weights,
               const View<double**>& rows, const View<std::int32_t*>& ancestors, std::uint32_t t) {
  const View<double*> e, ess;
  const View<double**> pi;
  const santa::DrawnRows<Memory, double> drawn_in_double{space, 1, k};
  // [double]
  santa::ResamplePlan plan{space, santa::Systematic{.samples = n}, 1, n};  // Stratified, Residual, Multinomial
  plan.run(space, log_weights, ancestors, {.seed = 7, .step = t, .log_evidence = e, .effective_sample_size = ess});
  santa::draw_distinct(space, k, log_weights, drawn_in_double, {.seed = 7, .inclusion = pi});
  santa::thin_rows(space, m, log_weights, rows, drawn_in_double, {.seed = 7}, santa::GaussianKernel{});
  // [/double]
}
