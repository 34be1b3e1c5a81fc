// Sampled decode attention over a long cache, compared with exact attention. Link santa::santa.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdio>
#include <random>
#include <span>

using Space = Kokkos::DefaultHostExecutionSpace;
using Host = Kokkos::HostSpace;

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const int heads = 8, kv_heads = 2, dim = 64, length = 16384;
  Kokkos::View<float***, Host> query("query", 1, heads, dim), out("out", 1, heads, dim), exact("exact", 1, heads, dim);
  Kokkos::View<santa::bfloat16****, Host> keys("keys", 1, length, kv_heads, dim),
      values("values", 1, length, kv_heads, dim);
  std::mt19937 random(1);  // your data goes here
  std::normal_distribution<float> normal;
  for (float& x : std::span(query.data(), query.size())) x = 2.F * normal(random);
  for (auto& x : std::span(keys.data(), keys.size())) x = santa::bfloat16(normal(random));
  for (auto& x : std::span(values.data(), values.size())) x = santa::bfloat16(1.F + normal(random));

  const santa::ContiguousCache cache{keys, values};
  const santa::DecodePlan plan{Space(), santa::MassUnit{.rows = santa::share(0.1)}, santa::shape_of(query, cache)};
  const santa::DecodeState<Host> state(Space(), plan.shape());
  const Kokkos::View<santa::Statistics**, Host> statistics("statistics", 1, kv_heads);
  for (int step = 0; step < 4; ++step)  // a decoder would append a key and a value each time
    plan.run(Space(), query, cache, out, {.seed = 7, .step = step, .statistics = statistics, .state = state});
  santa::decode(Space(), santa::Exact{}, query, cache, exact);  // fences
  double error = 0., norm = 0.;
  for (std::size_t i = 0; i < out.size(); ++i) {
    error += Kokkos::pow(out.data()[i] - exact.data()[i], 2);
    norm += Kokkos::pow(exact.data()[i], 2);
  }
  std::printf("value rows read: %ld of %d\n", static_cast<long>(statistics(0, 0).rows_read), length);
  std::printf("relative error:  %.4f\n", Kokkos::sqrt(error / norm));
}
