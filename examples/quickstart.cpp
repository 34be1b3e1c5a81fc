// Sampled decode attention over a long cache, compared with exact attention. Link santa::santa.
#include <santa/santa.hpp>

#include <Kokkos_Core.hpp>

#include <cstdio>
#include <random>
#include <span>

// [types]
using Space = Kokkos::DefaultExecutionSpace;  // the GPU, if Kokkos has one
using Memory = Space::memory_space;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;
// [/types]

template <class Rows>
void fill(const Rows& rows, float mean, float spread, unsigned seed) {  // your data goes here
  const auto host = Kokkos::create_mirror_view(rows);
  std::mt19937 bits(seed);
  std::normal_distribution<float> normal(mean, spread);
  for (auto& x : std::span(host.data(), host.size())) x = typename Rows::value_type(normal(bits));
  Kokkos::deep_copy(rows, host);
}

int main(int argc, char* argv[]) {
  const Kokkos::ScopeGuard kokkos(argc, argv);
  const Space space;
  // [data]
  const int heads = 8, kv_heads = 2, dim = 64, length = 16384;
  const View<float***> query("query", 1, heads, dim), out("out", 1, heads, dim), exact("exact", 1, heads, dim);
  const View<santa::bfloat16****> keys("keys", 1, length, kv_heads, dim), values("values", 1, length, kv_heads, dim);
  fill(query, 0.F, 2.F, 1);
  fill(keys, 0.F, 1.F, 2);
  fill(values, 1.F, 1.F, 3);
  // [/data]

  // [plan]
  const santa::ContiguousCache cache{keys, values};
  const santa::DecodePlan plan{space, santa::MassUnit{.rows = santa::share(0.1)}, query, cache};
  const santa::DecodeState<Memory> state(space, plan.shape());
  // [/plan]
  // [steps]
  const View<santa::Statistics**> statistics("statistics", 1, kv_heads);
  for (int step = 0; step < 4; ++step)  // a decoder would append a key and a value each time
    plan.run(space, query, cache, out, {.seed = 7, .step = step, .statistics = statistics, .state = state});
  santa::decode(space, santa::Exact{}, query, cache, exact);  // fences
  // [/steps]

  // [look]
  const auto sampled = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), out);
  const auto full = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), exact);
  const auto counts = Kokkos::create_mirror_view_and_copy(Kokkos::HostSpace(), statistics);
  double error = 0., norm = 0.;
  for (std::size_t i = 0; i < full.size(); ++i) {
    error += Kokkos::pow(sampled.data()[i] - full.data()[i], 2);
    norm += Kokkos::pow(full.data()[i], 2);
  }
  std::printf("value rows read: %ld of %d (%s)\n", static_cast<long>(counts(0, 0).rows_read), length, Space::name());
  std::printf("relative error:  %.4f\n", Kokkos::sqrt(error / norm));
  // [/look]
}
