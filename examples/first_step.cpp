// SPDX-License-Identifier: Apache-2.0
#include <santa/santa.hpp>

#include <cstdio>

using Space = Kokkos::DefaultExecutionSpace;  // the GPU, if Kokkos has one
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Space>;  // a row's features lie side by side

template <class Rows>
void fill(const Space& space, const Rows& rows, float mean, float spread) {  // your data goes here
  Kokkos::parallel_for(
      "fill", Kokkos::RangePolicy<Space>(space, 0, rows.size()), KOKKOS_LAMBDA(unsigned i) {
        const float uniform = float((i * 2654435761U) >> 16U) / 32768.F - 1.F;
        rows.data()[i] = typename Rows::value_type(mean + spread * uniform);
      });
}

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Space space;
  const int heads = 8, kv_heads = 2, dim = 64, length = 16384;
  const View<float***> query("query", 1, heads, dim), out("out", 1, heads, dim), exact("exact", 1, heads, dim);
  const View<santa::bfloat16****> keys("keys", 1, length, kv_heads, dim), values("values", 1, length, kv_heads, dim);
  fill(space, query, 0.F, 4.F);
  fill(space, keys, 0.F, 2.F);
  fill(space, values, 1.F, 2.F);

  const santa::ContiguousCache cache{keys, values};
  const santa::MassUnit tenth{.rows = santa::share(0.1)};  // 10 % of the value rows
  const santa::DecodePlan plan{space, tenth, query, cache};
  const santa::DecodeState<Space::memory_space> state(space, plan.shape());
  for (int step = 0; step < 4; ++step)  // allocates nothing, waits for nothing
    plan.run(space, query, cache, out, {.seed = 7, .step = step, .state = state});
  santa::decode(space, santa::Exact{}, query, cache, exact);  // the one-call form

  double error = 0., norm = 0.;
  Kokkos::parallel_reduce(
      "compare", Kokkos::RangePolicy<Space>(space, 0, out.size()),
      KOKKOS_LAMBDA(int i, double& e, double& n) {
        e += Kokkos::pow(out.data()[i] - exact.data()[i], 2);
        n += Kokkos::pow(exact.data()[i], 2);
      },
      error, norm);
  std::printf("relative error %.4f\n", Kokkos::sqrt(error / norm));
}
