// expect: santa::DecodePlan::run: out must be float or the type of query
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Query = Kokkos::View<santa::half***, Kokkos::HostSpace>;
using Out = Kokkos::View<santa::bfloat16***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan) {
  plan.run(Space(), Query(), Cache(Rows(), Rows()), Out());
}
