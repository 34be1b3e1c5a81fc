// expect: santa::DecodePlan::run: the cache must be of the type that the plan was made for
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Codes = santa::NarrowKeys<std::int8_t, Kokkos::HostSpace>;
using Query = Kokkos::View<float***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan) {
  plan.run(Space(), Query(), santa::NarrowCache{Cache(Rows(), Rows()), Codes()}, Query());
}
