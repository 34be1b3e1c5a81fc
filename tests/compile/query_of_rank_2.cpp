// expect: santa::DecodePlan::run: query and out must have rank 3
#include <santa/santa.hpp>

using Space = Kokkos::DefaultHostExecutionSpace;
using Rows = Kokkos::View<float****, Kokkos::HostSpace>;
using Cache = santa::ContiguousCache<Rows>;
using Query = Kokkos::View<float**, Kokkos::HostSpace>;
using Out = Kokkos::View<float***, Kokkos::HostSpace>;

void run(const santa::DecodePlan<Space, santa::Exact, Cache>& plan) {
  plan.run(Space(), Query(), Cache(Rows(), Rows()), Out());
}
