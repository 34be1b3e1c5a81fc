// Kernels of a device by themselves, so that what they call of a host's shows: nvcc compiles such calls, into anything.
#include <santa/santa.hpp>

using Memory = Kokkos::CudaSpace;
template <class Data>
using View = Kokkos::View<Data, Kokkos::LayoutRight, Memory>;

template <class Method, class Query, class Cache>
void run(const Method& method, const Query& query, const Cache& cache, const Query& out) {
  const santa::DecodePlan plan(Kokkos::Cuda{}, method, query, cache);
  plan.run(Kokkos::Cuda{}, query, cache, out, {.seed = 7});
}

void run_all(const View<santa::bfloat16****>& rows, const View<float***>& query, const View<float****>& tokens) {
  const santa::ContiguousCache cache{rows, rows};
  run(santa::Exact{}, query, cache, query);
  run(santa::Exact{}, tokens, cache, tokens);
  run(santa::MassUnit{}, query, cache, query);
  run(santa::Systematic{}, query, cache, query);
}
